"""From a table of sample sizes to its report: statement, curves, sizes, what simulated trials say."""

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.methods_trials import power_citations, power_methods
from phantomcal.report.numerals import count, fixed, interval, percent, trimmed
from phantomcal.report.page import Block, Callout, KeyNumber, Report, RowFlag, Section, TableBlock
from phantomcal.report.power_figures import MOST_CURVES, largest_gap, power_curves, simulated_against_formula
from phantomcal.results.trials import PowerRow, PowerTable

_KINDS = {"mean": "means", "proportion": "proportions", "rate": "event rates"}


def power_report(table: PowerTable) -> Report:
    """The report of `power`.

    Parameters
    ----------
    table : PowerTable

    Returns
    -------
    Report
    """
    doubtful = [row for row in table.rows if _doubtful(row)]
    sections = [_curve_section(table), _size_section(table)]
    if any(row.simulation for row in table.rows):
        sections.append(_simulation_section(table))
    sections.append(_protocol_section(table))
    return Report(
        kind="Trial design",
        title=f"Patients for a trial that compares {_KINDS[table.design.outcome]}",
        subtitle=_subtitle(table),
        verdict="review" if doubtful else "info",
        verdict_text=_verdict_text(table, doubtful),
        key_numbers=_key_numbers(table),
        warnings=table.warnings,
        sections=sections,
        methods=power_methods(table),
        references=power_citations(table),
        provenance=table.provenance,
    )


def _doubtful(row: PowerRow) -> bool:
    """Whether a note concerns the formula itself; that dropout is overpaid does not."""
    return any("suffice" not in note for note in row.notes)


def _subtitle(table: PowerTable) -> str:
    design = table.design
    parts = [f"{count(design.visits, 'visit')}"]
    if design.visits > 1:
        parts.append(f"correlation {trimmed(design.correlation)}")
    if design.lesions > 1:
        parts.append(f"{design.lesions} lesions (correlation {trimmed(design.lesion_correlation)})")
    parts.append(f"power {percent(design.power, 0)}")
    parts.append(f"alpha {trimmed(design.alpha)}, {count(design.tails, 'tail')}")
    if design.dropout:
        parts.append(f"dropout {percent(design.dropout, 0)}")
    if design.allocation != 1:
        parts.append(f"{trimmed(design.allocation)} treated per control")
    return " · ".join(parts)


def _verdict_text(table: PowerTable, doubtful: list[PowerRow]) -> str:
    rows = table.rows
    text = f"{count(len(rows), 'assumed effect')}: {_range([r.n_total for r in rows])} patients in both arms."
    if table.rows[0].solved_for == "power":
        text = f"{count(len(rows), 'design')} with a power of {_range([round(100 * r.power) for r in rows])} %."
    if doubtful:
        text += (
            f" For {len(doubtful)} of {len(rows)} the formula is not to be trusted as it stands; the table says why."
        )
    return text


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _key_numbers(table: PowerTable) -> list[KeyNumber]:
    curves = table.curves
    smallest = min(range(len(table.rows)), key=lambda k: table.rows[k].n_total)
    largest = max(range(len(table.rows)), key=lambda k: table.rows[k].n_total)
    keys = []
    for label, k in (("Fewest patients per arm", smallest), ("Most patients per arm", largest)):
        row = table.rows[k]
        arms = str(row.n_control) if row.n_control == row.n_treated else f"{row.n_control} + {row.n_treated}"
        keys.append(KeyNumber(label, arms, f"{curves[k].label} · power {percent(row.power)}"))
    if smallest == largest:
        keys = [KeyNumber("Patients per arm", keys[0].value, keys[0].detail)]
    gap = largest_gap(table.rows)
    if gap is not None:
        n = next(row.simulation.n_trials for row in table.rows if row.simulation)
        keys.append(
            KeyNumber("Largest gap to simulated trials", f"{fixed(gap, 1)} points", f"of power, {n} trials a row")
        )
    return keys


def _curve_section(table: PowerTable) -> Section:
    told = "; ".join(
        f"{curve.label}: {row.n_control} per arm, power {100 * row.power:.1f} %"
        for row, curve in zip(table.rows, table.curves, strict=True)
    )
    more = len(table.rows) - MOST_CURVES
    caption = "Marks: the sizes of the table."
    if any(row.simulation for row in table.rows):
        found = "of complete patients" if table.design.dropout else "of simulated trials"
        caption += f" Bars: power {found}, 95 % interval of the simulation."
    if table.design.dropout:
        caption += " Power is that of the patients who complete."
    if more > 0:
        caption += f" The first {MOST_CURVES} of {len(table.rows)} are drawn."
    return Section(
        "Power curves",
        "Power rises steeply before the size asked for and flatly after it: a few patients fewer cost more than a few "
        "more gain.",
        [
            embedded(
                power_curves(table.rows, table.curves, table.design.power),
                f"Power against patients per arm. {told}.",
                caption,
            )
        ],
    )


