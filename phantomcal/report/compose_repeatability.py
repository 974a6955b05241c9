"""From repeatability to its report."""

import math
from collections.abc import Sequence

import pandas as pd

from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    interval,
    listed,
    number,
    p_number,
    percent,
    unit_words,
    with_interval,
)
from phantomcal.report.page import Block, Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.report.repeatability_figures import bland_altman_plot
from phantomcal.report.style import as_svg, modality_name, width_px
from phantomcal.results.repeatability import Agreement, Repeatability, RepeatabilityRow, WithinSubject

_SOURCES = [
    "Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement. "
    "Lancet 1986;327:307-310. doi 10.1016/S0140-6736(86)90837-8",
    "Carkeet A. Exact parametric confidence intervals for Bland-Altman limits of agreement. Optom Vis Sci "
    "2015;92:e71-e80. doi 10.1097/OPX.0000000000000513",
    "Obuchowski NA, Buckler A, Kinahan P, et al. Statistical issues in testing conformance with the Quantitative "
    "Imaging Biomarker Alliance (QIBA) profile claims. Acad Radiol 2016;23:496-506. doi 10.1016/j.acra.2015.12.020",
    "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol Bull "
    "1979;86:420-428. doi 10.1037/0033-2909.86.2.420",
]


def repeatability_report(record: Repeatability) -> Report:
    """The report of `repeatability`.

    Parameters
    ----------
    record : Repeatability

    Returns
    -------
    Report
    """
    vials = sum(len(group.vials) for group in record.agreement)
    return Report(
        kind="Repeatability report",
        title="Repeated scans of one phantom",
        subtitle=f"{record.protocol or 'no protocol'} · {count(len(record.runs), 'run')} · {count(vials, 'vial')}",
        verdict="review" if record.warnings else "info",
        verdict_text=_verdict(record),
        key_numbers=_keys(record),
        warnings=record.warnings,
        sections=[*(_section(group, record) for group in record.agreement), *_lines(record), *_vials(record)],
        methods=_methods(record),
        references=_SOURCES,
        provenance=record.provenance,
    )


def _verdict(record: Repeatability) -> str:
    if not record.agreement:
        return "No vial is sound in every run, so nothing can be pooled."
    told = [
        f"two scans of one vial differ by less than {number(g.within.rc, 2)} {g.unit} in 95 % of cases "
        f"({modality_name(g.modality)})".replace(" ()", "")
        for g in record.agreement
    ]
    text = listed(told)
    return f"{text[0].upper()}{text[1:]}."


def _keys(record: Repeatability) -> list[KeyNumber]:
    keys = []
    for group in record.agreement[:2]:
        w = group.within
        name = modality_name(group.modality)
        detail = f"95 % {interval(w.wsd_ci95)} · {count(w.n_subjects, 'vial')} · {count(w.n_runs, 'run')}"
        keys.append(KeyNumber(f"Within-vial SD, {name}".strip(", "), f"{number(w.wsd, 2)} {group.unit}", detail))
    slopes = [r for r in record.rows if r.level == "slope" and r.wcv_percent is not None]
    if slopes:
        worst = max(slopes, key=lambda r: r.wcv_percent or 0.0)
        said = f"95 % {interval(worst.wcv_ci95)} %" if worst.wcv_ci95 else ""
        name = f"{worst.name} {modality_name(worst.modality)}".strip()
        keys.append(
            KeyNumber("Least repeatable slope, wCV", percent((worst.wcv_percent or 0.0) / 100, 2), f"{name} · {said}")
        )
    return keys


def _section(group: Agreement, record: Repeatability) -> Section:
    rows = {r.name: r for r in record.rows if r.level == "vial" and r.modality == group.modality}
    blocks: list[Block] = []
    for pair in group.bland_altman:
        columns = [record.runs.index(name) for name in (pair.first, pair.second)]
        first, second = ([rows[v].measured[c] for v in group.vials] for c in columns)
        canvas = bland_altman_plot(group.vials, first, second, pair, group)
        words = (
            f"Bland-Altman plot of {pair.second} against {pair.first}: bias {number(pair.bias)}, limits of agreement "
            f"{number(pair.lower)} to {number(pair.upper)} {group.unit}, {pair.n} vials."
        )
        blocks.append(Figure(as_svg(canvas), words, "Vials outside the limits are named.", width_px(canvas)))
    blocks += [_pooled(group), *_limits(group), *_icc(group)]
    if group.notes:
        blocks.append(Text("\n\n".join(f"{n[0].upper()}{n[1:]}." for n in group.notes)))
    return Section(
        f"Agreement of the vials, {modality_name(group.modality)}".strip(", "),
        f"{count(len(group.vials), 'vial')} that are sound in every run.",
        blocks,
    )


def _pooled(group: Agreement) -> TableBlock:
    frame = pd.DataFrame([_cells("all vials", group.within)])
    return TableBlock(
        frame, f"Repeatability pooled over the vials, {group.unit}", _LABELS, numbers=("n", "wsd", "rc", "wcv")
    )


_LABELS = {
    "name": "",
    "n": "Vials × runs",
    "wsd": "wSD [95 %]",
    "rc": "RC [95 %]",
    "wcv": "wCV, % [95 %]",
}


def _cells(name: str, within: WithinSubject) -> dict[str, str]:
    return {
        "name": name,
        "n": f"{within.n_subjects} × {within.n_runs}",
        "wsd": _bounded(within.wsd, within.wsd_ci95),
        "rc": _bounded(within.rc, within.rc_ci95),
        "wcv": _bounded(within.wcv_percent, within.wcv_ci95),
    }


