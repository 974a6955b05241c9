"""From a calibration to its report: lines, slopes, vials, and where they were found."""

import re
from collections.abc import Callable, Sequence

from phantomcal.report.blocks import embedded
from phantomcal.report.budget_figures import budget_bars
from phantomcal.report.budget_tables import budget_remarks, budget_table, diagnosis_callouts, diagnosis_table
from phantomcal.report.calibration_keys import key_numbers
from phantomcal.report.calibration_tables import (
    excluded_table,
    expectation_table,
    line_name,
    lines_table,
    location_table,
    reference_table,
    scatter_table,
    vials_table,
)
from phantomcal.report.compose_certificate import certificate
from phantomcal.report.fit_figures import slope_alternatives
from phantomcal.report.fit_tables import (
    alternatives_table,
    detection_table,
    fit_remarks,
    influence_table,
    linearity_table,
)
from phantomcal.report.line_figures import calibration_lines, slope_ratios
from phantomcal.report.methods import calibration_citations, calibration_methods
from phantomcal.report.numerals import (
    count,
    fixed,
    listed,
    p_value,
    percent,
    with_uncertainty,
)
from phantomcal.report.page import Block, Callout, Figure, Report, Section, Text, Viewer
from phantomcal.report.style import modality_name
from phantomcal.results import Calibration, Line


def calibration_report(
    calibration: Calibration,
    overlays: Sequence[Figure] = (),
    verdict_text: str = "",
    volumes: Callable[[], Sequence[Viewer]] = tuple,
) -> Report:
    """The report of `calibrate` and `fit`.

    Parameters
    ----------
    calibration : Calibration
        The result; at least one line.
    overlays : sequence of Figure
        Pictures of the phantom with the found vials (`vial_picture`), one per modality.
    verdict_text : str
        Replaces the sentence made from the status.
    volumes : callable
        Gives the viewers of the phantom's volumes; asked last, so that they can be made meanwhile.

    Returns
    -------
    Report
    """
    sentence = verdict_text or _verdict_text(calibration)
    sections = calibration_sections(calibration, overlays, complete=True)
    shown = volumes()
    if shown:
        sections.insert(1, volumes_section(shown))
    return Report(
        kind="Calibration report",
        title=calibration.title or calibration.protocol,
        subtitle=_subtitle(calibration),
        verdict=calibration.status,
        verdict_text=sentence,
        key_numbers=key_numbers(calibration),
        warnings=calibration.warnings,
        sections=sections,
        methods=calibration_methods(calibration),
        references=calibration_citations(calibration),
        provenance=calibration.provenance,
        certificate=certificate(calibration, sentence),
    )


def calibration_sections(
    calibration: Calibration, overlays: Sequence[Figure] = (), prefix: str = "", complete: bool = False
) -> list[Section]:
    """The sections of one calibration.

    Parameters
    ----------
    calibration : Calibration
    overlays : sequence of Figure
        Pictures of the phantom.
    prefix : str
        Starts the titles where a report holds several phantoms.
    complete : bool
        With other fits, influence and uncertainty budgets, which a report over many phantoms leaves to theirs.

    Returns
    -------
    list of Section
    """
    sections = []
    if overlays or calibration.locations:
        sections.append(_phantom_section(calibration, overlays, prefix))
    sections.append(_lines_section(calibration, prefix))
    if calibration.diagnoses:
        sections.append(_diagnosis_section(calibration, prefix))
    if complete and any(line.alternatives or line.influence for line in calibration.lines):
        sections.append(_fit_section(calibration, prefix))
    if any(line.slope_ratio is not None or line.slope_verdict for line in calibration.lines):
        sections.append(_expectation_section(calibration, prefix))
    if complete and any(line.budget is not None for line in calibration.lines):
        sections.append(_budget_section(calibration, prefix))
    if calibration.vials:
        sections.append(_vials_section(calibration, prefix))
    return sections


def volumes_section(viewers: Sequence[Viewer]) -> Section:
    """The volumes themselves, to scroll through."""
    return Section(
        "The volumes",
        "Scroll through the scan from end to end: bubbles, leaning vials and artefacts show here.",
        viewers,
    )


