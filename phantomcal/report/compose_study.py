"""From a study run to its one report: phantoms, lines, alignment, regions, and what was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.compose_alignment import ALIGNMENT_TITLE, alignment_section, worst_key
from phantomcal.report.compose_calibration import calibration_sections
from phantomcal.report.compose_correlation import correlation_sections, decided_key
from phantomcal.report.compose_study_lesions import lesion_citations, lesion_methods, lesion_sections
from phantomcal.report.methods import (
    OSHIMA_2020,
    alignment_methods,
    calibration_citations,
    calibration_methods,
    correlation_citations,
    correlation_methods,
    without_repeats,
)
from phantomcal.report.numerals import NONE, count, fixed, listed, missing, number, percent, unit_words
from phantomcal.report.page import Block, Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text, Verdict, Viewer
from phantomcal.report.truth_figures import relative_error, truth_comparison
from phantomcal.results import Provenance, StudyRun

if TYPE_CHECKING:
    from pandas import DataFrame

# A report of a thousand people shows those worth looking at; results.json and sessions/ have everyone.
MOST_ALIGNMENTS = 60
MOST_OUTCOMES = 60
MOST_WARNINGS = 40
MOST_CALIBRATIONS = 6
MOST_INPUTS = 120


def study_report(
    run: StudyRun,
    overlays: Sequence[Sequence[Figure]] = (),
    alignment_pictures: Mapping[str, Figure] | None = None,
    table: "DataFrame | None" = None,
    group: str | None = None,
    subject: str | None = "subject_id",
    truth: "DataFrame | None" = None,
    volumes: Sequence[Viewer] = (),
) -> Report:
    """The report of `run` and `demo`.

    Parameters
    ----------
    run : StudyRun
        The result.
    overlays : sequence of sequences of Figure
        Phantom pictures (`vial_picture`), one sequence per calibration, in the order of ``run.calibrations``.
    alignment_pictures : mapping of str to Figure, optional
        By the keys of ``run.alignments`` (`alignment_picture`).
    table : pandas.DataFrame, optional
        The region table that was correlated.
    group, subject : str, optional
        Columns of the region table.
    truth : pandas.DataFrame, optional
        Estimates beside known truth, for simulated studies, as `truth_comparison` takes it.
    volumes : sequence of Viewer
        Of a few sessions.

    Returns
    -------
    Report
    """
    sections = _sections(run, overlays, alignment_pictures or {}, table, group, subject, truth)
    if volumes:
        place = next((k + 1 for k, s in enumerate(sections) if s.title == ALIGNMENT_TITLE), len(sections))
        sections.insert(place, _volumes_section(volumes, run.n_subjects))
    methods = [calibration_methods(calibration) for calibration in run.calibrations]
    references = [OSHIMA_2020]
    for calibration in run.calibrations:
        references += calibration_citations(calibration)
    if run.alignments:
        methods.append(alignment_methods(list(run.alignments.values())))
    if run.correlation is not None:
        methods.append(correlation_methods(run.correlation))
        references += correlation_citations()
    methods += lesion_methods(run)
    references += lesion_citations(run)
    verdict = _verdict(run)
    return Report(
        kind="Study report",
        title=run.study,
        subtitle=_subtitle(run),
        verdict=verdict,
        verdict_text=_verdict_text(run, verdict),
        key_numbers=_key_numbers(run),
        warnings=_warnings(run),
        sections=sections,
        methods="\n\n".join(dict.fromkeys(part for part in methods if part)),
        references=without_repeats(references),
        provenance=_shown_provenance(run.provenance),
    )


def _volumes_section(volumes: Sequence[Viewer], n_subjects: int) -> Section:
    some = len(volumes) < n_subjects
    which = (
        f"{count(len(volumes), 'session')} only, those most in need of a look, so that the page stays small; "
        "`register` shows the others."
        if some
        else ""
    )
    return Section("The volumes", f"CT laid over the map, regions and lesions outlined. {which}".strip(), volumes)


def truth_section(truth: "DataFrame") -> Section:
    """How far each estimate is from the truth of a simulated study.

    Parameters
    ----------
    truth : pandas.DataFrame
        As `truth_comparison` takes it.

    Returns
    -------
    Section
    """
    rows = truth.to_dict("records")
    errors = [relative_error(row["estimate"], row["truth"]) for row in rows]
    frame = pd.DataFrame(
        {
            "quantity": [str(row["quantity"]) for row in rows],
            "estimate": [number(row["estimate"]) for row in rows],
            "truth": [number(row["truth"]) for row in rows],
            "unit": [unit_words(str(row["unit"] or "")) for row in rows],
            "error": [percent(error, signed=True) for error in errors],
            "allowed": [
                NONE if missing(row.get("tolerance_percent")) else f"± {fixed(row['tolerance_percent'], 0)} %"
                for row in rows
            ],
        }
    )
    beyond = [
        not missing(error)
        and not missing(row.get("tolerance_percent"))
        and abs(100 * float(error or 0)) > row["tolerance_percent"]
        for row, error in zip(rows, errors, strict=True)
    ]
    flags: list[RowFlag] = ["warn" if bad else "" for bad in beyond]
    labels = {
        "quantity": "Quantity",
        "estimate": "Estimate",
        "truth": "Truth",
        "unit": "Unit",
        "error": "Relative error",
        "allowed": "Allowed",
    }
    told = "; ".join(
        f"{row['quantity']} {percent(error, signed=True)}" for row, error in zip(rows, errors, strict=True)
    )
    return Section(
        "Estimate against truth",
        "This study is simulated, so the truth is known; no step of the analysis has read it.",
        [
            embedded(
                truth_comparison(truth), f"Relative error of each estimate: {told}.", "Zero: the estimate is the truth."
            ),
            TableBlock(
                frame,
                "Estimates and truth",
                labels,
                numbers=("estimate", "truth", "error", "allowed"),
                flags=flags,
                note="Tinted rows are further from the truth than is allowed." if any(beyond) else "",
            ),
        ],
    )


def _sections(
    run: StudyRun,
    overlays: Sequence[Sequence[Figure]],
    pictures: Mapping[str, Figure],
    table: "DataFrame | None",
    group: str | None,
    subject: str | None,
    truth: "DataFrame | None",
) -> list[Section]:
    sections = [] if truth is None else [truth_section(truth)]
    for i, calibration in enumerate(run.calibrations[:MOST_CALIBRATIONS]):
        several = len(run.calibrations) > 1
        prefix = f"{calibration.session or calibration.protocol}: " if several else ""
        sections += calibration_sections(calibration, overlays[i] if i < len(overlays) else (), prefix)
    if len(run.calibrations) > MOST_CALIBRATIONS:
        more = len(run.calibrations) - MOST_CALIBRATIONS
        text = f"{count(more, 'more calibration')}: see calibration/SESSION/report.html."
        sections.append(Section("Further calibrations", "", [Text(text)]))
    if run.alignments:
        sections.append(_alignments(run, pictures))
    if run.correlation is not None and table is not None:
        sections += correlation_sections(run.correlation, table, group, subject)
    sections += lesion_sections(run)
    sections.append(_steps_section(run))
    return sections


def _shown_provenance(provenance: Provenance) -> Provenance:
    """The provenance with no more inputs than a page can show; results.json has them all."""
    if len(provenance.inputs) <= MOST_INPUTS:
        return provenance
    said = f"{len(provenance.inputs)} files; the first {MOST_INPUTS} are shown, all are in results.json"
    parameters = {**provenance.parameters, "inputs": said}
    return provenance.model_copy(update={"inputs": provenance.inputs[:MOST_INPUTS], "parameters": parameters})


def _alignments(run: StudyRun, pictures: Mapping[str, Figure]) -> Section:
    """Everyone's alignment, or of a large study the doubtful and least certain ones and a count of the rest."""
    if len(run.alignments) <= MOST_ALIGNMENTS:
        return alignment_section(run.alignments, pictures)
    ranks = {"fail": 0, "review": 1, "pass": 2}
    order = sorted(
        run.alignments,
        key=lambda name: (ranks[run.alignments[name].verdict], -run.alignments[name].predicted_error_mm, name),
    )
    shown = {name: run.alignments[name] for name in order[:MOST_ALIGNMENTS]}
    section = alignment_section(shown, {name: pictures[name] for name in shown if name in pictures})
    errors = pd.Series([alignment.predicted_error_mm for alignment in run.alignments.values()])
    verdicts = [alignment.verdict for alignment in run.alignments.values()]
    counts = pd.DataFrame(
        {
            "verdict": ["pass", "review", "fail"],
            "sessions": [verdicts.count(verdict) for verdict in ("pass", "review", "fail")],
        }
    )
    middle, high, worst = (float(errors.quantile(q)) for q in (0.5, 0.95, 1.0))
    summary: list[Block] = [
        TableBlock(
            counts, "All alignments", {"verdict": "Verdict", "sessions": "Sessions"}, formats={"sessions": ".0f"}
        ),
        Text(
            f"Predicted error of all {len(errors)}: median {fixed(middle)} mm, 95 % below {fixed(high)} mm, largest "
            f"{fixed(worst)} mm. Below are the {len(shown)} most in need of a look, the doubtful first; everyone's "
            "alignment is in registration/SESSION/registration.json."
        ),
    ]
    return replace(section, blocks=[*summary, *section.blocks])


