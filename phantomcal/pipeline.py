"""Every step over a study: phantoms, people, statistics, one report."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phantomcal.errors import InputError, PhantomcalError
from phantomcal.outputs import hash_files, output_folder, provenance, write_record
from phantomcal.results import Alignment, Calibration, InputFile, StepOutcome, StudyRun
from phantomcal.steps.calibration import run_calibration, write_calibration
from phantomcal.steps.regions import write_correlation
from phantomcal.study import Session, Study, nearest_phantom, read_study

if TYPE_CHECKING:
    import pandas as pd

    from phantomcal.report.page import Figure

ProgressCallback = Callable[[str, int, int], None]
_MOST_PICTURES = 3


@dataclass(frozen=True)
class PhantomResult:
    """What one phantom session gave."""

    record: Calibration
    pictures: "list[Figure]"


@dataclass(frozen=True)
class PersonResult:
    """What one person's session gave; small enough to travel between processes."""

    session: Session
    outcomes: list[StepOutcome]
    alignment: Alignment | None = None
    picture: "Figure | None" = None
    regions: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)


def run_study(
    folder: Path,
    out: Path,
    *,
    jobs: int = 0,
    by: str = "roi",
    progress: ProgressCallback | None = None,
    compare: "Callable[[StudyRun, Path], pd.DataFrame] | None" = None,
) -> StudyRun:
    """Run everything a study has data for and write it to `out`.

    Parameters
    ----------
    folder : pathlib.Path
        Study folder (BIDS, see `phantomcal.study.read_study`).
    out : pathlib.Path
        Output folder; one subfolder per step, ``report.html`` and ``results.json``.
    jobs : int
        Processes; 0 is one per core.
    by : str
        Column that names the regions.
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
        The folder is no study, or holds nothing that can be analysed.
    """
    import pandas as pd

    if jobs < 0:
        raise InputError(f"{jobs} processes", "--jobs", "give a number of processes, or 0 for one per core")
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    study = read_study(folder)
    steps: list[StepOutcome] = []
    with output_folder(out, replaces=("calibration", "registration", "regions", "correlation")) as target:
        phantoms = _calibrate_all(study, target, steps, tell)
        people = _people(study, target, jobs, steps, tell)
        for person in people:
            steps += person.outcomes
        table = pd.DataFrame([row for person in people for row in person.regions])
        warnings = list(study.warnings) + [w for person in people for w in person.warnings]
        correlation = None
        if len(table):
            (target / "regions").mkdir()
            table.to_csv(target / "regions" / "regions.csv", index=False, float_format="%.8g", lineterminator="\n")
            correlation = _correlate(table, by, target, steps)
        if not phantoms and table.empty and not any(p.alignment for p in people):
            reasons = "; ".join(dict.fromkeys(s.message for s in steps if s.message)) or "no phantom, CT, map or labels"
            raise InputError(
                f"nothing in the study could be analysed ({reasons})",
                study.folder.name,
                "add a phantom with its protocol to participants.tsv, or CT, QSM map and label map of people",
            )
        inputs = [i for p in phantoms for i in p.record.provenance.inputs] + [i for p in people for i in p.inputs]
        record = StudyRun(
            study=study.name,
            n_subjects=len({p.session.subject for p in people}),
            steps=steps,
            calibrations=[p.record for p in phantoms],
            alignments={p.session.label: p.alignment for p in people if p.alignment},
            correlation=correlation,
            warnings=list(dict.fromkeys(warnings)),
            provenance=provenance("run", inputs, {"by": by}, started),
        )
        tell("report", 0, 1)
        _write_report(record, phantoms, people, table, target, compare(record, target) if compare else None)
        write_record(record, target / "results.json")
        tell("report", 1, 1)
    return record


