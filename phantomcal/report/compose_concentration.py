"""From concentrations to their report: samples among the lines, amounts with intervals, all readings."""

import pandas as pd

from phantomcal.phantom.reading.concentration import main_readings
from phantomcal.phantom.reading.readable import in_inner_unit, modality_of
from phantomcal.report.blocks import embedded
from phantomcal.report.concentration_figures import MOST_ROWS, amount_forest, material_plane
from phantomcal.report.methods import ICH_Q2, without_repeats
from phantomcal.report.numerals import NONE, count, fixed, interval, listed, number, p_number, with_uncertainty
from phantomcal.report.page import Block, Callout, KeyNumber, Report, RowFlag, Section, TableBlock
from phantomcal.results import Calibration, ConcentrationReading, Concentrations

FIELLER = "Fieller EC. Some problems in interval estimation. J R Stat Soc B 1954;16:175-185."
HOADLEY = "Hoadley B. A Bayesian look at inverse linear regression. J Am Stat Assoc 1970;65:356-369."
DIN = "DIN 32645:2008-11. Chemical analysis: decision limit, detection limit and determination limit."
_WAYS = {"ct": "CT", "qsm": "QSM", "joint": "both"}


def concentration_report(record: Concentrations, calibration: Calibration) -> Report:
    """The report of `concentration`.

    Parameters
    ----------
    record : Concentrations
    calibration : Calibration
        Whose lines were read backwards.

    Returns
    -------
    Report
    """
    samples = list(dict.fromkeys(r.id for r in record.readings))
    references = [FIELLER, DIN] + ([HOADLEY] if record.model else [])
    return Report(
        kind="Concentration report",
        title="Concentrations from " + _ways_words(record),
        subtitle=f"{count(len(samples), 'sample')} · {listed(record.materials)} · calibration: {record.calibration}",
        verdict="review" if record.warnings else "info",
        verdict_text=_verdict_text(record, samples),
        key_numbers=_key_numbers(record, samples),
        warnings=record.warnings,
        sections=_sections(record, calibration),
        methods=_methods(record),
        references=without_repeats(r for r in references if r != ICH_Q2),
        provenance=record.provenance,
    )


def _ways_words(record: Concentrations) -> str:
    ways = {r.modality for r in record.readings}
    return "CT and QSM" if "joint" in ways or {"ct", "qsm"} <= ways else "CT" if "ct" in ways else "QSM"


def _verdict_text(record: Concentrations, samples: list[str]) -> str:
    if not record.verdicts:
        return f"{count(len(samples), 'sample')} read as {listed(record.materials, 'or')}; the material was not asked."
    parts = []
    for name in dict.fromkeys([*record.materials, "neither", "undetermined"]):
        n = sum(v.verdict == name for v in record.verdicts)
        if n:
            parts.append(f"{n} {name}")
    return f"Of {count(len(record.verdicts), 'sample')} with both readings: {', '.join(parts)}."


def _key_numbers(record: Concentrations, samples: list[str]) -> list[KeyNumber]:
    keys = []
    if record.verdicts:
        named = [v for v in record.verdicts if v.verdict in record.materials]
        detail = f"from a probability of 0.95 · {len(record.verdicts) - len(named)} undetermined or neither"
        keys.append(KeyNumber("Samples with a named material", f"{len(named)} of {len(record.verdicts)}", detail))
    chosen = main_readings(record)
    if len(samples) == 1 and chosen:
        row = chosen[0]
        keys.append(
            KeyNumber(
                f"Concentration, taken as {row.material}",
                with_uncertainty(row.concentration_mmol_per_l, row.standard_error, "mmol/L"),
                _interval_words(row),
            )
        )
    below = sum(r.below_critical for r in chosen)
    keys.append(
        KeyNumber("Not told from nothing", f"{below} of {len(chosen)}", "below the critical value, one-sided 5 %")
    )
    outside = sum(not r.in_range for r in chosen)
    keys.append(KeyNumber("Outside the calibrated range", f"{outside} of {len(chosen)}", "these amounts extrapolate"))
    return keys[:3]


def _sections(record: Concentrations, calibration: Calibration) -> list[Section]:
    sections = []
    lines = {
        (line.material, m): in_inner_unit(line) for line in calibration.lines if (m := modality_of(line)) is not None
    }
    if record.verdicts:
        told = "; ".join(f"{v.id}: {v.verdict}" for v in record.verdicts[:20])
        sections.append(
            Section(
                "Which material",
                "A sample of one material lies on that material's line through HU and ppm. Near the origin all lines "
                "meet, and nothing can be told.",
                [
                    embedded(
                        material_plane(record, lines),
                        f"Samples in the plane of CT number and susceptibility with a line per material. {told}.",
                        "Lines reach over the calibrated range, with a ring at every quarter of it.",
                    ),
                    _verdict_table(record),
                ],
            )
        )
    sections.append(_amounts(record))
    sections.append(
        Section(
            "All readings",
            "Every sample read by every line. An amount is only right if the sample holds that material and no other.",
            [_reading_table(record)],
        )
    )
    return sections