def _steps_section(run: StudyRun) -> Section:
    states = ("done", "review", "failed", "skipped")
    steps = list(dict.fromkeys(step.step for step in run.steps))
    counts = pd.DataFrame(
        [
            {"step": name, **{s: sum(x.step == name and x.status == s for x in run.steps) for s in states}}
            for name in steps
        ],
        columns=["step", *states],
    )
    labels = {"step": "Step", "done": "Done", "review": "To review", "failed": "Failed", "skipped": "Left out"}
    blocks: list[Block] = [TableBlock(counts, "Steps of the run", labels, formats=dict.fromkeys(states, ".0f"))]
    rest = [step for step in run.steps if step.status != "done"]
    if rest:
        order = {"failed": 0, "review": 1, "skipped": 2}
        everything = len(rest)
        rest = sorted(rest, key=lambda step: order[step.status])[:MOST_OUTCOMES] if everything > MOST_OUTCOMES else rest
        frame = pd.DataFrame([step.model_dump() for step in rest])
        words = {"skipped": "left out", "review": "to review", "failed": "failed"}
        frame["status"] = [words[step.status] for step in rest]
        flags: dict[str, RowFlag] = {"skipped": "muted", "review": "warn", "failed": "fail"}
        blocks.append(
            TableBlock(
                frame,
                "Not done, or to be looked at",
                {"step": "Step", "subject": "Subject", "session": "Session", "status": "Outcome", "message": "Why"},
                flags=[flags[step.status] for step in rest],
                note=f"{len(rest)} of {everything}, failures first; all are in results.json."
                if everything > len(rest)
                else "",
            )
        )
    else:
        blocks.append(Text("Every step was done for everyone; nothing was left out."))
    return Section("What was done and what was left out", "", blocks)


