"""From an alignment, or the alignments of a study, to sections and a report."""

from collections.abc import Mapping, Sequence

import pandas as pd

from phantomcal.report.methods import alignment_methods
from phantomcal.report.numerals import count, fixed, percent
from phantomcal.report.page import Block, Callout, Figure, KeyNumber, Report, RowFlag, Section, TableBlock
from phantomcal.results import Alignment

MOST_PICTURES = 6

_HOW_TO_LOOK = (
    "The bone contour of the CT should follow the dark rim of the skull in the MR image; in the checkerboard, edges "
    "should run on from tile to tile."
)
_SENTENCES = {
    "pass": "The alignment can be used.",
    "review": "Look at the pictures before using this alignment.",
    "fail": "Do not use this alignment.",
}

_FLAGS: dict[str, RowFlag] = {"pass": "", "review": "warn", "fail": "fail"}


def alignment_report(alignment: Alignment, pictures: Sequence[Figure] = (), subtitle: str = "") -> Report:
    """The report of `register`.

    Parameters
    ----------
    alignment : Alignment
        The result.
    pictures : sequence of Figure
        From `alignment_picture`.
    subtitle : str
        What was aligned.

    Returns
    -------
    Report
    """
    reasons = [Callout(reason, "info" if alignment.verdict == "pass" else "warn") for reason in alignment.reasons]
    return Report(
        kind="Alignment report",
        title="CT aligned to MR",
        subtitle=subtitle or "Rigid transform from the MR space of the susceptibility map to the CT",
        verdict=alignment.verdict,
        verdict_text=_SENTENCES[alignment.verdict],
        key_numbers=[
            error_key(alignment),
            KeyNumber(
                "Spread of the repeats",
                f"{fixed(alignment.start_spread_mm)} mm",
                "largest distance between results of independent starts",
            ),
            KeyNumber(
                "MR head inside the CT",
                percent(alignment.overlap_fraction),
                f"mutual information {fixed(alignment.mutual_information_start, 3)} before, "
                f"{fixed(alignment.mutual_information, 3)} after",
            ),
        ],
        warnings=alignment.warnings,
        sections=[
            Section(
                "Before and after",
                _HOW_TO_LOOK,
                [*pictures, *reasons],
            ),
            Section(
                "The transform",
                "It maps points of the MR image to the CT, as resampling expects.",
                [_transform_table(alignment)],
            ),
        ],
        methods=alignment_methods([alignment]),
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
    return Section("Alignment of CT to MR", intro, blocks, warnings)


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
    return KeyNumber(
        "Predicted target error",
        f"{fixed(alignment.predicted_error_mm)} mm",
        f"from {count(alignment.n_repeats, 'independent repeat')}",
    )


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