def _subtitle(calibration: Calibration) -> str:
    parts = [f"Protocol {calibration.protocol}"] if calibration.title and calibration.protocol else []
    if calibration.session:
        parts.append(f"session {calibration.session}")
    modalities = [modality_name(m) for m in dict.fromkeys(line.modality for line in calibration.lines)]
    vials = {vial.vial_id for vial in calibration.vials}
    place = f" in {listed([m for m in modalities if m])}" if any(modalities) else ""
    parts.append(f"{count(len(calibration.lines), 'line')}{place}")
    if vials:
        parts.append(count(len(vials), "vial"))
    text = " · ".join(parts)
    return text[0].upper() + text[1:]


def _verdict_text(calibration: Calibration) -> str:
    n = count(len(calibration.warnings), "warning") if calibration.warnings else "the notes beside the lines"
    if calibration.status == "warn":
        return f"Usable with care: read {n} first."
    if calibration.status == "fail":
        return f"A tolerance or quality check failed; read {n} before use."
    weak = [line_name(line) for line in calibration.lines if not line.established]
    if weak:
        return f"No check failed; not established as a line: {listed(weak)}."
    if not calibration.locations:
        return "No check failed."
    lines = "The line is" if len(calibration.lines) == 1 else f"All {len(calibration.lines)} lines are"
    return f"{lines} within the tolerances of the protocol."


def _phantom_section(calibration: Calibration, overlays: Sequence[Figure], prefix: str) -> Section:
    blocks: list[Block] = list(overlays)
    if calibration.locations:
        blocks.append(location_table(calibration.locations))
    if calibration.references:
        blocks.append(reference_table(calibration.references))
    return Section(
        f"{prefix}The phantom and its vials",
        "Outlines are the masks that were measured. Check that every name stands at the right vial: a wrong "
        "orientation shows here first.",
        blocks,
    )


def _lines_section(calibration: Calibration, prefix: str) -> Section:
    lines = calibration.lines
    blocks: list[Block] = [
        embedded(calibration_lines(calibration), _lines_alt(lines), _lines_caption(lines)),
        lines_table(lines),
        scatter_table(lines),
        linearity_table(lines),
        detection_table(lines),
    ]
    if any(line.excluded for line in lines):
        blocks.append(excluded_table(lines))
    blocks += [Callout(note, "info") for note in _fresh_notes(calibration)]
    return Section(
        f"{prefix}Calibration lines",
        "Each panel holds one material in one modality; the strip beneath shows what the line leaves unexplained.",
        blocks,
        _line_warnings(calibration),
    )


def _diagnosis_section(calibration: Calibration, prefix: str) -> Section:
    found = calibration.diagnoses
    return Section(
        f"{prefix}Flagged vials explained",
        "What each flagged vial reads, what it should read, what may have happened, and what to do.",
        [diagnosis_table(found), *diagnosis_callouts(found)],
    )


def _fit_section(calibration: Calibration, prefix: str) -> Section:
    lines = calibration.lines
    blocks: list[Block] = []
    if any(line.alternatives for line in lines):
        told = f"Slope of each line by every fit, relative to the main one. {_alternatives_alt(lines)}"
        caption = "Filled: the main fit. Open: the others. Bars: 95 % intervals."
        blocks += [embedded(slope_alternatives(calibration), told, caption), alternatives_table(lines)]
        remarks = fit_remarks(lines)
        blocks += [remarks] if remarks else []
    if any(line.influence for line in lines):
        blocks.append(influence_table(lines))
    return Section(
        f"{prefix}How far the fit decides",
        "A sound line does not change with the way it is fitted, nor with one vial more or less.",
        blocks,
    )


def _alternatives_alt(lines: Sequence[Line]) -> str:
    return "; ".join(
        f"{line_name(line)}: {listed([percent(a.slope / line.slope - 1, signed=True) for a in line.alternatives])}"
        for line in lines
        if line.alternatives and line.slope
    )


def _budget_section(calibration: Calibration, prefix: str) -> Section:
    lines = [line for line in calibration.lines if line.budget is not None]
    told = "; ".join(
        f"{line_name(line)}: combined {percent(abs(line.budget.combined / line.budget.value))}, mostly "
        f"{line.budget.entries[0].source}"
        for line in lines
        if line.budget is not None and line.budget.value
    )
    blocks: list[Block] = []
    if any(line.slope for line in lines):
        caption = (
            "Dashed: the combined standard uncertainty, the root of the sum of squares. Scatter that noise, place and "
            "concentration explain is not counted twice."
        )
        blocks.append(embedded(budget_bars(calibration), f"Uncertainty of the slopes by source. {told}.", caption))
    return Section(
        f"{prefix}Uncertainty of the slopes",
        "Where the uncertainty of each slope comes from, in the manner of the GUM. The largest bar is what to improve.",
        [*blocks, *(budget_table(line) for line in lines), *budget_remarks(lines)],
    )


