"""What a folder of DICOM files holds, and what each series is good for; from the headers alone."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from phantomcal.errors import InputError
from phantomcal.results.dicom import DicomListing, DicomVolume
from phantomcal.volumes.dicom.frames import Frame, component_of, frames_of, image_type_of, labels_of
from phantomcal.volumes.dicom.headers import Header, find_series
from phantomcal.volumes.dicom.scaling import Role
from phantomcal.volumes.dicom.series import Plan, plan_series

# What may tell apart the volumes of one series, coarse to fine.
_SPLITS = ("stack", "orientation", "matrix", "component", "echo_ms", "time")
_MOST_PARTS = 24
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def list_series(folder: Path, *, descriptions: bool = False) -> tuple[DicomListing, tuple[InputError, ...]]:
    """List the DICOM volumes of a folder and its subfolders.

    Parameters
    ----------
    folder : pathlib.Path
        Searched recursively.
    descriptions : bool
        Take SeriesDescription along, which may hold names.

    Returns
    -------
    listing : DicomListing
        By series number.
    damaged : tuple of InputError
        What is wrong with files that cannot be read, by name.

    Raises
    ------
    InputError
        No such folder, or no DICOM image in it.
    """
    if not folder.exists():
        raise InputError("no such folder", folder.name, "check the path")
    found = find_series(folder)
    if not found.series and not found.damaged:
        raise InputError("no DICOM image", "the folder given", "give the folder of a scan; subfolders are searched")
    volumes = []
    for uid, headers in found.series.items():
        volumes += _volumes(f"{folder}::{uid}" if uid else str(folder), headers, descriptions)
    volumes.sort(key=lambda v: (v.series_number is None, v.series_number or 0, v.use))
    return DicomListing(volumes=volumes, n_other_files=found.n_other, n_damaged_files=len(found.damaged)), found.damaged


def _volumes(use: str, headers: Sequence[Header], descriptions: bool) -> list[DicomVolume]:
    whole = _judge(use, headers, {}, descriptions)
    if whole.good_for or len(headers) == 0:
        return [whole]
    try:
        frames = [f for header in headers for f in frames_of(header)]
    except InputError:
        return [whole]
    parts = [_judge(use, headers, wanted, descriptions) for wanted in _parts(frames)]
    return parts if any(part.good_for for part in parts) else [whole]


def _parts(frames: Sequence[Frame]) -> list[dict[str, str]]:
    """Choices that might leave one volume each."""
    labels = [labels_of(f) for f in frames if "LOCALIZER" not in f.image_type]
    values = {name: sorted({one[name] for one in labels if name in one}) for name in _SPLITS}
    several = {name: found for name, found in values.items() if len(found) > 1}
    present = {tuple(one.get(name) for name in several) for one in labels}
    chosen = [combination for combination in product(*several.values()) if combination in present]
    return [dict(zip(several, combination, strict=True)) for combination in chosen[:_MOST_PARTS]] if several else []


def _judge(use: str, headers: Sequence[Header], wanted: dict[str, str], descriptions: bool) -> DicomVolume:
    data: Any = headers[0].dataset
    syntax = pydicom.uid.UID(headers[0].syntax)
    choice = "::" + ",".join(f"{name}={value}" for name, value in wanted.items()) if wanted else ""
    known = {
        "use": use + choice,
        "series_number": int(data.SeriesNumber) if data.get("SeriesNumber") is not None else None,
        "modality": str(data.get("Modality") or ""),
        "description": (str(data.get("SeriesDescription") or "") or None) if descriptions else None,
        "kvp": _number(data.get("KVP")),
        "kernel": _text(data.get("ConvolutionKernel")),
        "field_tesla": _number(data.get("MagneticFieldStrength")),
        "compression": syntax.name if syntax.is_transfer_syntax and syntax.is_encapsulated else None,
    }
    try:
        kind, good_for, plan = _kind(headers, wanted)
    except InputError as error:
        count, n_files = _counted(headers, wanted)
        size = {"n_images": count, "n_files": n_files, "columns": int(data.Columns), "rows": int(data.Rows)}
        kind = _kind_of_unusable(data, wanted.get("component", ""))
        return DicomVolume(
            **known, **size, kind=kind, problem=f"{error.what}: {error.fix}" if error.fix else error.what
        )
    first = plan.layout.frames[0]
    quirks = [f"{q.what}: {q.done}" for q in plan.quirks]
    if plan.uneven:
        quirks.append(f"{plan.uneven}: resampled linearly to a regular upright grid")
    if plan.layout.repeats:
        many = len(plan.layout.repeats) > 1
        says = (
            "images lie where another one lies: left out if they are"
            if many
            else "image lies where another one lies: left out if it is"
        )
        quirks.append(f"{len(plan.layout.repeats)} {says} the same")
    depth_mm = plan.layout.places_mm @ plan.layout.axes[:, 2]
    return DicomVolume(
        **known,
        kind=kind,
        good_for=good_for,
        n_images=len(plan.layout.frames),
        n_files=len({f.header.path for f in plan.layout.frames}),
        columns=first.shape[1],
        rows=first.shape[0],
        spacing_mm=first.spacing_mm,
        slice_distance_mm=round(float(np.median(np.diff(depth_mm))), 4),
        echo_ms=_number(labels_of(first).get("echo_ms")),
        unit=plan.unit,
        quirks=quirks,
    )


def _counted(headers: Sequence[Header], wanted: dict[str, str]) -> tuple[int, int]:
    """Images and files of a choice."""
    if not wanted:
        return sum(int(h.dataset.get("NumberOfFrames") or 1) for h in headers), len(headers)
    frames = [f for h in headers for f in frames_of(h)]
    paths = [f.header.path for f in frames if wanted.items() <= labels_of(f).items()]
    return len(paths), len(set(paths))


def _kind(headers: Sequence[Header], wanted: dict[str, str]) -> tuple[str, list[str], Plan]:
    """What a volume is, the options that take it, and its plan; raises when no option can."""
    if str(headers[0].dataset.get("Modality") or "") == "CT":
        return "CT volume", ["--ct"], plan_series(headers, "ct", wanted)
    refused: list[InputError] = []
    plans: dict[Role, Plan] = {}
    for role in ("qsm", "magnitude"):
        try:
            plans[role] = plan_series(headers, role, wanted)
        except InputError as error:
            refused.append(error)
    if not plans:
        raise refused[-1]
    if "qsm" in plans and plans["qsm"].unit is not None:
        return f"QSM map in {plans['qsm'].unit}", ["--qsm", "--mr"], plans["qsm"]
    if "magnitude" not in plans:
        raise refused[-1]
    plan = plans["magnitude"]
    if component_of(plan.layout.frames[0]) == "magnitude" or "qsm" not in plans:
        return "MR magnitude", ["--magnitude", "--mr"], plan
    return "MR volume (a QSM map needs --qsm-unit)", ["--magnitude", "--mr", "--qsm"], plan


def _kind_of_unusable(data: pydicom.Dataset, component: str) -> str:
    kind, words = str(data.get("SOPClassUID") or ""), image_type_of(data)
    if kind.startswith(_SECONDARY_CAPTURE):
        return "secondary capture"
    if kind.startswith(_SEGMENTATION):
        return "segmentation"
    if "LOCALIZER" in words:
        return "localiser"
    part = component or {"P": "phase", "R": "real", "I": "imaginary"}.get(words[2] if len(words) > 2 else "", "")
    return f"{data.get('Modality') or 'image'} {part}".strip()


def _number(value: object) -> float | None:
    try:
        return None if value in (None, "") else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _text(value: object) -> str | None:
    if value in (None, ""):
        return None
    return str(value) if isinstance(value, str) else "/".join(str(v) for v in value)  # type: ignore[attr-defined]
