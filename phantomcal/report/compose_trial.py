"""From an analysed trial to its report: the difference, who was in it, every analysis, events."""

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.methods_trials import trial_citations, trial_methods
from phantomcal.report.numerals import (
    count,
    fixed,
    interval,
    no_value,
    number,
    p_number,
    p_value,
    percent,
    with_uncertainty,
)
from phantomcal.report.page import Block, Callout, KeyNumber, Report, RowFlag, Section, TableBlock
from phantomcal.report.trial_figures import analyses_forest, arm_courses, flow_diagram
from phantomcal.results.trial_analysis import Trial, TrialContrast
from phantomcal.trials.contrasts import PERCENT

_ROLES = {"primary": "Primary", "sensitivity": "Sensitivity", "secondary": "Secondary"}


def trial_report(trial: Trial) -> Report:
    """The report of `trial`.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    Report
    """
    primary = [row for row in trial.contrasts if row.role == "primary"]
    return Report(
        kind="Trial analysis",
        title=_title(trial),
        subtitle=_subtitle(trial),
        verdict="info" if all(row.estimate is not None for row in primary) else "review",
        verdict_text=" ".join(_sentence(row) for row in primary),
        key_numbers=_key_numbers(trial, primary),
        warnings=trial.warnings,
        sections=[_flow_section(trial), _arm_section(trial), _analysis_section(trial), _event_section(trial)],
        methods=trial_methods(trial),
        references=trial_citations(trial),
        provenance=trial.provenance,
    )


def _title(trial: Trial) -> str:
    if len(trial.arms) == 2:
        return f"{trial.arms[1]} against {trial.control}: change of lesional susceptibility"
    return f"{len(trial.arms) - 1} arms against {trial.control}: change of lesional susceptibility"


def _subtitle(trial: Trial) -> str:
    return " · ".join(
        [
            f"{sum(f.randomised for f in trial.flow)} patients randomised",
            f"{sum(f.analysed for f in trial.flow)} analysed",
            count(sum(f.lesions for f in trial.flow), "lesion"),
            f"{number(sum(f.patient_years for f in trial.flow), 3)} patient-years",
        ]
    )


def _sentence(row: TrialContrast) -> str:
    if row.estimate is None or row.ci95 is None:
        return f"{row.treated} against {row.control}: undetermined ({row.note})."
    low, high = row.ci95
    p = row.p_value if row.p_adjusted is None else row.p_adjusted
    if low > 0 or high < 0:
        word = "rises more slowly" if high < 0 else "rises faster"
        found = f"susceptibility {word} in {row.treated} than in {row.control}"
    else:
        found = f"a difference between {row.treated} and {row.control} is neither shown nor excluded"
    return (
        f"{found[0].upper()}{found[1:]}: {fixed(row.estimate, 2)} % per year, 95 % {interval(row.ci95)}, {p_value(p)}."
    )


def _key_numbers(trial: Trial, primary: list[TrialContrast]) -> list[KeyNumber]:
    first = primary[0]
    keys = [
        KeyNumber(
            f"{first.treated} minus {first.control}",
            with_uncertainty(first.estimate, first.standard_error, "% per year", first.note),
            f"95 % {interval(first.ci95)} · {p_value(first.p_value)} · intention to treat",
        )
    ]
    for row in [m for m in trial.means if m.population == "intention to treat"][:2]:
        keys.append(
            KeyNumber(
                f"Change in {row.arm}",
                with_uncertainty(row.mean, row.standard_error, "% per year"),
                f"95 % {interval(row.ci95)} · {count(row.n_patients, 'patient')}",
            )
        )
    return keys


def _flow_section(trial: Trial) -> Section:
    told = "; ".join(
        f"{f.arm}: {f.randomised} randomised, {f.without_follow_up} lost before a second value, {f.discontinued} left "
        f"early, {f.analysed} analysed, {f.per_protocol} per protocol"
        for f in trial.flow
    )
    visits = [f"visit {k}" if k else "baseline" for k in range(trial.planned_visits + 1)]
    frame = pd.DataFrame(
        {"arm": [f.arm for f in trial.flow]}
        | {name: [f.seen[k] for f in trial.flow] for k, name in enumerate(visits)}
        | {
            "lesions": [f.lesions for f in trial.flow],
            "intervals": [f.intervals for f in trial.flow],
            "years": [fixed(f.patient_years, 1) for f in trial.flow],
        }
    )
    labels = {"arm": "Arm"} | {name: name.capitalize() for name in visits}
    labels |= {"lesions": "Lesions", "intervals": "Intervals", "years": "Patient-years"}
    return Section(
        "Who was in it",
        "Patients from randomisation to analysis.",
        [
            embedded(flow_diagram(trial), f"Flow of patients. {told}."),
            TableBlock(
                frame,
                "Patients with a value at each visit, and what is analysed",
                labels,
                numbers=("years",),
                formats=dict.fromkeys([*visits, "lesions", "intervals"], "d"),
            ),
        ],
    )


