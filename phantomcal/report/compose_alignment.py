"""From an alignment, or the alignments of a study, to sections and a report."""

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from phantomcal.report.alignment_tables import (
    alignment_citations,
    evidence_tables,
    landmark_section,
    methods_of,
    vial_section,
)
from phantomcal.report.numerals import count, fixed, interval, percent
from phantomcal.report.page import Block, Callout, Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text, Viewer
from phantomcal.results import Alignment

MOST_PICTURES = 6
ALIGNMENT_TITLE = "Alignment of CT to MR"

_HOW_TO_LOOK = (
    "The bone contour of the CT should follow the dark rim of the skull in the MR image; in the checkerboard, edges "
    "should run on from tile to tile."
)
_HOW_TO_LOOK_PHANTOM = "Vials and the wall should stay where they are when the two images take turns."
_HOW_TO_JUDGE = {
    "images": "What can be seen without knowing the truth. Each line is a different way to ask; none proves the result "
    "alone.",
    "given": "The transform was made elsewhere and is judged as it is: how far it lies from the best alignment nearby, "
    "and what the images say about that one.",
    "vials": "The vials fix five of the six parameters. Their residuals say how well the two scans agree.",
}
_SENTENCES = {
    "pass": "The alignment can be used.",
    "review": "Look at the pictures before using this alignment.",
    "fail": "Do not use this alignment.",
}

_FLAGS: dict[str, RowFlag] = {"pass": "", "review": "warn", "fail": "fail"}


def alignment_report(alignment: Alignment, pictures: Sequence[Figure | Viewer] = (), subtitle: str = "") -> Report:
    """The report of `register`.

    Parameters
    ----------
    alignment : Alignment
        The result.
    pictures : sequence of Figure or Viewer
        From `alignment_pictures` and `alignment_viewer`; the first stands by itself, the others follow.
    subtitle : str
        What was aligned.

    Returns
    -------
    Report
    """
    said = " ".join(_sentence(reason) for reason in alignment.reasons)
    tones: dict[str, Literal["info", "warn", "fail"]] = {"pass": "info", "review": "warn", "fail": "fail"}
    reasons = [Callout(said, tones[alignment.verdict])]
    sections = [
        Section("How far to trust it", _HOW_TO_JUDGE[alignment.method], [*reasons, *evidence_tables(alignment)]),
        Section("By turns", _HOW_TO_LOOK_PHANTOM, pictures)
        if alignment.method == "vials"
        else Section("Before and after", _HOW_TO_LOOK, pictures),
    ]
    if alignment.landmarks is not None:
        sections.append(landmark_section(alignment.landmarks))
    if alignment.vials is not None:
        sections.append(vial_section(alignment.vials))
    sections.append(
        Section(
            "The transform",
            "It maps points of the MR image to the CT, as resampling expects.",
            [_transform_table(alignment), *_resampling(alignment)],
        )
    )
    return Report(
        kind="Alignment report",
        title="CT aligned to MR" if alignment.method != "given" else "An alignment of CT and MR, judged",
        subtitle=subtitle or "Rigid transform from the MR space of the susceptibility map to the CT",
        verdict=alignment.verdict,
        verdict_text=_SENTENCES[alignment.verdict]
        + (" Along the vials the shift stays open." if alignment.method == "vials" else ""),
        key_numbers=[error_key(alignment), _second_key(alignment), _overlap_key(alignment)],
        warnings=alignment.warnings,
        sections=sections,
        methods=methods_of(alignment),
        references=alignment_citations(alignment),
        provenance=alignment.provenance,
    )


def alignment_section(alignments: Mapping[str, Alignment], pictures: Mapping[str, Figure]) -> Section:
    """All alignments of a study: a table of everyone, pictures of those most worth looking at.

    Parameters
    ----------
    alignments : mapping of str to Alignment
        By subject (and session).
    pictures : mapping of str to Figure
        By the same keys; some may lack one. At most six are shown, the doubtful and least certain first.

    Returns
    -------
    Section
    """
    ranks = {"fail": 0, "review": 1, "pass": 2}
    order = sorted(
        alignments, key=lambda name: (ranks[alignments[name].verdict], -alignments[name].predicted_error_mm, name)
    )
    shown = [name for name in order if name in pictures][:MOST_PICTURES]
    blocks: list[Block] = [pictures[name] for name in shown]
    blocks.append(_subjects_table(alignments))
    for name in order:
        alignment = alignments[name]
        if alignment.verdict != "pass":
            blocks.append(Callout(" ".join(alignment.reasons), "fail" if alignment.verdict == "fail" else "warn", name))
    more = sum(name in pictures for name in alignments) - len(shown)
    intro = _HOW_TO_LOOK
    if more > 0:
        intro += f" Shown are {len(shown)} of them, the least certain first; {more} more are in the table."
    warnings = [f"{name}: {text}" for name, alignment in alignments.items() for text in alignment.warnings]
    return Section(ALIGNMENT_TITLE, intro, blocks, warnings)


