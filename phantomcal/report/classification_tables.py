"""Tables of a classification: lesions, rules, information, voxels, fitted models, assumptions."""

from collections.abc import Sequence

from phantomcal.report.columns import table_of
from phantomcal.report.lesion_cards import lesion_name
from phantomcal.report.lesion_tones import probability
from phantomcal.report.numerals import NONE, fixed, interval, number, p_number, percent, trimmed, with_uncertainty
from phantomcal.report.page import RowFlag, TableBlock
from phantomcal.results import Classification, LesionVerdict

_WAYS = {"qsm": "QSM alone", "ct": "CT alone", "both": "QSM and CT", "none": NONE}
# What the numbers behind the likelihood are, in words, with their units.
_ASSUMPTIONS = {
    "tissue_hu": ("CT number of tissue whose surroundings were not measured", "HU"),
    "tissue_hu_sd": ("Spread (SD) of that CT number", "HU"),
    "tissue_ppm": ("Susceptibility of tissue whose surroundings were not measured", "ppm"),
    "tissue_ppm_sd": ("Spread (SD) of that susceptibility", "ppm"),
    "local_hu_sd": ("Tissue about its measured surroundings, CT", "HU"),
    "local_ppm_sd": ("Tissue about its measured surroundings, QSM", "ppm"),
    "blood_hu_span": ("CT number that blood adds, from 0 evenly to", "HU"),
    "blood_ppm_median": ("Susceptibility that blood adds, median", "ppm"),
    "blood_ppm_log_sd": ("Susceptibility that blood adds, SD of the logarithm", ""),
    "calcium_hu_median": ("CT number that calcium adds, median", "HU"),
    "calcium_hu_log_sd": ("CT number that calcium adds, SD of the logarithm", ""),
    "calcium_ppm_per_hu": ("Susceptibility of calcium for each HU", "ppm per HU"),
    "calcium_log_sd": ("Susceptibility of calcium for each HU, SD of the logarithm", ""),
    "iron_hu_per_ppm": ("Attenuation of iron itself", "HU per ppm"),
    "qsm_scale": ("Map against physics", ""),
    "qsm_scale_sd": ("Map against physics, standard error", ""),
    "scatter_hu": ("Scatter of places beyond noise, CT", "HU"),
    "scatter_ppm": ("Scatter of places beyond noise, QSM", "ppm"),
    "registration_mm": ("Registration error", "mm"),
    "partial_volume": ("Partial volume, relative to the excess", ""),
    "default_diameter_mm": ("Diameter of lesions without volume", "mm"),
    "floor_ppm": ("Scan-rescan SD, QSM", "ppm"),
    "floor_hu": ("Scan-rescan SD, CT", "HU"),
    "unknown_ppm": ("Standard error without SD and count, QSM", "ppm"),
    "unknown_hu": ("Standard error without SD and count, CT", "HU"),
}


def lesion_table(record: Classification) -> TableBlock:
    """Every lesion, a row each."""
    lesions = record.lesions
    columns: dict[str, Sequence[object]] = {
        "subject": [" ".join(part for part in (v.subject_id, v.session) if part) for v in lesions],
        "lesion": [v.lesion_id for v in lesions],
        "hu": [with_uncertainty(v.ct_hu, v.ct_se_hu) for v in lesions],
        "ppm": [with_uncertainty(v.qsm_ppm, v.qsm_se_ppm) for v in lesions],
        "verdict": [v.verdict for v in lesions],
        "blood": [probability(v.probability_haemorrhage) for v in lesions],
        "calcium": [probability(v.probability_calcification) for v in lesions],
        "truth": [v.truth for v in lesions],
        "note": [v.note for v in lesions],
    }
    labels = {
        "subject": "Subject",
        "lesion": "Lesion",
        "hu": "CT ± SE",
        "ppm": "QSM ± SE",
        "verdict": "Verdict",
        "blood": "P blood",
        "calcium": "P calcium",
        "truth": "Truth",
        "note": "Remark",
    }
    for name, empty in (("subject", ""), ("hu", NONE), ("ppm", NONE), ("truth", ""), ("note", "")):
        if all(value == empty for value in columns[name]):
            del labels[name]
    flags: list[RowFlag] = [_flag(v) for v in lesions]
    return TableBlock(
        table_of(columns),
        "Lesions",
        labels,
        {"hu": "HU", "ppm": "ppm"},
        numbers=("hu", "ppm", "blood", "calcium"),
        flags=flags,
        note="P blood and P calcium: probability of haemorrhage and of calcification. Standard errors hold the "
        "scan-rescan SD. Marked: the readings contradict every class, or the truth says otherwise. More columns are in "
        "lesions.csv.",
        exact={
            "hu": [v.ct_hu for v in lesions],
            "ct_se_hu": [v.ct_se_hu for v in lesions],
            "ppm": [v.qsm_ppm for v in lesions],
            "qsm_se_ppm": [v.qsm_se_ppm for v in lesions],
            "blood": [v.probability_haemorrhage for v in lesions],
            "calcium": [v.probability_calcification for v in lesions],
        },
    )


