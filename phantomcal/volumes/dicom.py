"""A folder of DICOM slices as one volume in right geometry: placed by the headers' positions, never by file order."""

import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from phantomcal.errors import InputError
from phantomcal.volumes.stack import place_slices

AIR_HU = -1024.0

_HEADER_TAGS = [
    "SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "PixelPaddingValue",
]  # fmt: skip
# Classes that hold one slice a file (CT, MR, secondary capture): without Rows such a file was cut short.
_SLICE_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"}

_COSINE_TOLERANCE = 1e-3  # 0.06 degrees: 0.1 mm over a slice


@dataclass(frozen=True)
class DicomSeries:
    """One DICOM series as a volume: what was read, and what had to be done to it."""

    image: sitk.Image
    n_files: int
    sha256: str
    unit: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Slice:
    path: Path
    header: pydicom.Dataset
    position_mm: NDArray[np.float64]
    row_axis: NDArray[np.float64]
    column_axis: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]


def read_series(folder: Path, series_uid: str | None = None, modality: str | None = None) -> DicomSeries:
    """Read one DICOM series of a folder into right geometry.

    Slices are placed by ImageOrientationPatient and ImagePositionPatient alone. A stack sheared by gantry tilt or
    with uneven slice distances is resampled linearly into a regular, orthogonal grid, and a note says so.

    Parameters
    ----------
    folder : pathlib.Path
        Searched with its subfolders; files that are not DICOM images are left out.
    series_uid : str, optional
        Which series, where there are several.
    modality : str, optional
        DICOM modality the series must have, such as ``"CT"``.

    Returns
    -------
    DicomSeries
        Values after each slice's own rescale slope and intercept, float32; hash over the files in order of position.

    Raises
    ------
    InputError
        No image, several series and none chosen, wrong modality, multi-frame or colour images, missing tags, mixed
        orientations or matrices, two slices at one position, a missing slice, pixel data that cannot be read.
    """
    series, skipped = _find_series(folder)
    uid = _choose(series, series_uid)
    slices = [_parse(path, header, modality) for path, header in series[uid]]
    _require_one_stack(slices)
    normal = np.cross(slices[0].row_axis, slices[0].column_axis)
    depth_mm = np.array([s.position_mm for s in slices]) @ normal
    slices = [slices[k] for k in np.argsort(depth_mm, kind="stable")]
    depth_mm.sort()
    _require_distinct(slices, depth_mm)
    _require_complete(slices, depth_mm)

    stack = np.stack([_pixels(s) for s in slices])
    notes = []
    if skipped:
        notes.append(f"{skipped} files of the folder that are not DICOM images were left out")
    axes = np.column_stack([slices[0].row_axis, slices[0].column_axis, normal])
    positions_mm = np.array([s.position_mm for s in slices])
    outside = AIR_HU if slices[0].header.get("Modality") == "CT" else 0.0
    image, note = place_slices(stack, positions_mm, axes, slices[0].spacing_mm, outside)
    if note:
        notes.append(note)
    digest = hashlib.sha256()
    for one in slices:
        digest.update(one.path.read_bytes())
    unit = str(slices[0].header.get("RescaleType") or "") or None
    return DicomSeries(image, len(slices), digest.hexdigest(), unit, tuple(notes))