def _calibrate_all(
    study: Study, target: Path, steps: list[StepOutcome], tell: ProgressCallback
) -> "list[PhantomResult]":
    """Calibrate each phantom session; a failing one is reported and does not stop the rest."""
    done: list[PhantomResult] = []
    if not study.phantoms:
        steps.append(StepOutcome(step="calibrate", status="skipped", message="no phantom in participants.tsv"))
    for k, session in enumerate(study.phantoms):
        tell("calibrate phantoms", k, len(study.phantoms))
        outcome = {"step": "calibrate", "subject": session.subject, "session": session.name}
        if session.ct is None and session.chimap is None:
            steps.append(StepOutcome(**outcome, status="skipped", message="neither CT nor QSM map"))
            continue
        try:
            calibrated = run_calibration(
                session.protocol, ct=session.ct, qsm=session.chimap, session=session.label, started=time.perf_counter()
            )
        except PhantomcalError as error:
            steps.append(StepOutcome(**outcome, status="failed", message=str(error)))
            continue
        folder = target / "calibration" / session.label
        folder.mkdir(parents=True)
        pictures = write_calibration(calibrated, session.protocol, folder)
        status = "review" if calibrated.record.status == "fail" else "done"
        message = "a line is outside its tolerance" if status == "review" else ""
        steps.append(StepOutcome(**outcome, status=status, message=message))
        done.append(PhantomResult(calibrated.record, pictures))
    if study.phantoms:
        tell("calibrate phantoms", len(study.phantoms), len(study.phantoms))
    return done


def _people(
    study: Study, target: Path, jobs: int, steps: list[StepOutcome], tell: ProgressCallback
) -> list[PersonResult]:
    """Align and sample each person, in several processes, in the order of the study."""
    if not study.people:
        steps.append(StepOutcome(step="sample", status="skipped", message="no people in the study"))
        return []
    for session in study.people:
        phantom = nearest_phantom(session, study.phantoms)
        if phantom is not None and len(study.phantoms) > 1:
            steps.append(
                StepOutcome(
                    step="choose calibration",
                    subject=session.subject,
                    session=session.name,
                    status="done",
                    message=f"{phantom.label} is the nearest phantom session",
                )
            )
    results: dict[int, PersonResult] = {}
    tell("align and sample", 0, len(study.people))
    for index, result in _in_processes(study.people, target, jobs):
        results[index] = result
        tell("align and sample", len(results), len(study.people))
    return [results[k] for k in range(len(study.people))]


def _in_processes(people: list[Session], target: Path, jobs: int) -> Iterator[tuple[int, PersonResult]]:
    workers = min(jobs or os.cpu_count() or 1, len(people))
    pictured = set(range(min(_MOST_PICTURES, len(people))))
    if workers == 1:
        for k, session in enumerate(people):
            yield k, analyse_person(session, target, k in pictured, threads=0)
        return
    # Fresh interpreters: forking a process whose libraries run threads can hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(analyse_person, s, target, k in pictured, 1): k for k, s in enumerate(people)}
        while pending:
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield pending.pop(future), future.result()