def _amounts(record: Concentrations) -> Section:
    chosen = main_readings(record)
    blocks: list[Block] = []
    contradictory = {v.id for v in record.verdicts if v.verdict == "neither"}
    for material in record.materials:
        rows = [r for r in chosen if r.material == material and r.id not in contradictory]
        if not rows:
            continue
        told = "; ".join(f"{r.id} {number(r.concentration_mmol_per_l, 3)} mmol/L" for r in rows[:20])
        more = f" The first {MOST_ROWS} of {len(rows)} are drawn." if len(rows) > MOST_ROWS else ""
        blocks.append(
            embedded(
                amount_forest(rows, record.materials),
                f"Concentrations with 95 % intervals, taken as {material}: {told}.",
                f"Taken as {material}. Circles: from both readings; squares: CT; triangles: QSM. Hollow: outside the "
                f"calibrated range.{more}",
            )
        )
    if any(r.ci95_low is None for r in chosen):
        blocks.append(
            Callout(
                "Where no interval is drawn the slope of the line is not established: the amount is undetermined, "
                "whatever the number says.",
                "warn",
            )
        )
    if contradictory:
        blocks.append(
            Callout(
                f"Not drawn, as HU and ppm contradict each other for every material: {listed(sorted(contradictory))}. "
                "These samples hold a mixture, something else, or a reading is wrong.",
                "warn",
            )
        )
    return Section(
        "How much",
        "Concentration with its 95 % interval: of the likeliest material where both readings are there, else of every "
        "line that can read the sample.",
        blocks,
    )


def _verdict_table(record: Concentrations) -> TableBlock:
    chosen = {r.id: r for r in main_readings(record) if r.modality == "joint"}
    rows = [(v, chosen[v.id]) for v in record.verdicts]
    frame = pd.DataFrame(
        {
            "id": [v.id for v, _ in rows],
            "hu": [number(r.ct_hu, 4) for _, r in rows],
            "ppm": [number(r.qsm_ppm, 3) for _, r in rows],
            "verdict": [v.verdict for v, _ in rows],
            "probability": [
                ", ".join(f"{name} {_probability(p)}" for name, p in v.probabilities.items())
                if len(v.probabilities) > 1
                else NONE
                for v, _ in rows
            ],
            "misfit": [p_number(v.misfit_p[r.material]) for v, r in rows],
            "note": [v.note for v, _ in rows],
        }
    )
    labels = {
        "id": "Sample",
        "hu": "CT",
        "ppm": "QSM",
        "verdict": "Verdict",
        "probability": "Probability",
        "misfit": "Agreement p",
        "note": "Remark",
    }
    if not any(v.note for v, _ in rows):
        del labels["note"]
    flags: list[RowFlag] = [
        "warn" if v.verdict == "neither" else "muted" if v.verdict == "undetermined" else "" for v, _ in rows
    ]
    return TableBlock(
        frame,
        "What each sample holds",
        labels,
        {"hu": "HU", "ppm": "ppm"},
        numbers=("hu", "ppm", "misfit"),
        flags=flags,
        note="Agreement p: of HU and ppm giving one amount of the likeliest material.",
    )


def _reading_table(record: Concentrations) -> TableBlock:
    rows = record.readings
    frame = pd.DataFrame(
        {
            "id": [r.id for r in rows],
            "way": [_WAYS[r.modality] for r in rows],
            "material": [r.material for r in rows],
            "amount": [with_uncertainty(r.concentration_mmol_per_l, r.standard_error) for r in rows],
            "interval": [_interval_words(r) for r in rows],
            "note": [r.note for r in rows],
        }
    )
    labels = {
        "id": "Sample",
        "way": "Read from",
        "material": "Taken as",
        "amount": "Concentration ± SE",
        "interval": "95 % interval",
        "note": "Remark",
    }
    if not any(r.note for r in rows):
        del labels["note"]
    flags: list[RowFlag] = ["muted" if r.below_critical or not r.in_range else "" for r in rows]
    units = {"amount": "mmol/L", "interval": "mmol/L"}
    exact = {"amount": [r.concentration_mmol_per_l for r in rows], "standard_error": [r.standard_error for r in rows]}
    return TableBlock(frame, "Concentrations", labels, units, numbers=("amount", "interval"), flags=flags, exact=exact)


def _probability(p: float) -> str:
    """Never rounded to 0 or 1."""
    return "< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else fixed(p, 3)


def _interval_words(row: ConcentrationReading) -> str:
    if row.ci95_low is None or row.ci95_high is None:
        return f"{NONE} (undetermined)"
    return interval((row.ci95_low, row.ci95_high))


def _methods(record: Concentrations) -> str:
    text = (
        "Concentrations were read back from the calibration lines. Intervals are Fieller's, exact for normal errors, "
        "with the degrees of freedom of the line; they hold the uncertainty of the reading, the scatter between vials "
        "and the uncertainty of slope and intercept. Amounts below the critical value (DIN 32645, one-sided 5 %) are "
        "not told from nothing. The lines' intercepts stand for the medium of the vials."
    )
    return f"{text}\n\nHU and ppm together. {record.model}" if record.model else text