def _excluded_words(line: Line) -> str:
    words = f"{listed(line.excluded)} left out of the line"
    if line.all_vials is not None:
        kept = with_uncertainty(line.slope, line.slope_se, line.slope_unit)
        words += (
            f"; the slope is {kept} without and {with_uncertainty(line.all_vials.slope, line.all_vials.slope_se)} with"
        )
    return f"{words}."


def _lines_alt(lines: Sequence[Line]) -> str:
    told = "; ".join(
        f"{line_name(line)}: slope {with_uncertainty(line.slope, line.slope_se, line.slope_unit)}, "
        f"{p_value(line.p_value, 'not tested')}, {count(line.n_vials, 'vial')}"
        for line in lines
    )
    return f"Calibration lines with residuals. {told}."


def _lines_caption(lines: Sequence[Line]) -> str:
    words = "Vial means with 95 % intervals and the fitted line."
    if any(line.slope_se is not None and line.covariance_slope_intercept is not None for line in lines):
        words = "Vial means with 95 % intervals, the fitted line and its 95 % confidence band."
    if any(line.expected_slope is not None for line in lines):
        words += " Dashed: the expected slope through the centroid of the points."
    if any(line.excluded for line in lines):
        words += " Hollow: vials left out; dotted: the line with them. Triangles in the strip mark residuals beyond it."
    return words


def _expectation_section(calibration: Calibration, prefix: str) -> Section:
    lines = [line for line in calibration.lines if line.slope_ratio is not None]
    blocks: list[Block] = []
    if lines:
        told = "; ".join(f"{line_name(line)} {fixed(line.slope_ratio)}" for line in lines)
        alt = f"Measured over expected slope: {told}."
        blocks = [embedded(slope_ratios(calibration), alt, "Dashed line: as expected."), expectation_table(lines)]
    return Section(
        f"{prefix}Slopes against expectation",
        "A ratio of 1 means the scanner reads what physics or the literature predicts for this material.",
        [*blocks, *_verdicts(calibration.lines)],
    )


def _verdicts(lines: Sequence[Line]) -> list[Block]:
    told = [f"{line_name(line)}: {line.slope_verdict}." for line in lines if line.slope_verdict]
    return [Text("\n\n".join(told))] if told else []


def _vials_section(calibration: Calibration, prefix: str) -> Section:
    vials = calibration.vials
    doubtful = any(vial.flag or not vial.used for vial in vials)
    tinted = " Tinted rows were left out of their line or are suspect; the remark says why." if doubtful else ""
    return Section(
        f"{prefix}Vials",
        "Every vial as it was measured." + tinted,
        [
            vials_table(vials, placed=bool(calibration.locations)),
        ],
        _vial_warnings(calibration),
    )


def _fresh_notes(calibration: Calibration) -> list[str]:
    # What a warning says already, or the table of vials left out, is not said again.
    return [
        f"{line_name(line)}: {note}"
        for line in calibration.lines
        for note in line.notes
        if not any(note in text for text in calibration.warnings)
        and not (line.excluded and all(_mentions(note, vial) for vial in line.excluded))
    ]


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)", text) is not None


def _vial_warnings(calibration: Calibration) -> list[str]:
    # The analysis' own words stand where it spoke of a vial; flags it did not mention are put into words here.
    flagged = [vial for vial in calibration.vials if vial.flag or not vial.used]
    told = [text for text in calibration.warnings if any(_mentions(text, vial.vial_id) for vial in flagged)]
    silent = [vial for vial in flagged if vial.flag and not any(_mentions(text, vial.vial_id) for text in told)]
    return told + [
        f"Vial {vial.vial_id}{f' in {modality_name(vial.modality)}' if vial.modality else ''}: {vial.flag.rstrip('.')}."
        for vial in silent
    ]


def _line_warnings(calibration: Calibration) -> list[str]:
    told = [text for text in calibration.warnings if any(_mentions(text, line.material) for line in calibration.lines)]
    silent = [
        line
        for line in calibration.lines
        if any(not any(_mentions(text, vial) for text in calibration.warnings) for vial in line.excluded)
    ]
    return told + [f"{line_name(line)}: {_excluded_words(line)}" for line in silent]
