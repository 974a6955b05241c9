"""DICOM headers of a folder, each file opened once, sorted by series."""

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from phantomcal.errors import InputError

_KEYWORDS = [
    "SOPClassUID", "Modality", "Manufacturer", "ImageType", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier", "TriggerTime", "EchoTime", "EchoNumbers",
    "DiffusionBValue", "MagneticFieldStrength", "KVP", "ConvolutionKernel", "GantryDetectorTilt",
    "ReconstructionDiameter", "ComplexImageComponent", "LossyImageCompression", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "ModalityLUTSequence", "RealWorldValueMappingSequence",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
# Private blocks 10 to 1F of group 2005, any of which Philips' scale (0D, 0E) and its per-frame sequence (0F) may use.
_PHILIPS = [0x20050000 | block for block in range(0x10, 0x20)] + [
    0x20050000 | (block << 8) | element for block in range(0x10, 0x20) for element in (0x0D, 0x0E, 0x0F)
]
_TAGS = [Tag(keyword) for keyword in _KEYWORDS] + [Tag(number) for number in _PHILIPS]
# Classes whose files hold an image each (CT, MR, enhanced, secondary capture): without Rows they were cut short.
_IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.7",
}
_BARE_SUFFIXES = (".dcm", ".ima")
_PIXEL_DATA = b"\xe0\x7f\x10\x00"

_pydicom_lock = threading.RLock()


@dataclass(frozen=True)
class Header:
    """Header of one DICOM image file, and where its uncompressed pixels start (None: let pydicom find them)."""

    path: Path
    dataset: pydicom.Dataset
    syntax: str
    pixels_at: int | None


@dataclass(frozen=True)
class Found:
    """What a folder holds: image files by series UID, other files, and files that are damaged."""

    series: dict[str, list[Header]] = field(default_factory=dict)
    n_other: int = 0
    damaged: tuple[InputError, ...] = ()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom, which warns about every odd value; what matters is checked here, by name."""
    logger = logging.getLogger("pydicom")
    with _pydicom_lock:  # the logger and the warning filters belong to the whole process
        disabled, logger.disabled = logger.disabled, True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logger.disabled = disabled


def find_series(folder: Path) -> Found:
    """Headers of all DICOM images in a folder and its subfolders (or of one file), by series UID; no hidden files."""
    files = [folder] if folder.is_file() else folder.rglob("*")
    series: dict[str, list[Header]] = {}
    damaged = []
    n_other = 0
    with quiet_pydicom():
        for path in sorted(p for p in files if p.is_file() and not p.name.startswith(".")):
            try:
                header = _read_header(path)
            except InputError as error:
                damaged.append(error)
                continue
            if header is None:
                n_other += 1
            else:
                series.setdefault(str(header.dataset.get("SeriesInstanceUID") or ""), []).append(header)
    return Found(series, n_other, tuple(damaged))


def _read_header(path: Path) -> Header | None:
    """Header of an image file; None for other files."""
    try:
        with path.open("rb") as stream:
            bare = False
            try:
                dataset: Any = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS)
            except InvalidDicomError:
                if path.suffix.lower() not in _BARE_SUFFIXES:
                    return None
                bare = True
                stream.seek(0)
                dataset = _read_bare(stream)
                if dataset is None:
                    return None
            at = stream.tell()
            marked = stream.read(4) == _PIXEL_DATA
    except Exception as error:  # a damaged header makes pydicom raise of all kinds
        raise InputError("damaged DICOM header", path.name, "copy the file from the scanner again") from error
    meta = getattr(dataset, "file_meta", None) or pydicom.Dataset()
    if "Rows" not in dataset or "Columns" not in dataset:
        if str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")) in _IMAGE_CLASSES:
            raise InputError("the DICOM file has no image size (cut short?)", path.name, "copy it again")
        return None
    syntax = str(meta.get("TransferSyntaxUID") or "")
    if not syntax:
        implicit = bare and bool(dataset.original_encoding[0])
        syntax = str(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)
    return Header(path, dataset, syntax, at if marked else None)


def _read_bare(stream: io.BufferedReader) -> pydicom.Dataset | None:
    """Data set of a file without the 128 bytes and the word DICM in front, as old archives wrote them."""
    dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS, force=True)
    return dataset if "SOPClassUID" in dataset and "Rows" in dataset else None
