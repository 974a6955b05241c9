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
from phantomcal.volumes.quirks import Quirk, Strictness, settle
from phantomcal.volumes.segmentation import is_segmentation, read_segmentation

VolumeModality = Literal["ct", "qsm", "magnitude"]

DICOM_SUFFIXES = (".dcm", ".ima")

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


def read_ct(path: str | Path, *, strictness: Strictness = "warn") -> Volume:
    """Read a CT in HU.

    Parameters
    ----------
    path : str or pathlib.Path
        NIfTI, MHA or NRRD file, DICOM folder or enhanced file, or ``DIR::SERIES_UID``; of a series that holds several
        volumes ``DIR::SERIES_UID::NAME=VALUE``.
    strictness : {"ignore", "warn", "raise"}
        What to do about oddities of the files that can be set right: nothing said, a note, or an error.

    Returns
    -------
    Volume
        HU, float32. Scanner padding below -1200 HU becomes -1024 and is noted.

    Raises
    ------
    InputError
        Missing or unreadable file, not 3-D, NaN or infinite values, constant, or not in HU.
    """
    stored = _read(path, "ct", strictness)
    image, source, notes = _as_float(stored.image), stored.source, stored.notes
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    low, high = _range(values, where, "export the CT again; air is -1000 HU, not NaN")
    _require_contrast(low, high, where)
    _require_hu(values, low, high, where)
    if low < _PADDING_BELOW_HU:
        padded = values < _PADDING_BELOW_HU
        notes += (f"{int(padded.sum())} voxels below {_PADDING_BELOW_HU:g} HU (scanner padding) set to {_AIR_HU:g} HU",)
        filled = sitk.GetImageFromArray(np.where(padded, np.float32(_AIR_HU), values))
        filled.CopyInformation(image)
        image = filled
    elif low > -200.0:
        notes += (f"no air in the CT: its lowest value is {low:.0f} HU",)
    return Volume(image, "ct", source, notes)


def read_qsm(path: str | Path, unit: str | None = None, *, strictness: Strictness = "warn") -> Volume:
    """Read a susceptibility map and bring it to ppm.

    Parameters
    ----------
    path : str or pathlib.Path
        As for `read_ct`.
    unit : {"ppm", "ppb"}, optional
        Unit of the stored values. Else what a DICOM header says, else ``Units`` of the JSON sidecar (the same name with
        ``.json``), else ppm.
    strictness : {"ignore", "warn", "raise"}
        As for `read_ct`.

    Returns
    -------
    Volume
        ppm, float32; the notes say which unit was taken from where and what was converted.

    Raises
    ------
    InputError
        As for `read_ct`; also an unknown unit, an unreadable sidecar, or values that cannot be in the unit said.
    """
    stored = _read(path, "qsm", strictness)
    image, source, notes = _as_float(stored.image), stored.source, stored.notes
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    low, high = _range(values, where, "set voxels outside the mask to 0 before giving the map")
    _require_contrast(low, high, where)
    if stored.is_dicom and stored.unit is None:
        _require_both_signs(low, high, where)
    sidecar = _sidecar(path)
    name, origin = _qsm_unit(unit, stored, sidecar)
    notes += settle(_unit_quirks(unit, stored), strictness)
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


def read_magnitude(path: str | Path, *, strictness: Strictness = "warn") -> Volume:
    """Read a gradient-echo magnitude image (arbitrary units, float32); paths and errors as for `read_ct`."""
    stored = _read(path, "magnitude", strictness)
    image, source, notes = _as_float(stored.image), stored.source, stored.notes
    values = sitk.GetArrayViewFromImage(image)
    _require_contrast(*_range(values, source.name, "export the magnitude again"), source.name)
    return Volume(image, "magnitude", source, notes)


def read_labels(path: str | Path, *, strictness: Strictness = "warn") -> LabelVolume:
    """Read a label map of whole numbers from 0; a segmentation of 3D Slicer (``.seg.nrrd``) names its labels itself.

    Raises
    ------
    InputError
        Missing or unreadable file, DICOM, not 3-D, fractional or negative labels, or no label at all.
    """
    place = _split(path)[0]
    if place.is_dir() or place.suffix.lower() in DICOM_SUFFIXES:
        raise InputError(
            "a label map is read from a file, not a folder", "the labels given", "give a NIfTI, MHA or NRRD file"
        )
    if is_segmentation(path) and Path(path).is_file():
        drawn, names = read_segmentation(Path(path))
        return LabelVolume(drawn, _file_source("labels", Path(path)), names=names)
    image, source, notes = _read_file(place, "labels", strictness)
    values = sitk.GetArrayViewFromImage(image)
    where = source.name
    if not np.issubdtype(values.dtype, np.integer):
        _range(values, where, "export the labels as whole numbers")
        if (values != np.round(values)).any():
            raise InputError("labels that are not whole numbers", where, "resample label maps with nearest neighbour")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 2**32:
        raise InputError(f"labels from {low} to {high}", where, "labels are whole numbers from 0 (background)")
    if high == 0:
        raise InputError("no label in the map: all voxels are 0", where, "give the map of the regions")
    return LabelVolume(sitk.Cast(image, sitk.sitkUInt16 if high < 2**16 else sitk.sitkUInt32), source, notes)


