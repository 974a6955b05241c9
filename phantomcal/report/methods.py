"""Methods paragraphs ready to paste, each said only when the records show that it was done, with what they cite."""

import re
from collections.abc import Iterable, Sequence

from phantomcal.report.numerals import count, listed, quantity, unit_words
from phantomcal.report.style import modality_name
from phantomcal.results import Alignment, Calibration, Correlation, Line

OSHIMA_2020 = (
    "Oshima S, Fushimi Y, Okada T, et al. Brain MRI with quantitative susceptibility mapping: relationship to CT "
    "attenuation values. Radiology 2020. doi 10.1148/radiol.2019182934"
)
QSM_CONSENSUS_2024 = (
    "QSM Consensus Organization Committee, Bilgic B, Costagli M, et al. Recommended implementation of quantitative "
    "susceptibility mapping for clinical research in the brain: a consensus of the ISMRM electro-magnetic tissue "
    "properties study group. Magn Reson Med 2024. doi 10.1002/mrm.30006"
)
OBUCHOWSKI_2016 = (
    "Obuchowski NA, Buckler A, Kinahan P, et al. Statistical issues in testing conformance with the Quantitative "
    "Imaging Biomarker Alliance (QIBA) profile claims. Acad Radiol 2016;23:496-506. doi 10.1016/j.acra.2015.12.020"
)
GUM = (
    "Joint Committee for Guides in Metrology. Evaluation of measurement data: guide to the expression of uncertainty "
    "in measurement. JCGM 100:2008. doi 10.59161/JCGM100-2008E"
)
DIN_32645 = "DIN 32645:2008-11. Chemical analysis: decision limit, detection limit and determination limit."
CLSI_EP17 = "Clinical and Laboratory Standards Institute. EP17-A2: Evaluation of detection capability, 2012."
_STANDARDS = {"DIN 32645": DIN_32645, "CLSI EP17": CLSI_EP17}
MACKINNON_2023 = (
    "MacKinnon JG, Nielsen MO, Webb MD. Fast and reliable jackknife and bootstrap methods for cluster-robust "
    "inference. J Appl Econom 2023;38:671-694. doi 10.48550/arXiv.2301.04527"
)
BLAND_ALTMAN_1995 = (
    "Bland JM, Altman DG. Calculating correlation coefficients with repeated observations: part 1, correlation within "
    "subjects. BMJ 1995;310:446. doi 10.1136/bmj.310.6977.446"
)
EFRON_1987 = (
    "Efron B. Better bootstrap confidence intervals. J Am Stat Assoc 1987;82:171-185. "
    "doi 10.1080/01621459.1987.10478410"
)
LY_2016 = (
    "Ly A, Verhagen J, Wagenmakers EJ. Harold Jeffreys's default Bayes factor hypothesis tests: explanation, "
    "extension, and application in psychology. J Math Psychol 2016;72:19-32. doi 10.1016/j.jmp.2015.06.004"
)
ICH_Q2 = "International Council for Harmonisation. ICH Q2: Validation of analytical procedures."


def calibration_methods(calibration: Calibration) -> str:
    """How vials were found and measured, lines fitted and uncertainties combined; paragraphs parted by blank lines."""
    parts = (_measuring(calibration), _fitting(calibration), _judging(calibration))
    return "\n\n".join(part for part in parts if part)


def calibration_citations(calibration: Calibration) -> list[str]:
    """What `calibration_methods` cites, and the protocol's own sources."""
    cited = list(calibration.sources)
    if _states_reference(calibration):
        cited.append(QSM_CONSENSUS_2024)
    if any(line.quadratic_p is not None for line in calibration.lines):
        cited.append(OBUCHOWSKI_2016)
    if any(line.lod is not None for line in calibration.lines):
        cited.append(ICH_Q2)
    named = {detection.standard for line in calibration.lines for detection in line.detection}
    cited += [reference for standard, reference in _STANDARDS.items() if standard in named]
    if any(line.budget is not None for line in calibration.lines):
        cited.append(GUM)
    cited += [line.expected_slope_source for line in calibration.lines if "doi" in line.expected_slope_source.lower()]
    return without_repeats(cited)


def alignment_methods(alignments: Sequence[Alignment]) -> str:
    """How CT was aligned to MR, and how far that is trusted."""
    if not alignments:
        return ""
    kinds = sorted({alignment.fixed_kind for alignment in alignments})
    target = {"magnitude": "gradient-echo magnitude image", "qsm": "susceptibility map"}
    repeats = sorted({alignment.n_repeats for alignment in alignments})
    several = f"{repeats[0]} to {repeats[-1]}" if len(repeats) > 1 else str(repeats[0])
    text = (
        f"CT was aligned to the {listed([target[kind] for kind in kinds], 'or')} by a rigid transform (three "
        "rotations, three translations) that maximised mutual information from coarse to fine resolution, from several "
        "independent starts."
    )
    if repeats[-1] > 1:
        text += (
            f" The target error was predicted from {several} independent repeats of the optimisation; an alignment "
            "whose repeats disagreed, or that overlapped the head too little, was marked for review."
        )
    return text


