"""How lesions were told apart, ready to paste, and what it cites."""

from phantomcal.report.methods import OSHIMA_2020
from phantomcal.report.methods_accuracy import accuracy_methods
from phantomcal.report.numerals import listed, percent
from phantomcal.results import Classification

CHANG_2016 = (
    "Chang S, Zhang J, Liu T, et al. Quantitative susceptibility mapping of intracerebral hemorrhages at various "
    "stages. J Magn Reson Imaging 2016;44:420-425. doi 10.1002/jmri.25143"
)
DIEFENBACH_2019 = (
    "Diefenbach MN, Meineke J, Ruschke S, et al. On the sensitivity of quantitative susceptibility mapping for "
    "measuring trabecular bone density. Magn Reson Med 2019;81:1739-1754. doi 10.1002/mrm.27531"
)
CESSIE_1992 = (
    "le Cessie S, van Houwelingen JC. Ridge estimators in logistic regression. Appl Stat 1992;41:191-201. "
    "doi 10.2307/2347628"
)


def classification_methods(record: Classification) -> str:
    """Paragraphs on extraction, rules, likelihood, voxels, fitted models and judgement, as far as each was done."""
    parts = [_found(record), _rules(), _likelihood(record), _inside(record), _fitted(record)]
    if record.judgement is not None:
        parts.append(_accuracy(record)[0])
    return "\n\n".join(part for part in parts if part)


def classification_citations(record: Classification) -> list[str]:
    """What `classification_methods` cites."""
    cited = [OSHIMA_2020, CHANG_2016, DIEFENBACH_2019]
    if record.logistic:
        cited.append(CESSIE_1992)
    if record.judgement is not None:
        cited += _accuracy(record)[1]
    return cited


def _found(record: Classification) -> str:
    facts = record.extraction
    if not facts:
        return ""
    return (
        f"Lesions were searched for in the susceptibility map: its slow variation was taken off, and voxels beyond "
        f"{facts['threshold_ppm']:.3g} ppm (robust SD {facts['noise_ppm']:.2g} ppm) were grown to "
        f"{facts['grown_to_ppm']:.2g} ppm; connected voxels of one sign and at least {facts['least_mm3']:g} mm³, "
        f"{facts['edge_mm']:g} mm away from the edge of the map, are a lesion."
    )


def _rules() -> str:
    return (
        "Each lesion was judged by rules: mean susceptibility above or below a dead band of 1.96 standard errors "
        "speaks for haemorrhage or calcification, CT numbers above 100 HU for calcification (clotted blood reaches 60 "
        "to 90 HU), and diamagnetic lesions were held against calcified choroid plexus (−0.10 ppm at 60 HU, −0.15 ppm "
        "at 100 HU)."
    )


def _likelihood(record: Classification) -> str:
    prior = listed([f"{name} {percent(p, 0)}" for name, p in record.prior.items()])
    lines = f"Calibration: {record.calibration}; {record.assumptions.get('source', '')}. " if record.calibration else ""
    return (
        f"Probabilities. {record.model} Prior: {prior}. {lines}A class was named from a probability of "
        f"{record.threshold:g}; below it, or where the readings contradict every class (p < 0.01), the lesion is "
        "undetermined. Blood's amounts follow published values by stage (Chang et al. 2016), calcium's those of "
        "calcified lesions and choroid plexus (Oshima et al. 2020) with the susceptibility of bone mineral (Diefenbach "
        "et al. 2019)."
    )


def _inside(record: Classification) -> str:
    rows = [v.composition for v in record.lesions if v.composition is not None]
    if not rows:
        return ""
    return (
        "Inside each lesion, voxels were smoothed just enough to bring their noise to 0.02 ppm and 6 HU (two voxels at "
        "most), held against the same classes and called iron-like or calcium-like from a probability of 0.9. A "
        "pattern was named where the 95 % intervals of both shares lie above 5 % and the calcium-like voxels are "
        "denser than the surroundings; such lesions are mixed. Rim and core were compared by Fisher's exact test on "
        "the number of independent voxels."
    )


def _fitted(record: Classification) -> str:
    if not record.logistic:
        return ""
    text = (
        "Haemorrhage against calcification was modelled by ridge logistic regression on standardised readings (le "
        "Cessie and van Houwelingen 1992)."
    )
    if any(v.method == "logistic model, out of fold" for v in record.lesions):
        text += " Labelled lesions have the probability of a model that did not see their subject (cross-validation)."
    return text


def _accuracy(record: Classification) -> tuple[str, list[str]]:
    judged = record.judgement
    assert judged is not None
    text, cited = accuracy_methods(
        [c.roc for c in judged.callers if c.roc is not None],
        judged.cutoffs,
        [c.every_lesion for c in judged.callers],
        judged.paired,
        [a.kappa for a in judged.agreement],
        [c.reliability for c in judged.callers if c.reliability is not None],
    )
    return f"{judged.handling} {text}", cited
