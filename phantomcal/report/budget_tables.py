"""Uncertainty budgets and explained vials as blocks of the page."""

from collections.abc import Sequence

import pandas as pd

from phantomcal.report.calibration_tables import line_name
from phantomcal.report.numerals import NONE, fixed, listed, number, percent, trimmed, unit_words, with_uncertainty
from phantomcal.report.page import Block, Callout, TableBlock
from phantomcal.report.style import modality_name
from phantomcal.results import Line, VialDiagnosis


def budget_table(line: Line) -> TableBlock:
    """Every source of uncertainty of a slope, largest first, with the combined and expanded uncertainty."""
    budget = line.budget
    if budget is None:
        raise ValueError(f"{line_name(line)} has no budget")
    variance = budget.combined**2
    rows = [
        {
            "source": entry.source,
            "type": entry.evaluation,
            "u": number(entry.standard_uncertainty, 2),
            "unit": unit_words(entry.unit),
            "contribution": number(entry.contribution, 2),
            "share": percent(entry.contribution**2 / variance, 0) if variance > 0 else NONE,
            "dof": _degrees(entry.degrees_of_freedom),
        }
        for entry in budget.entries
    ]
    rows.append(
        {
            "source": "combined",
            "type": "",
            "u": "",
            "unit": unit_words(budget.unit),
            "contribution": number(budget.combined, 2),
            "share": "",
            "dof": _degrees(budget.degrees_of_freedom),
        }
    )
    relative = f" ({percent(abs(budget.expanded / budget.value))})" if budget.value else ""
    slope = with_uncertainty(budget.value, budget.expanded, budget.unit)
    return TableBlock(
        pd.DataFrame(rows),
        f"{line_name(line)}: slope {slope}, expanded with k = {budget.coverage_factor:g}{relative}",
        labels={
            "source": "Source",
            "type": "Type",
            "u": "u",
            "unit": "Unit",
            "contribution": "Contribution",
            "share": "Share",
            "dof": "Degrees of freedom",
        },
        units={"contribution": budget.unit},
        numbers=("u", "contribution", "share", "dof"),
        flags=[*("" if entry.contribution > 0 else "muted" for entry in budget.entries), ""],
        note=(
            f"Expanded: {number(budget.expanded, 2)} with k = {budget.coverage_factor:g}; "
            f"{number(budget.expanded_95, 2)} with k = {fixed(budget.coverage_factor_95, 2)}, which covers 95 % at "
            f"{_degrees(budget.degrees_of_freedom)} degrees of freedom."
        ),
    )


def budget_remarks(lines: Sequence[Line]) -> list[Block]:
    """How every source was found, once for all lines, and what no budget includes."""
    found: dict[str, str] = {}
    absent: dict[str, list[str]] = {}
    for line in lines:
        for entry in line.budget.entries if line.budget else []:
            found.setdefault(entry.source, entry.note)
        for text in line.budget.not_included if line.budget else []:
            absent.setdefault(text, []).append(line_name(line))
    blocks: list[Block] = [
        TableBlock(
            pd.DataFrame({"source": list(found), "note": list(found.values())}),
            "How each source was found",
            labels={"source": "Source", "note": "How"},
        )
    ]
    if absent:
        told = [text if len(names) == len(lines) else f"{text} ({listed(names)})" for text, names in absent.items()]
        blocks.append(Callout("\n\n".join(f"{text}." for text in told), "info", "Not included"))
    return blocks


def _degrees(value: float | None) -> str:
    if value is None:
        return "∞"
    if value < 1:
        return "< 1"
    return trimmed(round(value, 1)) if value < 100 else "> 100"


def diagnosis_table(diagnoses: Sequence[VialDiagnosis]) -> TableBlock:
    """What was read and what was expected, a row per flagged vial."""
    frame = pd.DataFrame(
        {
            "vial": [d.vial_id for d in diagnoses],
            "line": [", ".join(p for p in (d.series, modality_name(d.modality)) if p) for d in diagnoses],
            "read": [f"{number(d.value, 3)} {d.unit}" for d in diagnoses],
            "line_value": [f"{number(d.line_value, 3)} {d.unit}" for d in diagnoses],
            "off": [f"{fixed(d.deviation_sd, 1)} SD" if d.deviation_sd is not None else NONE for d in diagnoses],
            "share": [percent(d.deviation_share, 0, signed=True) for d in diagnoses],
            "nominal": [trimmed(d.nominal) for d in diagnoses],
            "implied": [number(d.implied, 3) for d in diagnoses],
            "unit": [unit_words(d.abscissa_unit) for d in diagnoses],
            "used": ["yes" if d.used else "no" for d in diagnoses],
        }
    )
    return TableBlock(
        frame,
        "What was read and what was expected",
        labels={
            "vial": "Vial",
            "line": "Line",
            "read": "Read",
            "line_value": "Line has",
            "off": "Off by",
            "share": "Of the span",
            "nominal": "Stated",
            "implied": "Reads as",
            "unit": "Unit",
            "used": "Used",
        },
        numbers=("read", "line_value", "off", "share", "nominal", "implied"),
        note=(
            "Line has: the line of the sound vials, at the stated concentration. Off by: in SD of one further vial "
            "about that line. Reads as: the concentration at which the line has the value that was read."
        ),
    )


def diagnosis_callouts(diagnoses: Sequence[VialDiagnosis]) -> list[Callout]:
    """Likely causes and what to do; vials with the same words share a box."""
    boxes: list[Callout] = []
    groups: dict[tuple[str, str], list[VialDiagnosis]] = {}
    for diagnosis in diagnoses:
        groups.setdefault((diagnosis.series, diagnosis.modality), []).append(diagnosis)
    for members in groups.values():
        paragraphs = [f"{d.vial_id}: {'; '.join(d.causes)}." for d in members]
        shared = [a for a in members[0].actions if all(a in d.actions for d in members)]
        own = [a.replace(members[0].vial_id, listed([d.vial_id for d in members])) for a in members[0].actions]
        # Actions that differ only in the vial's name are said once for all.
        actions = own if all(len(d.actions) == len(own) for d in members) else shared
        steps = [f"{i}. {a[0].upper()}{a[1:]}" for i, a in enumerate(actions, 1)]
        paragraphs += ["What to do:", *(step if step.endswith("?") else f"{step}." for step in steps)]
        place = modality_name(members[0].modality)
        title = f"{listed([d.vial_id for d in members])}{f' in {place}' if place else ''}: likely causes"
        left_out = any(not d.used for d in members)
        boxes.append(Callout("\n\n".join(paragraphs), "warn" if left_out else "info", title))
    return boxes