def correlation_methods(correlation: Correlation) -> str:
    """How region values of CT and QSM were correlated and the verdicts reached."""
    text = (
        f"The relation between {quantity(correlation.x)[0]} and {quantity(correlation.y)[0]} was assessed in each "
        "region by Pearson's and Spearman's correlation with 95 % intervals and by least-squares regression (Oshima et "
        "al. 2020). "
        f"P values are two-sided; adjustment: {_sentence(correlation.adjustment)} "
        f"Verdict: {_sentence(correlation.rule)}"
    )
    clustered = [
        region.roi for region in correlation.regions if region.n_subjects is not None and region.n_subjects < region.n
    ]
    if clustered:
        text += (
            f" In {count(len(clustered), 'region')} ({listed(clustered, most=6)}) several values come from the same "
            "person. Such values are not independent, so intervals and p values there come from leaving out each "
            "person in turn (delete-one-cluster jackknife; MacKinnon et al. 2023) or, with fewer than five persons, "
            "from the repeated-measures correlation within them (Bland and Altman 1995)."
        )
    if correlation.n_bootstrap:
        text += (
            f" Bias-corrected and accelerated bootstrap intervals rest on {correlation.n_bootstrap} resamples (Efron "
            "1987), whole persons where they have several values."
        )
    if any(region.bayes_factor_10 is not None for region in correlation.regions):
        text += " Bayes factors are for a uniform prior of the correlation (Ly et al. 2016)."
    return text


def correlation_citations(correlation: Correlation | None = None) -> list[str]:
    """What `correlation_methods` cites."""
    cited = [OSHIMA_2020]
    if correlation is None:
        return cited
    if any(region.n_subjects is not None and region.n_subjects < region.n for region in correlation.regions):
        cited += [MACKINNON_2023, BLAND_ALTMAN_1995]
    if correlation.n_bootstrap:
        cited.append(EFRON_1987)
    if any(region.bayes_factor_10 is not None for region in correlation.regions):
        cited.append(LY_2016)
    return cited


def without_repeats(references: Iterable[str]) -> list[str]:
    """References in order of first appearance, one for each DOI."""
    kept: dict[str, str] = {}
    for reference in references:
        if reference:
            doi = re.search(r"10\.\d{4,9}/[^\s,;)]*[^\s,;).]", reference)
            kept.setdefault(doi[0].lower() if doi else reference, reference)
    return list(kept.values())


def _measuring(calibration: Calibration) -> str:
    if not calibration.vials:
        return ""
    modalities = [modality_name(m) for m in dict.fromkeys(vial.modality for vial in calibration.vials) if m]
    n = len({vial.vial_id for vial in calibration.vials})
    phantom = calibration.title or calibration.protocol
    if not calibration.locations:
        told = "; ".join(part for part in (phantom, listed(modalities)) if part)
        return f"Measured values of {count(n, 'vial')} ({told}) were taken from a table."
    text = (
        f"The {count(n, 'vial')} of the phantom ({phantom}) were located automatically in {listed(modalities)} from "
        "the layout in the protocol and the vials' own contrast, in any in-plane rotation or mirror image; "
        "orientations that geometry alone cannot tell apart were settled by the values. Each vial was measured in a "
        "mask eroded from its wall. Values are means"
    )
    if any(vial.n_effective is not None for vial in calibration.vials):
        text += (
            "; their standard errors use the effective number of independent voxels, as neighbouring voxels share noise"
        )
    text += "."
    if _states_reference(calibration):
        text += (
            " Unit, reference and algorithm of the susceptibility map are stated as recommended (Bilgic et al. 2024)."
        )
    return text


def _states_reference(calibration: Calibration) -> bool:
    return bool(calibration.references) and any(line.modality == "qsm" for line in calibration.lines)


def _fitting(calibration: Calibration) -> str:
    if not calibration.lines:
        return ""
    methods = list(dict.fromkeys(line.method for line in calibration.lines))
    abscissas = list(dict.fromkeys(unit_words(line.abscissa_unit) for line in calibration.lines))
    against = "concentration" if abscissas == ["mmol/L"] else "the nominal value"
    text = (
        f"For each line, measured values were regressed on {against} ({listed(abscissas)}; {listed(methods, most=4)}). "
        "Slopes and intercepts are given with standard errors and 95 % confidence intervals (t distribution, n − 2 "
        "degrees of freedom); p values are of the two-sided t test of a slope of zero, not adjusted for the "
        "number of lines."
    )
    if any(line.quadratic_p is not None for line in calibration.lines):
        text += " Linearity was judged by a quadratic term first, then by R² (Obuchowski et al. 2016)."
    if any(line.lod is not None for line in calibration.lines):
        text += (
            " Limits of detection and quantification are 3.3 and 10 times the residual standard deviation over the "
            "absolute slope (ICH Q2)."
        )
    excluded = [f"{vial} ({_line_name(line)})" for line in calibration.lines for vial in line.excluded]
    if excluded:
        text += f" Left out as inconsistent with the rest of their line: {listed(excluded)};"
        text += " lines with all vials are reported beside."
    sources = list(
        dict.fromkeys(line.expected_slope_source for line in calibration.lines if line.expected_slope is not None)
    )
    if sources:
        text += f" Slopes were compared with expected ones ({'; '.join(source.rstrip('.') for source in sources)})."
    return text


def _judging(calibration: Calibration) -> str:
    budgets = [line.budget for line in calibration.lines if line.budget is not None]
    text = ""
    if budgets:
        sources = list(dict.fromkeys(e.source for budget in budgets for e in budget.entries if e.contribution > 0))
        text = (
            f"Uncertainties of the slopes were combined as the GUM asks from {listed(sources)}. What scatters vials "
            "about their line beyond noise, place and concentration entered as a source of its own, so that nothing "
            "was counted twice. Expanded uncertainties use k = 2; where few degrees of freedom (Welch-Satterthwaite) "
            "ask for more, Student's factor for 95 % is given too."
        )
    if any(line.slope_verdict for line in calibration.lines):
        text += (
            " A slope was said to agree with its expectation when the 95 % interval of their ratio, with the "
            "uncertainties of both, held 1 and lay within the accepted range; to deviate when it excluded 1; and to be "
            "undetermined otherwise."
        )
    return text.strip()


def _line_name(line: Line) -> str:
    return ", ".join(part for part in (line.material, modality_name(line.modality)) if part)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") else f"{text}."