def _subtitle(run: StudyRun) -> str:
    parts = [count(run.n_subjects, "subject")]
    if run.calibrations:
        parts.append(count(len(run.calibrations), "phantom session"))
    if run.correlation is not None:
        parts.append(count(len(run.correlation.regions), "region"))
    return " · ".join(parts)


def _verdict(run: StudyRun) -> Verdict:
    statuses = [calibration.status for calibration in run.calibrations]
    verdicts = [alignment.verdict for alignment in run.alignments.values()]
    outcomes = [step.status for step in run.steps]
    if "fail" in statuses or "fail" in verdicts or "failed" in outcomes:
        return "fail"
    if "warn" in statuses or "review" in verdicts or "review" in outcomes:
        return "review"
    return "pass"


def _verdict_text(run: StudyRun, verdict: Verdict) -> str:
    left_out = sum(step.status == "skipped" for step in run.steps)
    skipped = f" {count(left_out, 'step')} left out for want of data." if left_out else ""
    if verdict == "pass":
        return f"Every step that has data was done and passed its checks.{skipped}"
    bad = [
        calibration.session or calibration.protocol for calibration in run.calibrations if calibration.status != "pass"
    ]
    bad += [name for name, alignment in run.alignments.items() if alignment.verdict != "pass"]
    bad += [f"{step.step} {step.subject}".strip() for step in run.steps if step.status in ("failed", "review")]
    named = listed(list(dict.fromkeys(bad)), most=5)
    if verdict == "fail":
        return f"A step or check failed: {named}. The rest is complete.{skipped}"
    return f"Complete, with parts to look at first: {named}.{skipped}"


def _key_numbers(run: StudyRun) -> list[KeyNumber]:
    keys = []
    if run.calibrations:
        lines = [line for calibration in run.calibrations for line in calibration.lines]
        good = sum(line.established for line in lines)
        ratios = [line.slope_ratio for line in lines if line.slope_ratio is not None]
        detail = f"{fixed(min(ratios))} to {fixed(max(ratios))} times the expected slope" if ratios else ""
        keys.append(KeyNumber("Calibration lines established", f"{good} of {len(lines)}", detail))
    if run.alignments:
        keys.append(worst_key(run.alignments))
    if run.correlation is not None:
        keys.append(decided_key(run.correlation))
    if len(keys) < 3:
        done = sum(step.status == "done" for step in run.steps)
        keys.append(
            KeyNumber("Steps done", f"{done} of {len(run.steps)}", f"{count(run.n_subjects, 'subject')} in the study")
        )
    return keys


def _warnings(run: StudyRun) -> list[str]:
    # Sections bring their own; only what belongs to none is added here.
    warnings = [*run.warnings, *(text for calibration in run.calibrations for text in calibration.warnings)]
    more = len(warnings) - MOST_WARNINGS
    return warnings if more <= 0 else [*warnings[:MOST_WARNINGS], f"and {more} more, all in results.json"]
