"""DICOM series in: placed by position, never by file order; sheared or uneven stacks put right or refused by name."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.ndimage import map_coordinates

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_labels, read_qsm

ROWS, COLUMNS = 24, 20
PIXEL_MM = (1.5, 1.2)  # distance of rows, distance of columns
UID = "1.2.826.0.1.3680043.8.498.1"
UPRIGHT = np.eye(3)[:, :2]


def _hu(points_mm: np.ndarray) -> np.ndarray:
    """A field that linear interpolation reproduces exactly: any error of place shows as an error of HU."""
    return -300.0 + points_mm @ np.array([3.0, -4.0, 5.0])


def _tilted(degrees: float) -> np.ndarray:
    t = np.radians(degrees)
    return np.array([[1.0, 0.0], [0.0, np.cos(t)], [0.0, -np.sin(t)]])


def _slice(
    position_mm: np.ndarray,
    axes: np.ndarray = UPRIGHT,
    uid: str = UID,
    slope: float = 0.5,
    intercept: float = -1024.0,
    modality: str = "CT",
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.SeriesNumber = modality, uid, 3
    data.PatientName, data.PatientID = "Secret^Person", "ID4711"
    data.InstanceNumber = 1
    data.Rows, data.Columns, data.SamplesPerPixel = ROWS, COLUMNS, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelSpacing = list(PIXEL_MM)
    data.ImageOrientationPatient = [round(float(v), 6) for v in axes.T.ravel()]
    data.ImagePositionPatient = [round(float(v), 6) for v in position_mm]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.RescaleSlope, data.RescaleIntercept = slope, intercept
    r, c = np.mgrid[:ROWS, :COLUMNS]
    points = position_mm + c[..., None] * PIXEL_MM[1] * axes[:, 0] + r[..., None] * PIXEL_MM[0] * axes[:, 1]
    data.PixelData = np.round((_hu(points) - intercept) / slope).astype("<i2").tobytes()
    return data


def _series(
    folder: Path,
    z_mm: np.ndarray | list[float],
    axes: np.ndarray = UPRIGHT,
    change: Callable[[int, FileDataset], object] = lambda k, data: None,
    **options: object,
) -> Path:
    """Slices at these table positions along patient z, under shuffled file names."""
    folder.mkdir(exist_ok=True)
    names = np.random.default_rng(5).permutation(len(z_mm))
    for k, z in enumerate(z_mm):
        data = _slice(np.array([-11.0, 7.0, z]), axes, **options)
        change(k, data)
        data.save_as(folder / f"{names[k]:03d}.dcm", enforce_file_format=True)
    return folder


def _error_hu(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Difference from the true field in every voxel, and which voxels lie outside the scanned slices."""
    values = sitk.GetArrayFromImage(image)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.GetSize()), indexing="ij"), axis=-1).transpose(
        2, 1, 0, 3
    )
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return values - _hu(index @ axes.T + image.GetOrigin()), values == -1024.0


def test_a_regular_series_lies_where_its_headers_say(tmp_path: Path) -> None:
    volume = read_ct(_series(tmp_path / "s", np.arange(6) * 2.5 + 40))
    assert volume.image.GetSize() == (COLUMNS, ROWS, 6)
    np.testing.assert_allclose(volume.image.GetSpacing(), (1.2, 1.5, 2.5))
    error, outside = _error_hu(volume.image)
    assert not outside.any()
    assert np.abs(error).max() <= 0.251  # half a stored step of 0.5 HU
    assert volume.notes == ()


