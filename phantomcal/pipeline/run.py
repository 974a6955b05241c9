"""A whole study from its folder to its outputs."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.correlation.sampling import Sampling
from phantomcal.errors import InputError
from phantomcal.outputs import output_folder, provenance, write_record
from phantomcal.pipeline.cluster import Workforce, workforce
from phantomcal.pipeline.derivatives import write_dataset
from phantomcal.pipeline.gather import (
    Gathered,
    gather,
    phantom_pictures,
    pictures_for_report,
    publish,
    write_region_table,
)
from phantomcal.pipeline.lesions import classify_study, nearest_calibration_of, track_study, usable_calibrations
from phantomcal.pipeline.tasks import Task
from phantomcal.pipeline.work import NothingToAnalyse, kept_work
from phantomcal.results import StepOutcome, StudyRun
from phantomcal.study import Session, Study, nearest_phantom, read_study

if TYPE_CHECKING:
    import pandas as pd

ProgressCallback = Callable[[str, int, int], None]
_FOLDERS = (
    "calibration",
    "registration",
    "regions",
    "correlation",
    "sessions",
    "derivatives/phantomcal",
    "classification",
    "tracking",
    "decomposition",
)
_ALWAYS_PICTURED = 3


def run_study(
    folder: Path,
    out: Path,
    *,
    jobs: int = 0,
    scheduler: str | None = None,
    resume: bool = False,
    keep_work: bool = False,
    derivatives: bool = False,
    by: str = "roi",
    sampling: Sampling | None = None,
    progress: ProgressCallback | None = None,
    compare: "Callable[[StudyRun, Path], pd.DataFrame] | None" = None,
) -> StudyRun:
    """Run everything a study has data for and write it to `out`.

    Sessions are analysed one by one, each wherever a worker is free, and wait on disk until all are there. The outputs
    then appear together. A run that was cut short leaves its finished sessions in a hidden folder beside `out`.

    Parameters
    ----------
    folder : pathlib.Path
        Study folder (BIDS, see `phantomcal.study.read_study`).
    out : pathlib.Path
        Output folder; one subfolder per step, ``report.html`` and ``results.json``.
    jobs : int
        Processes; 0 is one per core.
    scheduler : str, optional
        Address of a running Dask scheduler to use instead.
    resume : bool
        Take sessions whose inputs, choices and code are unchanged from a run that was cut short, or from `out`.
    keep_work : bool
        Keep the hidden folder.
    derivatives : bool
        Also write images and tables of people as a BIDS derivative dataset, ``derivatives/phantomcal``.
    by : str
        Column that names the regions.
    sampling : Sampling, optional
        How regions are sampled.
    progress : callable, optional
        Called with (what, done, total).
    compare : callable, optional
        For simulated studies: given the finished record and the folder of the outputs, returns the table of estimates
        beside known truth that the report then shows.

    Returns
    -------
    StudyRun

    Raises
    ------
    InputError
        The folder is no study, or holds nothing that can be analysed; an earlier run was cut short and `resume` is not
        given; the scheduler or its workers cannot be used.
    PhantomcalError
        Interrupted, or the workers were lost; says what is kept.
    """
    if jobs < 0:
        raise InputError(f"{jobs} processes", "--jobs", "give a number of processes, or 0 for one per core")
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    read_from = Path(folder)
    study = read_study(read_from.resolve() if read_from.is_dir() else read_from)
    with (
        kept_work(out, resume=resume, keep=keep_work) as work,
        output_folder(out, replaces=_FOLDERS) as target,
    ):
        common: dict[str, Any] = {"work": work, "earlier": out.resolve() if resume else None, "reuse": resume}
        how = sampling or Sampling()
        alone = scheduler is None and (jobs == 1 or len(study.phantoms) + len(study.people) == 1)
        threads = 0 if alone else 1  # sessions side by side already share the cores
        phantoms = [Task("phantom", _absolute(s), **common, threads=threads) for s in study.phantoms]
        ends: Counter[str] = Counter()
        with workforce(len(phantoms) + len(study.people), jobs, scheduler) as do:
            if not alone:  # this process only waits
                threading.Thread(target=_load_reports, daemon=True).start()
            _finish(do, phantoms, "calibrate phantoms", tell, ends)
            scanned = usable_calibrations(phantoms)
            people = [
                Task(
                    "person",
                    session,
                    **common,
                    picture=k < _ALWAYS_PICTURED,
                    sampling=how,
                    threads=threads,
                    derivatives=derivatives,
                    calibration=nearest_calibration_of(session, scanned),
                )
                for k, session in enumerate(study.people)
            ]
            _finish(do, people, "align and sample", tell, ends)
        found = gather([*phantoms, *people])
        steps = _in_order(study, found, len(phantoms))
        publish([*phantoms, *people], target)
        write_dataset(people, target, study.name)
        tell("report", 0, 1)
        sampled = write_region_table(people, target)
        correlation = _correlate(target, by, steps) if sampled else None
        table = _region_table(target) if sampled else None
        classification = tracking = None
        if table is not None and (table["kind"] == "lesion").any():
            classification = classify_study(target, table, study, found.calibrations, found.decompositions, steps)
            tracking = track_study(target, table, study, steps)
        if not found.calibrations and not sampled and not found.aligned:
            reasons = "; ".join(dict.fromkeys(s.message for s in steps if s.message)) or "no phantom, CT, map or labels"
            raise NothingToAnalyse(
                f"nothing in the study could be analysed ({_short(reasons)})",
                read_from.name,
                "add a phantom with its protocol to participants.tsv, or CT, QSM map and label map of people",
            )
        made = provenance(
            "run", found.inputs, {"by": by, "derivatives": derivatives, "sampling": how.parameters()}, started
        )
        made = made.model_copy(update={"run": {**made.run, "sessions": dict(sorted(ends.items()))}})
        record = StudyRun(
            study=study.name,
            n_subjects=len({s.subject for s in study.people}),
            steps=steps,
            calibrations=found.calibrations,
            alignments=found.alignments,
            correlation=correlation,
            classification=classification,
            decompositions=found.decompositions,
            tracking=tracking,
            warnings=[*dict.fromkeys([*study.warnings, *found.warnings()])],
            provenance=made,
        )
        _write_report(record, phantoms, people, target, sampled, compare(record, target) if compare else None)
        write_record(record, target / "results.json")
        tell("report", 1, 1)
    return record


def _absolute(session: Session) -> Session:
    """Workers may have another working folder."""
    protocol = Path(session.protocol)
    return replace(session, protocol=str(protocol.resolve())) if protocol.is_file() else session


def _load_reports() -> None:
    """Import what correlates and draws: seconds that pass while others work."""
    from phantomcal.correlation import correlate  # noqa: F401
    from phantomcal.report import compose_correlation, compose_study  # noqa: F401
    from phantomcal.steps import correlation  # noqa: F401


def _finish(do: Workforce, tasks: Sequence[Task], what: str, tell: ProgressCallback, ends: Counter[str]) -> None:
    if tasks:
        tell(what, 0, len(tasks))
    for k, (_, ended) in enumerate(do(tasks), start=1):
        ends[ended] += 1
        tell(what, k, len(tasks))


def _in_order(study: Study, found: Gathered, n_phantoms: int) -> list[StepOutcome]:
    """Outcomes of the sessions, and what is said of the study as a whole."""
    steps: list[StepOutcome] = []
    if not study.phantoms:
        steps.append(StepOutcome(step="calibrate", status="skipped", message="no phantom in participants.tsv"))
    steps += found.steps[:n_phantoms]  # one each
    if not study.people:
        steps.append(StepOutcome(step="sample", status="skipped", message="no people in the study"))
    for session in study.people if len(study.phantoms) > 1 else []:
        phantom = nearest_phantom(session, study.phantoms)
        if phantom is not None:
            message = f"{phantom.label} is the nearest phantom session"
            where = {"subject": session.subject, "session": session.name}
            steps.append(StepOutcome(step="choose calibration", **where, status="done", message=message))
    return steps + found.steps[n_phantoms:]


def _short(reasons: str, most: int = 1500) -> str:
    return reasons if len(reasons) <= most else f"{reasons[:most]} ..."


def _correlate(target: Path, by: str, steps: list[StepOutcome]) -> Any:
    """Correlate over people, where both modalities were measured."""
    from phantomcal.correlation.correlate import correlate
    from phantomcal.steps.correlation import write_correlation

    table = _region_table(target)
    if table[["ct_hu", "qsm_ppm"]].dropna().empty:
        steps.append(StepOutcome(step="correlate", status="skipped", message="no region has both CT and QSM values"))
        return None
    try:
        record = correlate(table, by=by, where="the region table")
    except InputError as error:
        steps.append(StepOutcome(step="correlate", status="skipped", message=str(error)))
        return None
    folder = target / "correlation"
    folder.mkdir()
    write_correlation(record, table, folder)
    steps.append(StepOutcome(step="correlate", status="done"))
    return record


def _region_table(target: Path) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(target / "regions" / "regions.parquet")


def _write_report(
    record: StudyRun,
    phantoms: Sequence[Task],
    people: Sequence[Task],
    target: Path,
    sampled: bool,
    truth: "pd.DataFrame | None",
) -> None:
    from phantomcal.pipeline.volumes import volumes_for_report
    from phantomcal.report.compose_study import study_report
    from phantomcal.report.page import render

    report = study_report(
        record,
        overlays=phantom_pictures(phantoms),
        alignment_pictures=pictures_for_report(people, record.alignments),
        table=_region_table(target) if sampled else None,
        truth=truth,
        volumes=volumes_for_report(people, record.alignments),
    )
    (target / "report.html").write_text(render(report), encoding="utf-8")
