"""What a study's lesions say: blood or calcium, and how they change from session to session."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.errors import InputError
from phantomcal.outputs import write_record
from phantomcal.results import Calibration, Classification, Decomposition, StepOutcome
from phantomcal.results.tracking import Tracking
from phantomcal.study import Session, Study, nearest_phantom

if TYPE_CHECKING:
    from phantomcal.pipeline.tasks import Task
    from phantomcal.volumes import Volume


def classify_study(
    target: Path,
    table: pd.DataFrame,
    study: Study,
    calibrations: Sequence[Calibration],
    decompositions: Mapping[str, Decomposition],
    steps: list[StepOutcome],
) -> Classification | None:
    """Classify every lesion of a study with the calibration of its session's nearest phantom.

    Parameters
    ----------
    target : pathlib.Path
        The run's outputs; gets ``classification/lesions.csv``, ``classification.json`` and ``report.html``.
    table : pandas.DataFrame
        The region table; rows with ``kind`` "lesion" are classified.
    study : Study
    calibrations : sequence of Calibration
        Of the phantom sessions that could be calibrated.
    decompositions : mapping of str to Decomposition
        By label of the session: the masses on the lesions' cards.
    steps : list of StepOutcome
        What was done, or why not, is added.

    Returns
    -------
    Classification or None
    """
    from phantomcal.lesions.classify import classification_frame, classify_lesions
    from phantomcal.report.compose_classification import classification_report
    from phantomcal.report.page import render

    rows = _lesion_rows(table)
    if rows.empty:
        steps.append(StepOutcome(step="classify", status="skipped", message="no lesion was measured"))
        return None
    chosen = _calibration_of_rows(rows, study, calibrations)
    parts, frames = [], []
    try:
        for session in chosen.unique():
            part = rows[chosen == session]
            known = next((c for c in calibrations if c.session == session), None)
            parts.append(classify_lesions(part, calibration=known, where="the region table"))
            frames.append(part)
    except InputError as error:
        steps.append(StepOutcome(step="classify", status="skipped", message=str(error)))
        return None
    record, frame = _joined(parts), pd.concat(frames)
    folder = target / "classification"
    folder.mkdir()
    lines = classification_frame(record, frame)
    lines.to_csv(folder / "lesions.csv", index=False, float_format="%.8g", lineterminator="\n")
    write_record(record, folder / "classification.json")
    report = classification_report(record, masses=_masses(study, decompositions))
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    steps.append(StepOutcome(step="classify", status="done"))
    return record


def track_study(target: Path, table: pd.DataFrame, study: Study, steps: list[StepOutcome]) -> Tracking | None:
    """Follow lesions of the same name over a person's sessions.

    Parameters
    ----------
    target : pathlib.Path
        Gets ``tracking/visits.csv``, ``intervals.csv``, ``tracking.json`` and ``report.html``.
    table, study, steps
        As `classify_study` takes them.

    Returns
    -------
    Tracking or None
        None without a lesion that has a susceptibility at two dated sessions.
    """
    from phantomcal.followup.track import track
    from phantomcal.followup.visits import read_visits
    from phantomcal.report.compose_tracking import tracking_report
    from phantomcal.report.page import render

    rows = _lesion_rows(table)
    rows = rows[rows["qsm_ppm"].notna()]
    sessions = rows.groupby(["subject_id", "lesion_id"])["session"].transform("nunique")
    if rows.empty or sessions.max() < 2:
        return None
    dates = {(s.subject, s.name): s.acquired for s in study.people}
    days = [dates.get(key) for key in zip(rows["subject_id"], rows["session"], strict=True)]
    visits = rows.assign(date=["" if day is None else day.isoformat() for day in days])
    undated = int((visits["date"] == "").sum())
    visits = visits[visits["date"] != ""]
    kept = [c for c in ("subject_id", "lesion_id", "session", "date", "arm", "scanner") if c in visits]
    visits = visits[[*kept, "qsm_ppm", "volume_mm3"]].assign(qsm_se_ppm=visits["qsm_sem_ppm"])
    if undated:
        message = f"{undated} lesion visits without a date: give acq_time in sessions.tsv or scans.tsv"
        steps.append(StepOutcome(step="track", status="skipped", message=message))
    if visits.empty or visits.groupby(["subject_id", "lesion_id"])["date"].nunique().max() < 2:
        return None
    try:
        record, found = track(read_visits(visits.reset_index(drop=True), "the region table"))
    except InputError as error:
        steps.append(StepOutcome(step="track", status="skipped", message=str(error)))
        return None
    folder = target / "tracking"
    folder.mkdir()
    visits.to_csv(folder / "visits.csv", index=False, lineterminator="\n")
    found.frame.to_csv(folder / "intervals.csv", index=False, float_format="%.8g", lineterminator="\n")
    write_record(record, folder / "tracking.json")
    (folder / "report.html").write_text(render(tracking_report(record, found)), encoding="utf-8")
    steps.append(StepOutcome(step="track", status="done"))
    return record


def usable_calibrations(phantoms: "Sequence[Task]") -> "dict[str, tuple[Session, Path]]":
    """Sessions and stored records of the phantoms whose calibration did not fail."""
    found = {}
    for task in phantoms:
        path = task.work / task.label / "calibration" / task.label / "calibration.json"
        if path.is_file() and Calibration.model_validate_json(path.read_text(encoding="utf-8")).status != "fail":
            found[task.label] = (task.session, path)
    return found


def nearest_calibration_of(person: Session, scanned: "dict[str, tuple[Session, Path]]") -> Path | None:
    """The stored calibration that serves a person's session; None without lesions, one of the scans, or a phantom."""
    if person.lesions is None or person.ct is None or person.chimap is None:
        return None
    phantom = nearest_phantom(person, [session for session, _ in scanned.values()])
    return None if phantom is None else scanned[phantom.label][1]


