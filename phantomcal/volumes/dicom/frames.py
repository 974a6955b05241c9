"""DICOM files as frames: one image plane each with its place, whether a file holds one of them or five hundred."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.headers import Header

_EMPTY = pydicom.Dataset()
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_COMPONENTS = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary"}
_FACING = {0: "sagittal", 1: "coronal", 2: "axial"}


@dataclass(frozen=True)
class Attributes:
    """What is said about a frame: by itself, for all frames of its file, or in the file's plain header."""

    frame: pydicom.Dataset
    shared: pydicom.Dataset
    plain: pydicom.Dataset

    def get(self, group: str, keyword: str) -> Any:
        """Value of an attribute, from its functional group or the plain header; None when it is nowhere."""
        for holder in (self.frame, self.shared):
            items = holder.get(group) if holder is not _EMPTY else None
            if items and keyword in items[0]:
                return items[0].get(keyword)
        return self.plain.get(keyword)

    def items(self, group: str) -> list[pydicom.Dataset]:
        """Items of a sequence that is its own functional group."""
        for holder in (self.frame, self.shared, self.plain):
            items = holder.get(group)
            if items:
                return list(items)
        return []


@dataclass(frozen=True)
class Frame:
    """One image plane: where it lies (world LPS mm), what it is, and where its pixels are."""

    header: Header
    index: int  # of the frame in its file
    said: Attributes
    position_mm: NDArray[np.float64]
    row_axis: NDArray[np.float64]
    column_axis: NDArray[np.float64]
    spacing_mm: tuple[float, float]  # along a row, along a column
    shape: tuple[int, int]
    image_type: tuple[str, ...]

    @property
    def where(self) -> str:
        """The frame in words, for messages."""
        name = self.header.path.name
        return f"frame {self.index + 1} of {name}" if self.header.dataset.get("NumberOfFrames", 1) > 1 else name


def attributes_of(header: Header) -> list[Attributes]:
    """One for each frame of a file.

    Raises
    ------
    InputError
        Several frames without a statement for each.
    """
    data = header.dataset
    count = int(data.get("NumberOfFrames") or 1)
    shared = data.get("SharedFunctionalGroupsSequence")
    every = data.get("PerFrameFunctionalGroupsSequence")
    common = shared[0] if shared else _EMPTY
    if every:
        if len(every) != count:
            raise InputError(
                f"{count} frames and places for {len(every)}", header.path.name, "export the original series again"
            )
        return [Attributes(one, common, data) for one in every]
    if count > 1:
        raise InputError(
            "a multi-frame DICOM file that does not say where its frames lie",
            header.path.name,
            "export it as enhanced CT or MR, or convert it to NIfTI (dcm2niix)",
        )
    return [Attributes(_EMPTY, common, data)]


