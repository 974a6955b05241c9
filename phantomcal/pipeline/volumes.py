"""Volumes of a study's people for its report: the sessions most in need of a look, regions and lesions outlined."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phantomcal.errors import PhantomcalError
from phantomcal.pipeline.gather import by_need_of_a_look
from phantomcal.pipeline.tasks import Task
from phantomcal.results import Alignment

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.report.page import Viewer

# A viewer takes up to a megabyte and a half of the page, and reading its volumes a second or two.
MOST_VIEWERS = 2


def volumes_for_report(
    people: Sequence[Task], alignments: dict[str, Alignment], most: int = MOST_VIEWERS
) -> "list[Viewer]":
    """Viewers of the first sessions, the doubtful alignments before the others.

    Parameters
    ----------
    people : sequence of Task
    alignments : dict of str to Alignment
        By session.
    most : int

    Returns
    -------
    list of Viewer
        Sessions without both volumes, or whose files are not within reach of this machine, are passed over.
    """
    tasks = {task.label: task for task in people}
    chosen: list[Viewer] = []
    for label in by_need_of_a_look(alignments):
        shown = _shown(tasks[label])
        if shown is not None:
            chosen.append(shown)
        if len(chosen) == most:
            break
    return chosen


def _shown(task: Task) -> "Viewer | None":
    from phantomcal.correlation.regions import read_lookup
    from phantomcal.report.viewers import alignment_viewer
    from phantomcal.steps.registration import read_transform
    from phantomcal.volumes import read_ct, read_labels, read_qsm

    session = task.session
    transform = task.work / task.label / "registration" / task.label / "ct_to_mr.tfm"
    if session.ct is None or session.chimap is None or not transform.is_file():
        return None
    try:
        regions = read_labels(session.labels).image if session.labels else None
        names: dict[int, str] = {}
        if session.lookup is not None:
            lookup = read_lookup(session.lookup)
            names = dict(zip(lookup["index"].astype(int), lookup["name"].astype(str), strict=True))
        lesions: sitk.Image | None = read_labels(session.lesions).image if session.lesions else None
        return alignment_viewer(
            read_qsm(session.chimap).image,
            read_ct(session.ct).image,
            read_transform(transform),
            fixed_kind="qsm",
            title=task.label,
            regions=regions,
            region_names=names,
            lesions=lesions,
        )
    except (OSError, PhantomcalError):
        return None