def _size_section(table: PowerTable) -> Section:
    rows, design = table.rows, table.design
    equal = design.allocation == 1
    frame = pd.DataFrame(
        {
            "assumed": [curve.label for curve in table.curves],
            "control": [row.n_control for row in rows],
            "treated": [row.n_treated for row in rows],
            "total": [row.n_total for row in rows],
            "unrounded": [fixed(row.n_unrounded, 2) for row in rows],
            "power": [fixed(100 * row.power, 1) for row in rows],
            "student": [fixed(None if row.power_student is None else 100 * row.power_student, 1) for row in rows],
            "n_student": [fixed(row.n_student, 0) for row in rows],
            "every": [
                fixed(None if row.power_available_visits is None else 100 * row.power_available_visits, 1)
                for row in rows
            ],
            "complete": [row.n_complete for row in rows],
            "available": [row.n_available_visits for row in rows],
        }
    )
    labels = {"assumed": "Assumed", "control": "Per arm" if equal else "Control arm"}
    if not equal:
        labels["treated"] = "Treated arm"
    labels |= {"total": "Both arms", "unrounded": "By the formula", "power": "Power"}
    if design.outcome == "mean":
        labels["student"] = "Power by t"
        if any(row.n_student is not None for row in rows):
            labels["n_student"] = "Needed by t"
    if design.dropout:
        labels |= {"every": "Power, all visits", "available": "Needed, all visits"}
    flags: list[RowFlag] = ["warn" if _doubtful(row) else "" for row in rows]
    note = "Patients to randomise."
    if design.outcome == "mean":
        note += " By t: Student's t test of patients' averages, exact for balanced normal data; complete patients."
    if design.dropout:
        note += (
            " By the formula: without dropout. All visits: patients who were lost count with the visits they made; "
            "else only those with every visit."
        )
    blocks: list[Block] = [
        TableBlock(
            frame,
            "Patients for each assumed effect",
            labels,
            {"power": "%", "student": "%", "every": "%"},
            numbers=("unrounded", "power", "student", "n_student", "every"),
            formats={"control": "d", "treated": "d", "total": "d", "available": "d"},
            flags=flags,
            note=note,
        )
    ]
    blocks += [
        Callout(f"{curve.label}: {'; '.join(row.notes)}.", "warn" if _doubtful(row) else "info")
        for row, curve in zip(rows, table.curves, strict=True)
        if row.notes
    ]
    return Section("Sizes", "", blocks)


def _simulation_section(table: PowerTable) -> Section:
    rows = [row for row in table.rows if row.simulation]
    labels = [curve.label for row, curve in zip(table.rows, table.curves, strict=True) if row.simulation]
    told = "; ".join(
        f"{label}: simulated {100 * row.simulation.power:.1f} %, formula {100 * row.simulation.expected_power:.1f} %"
        for row, label in zip(rows, labels, strict=True)
        if row.simulation
    )
    verdicts = {
        word: [
            label
            for row, label in zip(rows, labels, strict=True)
            if row.simulation and row.simulation.agreement == word
        ]
        for word in ("agrees", "differs", "undetermined")
    }
    caption = "Bar: the formula, with 2 points on either side. Circle: simulated trials, with 95 % interval."
    if table.design.dropout:
        caption += " Diamond: simulated trials analysed with complete patients only."
    blocks: list[Block] = [
        embedded(simulated_against_formula(rows, labels), f"Power by formula and by simulation. {told}.", caption)
    ]
    if verdicts["differs"]:
        words = "; ".join(verdicts["differs"])
        blocks.append(Callout(f"Formula and simulated trials differ by more than 2 points: {words}.", "warn"))
    if verdicts["undetermined"]:
        words = "; ".join(verdicts["undetermined"])
        blocks.append(Callout(f"More trials are needed to tell whether they agree within 2 points: {words}.", "warn"))
    if len(verdicts["agrees"]) == len(rows):
        blocks.append(Callout("Formula and simulated trials agree within 2 points for every row.", "pass"))
    found = rows[0].simulation
    assert found is not None
    frame = pd.DataFrame(
        {
            "assumed": labels,
            "n": [row.n_control for row in rows],
            "formula": [fixed(100 * s.expected_power, 1) for row in rows if (s := row.simulation)],
            "power": [fixed(100 * s.power, 1) for row in rows if (s := row.simulation)],
            "interval": [interval([100 * e for e in s.power_ci95]) for row in rows if (s := row.simulation)],
            "completers": [
                fixed(None if s.completers_power is None else 100 * s.completers_power, 1)
                for row in rows
                if (s := row.simulation)
            ],
            "type_one": [fixed(100 * s.type_one_error, 1) for row in rows if (s := row.simulation)],
            "type_one_interval": [
                interval([100 * e for e in s.type_one_error_ci95]) for row in rows if (s := row.simulation)
            ],
        }
    )
    names = {
        "assumed": "Assumed",
        "n": "Per arm" if table.design.allocation == 1 else "Control arm",
        "formula": "Formula",
        "power": "Simulated",
        "interval": "95 % interval",
        "completers": "Complete only",
        "type_one": "Type I error",
        "type_one_interval": "95 % interval",
    }
    if not table.design.dropout:
        del names["completers"]
    units = dict.fromkeys(("formula", "power", "interval", "completers", "type_one", "type_one_interval"), "%")
    blocks.append(
        TableBlock(frame, "Formula and simulated trials", names, units, numbers=tuple(units), formats={"n": "d"})
    )
    return Section(
        "What simulated trials say", f"{found.n_trials} trials a row, analysed by: {found.analysis}.", blocks
    )


def _protocol_section(table: PowerTable) -> Section:
    return Section(
        "For the protocol",
        "The assumptions decide the size; their sources belong beside them.",
        [Callout(table.statement, "info", "Sample size")],
    )
