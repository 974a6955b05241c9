"""DICOM series made for the tests: a known field, as classic slices or as one enhanced file, and ways to spoil them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

UID = "1.2.826.0.1.3680043.8.498.1"
ROWS, COLUMNS = 10, 12
PIXEL_MM = (1.5, 1.2)  # distance of rows, distance of columns
CORNER_MM = np.array([-11.0, 7.0, 40.0])
STEP_MM = 2.5
AXIAL = np.eye(3)[:, :2]


def stored_values(n: int = 6, seed: int = 3) -> np.ndarray:
    """Signed 12-bit values (slices, rows, columns) as a scanner might store them."""
    return np.random.default_rng(seed).integers(-1000, 2000, (n, ROWS, COLUMNS)).astype("<i2")


def image_of(
    stored: np.ndarray,
    position_mm: np.ndarray,
    *,
    axes: np.ndarray = AXIAL,
    uid: str = UID,
    modality: str = "CT",
    number: int = 1,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> FileDataset:
    """One classic CT or MR image with a person's name in it, which must never come out again."""
    data = _file(CTImageStorage if modality == "CT" else MRImageStorage, modality, uid)
    data.InstanceNumber = number
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "M"]
    data.PixelSpacing = list(PIXEL_MM)
    data.ImageOrientationPatient = [round(float(v), 6) for v in axes.T.ravel()]
    data.ImagePositionPatient = [round(float(v), 6) for v in position_mm]
    if modality == "CT" or slope != 1 or intercept != 0:
        data.RescaleSlope, data.RescaleIntercept = slope, intercept
    _pixels(data, stored)
    return data


def slices(stored: np.ndarray, step_mm: float = STEP_MM, **options: object) -> list[FileDataset]:
    """Classic images, one above the other."""
    up = np.array([0.0, 0.0, step_mm])
    return [image_of(s, CORNER_MM + k * up, number=k + 1, **options) for k, s in enumerate(stored)]


def save(images: Sequence[FileDataset], folder: Path, names: Sequence[str] | None = None) -> Path:
    """Write images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, data in enumerate(images):
        name = names[k] if names else f"{len(list(folder.iterdir())):03d}.dcm"
        data.save_as(folder / name, enforce_file_format=True)
    return folder


def each(images: Sequence[FileDataset], change: Callable[[int, FileDataset], object]) -> Sequence[FileDataset]:
    """The same images after a change to each."""
    for k, data in enumerate(images):
        change(k, data)
    return images


def enhanced(
    stored: np.ndarray,
    *,
    modality: str = "CT",
    order: Sequence[int] | None = None,
    stacks: Sequence[str] | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
    scale_per_frame: bool = False,
    rescale_type: str = "",
    change: Callable[[int, Dataset], object] = lambda k, group: None,
) -> FileDataset:
    """One enhanced file of all slices, frames in a given order.

    Orientation and pixel size are shared, places are per frame, the rescale is either.
    """
    order = list(order if order is not None else range(len(stored)))
    data = _file(EnhancedCTImageStorage if modality == "CT" else EnhancedMRImageStorage, modality, UID)
    data.NumberOfFrames = len(stored)
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = Dataset()
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = _item(PixelSpacing=list(PIXEL_MM), SliceThickness=STEP_MM)
    scale = {"RescaleSlope": slope, "RescaleIntercept": intercept, "RescaleType": rescale_type}
    if not scale_per_frame:
        shared.PixelValueTransformationSequence = _item(**scale)
    data.SharedFunctionalGroupsSequence = DicomSequence([shared])
    groups = []
    for place in order:
        group = Dataset()
        position = CORNER_MM + np.array([0.0, 0.0, STEP_MM * place])
        group.PlanePositionSequence = _item(ImagePositionPatient=[float(v) for v in position])
        content = {"InStackPositionNumber": place + 1, "StackID": stacks[place] if stacks else "1"}
        group.FrameContentSequence = _item(**content)
        if scale_per_frame:
            group.PixelValueTransformationSequence = _item(**scale)
        change(place, group)
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    _pixels(data, stored[order])
    return data


def real_world(slope: float, intercept: float, code: str) -> Dataset:
    """A real world value mapping in a unit."""
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = -32768, 32767
    item.LUTLabel, item.LUTExplanation = "CHI", "susceptibility"
    item.MeasurementUnitsCodeSequence = _item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning=code)
    return item


def philips(data: Dataset, slope: float, intercept: float = 0.0) -> None:
    """Philips' private scale in a data set or a group."""
    block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", intercept)
    block.add_new(0x0E, "FL", slope)


def values_of(image: sitk.Image) -> np.ndarray:
    """Voxels (z, y, x)."""
    return sitk.GetArrayFromImage(image)


def require_geometry(image: sitk.Image, step_mm: float = STEP_MM) -> None:
    """The image lies where `slices` put it."""
    np.testing.assert_allclose(image.GetOrigin(), CORNER_MM, atol=1e-6)
    np.testing.assert_allclose(image.GetSpacing(), (PIXEL_MM[1], PIXEL_MM[0], step_mm), atol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-9)


def _item(**values: object) -> DicomSequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return DicomSequence([item])


def _file(kind: str, modality: str, uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.SeriesNumber = modality, uid, 3
    data.PatientName, data.PatientID, data.PatientBirthDate = "Secret^Person", "ID4711", "19700101"
    data.StudyDate, data.SeriesDescription = "20240229", "head for Secret"
    return data


def _pixels(data: FileDataset, stored: np.ndarray) -> None:
    data.Rows, data.Columns = stored.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.PixelData = np.ascontiguousarray(stored.astype("<i2")).tobytes()


def stored_again(path: Path) -> pydicom.FileDataset:
    """A file as pydicom reads it."""
    return pydicom.dcmread(path)