def decompose_session(task: "Task", folder: Path, transform: Path, read: "tuple[Volume, Volume]") -> StepOutcome:
    """Maps and masses of one session, into ``decomposition/<session>`` below `folder`; the study's report shows them.

    Parameters
    ----------
    task : Task
        With a calibration, CT, map and lesions.
    folder : pathlib.Path
        Scratch folder of the session.
    transform : pathlib.Path
        Map points to CT points.
    read : tuple of Volume
        CT and map.

    Returns
    -------
    StepOutcome
        Skipped where the calibration has no lines for it, or the lesions lie on another grid.
    """
    from phantomcal.steps.decomposition import Scans, decompose_volumes_step

    session = task.session
    assert task.calibration is not None
    where = {"step": "decompose", "subject": session.subject, "session": session.name}
    scans = Scans(
        ct=str(session.ct),
        qsm=str(session.chimap),
        transform=str(transform),
        lesions=str(session.lesions),
        lookup=session.lesion_lookup,
    )
    try:
        decompose_volumes_step(
            task.calibration, folder / "decomposition" / session.label, scans, read=read, report=False
        )
    except InputError as error:
        return StepOutcome(**where, status="skipped", message=str(error))
    return StepOutcome(**where, status="done")


def _masses(study: Study, decompositions: Mapping[str, Decomposition]) -> dict[str, list[tuple[str, str]]]:
    """Masses in words, by the name a lesion has on its card."""
    from phantomcal.report.lesion_cards import card_name
    from phantomcal.report.numerals import with_uncertainty

    found = {}
    for session in study.people:
        known = decompositions.get(session.label)
        for lesion in known.lesions if known is not None else ():
            words = [
                (f"{m.material[:1].upper()}{m.material[1:]}", with_uncertainty(m.mass_mg, m.standard_error_mg, "mg"))
                for m in lesion.masses
            ]
            found[card_name(session.subject, session.name, lesion.lesion_id)] = words
    return found


def _lesion_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Lesions as the classification and the follow-up name them."""
    rows = table[(table["kind"] == "lesion") & table[["ct_hu", "qsm_ppm"]].notna().any(axis=1)]
    return rows.assign(lesion_id=rows["roi"])


def _calibration_of_rows(rows: pd.DataFrame, study: Study, calibrations: Sequence[Calibration]) -> "pd.Series[str]":
    """Label of the phantom session whose calibration serves each row; empty where there is none."""
    usable = {c.session for c in calibrations if c.status != "fail"}
    phantoms = [p for p in study.phantoms if p.label in usable]
    nearest = {(s.subject, s.name): nearest_phantom(s, phantoms) for s in study.people}
    found = (nearest.get(key) for key in zip(rows["subject_id"], rows["session"], strict=True))
    return pd.Series(["" if p is None else p.label for p in found], index=rows.index)


def _joined(parts: Sequence[Classification]) -> Classification:
    """One record of lesions that were read with several calibrations."""
    if len(parts) == 1:
        return parts[0]
    names = [p.calibration or "none" for p in parts]
    said = (
        f"lesions were read with {len(parts)} calibrations, each session with the nearest in time "
        f"({'; '.join(names)}): the assumptions shown are those of the first, and what each modality adds is not pooled"
    )
    warnings = [said, *dict.fromkeys(w for p in parts for w in p.warnings)]
    lesions = [lesion for p in parts for lesion in p.lesions]
    update = {"lesions": lesions, "calibration": "; ".join(names), "information": [], "warnings": warnings}
    return parts[0].model_copy(update=update)