def _arm_section(trial: Trial) -> Section:
    told = "; ".join(f"{row.arm} visit {row.visit}: {row.mean:.1f} % ({row.n_patients})" for row in trial.visit_means)
    frame = pd.DataFrame(
        {
            "population": [row.population for row in trial.means],
            "arm": [row.arm for row in trial.means],
            "n": [row.n_patients for row in trial.means],
            "mean": [with_uncertainty(row.mean, row.standard_error) for row in trial.means],
            "interval": [interval(row.ci95, reason="one patient") for row in trial.means],
            "sd": [number(row.sd, 3) for row in trial.means],
        }
    )
    labels = {
        "population": "Population", "arm": "Arm", "n": "Patients", "mean": "Mean ± SE", "interval": "95 % interval",
        "sd": "SD",
    }  # fmt: skip
    units = dict.fromkeys(("mean", "interval", "sd"), PERCENT)
    return Section(
        "The arms",
        "Change since baseline of every patient (lesions averaged), and the mean of those seen at each visit.",
        [
            embedded(
                arm_courses(trial),
                f"Change since baseline by arm. {told}.",
                "Thin: patients. Thick: means with 95 % intervals of the patients seen, whose number stands below.",
            ),
            TableBlock(
                frame,
                "Change per year, patients' averages",
                labels,
                units,
                numbers=("mean", "interval", "sd"),
                formats={"n": "d"},
            ),
        ],
    )


def _label(row: TrialContrast) -> str:
    return "primary" if row.role == "primary" else row.analysis.split(": ")[-1]


def _analysis_section(trial: Trial) -> Section:
    blocks: list[Block] = []
    for treated in trial.arms[1:]:
        rows = [row for row in trial.contrasts if row.treated == treated and row.unit == PERCENT]
        told = "; ".join(f"{_label(r)} {fixed(r.estimate, 2)} ({interval(r.ci95)})" for r in rows)
        blocks.append(
            embedded(
                analyses_forest(rows, [_label(row) for row in rows]),
                f"Difference between {treated} and {trial.control} by every analysis: {told}.",
                f"{treated} minus {trial.control}; patients: control / treated. Left of zero: slower in {treated}.",
            )
        )
        clear = {bool(row.ci95[0] > 0 or row.ci95[1] < 0) for row in rows if row.ci95 is not None}
        if len(clear) > 1:
            blocks.append(
                Callout(
                    f"Whether the interval of {treated} minus {trial.control} excludes zero depends on the analysis. "
                    "The primary one was chosen beforehand; the others say how firm it is.",
                    "warn",
                )
            )
    blocks.append(_table([row for row in trial.contrasts if row.unit in (PERCENT, "ppm per year")], trial, "Analyses"))
    return Section(
        "The difference",
        "The primary analysis and how far it depends on choices: populations, models, losses.",
        blocks,
    )


def _event_section(trial: Trial) -> Section:
    rows = [row for row in trial.contrasts if row.unit in ("risk difference", "rate ratio")]
    blocks: list[Block] = []
    lines = []
    for arm in trial.arms:
        for share in trial.event_shares.get(arm, []):
            lines.append(
                (arm, share.name, f"{share.count} of {share.n}", percent(share.value), _percent_interval(share.ci95))
            )
        for rate in trial.event_rates.get(arm, []):
            name = f"{rate.event} events per patient-year"
            years = f"{rate.events} in {number(rate.years, 3)} years"
            lines.append((arm, name, years, number(rate.per_year, 3), interval(rate.clustered_ci95 or rate.ci95)))
    frame = pd.DataFrame(lines, columns=["arm", "what", "count", "value", "interval"])
    labels = {"arm": "Arm", "what": "Events", "count": "Count", "value": "Estimate", "interval": "95 % interval"}
    if lines:
        blocks.append(TableBlock(frame, "Events in each arm", labels, numbers=("count", "value", "interval")))
    if rows:
        blocks.append(_table(rows, trial, "Arms compared by events"))
    if not blocks:
        blocks.append(Callout("No interval in which an event is known.", "warn"))
    return Section(
        "Events",
        f"A threshold event is a rise of {trial.threshold_percent:g} % or more between consecutive visits.",
        blocks,
    )


def _percent_interval(bounds: tuple[float, float] | None) -> str:
    return no_value() if bounds is None else f"{percent(bounds[0])} to {percent(bounds[1])}"


def _table(rows: list[TrialContrast], trial: Trial, caption: str) -> TableBlock:
    frame = pd.DataFrame(
        {
            "treated": [row.treated for row in rows],
            "analysis": [f"{_ROLES[row.role]}: {row.analysis}" for row in rows],
            "patients": [f"{row.n_control} / {row.n_treated}" for row in rows],
            "estimate": [with_uncertainty(row.estimate, row.standard_error) for row in rows],
            "interval": [interval(row.ci95) for row in rows],
            "unit": [row.unit for row in rows],
            "p": [p_number(row.p_value) for row in rows],
            "adjusted": [p_number(row.p_adjusted) for row in rows],
            "test": [_short(row.test) for row in rows],
            "note": [row.note for row in rows],
        }
    )
    labels = {
        "treated": "Arm", "analysis": "Analysis", "patients": "Patients", "estimate": "Estimate ± SE",
        "interval": "95 % interval", "unit": "Unit", "p": "p", "adjusted": "p adjusted", "test": "Test",
        "note": "Remark",
    }  # fmt: skip
    if len(trial.arms) == 2:
        del labels["treated"]
    if not any(row.p_adjusted is not None for row in rows):
        del labels["adjusted"]
    if not any(row.note for row in rows):
        del labels["note"]
    flags: list[RowFlag] = ["muted" if row.estimate is None else "" for row in rows]
    numbers = ("patients", "estimate", "interval", "p", "adjusted")
    return TableBlock(frame, caption, labels, numbers=numbers, flags=flags, note="Patients: control / treated.")


def _short(test: str) -> str:
    """A test without the details that the methods paragraph gives: ``mixed model (53 df)``."""
    head, _, tail = test.partition(", ")
    return f"{head} ({tail.rpartition('(')[2]}" if tail.endswith("df)") else test