def test_the_order_of_files_and_the_folder_name_do_not_matter(tmp_path: Path) -> None:
    a = read_ct(_series(tmp_path / "a", np.arange(6) * 2.5))
    for k, path in enumerate(sorted((tmp_path / "a").iterdir())):
        path.rename(tmp_path / "a" / f"z{9 - k}.ima")
    b = read_ct(tmp_path / "a")
    assert a.source.sha256 == b.source.sha256
    assert a.source.name == "DICOM series, 6 files"
    np.testing.assert_array_equal(sitk.GetArrayFromImage(a.image), sitk.GetArrayFromImage(b.image))


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    for k in range(5):
        _series(folder, [], slope=1.0)
        _slice(np.array([-11.0, 7.0, 3.0 * k]), slope=0.25 + 0.25 * k, intercept=-1000.0 - 10 * k).save_as(
            folder / f"{k}.dcm", enforce_file_format=True
        )
    error, _ = _error_hu(read_ct(folder).image)
    assert np.abs(error).max() <= 0.63  # half of the largest stored step


def test_slices_scanned_downwards_are_sorted_upwards(tmp_path: Path) -> None:
    error, _ = _error_hu(read_ct(_series(tmp_path / "s", 50 - np.arange(6) * 2.5)).image)
    assert np.abs(error).max() <= 0.251


@pytest.mark.parametrize("degrees", [18.5, -12.0])
def test_gantry_tilt_is_put_upright_and_said(tmp_path: Path, degrees: float) -> None:
    volume = read_ct(_series(tmp_path / "s", np.arange(9) * 3.0, _tilted(degrees)))
    error, outside = _error_hu(volume.image)
    assert np.abs(error[~outside]).max() < 0.3
    assert (~outside).sum() >= 9 * (ROWS - 1) * COLUMNS  # a fraction of a pixel at one edge, nothing else is lost
    direction = np.array(volume.image.GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(volume.image.GetSpacing()[2], 3.0 * np.cos(np.radians(degrees)), rtol=1e-4)
    assert any(f"{abs(degrees):.1f} degrees" in note and "resampled" in note for note in volume.notes)


def test_uneven_distances_are_resampled_and_said(tmp_path: Path) -> None:
    z = np.concatenate([np.arange(5) * 4.2, 4 * 4.2 + np.arange(1, 6) * 7.4])
    volume = read_ct(_series(tmp_path / "s", z))
    error, outside = _error_hu(volume.image)
    assert not outside.any()
    assert np.abs(error).max() < 0.3
    assert volume.image.GetSize()[2] == 14
    assert volume.image.GetSpacing()[2] == pytest.approx(z[-1] / 13)  # the finer distance, both end slices kept
    assert any("4 x 4.20, 5 x 7.40 mm" in note for note in volume.notes)


def test_rounded_positions_are_even(tmp_path: Path) -> None:
    volume = read_ct(_series(tmp_path / "s", np.round(np.arange(20) * (10 / 3), 1)))
    assert volume.notes == ()
    assert volume.image.GetSpacing()[2] == pytest.approx(10 / 3, abs=0.01)


def test_coronal_slices_keep_their_place(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    axes = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]])
    for k in range(5):
        _slice(np.array([-11.0, 7.0 + 2.0 * k, 30.0]), axes).save_as(folder / f"{k}.dcm", enforce_file_format=True)
    error, _ = _error_hu(read_ct(folder).image)
    assert np.abs(error).max() <= 0.251


def test_padding_outside_the_scanned_circle_becomes_air(tmp_path: Path) -> None:
    def pad(k: int, data: FileDataset) -> None:
        data.PixelPaddingValue = -2000
        stored = np.frombuffer(data.PixelData, "<i2").copy()
        stored[0] = -2000
        data.PixelData = stored.tobytes()

    values = sitk.GetArrayFromImage(read_ct(_series(tmp_path / "s", np.arange(4) * 2.5, change=pad)).image)
    assert (values[:, 0, 0] == -1024.0).all()
    assert (values[:, 0, 1] > -1024.0).all()


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_compressed_slices_hold_the_same_values(tmp_path: Path, compressor: str) -> None:
    plain = read_ct(_series(tmp_path / "plain", np.arange(4) * 2.5, slope=1.0))
    folder = tmp_path / "packed"
    folder.mkdir()
    for path in (tmp_path / "plain").iterdir():
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.SetFileName(str(folder / path.name))
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        image = sitk.Cast(reader.Execute(), sitk.sitkInt16)
        for key in reader.GetMetaDataKeys():
            image.SetMetaData(key, reader.GetMetaData(key))
        writer.Execute(image)
    assert pydicom.dcmread(folder / "000.dcm").file_meta.TransferSyntaxUID.is_compressed
    packed = read_ct(folder)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(packed.image), sitk.GetArrayFromImage(plain.image))