def worst_key(alignments: Mapping[str, Alignment]) -> KeyNumber:
    """The largest predicted error of a study as a key number."""
    worst = max(alignments, key=lambda name: alignments[name].predicted_error_mm)
    passed = sum(alignment.verdict == "pass" for alignment in alignments.values())
    return KeyNumber(
        "Largest predicted alignment error",
        f"{fixed(alignments[worst].predicted_error_mm)} mm",
        f"{worst} · {passed} of {count(len(alignments), 'alignment')} passed",
    )


def error_key(alignment: Alignment) -> KeyNumber:
    """The predicted error of one alignment as a key number."""
    between = alignment.predicted_error_ci95_mm
    if alignment.method == "vials":
        detail = "across the vials; along them the shift is not determined"
    elif alignment.repeat_mm is not None and between is None:
        value = f"over {fixed(alignment.predicted_error_mm)} mm"
        return KeyNumber("Predicted target error", value, "cannot be predicted: the images do not hold the head here")
    elif between is not None:
        detail = f"95 % of simulated heads like this: {fixed(between[0])} to {fixed(between[1])} mm"
    elif alignment.n_repeats:
        detail = f"from {count(alignment.n_repeats, 'independent repeat')}"
    else:
        detail = ""
    return KeyNumber("Predicted target error", f"{fixed(alignment.predicted_error_mm)} mm", detail)


def _sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _second_key(alignment: Alignment) -> KeyNumber:
    if alignment.landmarks is not None:
        error = alignment.landmarks
        return KeyNumber(
            "Measured with landmarks",
            f"{fixed(error.rms_mm)} mm",
            f"RMS of {error.n}, 95 % interval {interval(error.rms_ci95_mm)} mm; picking errors are in it",
        )
    if alignment.vials is not None:
        return KeyNumber(
            "Vials of CT and MR apart",
            f"{fixed(alignment.vials.residual_rms_mm)} mm",
            f"RMS across {count(alignment.vials.n_vials, 'vial')}",
        )
    return KeyNumber(
        "Spread of the repeats",
        f"{fixed(alignment.start_spread_mm)} mm",
        "largest distance between results of independent starts",
    )


def _overlap_key(alignment: Alignment) -> KeyNumber:
    detail = ""
    if alignment.mutual_information is not None:
        detail = (
            f"mutual information {fixed(alignment.mutual_information_start, 3)} before, "
            f"{fixed(alignment.mutual_information, 3)} after"
        )
    what = "MR head" if alignment.method != "vials" else "Vials of the MR"
    return KeyNumber(f"{what} inside the CT", percent(alignment.overlap_fraction), detail)


def _resampling(alignment: Alignment) -> list[Block]:
    if alignment.interpolation is None or alignment.outside_share is None:
        return []
    kind = {"linear": "linear", "bspline": "cubic B-spline", "nearest": "nearest-neighbour"}[alignment.interpolation]
    return [
        Text(
            f"Each resampled image comes from one {kind} interpolation. "
            f"{percent(alignment.outside_share)} of the voxels of ct_in_mr.nii.gz lie outside the CT: they hold "
            f"{fixed(alignment.outside_hu, 0)} HU, and ct_field_in_mr.nii.gz is 0 there."
        )
    ]


def _transform_table(alignment: Alignment) -> TableBlock:
    frame = pd.DataFrame(
        {
            "axis": ["x, to the left", "y, to the back", "z, to the head"],
            "rotation": list(alignment.rotation_deg),
            "translation": list(alignment.translation_mm),
            "centre": list(alignment.centre_mm),
        }
    )
    labels = {"axis": "Axis", "rotation": "Rotation", "translation": "Translation", "centre": "Centre of rotation"}
    units = {"rotation": "°, ITK Euler3D", "translation": "mm", "centre": "mm, world LPS"}
    formats = dict.fromkeys(("rotation", "translation", "centre"), ".2f")
    return TableBlock(frame, "Rigid transform, MR to CT", labels, units, formats)


def _subjects_table(alignments: Mapping[str, Alignment]) -> TableBlock:
    rows = alignments.values()
    frame = pd.DataFrame(
        {
            "subject": list(alignments),
            "verdict": [alignment.verdict for alignment in rows],
            "error": [alignment.predicted_error_mm for alignment in rows],
            "spread": [alignment.start_spread_mm for alignment in rows],
            "overlap": [percent(alignment.overlap_fraction) for alignment in rows],
            "rotation": [", ".join(fixed(v, 1) for v in alignment.rotation_deg) for alignment in rows],
            "translation": [", ".join(fixed(v, 1) for v in alignment.translation_mm) for alignment in rows],
        }
    )
    return TableBlock(
        frame,
        "Alignments",
        labels={
            "subject": "Subject",
            "verdict": "Verdict",
            "error": "Predicted error",
            "spread": "Spread of repeats",
            "overlap": "Overlap",
            "rotation": "Rotation x, y, z",
            "translation": "Translation x, y, z",
        },
        units={"error": "mm", "spread": "mm", "rotation": "°", "translation": "mm"},
        formats={"error": ".2f", "spread": ".2f"},
        numbers=("overlap", "rotation", "translation"),
        flags=[_FLAGS[alignment.verdict] for alignment in rows],
    )