@contextmanager
def _quiet_pydicom() -> Iterator[None]:
    # pydicom warns about every odd value; what matters here is checked here, by name.
    logger = logging.getLogger("pydicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled


def _find_series(folder: Path) -> tuple[dict[str, list[tuple[Path, pydicom.Dataset]]], int]:
    series: dict[str, list[tuple[Path, pydicom.Dataset]]] = {}
    skipped = 0
    with _quiet_pydicom():
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
            except InvalidDicomError:
                skipped += 1
                continue
            except Exception as error:  # a damaged header makes pydicom raise of all kinds
                raise InputError("damaged DICOM header", path.name, "copy the file from the scanner again") from error
            if "Rows" not in header or "Columns" not in header:
                if str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")) in _SLICE_CLASSES:
                    raise InputError("the DICOM file has no image size (cut short?)", path.name, "copy it again")
                skipped += 1
                continue
            series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append((path, header))
    if not series:
        raise InputError(
            "no DICOM image", "the folder given", "give a folder of .dcm slices or a NIfTI, MHA or NRRD file"
        )
    return series, skipped


def _choose(series: dict[str, list[tuple[Path, pydicom.Dataset]]], uid: str | None) -> str:
    if uid is None and len(series) == 1:
        return next(iter(series))
    if uid in series:
        return str(uid)
    rows = []
    for key, members in series.items():
        first = members[0][1]
        number = first.get("SeriesNumber")
        label = " ".join(str(first.get(tag) or "") for tag in ("Modality", "SeriesDescription")).strip()
        rows.append((int(number) if number is not None else 0, f"{label}, {len(members)} images, {key}"))
    listed = "; ".join(f"series {number}: {text}" for number, text in sorted(rows))
    what = f"{len(series)} DICOM series and none chosen" if uid is None else f"no DICOM series {uid}"
    raise InputError(what, "the folder given", f"choose one with DIR::SERIES_UID from {listed}")


def _numbers(header: pydicom.Dataset, tag: str, count: int, where: str) -> NDArray[np.float64]:
    try:
        value = header.get(tag)
        numbers = np.atleast_1d(np.asarray(value, dtype=float)) if value is not None else np.array([])
    except (TypeError, ValueError) as error:
        raise InputError(f"DICOM tag {tag} is not a number", where, "export the series again") from error
    if numbers.size == 0:
        raise InputError(
            f"DICOM tag {tag} is missing", where, "export the original series; without it nothing is placed"
        )
    if numbers.size != count or not np.isfinite(numbers).all():
        raise InputError(f"DICOM tag {tag} must hold {count} finite numbers", where, "export the original series")
    return numbers.astype(np.float64)


def _parse(path: Path, header: pydicom.Dataset, modality: str | None) -> _Slice:
    name = path.name
    found = str(header.get("Modality", ""))
    if modality is not None and found != modality:
        raise InputError(
            f"the DICOM series is {found or 'of no modality'}, not {modality}", name, "choose another series"
        )
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise InputError("multi-frame DICOM is not read", name, "convert it to NIfTI first (dcm2niix)")
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise InputError(
            "a colour image (screenshot?) in the DICOM series", name, "choose the series of measured values"
        )
    if modality == "CT":  # elsewhere a missing rescale means stored values; in CT it would silently change the HU
        _numbers(header, "RescaleSlope", 1, name)
        _numbers(header, "RescaleIntercept", 1, name)
    position = _numbers(header, "ImagePositionPatient", 3, name)
    axes = _numbers(header, "ImageOrientationPatient", 6, name)
    spacing = _numbers(header, "PixelSpacing", 2, name)
    row, column = axes[:3], axes[3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > 0.01:
        raise InputError("ImageOrientationPatient is not a pair of perpendicular unit vectors", name, "export it again")
    if (spacing <= 0).any():
        raise InputError("PixelSpacing is not positive", name, "export the original series")
    row = row / lengths[0]
    column = column - (column @ row) * row
    return _Slice(
        path=path,
        header=header,
        position_mm=position,
        row_axis=row,
        column_axis=column / np.linalg.norm(column),
        spacing_mm=(float(spacing[1]), float(spacing[0])),  # DICOM gives the distance of rows first
        shape=(int(header.Rows), int(header.Columns)),
    )


def _require_one_stack(slices: list[_Slice]) -> None:
    if len(slices) < 2:
        raise InputError("the DICOM series has one slice only", slices[0].path.name, "choose the series of the volume")
    keys = [(tuple(np.round([*s.row_axis, *s.column_axis], 4)), s.shape, s.spacing_mm) for s in slices]
    usual = slices[keys.index(Counter(keys).most_common(1)[0][0])]
    for one in slices:
        turned = max(
            float(np.abs(one.row_axis - usual.row_axis).max()), float(np.abs(one.column_axis - usual.column_axis).max())
        )
        if turned > _COSINE_TOLERANCE:
            raise InputError(
                "another orientation than the rest of the series (a localiser?)",
                one.path.name,
                "take it out of the folder",
            )
        if one.shape != usual.shape or not np.allclose(one.spacing_mm, usual.spacing_mm, rtol=1e-3):
            raise InputError(
                "another matrix or pixel spacing than the rest of the series",
                one.path.name,
                "take it out of the folder",
            )


def _require_distinct(slices: list[_Slice], depth_mm: NDArray[np.float64]) -> None:
    same = np.flatnonzero(np.diff(depth_mm) < 1e-3)
    if same.size:
        first, second = slices[same[0]].path.name, slices[same[0] + 1].path.name
        raise InputError(
            f"{same.size} slices of the DICOM series lie where another one lies (repeats or phases)",
            f"{first} and {second}",
            "keep one image per position",
        )


def _require_complete(slices: list[_Slice], depth_mm: NDArray[np.float64]) -> None:
    """Refuse a stack with a hole: distances all alike, but for lone ones that are a multiple of the rest."""
    distance = np.diff(depth_mm)
    usual = float(np.median(distance))
    multiple = np.round(distance / usual)
    if distance.size < 3 or (np.abs(distance - multiple * usual) > 0.05 * usual).any():
        return
    runs = [(value, len(list(group))) for value, group in groupby(multiple)]
    for index, (value, length) in enumerate(runs):
        inside = 0 < index < len(runs) - 1
        if value > 1 and (length == 1 or inside):  # a longer run at an end is a protocol with two distances
            k = sum(n for _, n in runs[:index])
            raise InputError(
                f"a slice is missing: two are {distance[k]:.2f} mm apart where the others are {usual:.2f} mm",
                f"the DICOM series between {slices[k].path.name} and {slices[k + 1].path.name}",
                "copy the whole series again",
            )


def _pixels(one: _Slice) -> NDArray[np.float32]:
    name = one.path.name
    with _quiet_pydicom():
        try:
            full = pydicom.dcmread(one.path)
            try:
                stored: NDArray[Any] = full.pixel_array
                slope, intercept = float(full.get("RescaleSlope", 1)), float(full.get("RescaleIntercept", 0))
            except (NotImplementedError, RuntimeError):
                # Compressed and no codec beside pydicom: GDCM inside SimpleITK knows them and rescales by itself.
                stored, slope, intercept = sitk.GetArrayFromImage(sitk.ReadImage(str(one.path)))[0], 1.0, 0.0
        except Exception as error:  # cut files fail in many ways, all with one remedy
            raise InputError("the DICOM pixel data cannot be read (cut short?)", name, "copy the file again") from error
    if stored.shape != one.shape:
        raise InputError("the DICOM pixel data do not fill the image", name, "copy the file again")
    values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if full.get("Modality") == "CT" and full.get("PixelPaddingValue") is not None:
        padding = float(full.PixelPaddingValue) * float(full.RescaleSlope) + float(full.RescaleIntercept)
        if padding < AIR_HU:  # padding at 0 or in the tissue range cannot be told from a measurement
            values[values == np.float32(padding)] = AIR_HU
    return values
