"""The series that exported objects point at: its headers, its frame of reference, and whether a volume lies in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from numpy.typing import NDArray

from phantomcal.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.volumes.dicom.frames import Frame

_MARGIN_MM = 20.0
# What every DICOM object must have, be it empty; de-identification programs sometimes take it out altogether.
_MUST_BE_THERE = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Headers of a source series without pixels.

    Attributes
    ----------
    images : tuple of pydicom.Dataset
        One a file.
    frame_of_reference_uid : str
    modality : str
    corners_mm : ndarray, shape (n, 3)
        Corners of its slices, world LPS.
    """

    images: tuple[pydicom.Dataset, ...]
    frame_of_reference_uid: str
    modality: str
    corners_mm: NDArray[np.float64]


def read_source(place: str) -> Source:
    """Read the headers of a source series.

    Parameters
    ----------
    place : str
        A DICOM folder with one series, or ``DIR::SERIES_UID``.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        No such folder or series, several series, or slices without a common frame of reference.
    """
    from phantomcal.volumes.dicom.frames import frames_of
    from phantomcal.volumes.dicom.headers import find_series, quiet_pydicom
    from phantomcal.volumes.dicom.series import choose

    folder, _, uid = place.partition("::")
    if not Path(folder).is_dir():
        raise InputError(
            "no such DICOM folder", Path(folder).name, "give the folder of the source series with --source"
        )
    series = find_series(Path(folder)).series
    headers = series[choose(series, uid or None)]
    with quiet_pydicom():
        images = tuple(_complete(pydicom.dcmread(h.path, stop_before_pixels=True)) for h in headers)
    references = {str(getattr(image, "FrameOfReferenceUID", "")) for image in images}
    if len(references) != 1 or "" in references:
        raise InputError(
            "its slices have no common FrameOfReferenceUID", "the source series", "export results of another series"
        )
    frames = [frame for header in headers for frame in frames_of(header)]
    for image in images:
        if image.get("SliceThickness") is None and "NumberOfFrames" not in image:
            image.SliceThickness = _slice_distance_mm(frames)
    corners = np.concatenate([_corners(frame) for frame in frames])
    return Source(images, references.pop(), str(getattr(images[0], "Modality", "")), corners)


def require_inside(volume: "sitk.Image", source: Source, where: str) -> None:
    """A volume that is to be shown over a series must lie where the series was scanned.

    Raises
    ------
    InputError
        Its middle lies outside the box of the source's slices.
    """
    size = volume.GetSize()
    middle = np.array(volume.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    low, high = source.corners_mm.min(axis=0) - _MARGIN_MM, source.corners_mm.max(axis=0) + _MARGIN_MM
    if (middle < low).any() or (middle > high).any():
        shown = ", ".join(f"{value:.0f}" for value in middle)
        raise InputError(
            f"its middle ({shown} mm) lies outside the source series",
            where,
            "give the series it was computed from with --source, or the volume in that space",
        )


def _slice_distance_mm(frames: "Sequence[Frame]") -> float:
    """Median distance of neighbouring slices; 1 for a single one."""
    normal = np.cross(frames[0].row_axis, frames[0].column_axis)
    places = np.unique(np.round([float(frame.position_mm @ normal) for frame in frames], 4))
    return round(float(np.median(np.diff(places))), 6) if places.size > 1 else 1.0


def _complete(image: pydicom.Dataset) -> pydicom.Dataset:
    for name in _MUST_BE_THERE:
        if name not in image:
            setattr(image, name, "")
    if image.get("PatientIdentityRemoved") == "YES" and not image.get("DeidentificationMethod"):
        image.DeidentificationMethod = "not stated by the source"  # may not be empty then
    return image


def _corners(frame: "Frame") -> NDArray[np.float64]:
    """Four corners of a slice."""
    rows, columns = frame.shape
    along, down = frame.row_axis * frame.spacing_mm[0] * columns, frame.column_axis * frame.spacing_mm[1] * rows
    place = frame.position_mm
    return np.stack([place, place + along, place + down, place + along + down])