def _bounded(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return NONE
    return number(value, 3) + (f" [{number(bounds[0], 2)}, {number(bounds[1], 2)}]" if bounds else "")


def _limits(group: Agreement) -> list[TableBlock]:
    pairs = group.bland_altman
    if not pairs:
        return []
    frame = pd.DataFrame(
        {
            "runs": [f"{p.second} − {p.first}" for p in pairs],
            "bias": [with_interval(p.bias, p.bias_ci95) for p in pairs],
            "sd": [number(p.sd, 3) for p in pairs],
            "lower": [with_interval(p.lower, p.lower_ci95) for p in pairs],
            "upper": [with_interval(p.upper, p.upper_ci95) for p in pairs],
            "trend": [p_number(p.trend_p) for p in pairs],
        }
    )
    labels = {
        "runs": "Runs",
        "bias": "Bias [95 %]",
        "sd": "SD",
        "lower": "Lower [95 %]",
        "upper": "Upper [95 %]",
        "trend": "Trend",
    }
    note = "Trend: p of the rank correlation of a difference's size with the value's size, not adjusted."
    return [
        TableBlock(frame, f"Limits of agreement of {count(pairs[0].n, 'vial')}, {group.unit}", labels,
                   numbers=("bias", "sd", "lower", "upper", "trend"), note=note)
    ]  # fmt: skip


def _icc(group: Agreement) -> list[TableBlock]:
    if not group.icc:
        return []
    frame = pd.DataFrame(
        {
            "form": [i.form for i in group.icc],
            "model": [i.model for i in group.icc],
            "value": [_icc_text(i.value, i.ci95) for i in group.icc],
            "p": [p_number(i.p_value) for i in group.icc],
        }
    )
    labels = {"form": "Form", "model": "One run or their mean; what the runs are", "value": "ICC [95 %]", "p": "p"}
    note = "P values are of the F test of ICC = 0, not adjusted."
    return [TableBlock(frame, "Intraclass correlations", labels, numbers=("value", "p"), note=note)]


def _icc_text(value: float, bounds: tuple[float, float] | None) -> str:
    # Near 1 only the distance from 1 says anything: two digits of the bound that is nearer.
    nearest = 1 - max(value, bounds[1] if bounds else value)
    decimals = min(9, max(2, 1 - math.floor(math.log10(nearest)))) if nearest > 0 else 9
    return fixed(value, decimals) + (f" [{fixed(bounds[0], decimals)}, {fixed(bounds[1], decimals)}]" if bounds else "")


def _lines(record: Repeatability) -> list[Section]:
    rows = [r for r in record.rows if r.level != "vial"]
    if not rows:
        return []
    intro = "A line's slope and intercept over the runs. With k runs the SD of one line has k − 1 degrees of freedom."
    return [Section("Lines", intro, [_table(rows, "Repeatability of the lines", record.runs)])]


def _vials(record: Repeatability) -> list[Section]:
    rows = [r for r in record.rows if r.level == "vial"]
    return [Section("Every vial", "", [_table(rows, "Repeatability of every vial", record.runs)])]


def _table(rows: Sequence[RepeatabilityRow], caption: str, runs: Sequence[str]) -> TableBlock:
    lines = rows[0].level != "vial"
    frame = pd.DataFrame(
        {
            "name": [f"{r.name} {r.level}" if lines else r.name for r in rows],
            "modality": [modality_name(r.modality) for r in rows],
            "mean": [number(r.mean) for r in rows],
            "range": [_span(r) for r in rows],
            "wsd": [_bounded(r.wsd, r.wsd_ci95) for r in rows],
            "rc": [number(r.rc, 3) for r in rows],
            "wcv": [number(r.wcv_percent, 3) for r in rows],
            "unit": [unit_words(r.unit) for r in rows],
            "note": [r.note for r in rows],
        }
    )
    labels = {
        "name": "Line" if lines else "Vial",
        "modality": "",
        "mean": "Mean",
        "range": "Last − first" if len(runs) == 2 else "Range",
        "wsd": "wSD [95 %]",
        "rc": "RC",
        "wcv": "wCV, %",
        "unit": "Unit",
        "note": "Remark",
    }
    if not any(r.note for r in rows):
        del labels["note"]
    flags: list[RowFlag] = ["" if r.pooled else "muted" for r in rows]
    note = "" if all(r.pooled for r in rows) else "Grey: flagged in a run, not pooled."
    return TableBlock(frame, caption, labels, numbers=("mean", "range", "wsd", "rc", "wcv"), flags=flags, note=note)


def _span(row: RepeatabilityRow) -> str:
    known = row.measured
    return number(known[1] - known[0] if len(known) == 2 else max(known) - min(known), 3)


def _methods(record: Repeatability) -> str:
    text = (
        f"Repeatability was assessed from {count(len(record.runs), 'scan')} of one phantom. The within-subject "
        "standard deviation (wSD) is the square root of the variance between runs, pooled over vials that were "
        "sound in every run, with a chi-squared interval; the repeatability coefficient (RC) is 1.96 √2 wSD "
        "(Obuchowski et al. 2016). The within-subject coefficient of variation is the root mean square over vials "
        "whose mean lies beyond three wSD from zero."
    )
    if any(g.bland_altman for g in record.agreement):
        text += (
            " Bias and limits of agreement follow Bland and Altman (1986); intervals of the limits are exact for "
            "normal differences (Carkeet 2015)."
        )
    if any(g.icc for g in record.agreement):
        text += " All six intraclass correlations of Shrout and Fleiss (1979) are given with 95 % intervals."
    return text
