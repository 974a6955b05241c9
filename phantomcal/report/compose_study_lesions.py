"""A study's lesions on its one page: blood or calcium, how much of each, and how they change."""

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.classification_figures import lesion_plane, verdict_counts
from phantomcal.report.classification_tables import lesion_table
from phantomcal.report.methods_lesions import classification_citations, classification_methods
from phantomcal.report.methods_tracking import tracking_citations, tracking_methods
from phantomcal.report.numerals import count, interval, listed, number, with_uncertainty
from phantomcal.report.page import Block, RowFlag, Section, TableBlock, Text
from phantomcal.report.tracking_tables import event_table, rate_table
from phantomcal.results import StudyRun

MOST_MASSES = 200


def lesion_sections(run: StudyRun) -> list[Section]:
    """Sections on lesions, as far as the study has them.

    Parameters
    ----------
    run : StudyRun

    Returns
    -------
    list of Section
    """
    sections = []
    if run.classification is not None:
        sections.append(_classified(run))
    if any(d.lesions for d in run.decompositions.values()):
        sections.append(_amounts(run))
    if run.tracking is not None:
        sections.append(
            Section(
                "Lesions over time",
                "Lesions of the same name in several dated sessions of a person. Courses and single intervals are in "
                "tracking/report.html.",
                [rate_table(run.tracking.rates), event_table(run.tracking.event_rates)],
                run.tracking.warnings,
            )
        )
    return sections


def lesion_methods(run: StudyRun) -> list[str]:
    """Methods of what was done with lesions."""
    parts = []
    if run.classification is not None:
        parts.append(classification_methods(run.classification))
    if run.tracking is not None:
        parts.append(tracking_methods(run.tracking))
    return parts


def lesion_citations(run: StudyRun) -> list[str]:
    """What `lesion_methods` cites."""
    cited = []
    if run.classification is not None:
        cited += classification_citations(run.classification)
    if run.tracking is not None:
        cited += tracking_citations(run.tracking)
    return cited


def _classified(run: StudyRun) -> Section:
    record = run.classification
    assert record is not None
    counts = listed([f"{k} {name}" for name, k in verdict_counts(record.lesions).items()])
    blocks: list[Block] = [Text(f"Of {count(len(record.lesions), 'lesion')}: {counts}.")]
    if any(v.evidence == "both" for v in record.lesions):
        blocks.append(
            embedded(
                lesion_plane(record),
                f"Lesions in the plane of CT number and susceptibility with the regions of the classes: {counts}.",
                "Shaded: where a class reaches the threshold; white: undetermined. Bars: 95 %.",
            )
        )
    blocks.append(lesion_table(record))
    return Section(
        "Lesions: blood or calcium",
        "Each lesion's class with its probability; a card per lesion is in classification/report.html.",
        blocks,
        record.warnings,
    )


def _amounts(run: StudyRun) -> Section:
    rows, flags = [], []
    for label, record in run.decompositions.items():
        for lesion in record.lesions:
            for mass in lesion.masses:
                rows.append(
                    {
                        "session": label,
                        "lesion": lesion.lesion_id,
                        "volume": lesion.volume_mm3,
                        "material": mass.material,
                        "mass": with_uncertainty(mass.mass_mg, mass.standard_error_mg),
                        "ci": interval(mass.ci95),
                        "told": "" if mass.detected else "not told from nothing",
                    }
                )
                flag: RowFlag = "" if mass.detected else "muted"
                flags.append(flag)
    shown = pd.DataFrame(rows[:MOST_MASSES])
    labels = {
        "session": "Session",
        "lesion": "Lesion",
        "volume": "Volume",
        "material": "Material",
        "mass": "Mass ± SE",
        "ci": "95 % interval",
        "told": "Remark",
    }
    units = {"volume": "mm³", "mass": "mg", "ci": "mg"}
    more = len(rows) - len(shown)
    note = f"{number(more, 4)} more rows are in decomposition/SESSION/decomposition.json." if more > 0 else ""
    table = TableBlock(
        shown,
        "Mass of each material in each lesion",
        labels,
        units,
        numbers=("mass", "ci"),
        flags=flags[: len(shown)],
        note=note,
    )
    assumed = list(dict.fromkeys(a for d in run.decompositions.values() for a in d.assumptions))
    blocks: list[Block] = [table]
    if assumed:
        blocks.append(Text("Taken for granted: " + "; ".join(assumed) + "."))
    warnings = list(dict.fromkeys(w for d in run.decompositions.values() for w in d.warnings))
    return Section(
        "Lesions: how much of each material",
        "HU and ppm solved for two materials with the calibration of the nearest phantom.",
        blocks,
        warnings,
    )