def frames_of(header: Header) -> list[Frame]:
    """The frames of a file, placed.

    Raises
    ------
    InputError
        No measured image (secondary capture, segmentation, mosaic, colour), or a missing or senseless place.
    """
    data, name = header.dataset, header.path.name
    kind = str(data.get("SOPClassUID") or "")
    photometric = str(data.get("PhotometricInterpretation") or "MONOCHROME2")
    if int(data.get("SamplesPerPixel") or 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise InputError(
            "a colour image (screenshot?) in the DICOM series", name, "choose the series of measured values"
        )
    if kind.startswith(_SECONDARY_CAPTURE) and "ImagePositionPatient" not in data:
        raise InputError("a secondary capture (a screenshot or a page)", name, "choose the series of measured values")
    if kind.startswith(_SEGMENTATION):
        raise InputError("a segmentation, no measured values", name, "choose the series that it was drawn on")
    if "MOSAIC" in image_type_of(data):
        raise InputError("a mosaic: many slices in one picture", name, "convert it to NIfTI first (dcm2niix)")
    if data.get("ModalityLUTSequence"):
        raise InputError("values that only a lookup table tells (ModalityLUTSequence)", name, "export it without one")
    return [_placed(header, index, said) for index, said in enumerate(attributes_of(header))]


def image_type_of(data: pydicom.Dataset) -> tuple[str, ...]:
    """ImageType as plain words."""
    value = data.get("ImageType")
    if value is None:
        return ()
    return (str(value),) if isinstance(value, str) else tuple(str(v) for v in value)


def _placed(header: Header, index: int, said: Attributes) -> Frame:
    count = int(header.dataset.get("NumberOfFrames") or 1)
    where = f"frame {index + 1} of {header.path.name}" if count > 1 else header.path.name
    position = numbers(said.get("PlanePositionSequence", "ImagePositionPatient"), "ImagePositionPatient", 3, where)
    axes = numbers(said.get("PlaneOrientationSequence", "ImageOrientationPatient"), "ImageOrientationPatient", 6, where)
    spacing = numbers(said.get("PixelMeasuresSequence", "PixelSpacing"), "PixelSpacing", 2, where)
    row, column = axes[:3], axes[3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > 0.01:
        raise InputError(
            "ImageOrientationPatient is not a pair of perpendicular unit vectors", where, "export it again"
        )
    if (spacing <= 0).any():
        raise InputError("PixelSpacing is not positive", where, "export the original series")
    row = row / lengths[0]
    column = column - (column @ row) * row
    frame_type = said.get("MRImageFrameTypeSequence", "FrameType") or said.get("CTImageFrameTypeSequence", "FrameType")
    return Frame(
        header=header,
        index=index,
        said=said,
        position_mm=position,
        row_axis=row,
        column_axis=column / np.linalg.norm(column),
        spacing_mm=(float(spacing[1]), float(spacing[0])),  # DICOM gives the distance of rows first
        shape=(int(header.dataset.Rows), int(header.dataset.Columns)),
        image_type=tuple(str(v) for v in frame_type) if frame_type else image_type_of(header.dataset),
    )


def numbers(value: Any, tag: str, count: int, where: str) -> NDArray[np.float64]:
    """`count` finite numbers of a DICOM attribute, or an error that names it."""
    try:
        found = np.atleast_1d(np.asarray(value, dtype=float)) if value is not None else np.array([])
    except (TypeError, ValueError) as error:
        raise InputError(f"DICOM tag {tag} is not a number", where, "export the series again") from error
    if found.size == 0:
        raise InputError(
            f"DICOM tag {tag} is missing", where, "export the original series; without it nothing is placed"
        )
    if found.size != count or not np.isfinite(found).all():
        raise InputError(f"DICOM tag {tag} must hold {count} finite numbers", where, "export the original series")
    return found.astype(np.float64)


def component_of(frame: Frame) -> str:
    """magnitude, phase, real or imaginary, as far as an MR frame says so; else empty."""
    named = frame.said.get("MRImageFrameTypeSequence", "ComplexImageComponent")
    if named and str(named).lower() in _COMPONENTS.values():
        return str(named).lower()
    later = [word for word in frame.image_type[2:] if word in _COMPONENTS]
    return _COMPONENTS[later[0]] if later else ""


def labels_of(frame: Frame) -> dict[str, str]:
    """What frames of one series may differ in though they lie in one place, and what one can choose by."""
    said = frame.said
    facing = np.abs(np.cross(frame.row_axis, frame.column_axis))
    echo = said.get("MREchoSequence", "EffectiveEchoTime")
    if echo is None:
        echo = said.plain.get("EchoTime")
    time = said.get("FrameContentSequence", "TemporalPositionIndex")
    values = {
        "stack": said.get("FrameContentSequence", "StackID"),
        "orientation": _FACING[int(facing.argmax())],
        "matrix": f"{frame.shape[1]}x{frame.shape[0]}",
        "component": component_of(frame) or None,
        "echo_ms": echo,
        "time": time if time is not None else said.plain.get("TemporalPositionIdentifier"),
        "trigger_ms": said.plain.get("TriggerTime"),
        "b_value": said.get("MRDiffusionSequence", "DiffusionBValue"),
        "kvp": said.plain.get("KVP"),
        "kernel": said.plain.get("ConvolutionKernel"),
        "acquisition": said.get("FrameContentSequence", "FrameAcquisitionNumber")
        or said.plain.get("AcquisitionNumber"),
        "type": "-".join(frame.image_type) or None,
    }
    return {name: _word(value) for name, value in values.items() if value not in (None, "")}


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value).replace(" ", "")
