"""One person's session of a study: CT aligned, regions and lesions sampled, the files written."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from phantomcal.correlation.sampling import NO_REFERENCE
from phantomcal.outputs import hash_files, provenance, write_record
from phantomcal.results import InputFile, SessionResult, StepOutcome

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.pipeline.tasks import Task
    from phantomcal.report.page import Figure
    from phantomcal.study import Session
    from phantomcal.volumes import LabelVolume, Volume

    LabelMap = tuple[str, LabelVolume, pd.DataFrame | None]

REGIONS = "regions.parquet"


def analyse_person(task: "Task", folder: Path, result: SessionResult) -> "tuple[SessionResult, list[Figure]]":
    """Align the CT of one session and sample its regions.

    Parameters
    ----------
    task : Task
    folder : pathlib.Path
        Scratch folder; gets ``registration/<session>`` and ``sessions/<session>/regions.parquet``.
    result : SessionResult
        The empty record of the session.

    Returns
    -------
    SessionResult
    list of Figure
        The picture of the alignment, if one was asked for or the alignment is doubtful.
    """
    from phantomcal.pipeline.tasks import session_folder
    from phantomcal.volumes import read_ct, read_qsm

    session = task.session
    ct = read_ct(session.ct) if session.ct else None
    qsm = read_qsm(session.chimap) if session.chimap else None
    notes = [f"{session.label}: {n}" for v in (ct, qsm) if v is not None for n in v.notes]
    inputs = [v.source for v in (ct, qsm) if v is not None]
    where = {"subject": session.subject, "session": session.name}
    outcomes: list[StepOutcome] = []
    transform = alignment = table = None
    pictures: list[Figure] = []
    maps: list[LabelMap] = []
    if ct is None or qsm is None:
        missing = "no CT" if ct is None else "no QSM map"
        outcomes.append(StepOutcome(step="register", **where, status="skipped", message=missing))
    elif session.transform is not None:
        from phantomcal.steps.registration import read_transform

        transform = read_transform(session.transform)
        inputs.append(_input("transform", session.transform))
        outcomes.append(
            StepOutcome(step="register", **where, status="done", message=f"taken from {session.transform.name}")
        )
    else:
        transform, alignment, pictures = _align(task, folder, ct, qsm)
        status = "done" if alignment.verdict == "pass" else "review" if alignment.verdict == "review" else "failed"
        message = "" if status == "done" else "; ".join(alignment.reasons)
        outcomes.append(StepOutcome(step="register", **where, status=status, message=message))
    if session.labels is None and session.lesions is None:
        outcomes.append(StepOutcome(step="sample", **where, status="skipped", message="no label map"))
    elif ct is None and qsm is None:
        outcomes.append(StepOutcome(step="sample", **where, status="skipped", message="neither CT nor QSM map"))
    elif alignment is not None and alignment.verdict == "fail":
        outcomes.append(StepOutcome(step="sample", **where, status="skipped", message="its alignment failed: not used"))
    else:
        maps, read = _label_maps(session)
        table, said = _sample(task, maps, ct, qsm, transform)
        notes += said
        inputs += read
        outcomes.append(StepOutcome(step="sample", **where, status="done"))
        place = session_folder(folder, session.label)
        place.mkdir(parents=True)
        table.to_parquet(place / REGIONS, index=False)
    concentrations = None
    if task.calibration is not None and transform is not None and table is not None and ct and qsm:
        from phantomcal.pipeline.lesions import decompose_session

        given = session.transform or folder / "registration" / session.label / "ct_to_mr.tfm"
        outcomes.append(decompose_session(task, folder, given, (ct, qsm)))
        concentrations = folder / "decomposition" / session.label if outcomes[-1].status == "done" else None
    if task.derivatives:
        from phantomcal.pipeline.derivatives import write_session

        write_session(
            folder,
            session,
            ct=ct,
            qsm=qsm,
            transform=transform,
            alignment=alignment,
            labels=maps,
            table=table,
            concentrations=concentrations,
        )
    update = {"outcomes": outcomes, "alignment": alignment, "warnings": notes, "inputs": inputs, "complete": True}
    return result.model_copy(update=update), pictures


def _align(task: "Task", folder: Path, ct: "Volume", qsm: "Volume") -> "tuple[sitk.Transform, Any, list[Figure]]":
    import SimpleITK as sitk

    from phantomcal.registration.align import align
    from phantomcal.report.pictures import aligned_picture
    from phantomcal.volumes import read_magnitude

    session = task.session
    fixed = read_magnitude(session.magnitude) if session.magnitude else qsm
    kind: Literal["magnitude", "qsm"] = "magnitude" if session.magnitude else "qsm"
    started = time.perf_counter()
    found = align(ct.image, fixed.image, fixed_kind=kind)
    alignment = found.alignment.model_copy(
        update={"provenance": provenance("register", [ct.source, fixed.source], {"kind": kind}, started)}
    )
    target = folder / "registration" / session.label
    target.mkdir(parents=True)
    sitk.WriteTransform(found.transform, str(target / "ct_to_mr.tfm"))
    write_record(alignment, target / "registration.json")
    pictures = []
    if task.picture or alignment.verdict != "pass":
        pictures.append(aligned_picture(fixed.image, ct.image, found.transform, session.label))
    return found.transform, alignment, pictures


def _label_maps(session: "Session") -> "tuple[list[LabelMap], list[InputFile]]":
    """Regions and lesions of a session with the names of their labels, and what was read."""
    import numpy as np
    import SimpleITK as sitk

    from phantomcal.correlation.regions import lookup_of, read_lookup
    from phantomcal.volumes import read_labels

    read = [
        (kind, read_labels(path), lookup)
        for kind, path, lookup in (
            ("region", session.labels, session.lookup),
            ("lesion", session.lesions, session.lesion_lookup),
        )
        if path is not None
    ]
    present = {kind: set(np.unique(sitk.GetArrayViewFromImage(labels.image)).tolist()) for kind, labels, _ in read}
    maps: list[LabelMap] = []
    inputs = []
    for kind, labels, lookup in read:
        inputs.append(labels.source)
        names = lookup_of(labels.names)
        if lookup is not None:
            inputs.append(_input("lookup", lookup))
            names = read_lookup(lookup)
        if names is not None:
            # One table may name the labels of both maps: what the other map holds is not missing from this one.
            others = set().union(*(found for other, found in present.items() if other != kind)) - present[kind]
            names = names[~names["index"].isin(others)]
        maps.append((kind, labels, names))
    return maps, inputs


def _sample(
    task: "Task",
    maps: "list[LabelMap]",
    ct: "Volume | None",
    qsm: "Volume | None",
    transform: "sitk.Transform | None",
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of the region table of one session, regions then lesions; what is to be said."""
    from phantomcal.correlation.regions import sample_regions
    from phantomcal.volumes import on_lattice_of

    session = task.session
    frames, said = [], []
    reference: tuple[float, float] | None = None
    for kind, labels, names in maps:
        frame = sample_regions(
            on_lattice_of(labels.image, qsm.image) if qsm and labels.names else labels.image,
            names,
            ct=ct.image if ct else None,
            qsm=qsm.image if qsm else None,
            transform=transform,
            sampling=task.sampling,
            reference_ppm=reference,
            subject_id=session.subject,
            session=session.name,
        )
        said += [f"{session.label}: {w}" for w in frame.attrs.get("warnings", [])]
        frame.attrs = {}
        frames.append(frame.assign(kind=kind))
        # The regions' reference holds for the lesions too, whose map does not have it.
        reference = (float(frame["qsm_reference_ppm"].iloc[0]), float(frame["qsm_reference_sem_ppm"].iloc[0]))
        reference = reference if task.sampling.reference != NO_REFERENCE and reference[0] == reference[0] else None
    return pd.concat(frames, ignore_index=True), said


def _input(role: str, path: Path) -> InputFile:
    return InputFile(role=role, name=path.name, sha256=hash_files([path]))
