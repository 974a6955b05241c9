"""From a calibration to its report: lines, slopes, vials, and where they were found."""

import re
from collections.abc import Sequence

from phantomcal.report.blocks import embedded
from phantomcal.report.calibration_tables import (
    excluded_table,
    expectation_table,
    line_name,
    linearity_table,
    lines_table,
    location_table,
    reference_table,
    vials_table,
)
from phantomcal.report.line_figures import calibration_lines, slope_ratios
from phantomcal.report.methods import calibration_citations, calibration_methods
from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    interval,
    listed,
    no_value,
    number,
    p_value,
    share,
    unit_words,
    with_uncertainty,
)
from phantomcal.report.page import Block, Callout, Figure, KeyNumber, Report, Section
from phantomcal.report.style import modality_name
from phantomcal.results import Calibration, Line


def calibration_report(calibration: Calibration, overlays: Sequence[Figure] = (), verdict_text: str = "") -> Report:
    """The report of `calibrate` and `fit`.

    Parameters
    ----------
    calibration : Calibration
        The result; at least one line.
    overlays : sequence of Figure
        Pictures of the phantom with the found vials (`vial_picture`), one per modality.
    verdict_text : str
        Replaces the sentence made from the status.

    Returns
    -------
    Report
    """
    return Report(
        kind="Calibration report",
        title=calibration.title or calibration.protocol,
        subtitle=_subtitle(calibration),
        verdict=calibration.status,
        verdict_text=verdict_text or _verdict_text(calibration),
        key_numbers=_key_numbers(calibration),
        warnings=calibration.warnings,
        sections=calibration_sections(calibration, overlays),
        methods=calibration_methods(calibration),
        references=calibration_citations(calibration),
        provenance=calibration.provenance,
    )


def calibration_sections(calibration: Calibration, overlays: Sequence[Figure] = (), prefix: str = "") -> list[Section]:
    """The sections of one calibration; `prefix` starts their titles where a report holds several phantoms."""
    sections = []
    if overlays or calibration.locations:
        sections.append(_phantom_section(calibration, overlays, prefix))
    sections.append(_lines_section(calibration, prefix))
    if any(line.slope_ratio is not None for line in calibration.lines):
        sections.append(_expectation_section(calibration, prefix))
    if calibration.vials:
        sections.append(_vials_section(calibration, prefix))
    return sections


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


def _key_numbers(calibration: Calibration) -> list[KeyNumber]:
    if len(calibration.lines) > 3:
        return [_established(calibration), _furthest_slope(calibration), _vials_used(calibration)]
    keys = [_slope_key(line) for line in calibration.lines]
    if len(keys) < 3 and calibration.vials:
        keys.append(_vials_used(calibration))
    if len(keys) < 3:
        keys.append(_precision_key(calibration.lines[0]))
    return keys


def _precision_key(line: Line) -> KeyNumber:
    unit = unit_words(line.abscissa_unit)
    if line.lod is not None and unit != line.unit:
        return KeyNumber(
            "Limit of detection", f"{number(line.lod, 3)} {unit}", f"{line_name(line)}; 3.3 residual SD over slope"
        )
    spread = f"{number(line.residual_sd, 3)} {line.unit}" if line.residual_sd is not None else no_value("too few vials")
    return KeyNumber("Residual SD", spread, f"{line_name(line)}; R² {share(line.r2, 'two vials')}")


def _slope_key(line: Line) -> KeyNumber:
    details = []
    if line.slope_ci95:
        details.append(f"95 % {interval(line.slope_ci95)}")
    details.append(f"n = {line.n_vials}")
    if line.slope_ratio is not None:
        details.append(f"{fixed(line.slope_ratio)} × expected")
    if not line.established:
        details.append("not established")
    place = f" in {modality_name(line.modality)}" if line.modality else ""
    label = f"Slope of {line.material}{place}"
    return KeyNumber(label, with_uncertainty(line.slope, line.slope_se, line.slope_unit), " · ".join(details))


def _established(calibration: Calibration) -> KeyNumber:
    good = [line for line in calibration.lines if line.established]
    r2 = [line.r2 for line in calibration.lines if line.r2 is not None]
    detail = f"p < 0.05, at least three vials; R² {share(min(r2))} to {share(max(r2))}" if r2 else ""
    return KeyNumber("Lines established", f"{len(good)} of {len(calibration.lines)}", detail)


def _furthest_slope(calibration: Calibration) -> KeyNumber:
    compared = [line for line in calibration.lines if line.slope_ratio is not None]
    if not compared:
        return KeyNumber("Measured over expected slope", NONE, "no expected slope is known")
    # On a ratio scale 0.5 is as far from 1 as 2 is; a wrong sign is further than any.
    furthest = max(compared, key=lambda line: _distance_from_one(float(line.slope_ratio or 0.0)))
    detail = f"{line_name(furthest)}, the furthest from 1 of {len(compared)}"
    if furthest.slope_ratio_ci95:
        detail += f"; 95 % {interval(furthest.slope_ratio_ci95)}"
    return KeyNumber("Measured over expected slope", fixed(furthest.slope_ratio, 2), detail)


def _distance_from_one(ratio: float) -> float:
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")


def _vials_used(calibration: Calibration) -> KeyNumber:
    left_out = list(dict.fromkeys(vial.vial_id for vial in calibration.vials if not vial.used))
    total = len({(vial.vial_id, vial.modality) for vial in calibration.vials})
    used = sum(vial.used for vial in calibration.vials)
    detail = f"left out: {listed(left_out, most=5)}" if left_out else "none left out"
    return KeyNumber("Vial measurements used", f"{used} of {total}", detail)


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
        linearity_table(lines),
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
    told = "; ".join(f"{line_name(line)} {fixed(line.slope_ratio)}" for line in lines)
    return Section(
        f"{prefix}Slopes against expectation",
        "A ratio of 1 means the scanner reads what physics or the literature predicts for this material.",
        [
            embedded(slope_ratios(calibration), f"Measured over expected slope: {told}.", "Dashed line: as expected."),
            expectation_table(lines),
        ],
    )


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