def test_a_susceptibility_series_takes_its_unit_from_the_header(tmp_path: Path) -> None:
    def in_ppb(k: int, data: FileDataset) -> None:
        data.RescaleType = "ppb"

    folder = _series(tmp_path / "s", np.arange(4) * 2.0, change=in_ppb, modality="MR")
    volume = read_qsm(folder)
    error = sitk.GetArrayFromImage(volume.image) * 1000 - sitk.GetArrayFromImage(
        read_qsm(folder, unit="ppb").image * 1000
    )
    assert np.abs(error).max() == 0
    assert any("ppb (DICOM header, RescaleType)" in note for note in volume.notes)


# --- refused by name -----------------------------------------------------------------------------------------------


def _refusal(folder: Path, suffix: str = "") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing but the one message may reach the user
        with pytest.raises(InputError) as caught:
            read_ct(f"{folder}{suffix}")
    assert caught.value.fix
    assert "Secret" not in str(caught.value)
    assert "4711" not in str(caught.value)
    return str(caught.value)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", np.arange(4) * 2.5)
    for k in range(3):
        _slice(np.array([0.0, 0.0, 5.0 * k]), uid=UID + ".7").save_as(folder / f"x{k}.dcm", enforce_file_format=True)
    message = _refusal(folder)
    assert "2 DICOM series and none chosen" in message
    assert f"CT, 4 images, {UID}" in message
    assert f"CT, 3 images, {UID}.7" in message
    assert read_ct(f"{folder}::{UID}.7").image.GetSize() == (COLUMNS, ROWS, 3)
    assert "no DICOM series 1.2.3" in _refusal(folder, "::1.2.3")


def test_a_mixed_in_localiser_is_refused_by_its_file(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", np.arange(5) * 2.5)
    side = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]])
    _slice(np.zeros(3), side).save_as(folder / "scout.dcm", enforce_file_format=True)
    assert "another orientation than the rest of the series (a localiser?), in scout.dcm" in _refusal(folder)


