"""A real head CT made awkward in a dozen ways: right place and HU in every voxel, or a refusal that names the fault.

The series are made from the real one while the test runs. Its lower slices, put upright and even by their headers, are
the plain series: their truth is the stored values themselves, with no reader in between.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from scipy.ndimage import shift as shifted

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct

pytestmark = pytest.mark.realdata

STEP_MM = 4.2
CORNER_MM = np.array([-125.0, -123.5, 5.8])
Images = list[FileDataset]


@pytest.fixture(scope="module")
def real(real_data: Path) -> Images:
    """The 28 slices of the real series, in order."""
    found = [pydicom.dcmread(p) for p in sorted((real_data / "ct-head-tilted-dicom" / "dicom").glob("*.dcm"))]
    return sorted(found, key=lambda data: int(data.InstanceNumber))


@pytest.fixture
def plain(real: Images) -> Images:
    """The middle of ten slices, upright and evenly spaced by their headers."""
    images = [deepcopy(data) for data in real[3:13]]
    for k, data in enumerate(images):
        middle = _stored(data)[128:384, 64:384]
        data.Rows, data.Columns = middle.shape
        data.ReconstructionDiameter = round(0.4882812 * middle.shape[1], 3)
        _set_stored(data, middle)
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [*CORNER_MM[:2], round(CORNER_MM[2] + STEP_MM * k, 4)]
        data.InstanceNumber = k + 1
        del data.GantryDetectorTilt
    return images


@pytest.fixture
def truth(plain: Images) -> np.ndarray:
    """HU of the plain series; its padding of -1500 is air."""
    stored = np.stack([np.frombuffer(d.PixelData, "<i2").reshape(d.Rows, d.Columns) for d in plain])
    return np.where(stored == -1500, -1024, stored).astype(np.float32)


def _save(images: Images, folder: Path) -> Path:
    folder.mkdir()
    for k in np.random.default_rng(7).permutation(len(images)):  # file names never tell the order
        images[k].save_as(folder / f"IM{len(list(folder.iterdir())):04d}", enforce_file_format=True)
    return folder


def _require_truth(path: Path | str, truth: np.ndarray, *notes: str) -> None:
    volume = read_ct(path)
    image = volume.image
    np.testing.assert_allclose(image.GetOrigin(), CORNER_MM, atol=1e-4)
    np.testing.assert_allclose(image.GetSpacing(), (0.4882812, 0.4882812, STEP_MM), atol=1e-4)
    np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-9)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), truth)
    assert volume.notes == notes


def _stored(data: FileDataset) -> np.ndarray:
    return np.frombuffer(data.PixelData, "<i2").reshape(data.Rows, data.Columns).astype(int)


def _set_stored(data: FileDataset, stored: np.ndarray) -> None:
    data.PixelData = stored.astype("<i2").tobytes()


# --- right -----------------------------------------------------------------------------------------------------------


def test_shuffled(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for data, number in zip(plain, np.random.default_rng(1).permutation(len(plain)), strict=True):
        data.InstanceNumber = int(number) + 1
    _require_truth(_save(plain, tmp_path / "s"), truth)


def test_duplicates(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    copies = [deepcopy(plain[2]), deepcopy(plain[7])]
    for data in copies:
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    _require_truth(_save([*plain, *copies], tmp_path / "s"), truth, "2 images are in the series twice: left out")


def test_two_series_mixed(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    others = [deepcopy(data) for data in plain]
    for data in others:
        data.SeriesInstanceUID, data.SeriesNumber = "1.2.3.4", 9
        _set_stored(data, _stored(data) // 2)
    folder = _save([*plain, *others], tmp_path / "s")
    with pytest.raises(InputError) as caught:
        read_ct(folder)
    first = str(plain[0].SeriesInstanceUID)
    for part in ("2 DICOM series and none chosen", f"10 images, {first}", "10 images, 1.2.3.4", "DIR::SERIES_UID"):
        assert part in str(caught.value)
    _require_truth(f"{folder}::{first}", truth)
    halved = np.where(truth == -1024, -750, truth // 2)  # padding is no padding any more
    _require_truth(f"{folder}::1.2.3.4", halved.astype(np.float32))


def test_rescale_differs_by_slice(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for k, data in enumerate(plain):
        slope, intercept = [(1.0, -1024.0), (0.5, 0.0), (0.25, -100.0)][k % 3]
        _set_stored(data, (truth[k] - intercept) / slope)
        data.RescaleSlope, data.RescaleIntercept = slope, intercept
        del data.PixelPaddingValue
    assert len({float(d.RescaleSlope) for d in plain}) == 3
    _require_truth(_save(plain, tmp_path / "s"), truth)


def _enhanced(plain: Images) -> FileDataset:
    """All slices as the frames of one enhanced CT file, in a scrambled order."""
    data = deepcopy(plain[0])
    order = np.random.default_rng(2).permutation(len(plain))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = uid.EnhancedCTImageStorage
    shared, groups = Dataset(), []
    shared.PlaneOrientationSequence = _item("ImageOrientationPatient", data.ImageOrientationPatient)
    shared.PixelMeasuresSequence = _item("PixelSpacing", data.PixelSpacing)
    for k in order:
        group = Dataset()
        group.PlanePositionSequence = _item("ImagePositionPatient", plain[k].ImagePositionPatient)
        group.PixelValueTransformationSequence = _item("RescaleSlope", 1)
        group.PixelValueTransformationSequence[0].RescaleIntercept = 0
        groups.append(group)
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(data, keyword)
    data.NumberOfFrames = len(plain)
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    data.PixelData = b"".join(plain[k].PixelData for k in order)
    return data


def _item(keyword: str, value: object) -> Sequence:
    item = Dataset()
    setattr(item, keyword, value)
    return Sequence([item])


def test_enhanced_multi_frame(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    _require_truth(_save([_enhanced(plain)], tmp_path / "s"), truth)


def test_jpeg_ls(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for data in plain:
        data.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    folder = _save(plain, tmp_path / "s")
    assert pydicom.dcmread(folder / "IM0000").file_meta.TransferSyntaxUID == uid.JPEGLSLossless
    _require_truth(folder, truth)


def test_jpeg_ls_enhanced(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    data = _enhanced(plain)
    data.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    _require_truth(_save([data], tmp_path / "s"), truth)


def test_deflated(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for data in plain:
        data.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    _require_truth(_save(plain, tmp_path / "s"), truth)


def test_wrong_spacing_tags(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for data in plain:
        data.SpacingBetweenSlices, data.SliceThickness = 2.0, 40.0
    note = "SpacingBetweenSlices says 2 mm and the positions 4.20 mm: the positions were taken"
    folder = _save(plain, tmp_path / "s")
    _require_truth(folder, truth, note)
    with pytest.raises(InputError, match="SpacingBetweenSlices says 2 mm"):
        read_ct(folder, strictness="raise")


def test_localiser_in_the_series(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    scout = deepcopy(plain[4])
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    _require_truth(_save([*plain, scout], tmp_path / "s"), truth, "1 localiser image in the series: left out")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]  # not named: nobody guesses
    with pytest.raises(InputError, match=r"another orientation than the rest of the series \(a localiser\?\), in IM"):
        read_ct(_save([*plain, scout], tmp_path / "unnamed"))


def test_monochrome1(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for data in plain:
        data.PhotometricInterpretation = "MONOCHROME1"
    note = "MONOCHROME1: a viewer shows the images inverted: the values are taken as they are"
    _require_truth(_save(plain, tmp_path / "s"), truth, note)


def test_twelve_bits_unsigned(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    for k, data in enumerate(plain):
        _set_stored(data, np.clip(truth[k] + 1024, 0, 4095))
        data.BitsStored, data.HighBit, data.PixelRepresentation, data.RescaleIntercept = 12, 11, 0, -1024
        del data.PixelPaddingValue
    _require_truth(_save(plain, tmp_path / "s"), np.clip(truth, -1024, 3071))


def _between(stack: np.ndarray, depths_mm: np.ndarray, at_mm: float) -> np.ndarray:
    """Straight line between the slices above and below."""
    k = int(np.clip(np.searchsorted(depths_mm, at_mm, side="right") - 1, 0, len(depths_mm) - 2))
    weight = (at_mm - depths_mm[k]) / (depths_mm[k + 1] - depths_mm[k])
    return (1 - weight) * stack[k] + weight * stack[k + 1]


def test_uneven(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    depths = np.concatenate([np.arange(5) * 4.2, 4 * 4.2 + np.arange(1, 6) * 7.4])
    for data, depth in zip(plain, depths, strict=True):
        data.ImagePositionPatient = [*CORNER_MM[:2], round(CORNER_MM[2] + depth, 4)]
    volume = read_ct(_save(plain, tmp_path / "s"))
    values = sitk.GetArrayFromImage(volume.image)
    step = volume.image.GetSpacing()[2]
    assert step == pytest.approx(depths[-1] / (len(values) - 1))
    assert step <= 4.21
    for k, found in enumerate(values):
        np.testing.assert_allclose(found, _between(truth, depths, k * step), atol=0.02)
    assert "slice distances 4 x 4.20, 5 x 7.40 mm: resampled linearly" in volume.notes[0]


def test_tilt(real: Images, tmp_path: Path) -> None:
    """The lower part as it was scanned: each slice moved in its plane by scipy, then a straight line between slices."""
    images = real[:14]
    volume = read_ct(_save(images, tmp_path / "s"))
    image, values = volume.image, sitk.GetArrayFromImage(volume.image)
    axes = np.array(image.GetDirection()).reshape(3, 3)
    assert "18.5 degrees" in volume.notes[0]
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    stack = np.stack([_stored(d) for d in images]).astype(float)
    stack[stack == -1500] = -1024
    offsets = np.array([d.ImagePositionPatient for d in images], float) - image.GetOrigin()
    depths = offsets @ axes[:, 2]
    pixels = offsets @ axes[:, :2] / np.array(image.GetSpacing())[:2]  # column and row where each slice begins
    size = values.shape[1:]
    placed = []
    for plane, (column, row) in zip(stack, pixels, strict=True):
        canvas = np.full(size, np.nan)
        canvas[: plane.shape[0], : plane.shape[1]] = plane
        placed.append(shifted(canvas, (row, column), order=1, cval=np.nan))
    inside = 0
    for k in range(1, len(values) - 1):
        expected = _between(np.stack(placed), depths, k * image.GetSpacing()[2])
        known = np.isfinite(expected)
        inside += int(known.sum())
        np.testing.assert_allclose(values[k][known], expected[known], atol=0.05)
    assert inside > 0.9 * (len(values) - 2) * 512 * 512


# --- refused by name -------------------------------------------------------------------------------------------------


def _refusal(images: Images, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_ct(_save(images, folder))
    assert caught.value.fix
    for secret in ("QMNx85rKkkg", "REMOVED"):
        assert secret not in str(caught.value)
    return str(caught.value)


def test_gap(plain: Images, tmp_path: Path) -> None:
    message = _refusal(plain[:6] + plain[7:], tmp_path / "s")
    assert "a slice is missing: two are 8.40 mm apart where the others are 4.20 mm" in message
    assert "copy the whole series again" in message


@pytest.mark.parametrize("lost", [5, 13, 14, 20])
def test_gap_in_the_tilted_uneven_series(real: Images, tmp_path: Path, lost: int) -> None:
    assert "a slice is missing" in _refusal(real[:lost] + real[lost + 1 :], tmp_path / "s")


def test_other_values_in_one_place(plain: Images, tmp_path: Path) -> None:
    other = deepcopy(plain[3])
    _set_stored(other, _stored(other) + 1)
    assert "1 slice of the DICOM series where another one lies, with other values" in _refusal(
        [*plain, other], tmp_path / "s"
    )


@pytest.mark.parametrize(
    "tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"]
)
def test_missing_tags(plain: Images, tmp_path: Path, tag: str) -> None:
    delattr(plain[6], tag)
    assert f"DICOM tag {tag} is missing" in _refusal(plain, tmp_path / "s")


def test_mixed_orientations(plain: Images, truth: np.ndarray, tmp_path: Path) -> None:
    coronal = [deepcopy(data) for data in plain[:6]]
    for k, data in enumerate(coronal):
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 0, -1], [-125, 4 * k, 125]
    message = _refusal([*plain, *coronal], tmp_path / "s")
    assert "another orientation" in message
    assert "::orientation=axial or coronal" in message
    _require_truth(f"{tmp_path / 's'}::orientation=axial", truth)


SPOILED: dict[str, tuple[Callable[[FileDataset], object], str]] = {
    "colour": (lambda d: setattr(d, "PhotometricInterpretation", "PALETTE COLOR"), "a colour image"),
    "matrix": (lambda d: setattr(d, "PixelSpacing", [1, 1]), "another matrix or pixel spacing"),
    "skewed axes": (lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "perpendicular unit vectors"),
    "text for a number": (lambda d: d.add_new("RescaleSlope", "LO", "one"), "RescaleSlope is not a number"),
    "short pixels": (lambda d: setattr(d, "PixelData", d.PixelData[:1000]), "cannot be read (cut short?)"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_one_spoiled_slice(plain: Images, tmp_path: Path, name: str) -> None:
    spoil, words = SPOILED[name]
    spoil(plain[5])
    assert words in _refusal(plain, tmp_path / "s")