def analyse_person(session: Session, target: Path, with_picture: bool, threads: int = 0) -> PersonResult:
    """Align the CT of one session and sample its regions; faults become outcomes, not exceptions.

    Parameters
    ----------
    session : Session
    target : pathlib.Path
        Output folder; the alignment goes to ``registration/<session>``.
    with_picture : bool
        Draw the alignment for the report.
    threads : int
        Threads of SimpleITK; 0 leaves its default.

    Returns
    -------
    PersonResult
    """
    import SimpleITK as sitk

    if threads:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    result = PersonResult(session, [])
    where = {"subject": session.subject, "session": session.name}
    try:
        return _analyse(session, target, with_picture, result)
    except PhantomcalError as error:
        outcome = StepOutcome(step="align and sample", **where, status="failed", message=str(error))
    except (RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
        # One broken subject must not lose a night's cohort; the kind of fault is kept for the report.
        text = " ".join(str(error).split())[:200]
        outcome = StepOutcome(
            step="align and sample", **where, status="failed", message=f"{type(error).__name__}: {text}"
        )
    return PersonResult(session, [*result.outcomes, outcome], warnings=result.warnings)


def _analyse(session: Session, target: Path, with_picture: bool, result: PersonResult) -> PersonResult:
    import SimpleITK as sitk

    from phantomcal.registration.rigid import register
    from phantomcal.report.pictures import aligned_picture
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    ct = read_ct(session.ct) if session.ct else None
    qsm = read_qsm(session.chimap) if session.chimap else None
    outcomes, inputs = result.outcomes, [v.source for v in (ct, qsm) if v is not None]
    notes = [f"{session.label}: {n}" for v in (ct, qsm) if v is not None for n in v.notes]
    where = {"subject": session.subject, "session": session.name}
    transform = alignment = picture = None
    if ct is None or qsm is None:
        outcomes.append(
            StepOutcome(step="register", **where, status="skipped", message=f"no {'CT' if ct is None else 'QSM map'}")
        )
    else:
        fixed = read_magnitude(session.magnitude) if session.magnitude else qsm
        kind: Literal["magnitude", "qsm"] = "magnitude" if session.magnitude else "qsm"
        started = time.perf_counter()
        found = register(ct.image, fixed.image, fixed_kind=kind)
        transform = found.transform
        alignment = found.alignment.model_copy(
            update={"provenance": provenance("register", [ct.source, fixed.source], {"kind": kind}, started)}
        )
        folder = target / "registration" / session.label
        folder.mkdir(parents=True)
        sitk.WriteTransform(transform, str(folder / "ct_to_mr.tfm"))
        write_record(alignment, folder / "registration.json")
        status = "done" if alignment.verdict == "pass" else "review" if alignment.verdict == "review" else "failed"
        message = "" if status == "done" else "; ".join(alignment.reasons)
        outcomes.append(StepOutcome(step="register", **where, status=status, message=message))
        if with_picture or alignment.verdict != "pass":
            picture = aligned_picture(fixed.image, ct.image, transform, session.label)
    rows: list[dict[str, Any]] = []
    if session.labels is None and session.lesions is None:
        outcomes.append(StepOutcome(step="sample", **where, status="skipped", message="no label map"))
    elif alignment is not None and alignment.verdict == "fail":
        outcomes.append(StepOutcome(step="sample", **where, status="skipped", message="its alignment failed: not used"))
    else:
        rows, said = _sample(session, ct, qsm, transform, inputs)
        notes += said
        outcomes.append(StepOutcome(step="sample", **where, status="done", message=""))
    return PersonResult(session, outcomes, alignment, picture, rows, notes, inputs)


def _sample(
    session: Session, ct: Any, qsm: Any, transform: Any, inputs: list[InputFile]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the region table of one session: regions, then lesions, with the person's covariates."""
    import numpy as np
    import SimpleITK as sitk

    from phantomcal.correlation.regions import read_lookup, sample_regions
    from phantomcal.volumes import read_labels

    maps = [
        (kind, read_labels(path), lookup)
        for kind, path, lookup in (
            ("region", session.labels, session.lookup),
            ("lesion", session.lesions, session.lesion_lookup),
        )
        if path is not None
    ]
    present = {kind: set(np.unique(sitk.GetArrayViewFromImage(labels.image)).tolist()) for kind, labels, _ in maps}
    rows, said = [], []
    for kind, labels, lookup in maps:
        inputs.append(labels.source)
        names = None
        if lookup is not None:
            inputs.append(InputFile(role="lookup", name=lookup.name, sha256=hash_files([lookup])))
            names = read_lookup(lookup)
            # One table may name the labels of both maps: what the other map holds is not missing from this one.
            others = set().union(*(found for other, found in present.items() if other != kind)) - present[kind]
            names = names[~names["index"].isin(others)]
        frame = sample_regions(
            labels.image,
            names,
            ct=ct.image if ct else None,
            qsm=qsm.image if qsm else None,
            transform=transform,
            subject_id=session.subject,
            session=session.name,
        )
        said += [f"{session.label}: {w}" for w in frame.attrs.get("warnings", [])]
        rows += [{**row, "kind": kind, **session.covariates} for row in frame.to_dict("records")]
    return [{str(k): v for k, v in row.items()} for row in rows], said


def _correlate(table: "pd.DataFrame", by: str, target: Path, steps: list[StepOutcome]) -> Any:
    """Correlate over people, where both modalities were measured."""
    from phantomcal.correlation.correlate import correlate

    if "ct_hu" not in table or "qsm_ppm" not in table or table[["ct_hu", "qsm_ppm"]].dropna().empty:
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


def _write_report(
    record: StudyRun,
    phantoms: list[PhantomResult],
    people: list[PersonResult],
    table: "pd.DataFrame",
    target: Path,
    truth: "pd.DataFrame | None",
) -> None:
    from phantomcal.report.compose_study import study_report
    from phantomcal.report.page import render

    overlays = [p.pictures for p in phantoms]
    pictures = {p.session.label: p.picture for p in people if p.picture is not None}
    report = study_report(
        record, overlays=overlays, alignment_pictures=pictures, table=table if len(table) else None, truth=truth
    )
    (target / "report.html").write_text(render(report), encoding="utf-8")