def test_another_matrix_is_refused_by_its_file(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", np.arange(5) * 2.5)
    odd = _slice(np.array([-11.0, 7.0, 40.0]))
    odd.PixelSpacing = [1.0, 1.0]
    odd.save_as(folder / "odd.dcm", enforce_file_format=True)
    assert "another matrix or pixel spacing than the rest of the series, in odd.dcm" in _refusal(folder)


def test_two_slices_in_one_place_are_refused(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", np.arange(5) * 2.5)
    again = _slice(np.array([-11.0, 7.0, 5.0]))
    again.PixelData = bytes(2) + again.PixelData[2:]
    again.save_as(folder / "again.dcm", enforce_file_format=True)
    message = _refusal(folder)
    assert "1 slice of the DICOM series where another one lies, with other values" in message
    assert "again.dcm" in message


@pytest.mark.parametrize("lost", [[3], [3, 4], [1, 5]])
def test_a_missing_slice_is_refused_between_its_neighbours(tmp_path: Path, lost: list[int]) -> None:
    z = np.delete(np.arange(9) * 2.5, lost)
    assert "a slice is missing" in _refusal(_series(tmp_path / "s", z))


def test_twice_the_distance_in_the_upper_half_is_a_protocol_not_a_gap(tmp_path: Path) -> None:
    volume = read_ct(_series(tmp_path / "s", [0, 2.5, 5, 7.5, 12.5, 17.5, 22.5]))
    assert volume.image.GetSize()[2] == 10
    assert np.abs(_error_hu(volume.image)[0]).max() < 0.3


@pytest.mark.parametrize(
    "tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"]
)
def test_a_missing_tag_is_named(tmp_path: Path, tag: str) -> None:
    def lose(k: int, data: FileDataset) -> None:
        if k == 2:
            delattr(data, tag)

    assert f"DICOM tag {tag} is missing" in _refusal(_series(tmp_path / "s", np.arange(4) * 2.5, change=lose))


def test_an_mr_series_is_no_ct(tmp_path: Path) -> None:
    assert "the DICOM series is MR, not CT" in _refusal(_series(tmp_path / "s", np.arange(4) * 2.5, modality="MR"))


def test_multi_frame_is_refused_with_the_way_out(tmp_path: Path) -> None:
    def frames(k: int, data: FileDataset) -> None:
        data.NumberOfFrames = 2

    assert "dcm2niix" in _refusal(_series(tmp_path / "s", np.arange(4) * 2.5, change=frames))


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_cut_file_is_refused_by_name(tmp_path: Path, keep: float) -> None:
    folder = _series(tmp_path / "s", np.arange(4) * 2.5)
    path = folder / "002.dcm"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    message = _refusal(folder)
    assert "in 002.dcm" in message
    assert "cut short" in message


def test_a_file_cut_within_its_header_is_not_left_out_quietly(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", np.arange(4) * 2.5)
    path = folder / "002.dcm"
    path.write_bytes(path.read_bytes()[:600])
    assert "in 002.dcm" in _refusal(folder)


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", [0.0])
    assert "one slice only" in _refusal(folder)
    assert "a single DICOM slice" in _refusal(folder / "000.dcm")


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image here")
    assert "no DICOM image" in _refusal(tmp_path)
    with pytest.raises(InputError, match=r"from a file, not a folder"):
        read_labels(tmp_path)


def test_a_series_is_chosen_in_folders_only(tmp_path: Path) -> None:
    (tmp_path / "ct.nii").write_bytes(b"")
    assert "no folder" in _refusal(tmp_path / "ct.nii", "::1.2.3")


# --- a real scan: gantry tilt +18.5 degrees, 4.2 mm below and 7.4 mm above -----------------------------------------


@pytest.mark.realdata
def test_a_real_tilted_head_lies_where_its_headers_say(real_data: Path) -> None:
    folder = real_data / "ct-head-tilted-dicom"
    volume = read_ct(folder)
    assert any("18.5 degrees" in note and "13 x 4.22" in note and "13 x 7.38" in note for note in volume.notes)
    direction = np.array(volume.image.GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-6)

    image = volume.image
    values = sitk.GetArrayFromImage(image)
    axes_out = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    r, c = np.mgrid[60:460:4, 60:452:4]
    by_headers, stacked_naively = [], []
    for path in sorted((folder / "dicom").glob("*.dcm"))[1:14]:
        data = pydicom.dcmread(path)
        stored = data.pixel_array[r, c].astype(float)
        tissue = (stored > -50) & (stored < 100)
        position, axes = np.array(data.ImagePositionPatient, float), np.array(data.ImageOrientationPatient, float)
        rows_mm, columns_mm = (float(v) for v in data.PixelSpacing)
        points = position + c[..., None] * columns_mm * axes[:3] + r[..., None] * rows_mm * axes[3:]
        shear = np.array([0.0, (position[2] - 5.836) * np.tan(np.radians(18.5)), 0.0])
        for where, errors in ((points, by_headers), (points + shear, stacked_naively)):
            index = np.linalg.solve(axes_out, (where - image.GetOrigin()).reshape(-1, 3).T)[::-1]
            found = map_coordinates(values, index, order=1, cval=-1024.0).reshape(stored.shape)
            errors.append(np.abs(found - stored)[tissue].mean())
    assert max(by_headers) < 3.0  # HU: the blur of a shift by part of a pixel
    assert min(stacked_naively) > 30.0
