"""Read and check CT, QSM, magnitude and label volumes: NIfTI, MHA, NRRD and DICOM series."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.results import InputFile
from phantomcal.units import susceptibility_factor
from phantomcal.volumes.files import SUFFIXES, read_file
from phantomcal.volumes.segmentation import is_segmentation, read_segmentation

VolumeModality = Literal["ct", "qsm", "magnitude"]

# Tissue lies within +-0.5 ppm, the strongest phantom vials within a few ppm; in ppb that is a thousand times more.
LARGEST_PLAUSIBLE_PPM = 15.0
SMALLEST_PLAUSIBLE_PPB = 5.0

_PADDING_BELOW_HU = -1200.0  # below any noise around air: written by scanners outside the scanned circle
_AIR_HU = -1024.0
_SUBSAMPLE = 2_000_000


# What a susceptibility means nothing without (QSM consensus 2024); nothing else of a sidecar is passed on, since it may
# hold names and dates.
RECONSTRUCTION_KEYS = ("ReferenceRegion", "ReconstructionAlgorithm", "ReconstructionSoftware", "MagneticFieldStrength")


@dataclass(frozen=True)
class Volume:
    """A checked volume: 3-D float32 image (HU, ppm, or arbitrary for magnitude) in world LPS mm."""

    image: sitk.Image
    modality: VolumeModality
    source: InputFile
    notes: tuple[str, ...] = ()
    reconstruction: dict[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelVolume:
    """A checked label map: 3-D image of whole numbers (uint16 or uint32), 0 background."""

    image: sitk.Image
    source: InputFile
    notes: tuple[str, ...] = ()
    names: dict[int, str] = field(default_factory=dict)  # where the file itself names its labels


def read_ct(path: str | Path) -> Volume:
    """Read a CT in HU.

    Parameters
    ----------
    path : str or pathlib.Path
        NIfTI, MHA or NRRD file, DICOM folder, or ``DIR::SERIES_UID``.

    Returns
    -------
    Volume
        HU, float32. Scanner padding below -1200 HU becomes -1024 and is noted.

    Raises
    ------
    InputError
        Missing or unreadable file, not 3-D, NaN or infinite values, constant, or not in HU.
    """
    image, source, notes, _ = _read(path, "ct")
    image = _as_float(image)
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    _require_finite(values, where, "export the CT again; air is -1000 HU, not NaN")
    _require_contrast(values, where)
    _require_hu(values, where)
    padded = values < _PADDING_BELOW_HU
    if padded.any():
        notes += (f"{int(padded.sum())} voxels below {_PADDING_BELOW_HU:g} HU (scanner padding) set to {_AIR_HU:g} HU",)
        filled = sitk.GetImageFromArray(np.where(padded, np.float32(_AIR_HU), values))
        filled.CopyInformation(image)
        image = filled
    elif float(values.min()) > -200.0:
        notes += (f"no air in the CT: its lowest value is {float(values.min()):.0f} HU",)
    return Volume(image, "ct", source, notes)


def read_qsm(path: str | Path, unit: str | None = None) -> Volume:
    """Read a susceptibility map and bring it to ppm.

    Parameters
    ----------
    path : str or pathlib.Path
        As for `read_ct`.
    unit : {"ppm", "ppb"}, optional
        Unit of the stored values. Else ``Units`` of the JSON sidecar (the same name with ``.json``), else ppm.

    Returns
    -------
    Volume
        ppm, float32; the notes say which unit was taken from where and what was converted.

    Raises
    ------
    InputError
        As for `read_ct`; also an unknown unit, an unreadable sidecar, or values that cannot be in the unit said.
    """
    image, source, notes, stored_unit = _read(path, "qsm")
    image = _as_float(image)
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    _require_finite(values, where, "set voxels outside the mask to 0 before giving the map")
    _require_contrast(values, where)
    sidecar = _sidecar(path)
    name, origin = _qsm_unit(unit, stored_unit, sidecar)
    factor = susceptibility_factor(name, where)
    name = name.strip().lower()
    _require_plausible_unit(values, name, origin, where)
    if origin == "assumed":
        notes += ("unit of the QSM map not given: ppm taken (its values fit)",)
    if factor != 1.0:
        image = image * factor
        notes += (f"QSM converted from {name} ({origin}) to ppm",)
    made_by = {key: sidecar[key] for key in RECONSTRUCTION_KEYS if isinstance(sidecar.get(key), (str, int, float))}
    return Volume(image, "qsm", source, notes, made_by)


def read_magnitude(path: str | Path) -> Volume:
    """Read a gradient-echo magnitude image (arbitrary units, float32); paths and errors as for `read_ct`."""
    image, source, notes, _ = _read(path, "magnitude")
    image = _as_float(image)
    values = sitk.GetArrayViewFromImage(image)
    _require_finite(values, source.name, "export the magnitude again")
    _require_contrast(values, source.name)
    return Volume(image, "magnitude", source, notes)


def read_labels(path: str | Path) -> LabelVolume:
    """Read a label map of whole numbers from 0; a segmentation of 3D Slicer (``.seg.nrrd``) names its labels itself.

    Raises
    ------
    InputError
        Missing or unreadable file, a DICOM folder, not 3-D, fractional or negative labels, or no label at all.
    """
    if _split(path)[0].is_dir():
        raise InputError(
            "a label map is read from a file, not a folder", "the labels given", "give a NIfTI, MHA or NRRD file"
        )
    if is_segmentation(path) and Path(path).is_file():
        drawn, names = read_segmentation(Path(path))
        return LabelVolume(drawn, _file_source("labels", Path(path)), names=names)
    image, source, notes, _ = _read(path, "labels")
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    if not np.issubdtype(values.dtype, np.integer):
        _require_finite(values, where, "export the labels as whole numbers")
        if (values != np.round(values)).any():
            raise InputError("labels that are not whole numbers", where, "resample label maps with nearest neighbour")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 2**32:
        raise InputError(f"labels from {low} to {high}", where, "labels are whole numbers from 0 (background)")
    if high == 0:
        raise InputError("no label in the map: all voxels are 0", where, "give the map of the regions")
    return LabelVolume(sitk.Cast(image, sitk.sitkUInt16 if high < 2**16 else sitk.sitkUInt32), source, notes)


def _split(path: str | Path) -> tuple[Path, str | None]:
    """Path and DICOM series UID of ``DIR::SERIES_UID``."""
    text = str(path)
    folder, separator, uid = text.rpartition("::")
    return (Path(folder), uid) if separator else (Path(text), None)


def _read(path: str | Path, role: str) -> tuple[sitk.Image, InputFile, tuple[str, ...], str | None]:
    """Image as stored, its provenance, notes, and the unit a DICOM header names. Read once, hashed once."""
    place, uid = _split(path)
    if place.is_dir():
        from phantomcal.volumes.dicom import read_series  # pydicom only when there is DICOM

        series = read_series(place, uid, "CT" if role == "ct" else None)
        source = InputFile(role=role, name=f"DICOM series, {series.n_files} files", sha256=series.sha256)
        return series.image, source, series.notes, series.unit
    if uid is not None:
        raise InputError(
            "a DICOM series is chosen in something that is no folder", f"{place.name}::{uid}", "give DIR::UID"
        )
    if not place.exists():
        known = "" if place.parent.is_dir() else " (nor its folder)"
        raise InputError(f"no such file{known}", place.name or "an empty path", "check the path")
    if place.suffix.lower() in (".dcm", ".ima"):
        raise InputError("a single DICOM slice", place.name, "give the folder of the series")
    image, notes = read_file(place)
    return image, _file_source(role, place), notes, None


def _file_source(role: str, path: Path) -> InputFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return InputFile(role=role, name=path.name, sha256=digest)


def _as_float(image: sitk.Image) -> sitk.Image:
    return image if image.GetPixelID() == sitk.sitkFloat32 else sitk.Cast(image, sitk.sitkFloat32)


def _require_finite(values: NDArray[Any], where: str, fix: str) -> None:
    n_bad = int(values.size - np.isfinite(values).sum())
    if n_bad:
        raise InputError(f"{n_bad} of {values.size} voxels are NaN or infinite", where, fix)


def _require_contrast(values: NDArray[Any], where: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low == high:
        what = "all voxels are 0" if low == 0 else f"all voxels have the same value {low:g}"
        raise InputError(what, where, "give the measured volume (this one is empty)")


def _require_hu(values: NDArray[Any], where: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low < 0:
        return
    near_1024 = float(np.mean((values > 900) & (values < 1250)))
    if near_1024 > 0.05:  # without any air below, that much dense bone does not exist: it is tissue stored as HU + 1024
        raise InputError(
            f"not in HU: no value below 0 and {near_1024:.0%} of the voxels near 1024",
            where,
            "apply the rescale slope and intercept (usually subtract 1024), or give the DICOM folder",
        )
    if high <= 1.5:
        raise InputError(f"not in HU: values from {low:g} to {high:g}", where, "give the CT before normalisation")


def _robust_largest(values: NDArray[Any]) -> float:
    """99.9th percentile of the absolute non-zero values, on an even subsample of large volumes."""
    flat = values.reshape(-1)
    flat = np.abs(flat[:: max(1, flat.size // _SUBSAMPLE)])
    inside = flat[flat > 0]
    return float(np.percentile(inside if inside.size else np.abs(values[values != 0]), 99.9))


def _require_plausible_unit(values: NDArray[Any], unit: str, origin: str, where: str) -> None:
    largest = _robust_largest(values)
    said = "no unit is given, so ppm is assumed" if origin == "assumed" else f"the unit said ({origin}) is {unit}"
    if unit == "ppm" and largest > LARGEST_PLAUSIBLE_PPM:
        raise InputError(
            f"values up to {largest:.3g} cannot be ppm and look like ppb ({said})",
            where,
            "pass --qsm-unit ppb, or say Units in the JSON sidecar",
        )
    if unit == "ppb" and largest < SMALLEST_PLAUSIBLE_PPB:
        raise InputError(
            f"values up to {largest:.3g} cannot be ppb and look like ppm ({said})",
            where,
            "pass --qsm-unit ppm, or say Units in the JSON sidecar",
        )


def _qsm_unit(unit: str | None, stored_unit: str | None, sidecar: dict[str, Any]) -> tuple[str, str]:
    """Unit of a map and who said so: option, DICOM header, JSON sidecar, else assumed."""
    if unit is not None:
        return unit, "option"
    if stored_unit is not None and stored_unit.strip().lower() in ("ppm", "ppb"):
        return stored_unit, "DICOM header"
    if "Units" not in sidecar:
        return "ppm", "assumed"
    return sidecar["Units"], "JSON sidecar"


def _sidecar(path: str | Path) -> dict[str, Any]:
    """Content of the JSON sidecar of a map (the same name with ``.json``); empty without one."""
    place, _ = _split(path)
    suffix = next((s for s in SUFFIXES if place.name.lower().endswith(s)), "")
    sidecar = place.with_name(place.name[: len(place.name) - len(suffix)] + ".json")
    if place.is_dir() or not sidecar.is_file():
        return {}
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            "the JSON sidecar cannot be read", sidecar.name, "mend it, or take it away and pass --qsm-unit"
        ) from error
    if not isinstance(content, dict):
        raise InputError("the JSON sidecar is not an object", sidecar.name, 'write it as {"Units": "ppm"}')
    if not isinstance(content.get("Units", ""), str):
        raise InputError("Units of the JSON sidecar is not text", sidecar.name, 'write "Units": "ppm" or "ppb"')
    return content