@dataclass(frozen=True)
class _Stored:
    """An image as stored, its provenance, notes, and the unit a DICOM header names, with the tag that does."""

    image: sitk.Image
    source: InputFile
    notes: tuple[str, ...]
    unit: str | None = None
    unit_origin: str = ""
    is_dicom: bool = False


def _split(path: str | Path) -> tuple[Path, str | None, dict[str, str]]:
    """Path, DICOM series UID and choice of frames of ``DIR::SERIES_UID::NAME=VALUE,NAME=VALUE``."""
    place, *chosen = str(path).split("::")
    uid, wanted = None, {}
    for part in chosen:
        if "=" not in part:
            uid = part
            continue
        for pair in part.split(","):
            name, _, value = pair.partition("=")
            wanted[name.strip()] = value.strip()
    return Path(place), uid, wanted


def _read(path: str | Path, role: VolumeModality, strictness: Strictness) -> _Stored:
    """Image as stored. Read once, hashed once."""
    place, uid, wanted = _split(path)
    is_one_file = place.suffix.lower() in DICOM_SUFFIXES and place.is_file()
    if place.is_dir() or is_one_file:
        from phantomcal.volumes.dicom import read_series  # pydicom only when there is DICOM

        series = read_series(place, uid, role=role, wanted=wanted, strictness=strictness)
        source = InputFile(role=role, name=f"DICOM series, {series.n_files} files", sha256=series.sha256)
        return _Stored(series.image, source, series.notes, series.unit, series.unit_origin, True)
    if uid is not None or wanted:
        raise InputError(
            "a DICOM series is chosen in something that is no folder", f"{place.name}::{uid}", "give DIR::UID"
        )
    image, source, notes = _read_file(place, role, strictness)
    return _Stored(image, source, notes)


def _read_file(place: Path, role: str, strictness: Strictness) -> tuple[sitk.Image, InputFile, tuple[str, ...]]:
    if not place.exists():
        known = "" if place.parent.is_dir() else " (nor its folder)"
        raise InputError(f"no such file{known}", place.name or "an empty path", "check the path")
    image, quirks = read_file(place)
    return image, _file_source(role, place), settle(quirks, strictness, place.name)


def _file_source(role: str, path: Path) -> InputFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return InputFile(role=role, name=path.name, sha256=digest)


def _as_float(image: sitk.Image) -> sitk.Image:
    return image if image.GetPixelID() == sitk.sitkFloat32 else sitk.Cast(image, sitk.sitkFloat32)


def _range(values: NDArray[Any], where: str, fix: str) -> tuple[float, float]:
    """Lowest and highest value; refuses values that are not finite, which one of the two then is not either."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        n_bad = int(values.size - np.isfinite(values).sum())
        raise InputError(f"{n_bad} of {values.size} voxels are NaN or infinite", where, fix)
    return low, high


def _require_contrast(low: float, high: float, where: str) -> None:
    if low == high:
        what = "all voxels are 0" if low == 0 else f"all voxels have the same value {low:g}"
        raise InputError(what, where, "give the measured volume (this one is empty)")


def _require_hu(values: NDArray[Any], low: float, high: float, where: str) -> None:
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


def _require_both_signs(low: float, high: float, where: str) -> None:
    """Susceptibility is relative and has both signs; an integer code with an offset, or a magnitude, has one."""
    if low < 0:
        return
    raise InputError(
        f"no value below 0 (from {low:g} to {high:g}) and no unit in the DICOM header: "
        "a magnitude, or integers with an offset that the header does not tell",
        where,
        "export the map with its unit and rescale, or as NIfTI in ppm",
    )


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


def _qsm_unit(unit: str | None, stored: _Stored, sidecar: dict[str, Any]) -> tuple[str, str]:
    """Unit of a map and who said so: option, DICOM header, JSON sidecar, else assumed."""
    if unit is not None:
        return unit, "option"
    if stored.unit is not None:
        return stored.unit, f"DICOM header, {stored.unit_origin}"
    if "Units" not in sidecar:
        return "ppm", "assumed"
    return sidecar["Units"], "JSON sidecar"


def _unit_quirks(unit: str | None, stored: _Stored) -> list[Quirk]:
    if unit is None or stored.unit is None or unit.strip().lower() == stored.unit:
        return []
    what = f"the DICOM header says {stored.unit} ({stored.unit_origin}) and the option {unit}"
    return [Quirk(what, f"{unit} was taken")]


def _sidecar(path: str | Path) -> dict[str, Any]:
    """Content of the JSON sidecar of a map (the same name with ``.json``); empty without one."""
    place, _, _ = _split(path)
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
