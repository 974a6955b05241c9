"""One phantom session of a study: calibrated, its files written."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phantomcal.results import SessionResult, StepOutcome

if TYPE_CHECKING:
    from phantomcal.pipeline.tasks import Task
    from phantomcal.report.page import Figure


def analyse_phantom(task: "Task", folder: Path, result: SessionResult) -> "tuple[SessionResult, list[Figure]]":
    """Calibrate a phantom session into ``calibration/<session>`` below `folder`.

    Parameters
    ----------
    task : Task
    folder : pathlib.Path
        Scratch folder.
    result : SessionResult
        The empty record of the session.

    Returns
    -------
    SessionResult
    list of Figure
        Pictures of the phantom, for the study's report.
    """
    from phantomcal.steps.calibration import run_calibration, write_calibration

    session = task.session
    where = {"step": "calibrate", "subject": session.subject, "session": session.name}
    if session.ct is None and session.chimap is None:
        outcome = StepOutcome(**where, status="skipped", message="neither CT nor QSM map")
        return result.model_copy(update={"outcomes": [outcome], "complete": True}), []
    calibrated = run_calibration(
        session.protocol,
        ct=session.ct,
        qsm=session.chimap,
        magnitude=session.magnitude if session.chimap is not None else None,
        session=session.label,
        started=time.perf_counter(),
    )
    target = folder / "calibration" / session.label
    target.mkdir(parents=True)
    pictures = write_calibration(calibrated, session.protocol, target)
    status: Literal["review", "done"] = "review" if calibrated.record.status == "fail" else "done"
    message = "a line is outside its tolerance" if status == "review" else ""
    outcome = StepOutcome(**where, status=status, message=message)
    return result.model_copy(update={"outcomes": [outcome], "complete": True}), pictures