def rule_table(record: Classification) -> TableBlock:
    """The rules in the order they are tried, and how often each fired."""
    fired = [v.rule.rule for v in record.lesions]
    return TableBlock(
        table_of(
            {
                "rule": [r.key for r in record.rules],
                "text": [r.text for r in record.rules],
                "n": [fired.count(r.key) for r in record.rules],
            }
        ),
        "Rules",
        {"rule": "Rule", "text": "When it fires, and what it says", "n": "Lesions"},
        note="The first rule that fits decides. They stand beside the probabilities and do not enter them.",
    )


def information_table(record: Classification) -> TableBlock:
    """What each set of readings tells."""
    rows = record.information
    subjects = {g.n_subjects for g in rows}
    return TableBlock(
        table_of(
            {
                "way": [_WAYS[g.evidence] for g in rows],
                "gain": [with_uncertainty(g.gained_bits, g.standard_error) for g in rows],
                "ci": [interval((g.ci95_low, g.ci95_high)) for g in rows],
                "decided": [f"{g.decided} of {g.n}" for g in rows],
            }
        ),
        "Information on the class",
        {"way": "Readings", "gain": "Gained ± SE", "ci": "95 % interval", "decided": "Lesions with a class"},
        {"gain": "bits", "ci": "bits"},
        numbers=("gain", "ci"),
        note="Entropy of the prior less the mean entropy left, over the lesions that have both readings"
        + (f"; standard errors by subject ({max(subjects)})." if subjects else "."),
    )


def inside_table(record: Classification) -> TableBlock:
    """What the voxels of each lesion hold."""
    rows = [(v, v.composition) for v in record.lesions if v.composition is not None]
    return TableBlock(
        table_of(
            {
                "lesion": [lesion_name(v) for v, _ in rows],
                "n": [f"{c.n_voxels} ({number(c.n_effective, 3)})" for _, c in rows],
                "iron": [_share(c.iron_share, c.iron_share_ci95) for _, c in rows],
                "calcium": [_share(c.calcium_share, c.calcium_share_ci95) for _, c in rows],
                "rim": [
                    NONE
                    if c.calcium_share_rim is None
                    else f"{percent(c.calcium_share_rim, 0)}, {percent(c.calcium_share_core, 0)}"
                    for _, c in rows
                ],
                "p": [p_number(c.rim_p) for _, c in rows],
                "pattern": [c.pattern or c.note or NONE for _, c in rows],
            }
        ),
        "Voxels inside the lesions",
        {
            "lesion": "Lesion",
            "n": "Voxels (independent)",
            "iron": "Iron-like [95 %]",
            "calcium": "Calcium-like [95 %]",
            "rim": "Calcium in rim, core",
            "p": "p of rim against core",
            "pattern": "Pattern",
        },
        numbers=("n", "iron", "calcium", "rim", "p"),
        note="p: Fisher's exact test on independent voxels, not adjusted for the number of lesions.",
    )


def model_table(record: Classification) -> TableBlock:
    """Fitted logistic models."""
    rows = [(m, f) for m in record.logistic for f in m.features]
    return TableBlock(
        table_of(
            {
                "way": [_WAYS[m.evidence] for m, _ in rows],
                "feature": [{"qsm_ppm": "susceptibility", "ct_hu": "CT number"}[f.name] for _, f in rows],
                "scaling": [
                    f"({number(f.centre, 3)}, {number(f.scale, 3)}) {'ppm' if f.name == 'qsm_ppm' else 'HU'}"
                    for _, f in rows
                ],
                "coefficient": [with_uncertainty(f.coefficient, f.standard_error) for _, f in rows],
                "intercept": [with_uncertainty(m.intercept, m.intercept_se) for m, _ in rows],
                "n": [f"{m.n_haemorrhage} against {m.n_calcification}" for m, _ in rows],
                "note": [m.note for m, _ in rows],
            }
        ),
        "Logistic models: log odds of haemorrhage against calcification",
        {
            "way": "Readings",
            "feature": "Feature",
            "scaling": "Centre, scale",
            "coefficient": "Coefficient ± SE",
            "intercept": "Intercept ± SE",
            "n": "Lesions",
            "note": "Remark",
        },
        numbers=("scaling", "coefficient", "intercept"),
        note=f"Ridge penalty, C = {trimmed(record.logistic[0].penalty)} on scaled features.",
    )


def assumption_table(record: Classification) -> TableBlock:
    """Numbers behind the likelihood."""
    known = {name: words for name, words in _ASSUMPTIONS.items() if name in record.assumptions}
    prior = [(f"Prior probability of {name}", fixed(p, 3), "") for name, p in record.prior.items()]
    rows = [(words, trimmed(record.assumptions[name]), unit) for name, (words, unit) in known.items()] + prior
    return TableBlock(
        table_of({"what": [r[0] for r in rows], "value": [r[1] for r in rows], "unit": [r[2] for r in rows]}),
        "Numbers behind the probabilities",
        {"what": "Quantity", "value": "Value", "unit": "Unit"},
        numbers=("value",),
        note=f"Lines: {record.assumptions.get('source', 'physics and literature')}.",
    )


def _flag(v: LesionVerdict) -> RowFlag:
    if "contradict every class" in v.note or (v.truth and v.verdict not in (v.truth, "undetermined")):
        return "warn"
    return "muted" if v.verdict == "undetermined" else ""


def _share(value: float, ends: tuple[float, float]) -> str:
    return f"{percent(value, 0)} [{fixed(100 * ends[0], 0)}, {fixed(100 * ends[1], 0)}]"
