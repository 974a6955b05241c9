"""Volume files in: values, units and geometry kept, and every bad file refused with what, where and how to fix it."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_labels, read_magnitude, read_qsm

SUFFIXES = (".nii", ".nii.gz", ".mha", ".nrrd")


def _image(values: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.8, 0.9, 2.5))
    image.SetOrigin((-12.0, 7.5, 31.0))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.3, 0.5)
    image.SetDirection(turn.GetMatrix())
    return image


def _ct_values() -> np.ndarray:
    values = np.full((6, 8, 10), -1000.0, np.float32)
    values[1:5, 2:6, 2:8] = 40.0
    values[2, 3, 3] = 900.0
    return values


def _qsm_values(scale: float = 1.0) -> np.ndarray:
    values = np.zeros((6, 8, 10), np.float32)
    values[1:5, 2:6, 2:8] = np.linspace(-0.3, 0.5, 4 * 4 * 6, dtype=np.float32).reshape(4, 4, 6) * scale
    return values


def _write(values: np.ndarray, path: Path) -> Path:
    sitk.WriteImage(_image(values), str(path))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_ct_keeps_its_values_and_its_place(tmp_path: Path, suffix: str) -> None:
    path = _write(_ct_values().astype(np.int16), tmp_path / f"head{suffix}")
    volume = read_ct(path)
    expected = _image(_ct_values())
    assert volume.modality == "ct"
    assert volume.image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), _ct_values())
    corner = (9, 7, 5)
    np.testing.assert_allclose(
        volume.image.TransformIndexToPhysicalPoint(corner), expected.TransformIndexToPhysicalPoint(corner), atol=1e-4
    )
    assert (volume.source.role, volume.source.name, volume.notes) == ("ct", f"head{suffix}", ())


def test_the_hash_follows_the_content_not_the_name(tmp_path: Path) -> None:
    a = _write(_ct_values(), tmp_path / "a.nii")
    b = tmp_path / "b.nii"
    b.write_bytes(a.read_bytes())
    changed = _ct_values()
    changed[0, 0, 0] = -999.0
    c = _write(changed, tmp_path / "c.nii")
    assert read_ct(a).source.sha256 == read_ct(b).source.sha256 != read_ct(c).source.sha256


def test_scanner_padding_becomes_air_and_is_noted(tmp_path: Path) -> None:
    values = _ct_values()
    values[:, 0, 0] = -3024.0
    volume = read_ct(_write(values, tmp_path / "ct.mha"))
    assert sitk.GetArrayFromImage(volume.image).min() == -1024.0
    assert any("6 voxels below -1200 HU" in note for note in volume.notes)


def test_a_4d_file_of_one_volume_is_read_as_3d(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(_ct_values()[None], isVector=False), str(tmp_path / "one.mha"))
    volume = read_ct(tmp_path / "one.mha")
    assert volume.image.GetSize() == (10, 8, 6)
    assert any("4-D" in note for note in volume.notes)


# --- files that cannot be read -------------------------------------------------------------------------------------


def test_a_missing_file_is_named_without_its_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file \(nor its folder\), in ct\.nii\.gz") as caught:
        read_ct(tmp_path / "Surname_Forename" / "ct.nii.gz")
    assert "Surname" not in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.6, 0.97])
def test_a_truncated_file_is_refused_and_libraries_stay_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, keep: float
) -> None:
    rng = np.random.default_rng(1)
    whole = _write(rng.normal(0, 300, (20, 24, 28)).astype(np.float32), tmp_path / f"whole{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(InputError, match=f"truncated, damaged.*in cut{suffix}: copy"):
        read_ct(cut)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_a_truncated_compressed_file_is_refused(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / f"c{suffix}"
    sitk.WriteImage(_image(rng.normal(0, 300, (20, 24, 28)).astype(np.float32)), str(path), useCompression=True)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated"):
        read_ct(path)


def test_a_damaged_gzip_stream_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = _write(rng.normal(0, 300, (20, 24, 28)).astype(np.float32), tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_ct(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_under_a_volume_name_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_text("subject,ct_hu\n" * 100)
    with pytest.raises(InputError, match="not of the type"):
        read_magnitude(path)


def test_an_unknown_suffix_is_refused_with_those_that_work(tmp_path: Path) -> None:
    (tmp_path / "ct.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"not a volume file, in ct\.png: .*\.nii\.gz, \.mha"):
        read_ct(tmp_path / "ct.png")


# --- shapes and geometry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "words"),
    [((8, 10), r"2-D image \(10 x 8\)"), ((1, 8, 10), "2-D image"), ((3, 6, 8, 10), r"4-D image \(10 x 8 x 6 x 3\)")],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_not_3d_is_refused(tmp_path: Path, shape: tuple[int, ...], words: str, suffix: str) -> None:
    values = np.random.default_rng(0).normal(0, 300, shape).astype(np.float32)
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=False), str(path))
    with pytest.raises(InputError, match=words):
        read_ct(path)


def test_a_colour_image_is_refused(tmp_path: Path) -> None:
    picture = sitk.GetImageFromArray(np.zeros((6, 8, 10, 3), np.uint8), isVector=True)
    sitk.WriteImage(picture, str(tmp_path / "rgb.mha"))
    with pytest.raises(InputError, match="3 values per voxel"):
        read_ct(tmp_path / "rgb.mha")


def _nifti_with(tmp_path: Path, change: Callable[[bytearray], None]) -> Path:
    path = _write(_ct_values(), tmp_path / "ct.nii")
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("qform_code", [0, 1])
def test_a_sheared_nifti_is_refused_even_with_an_upright_qform(tmp_path: Path, qform_code: int) -> None:
    def shear(header: bytearray) -> None:
        struct.pack_into("<2h", header, 252, qform_code, 1)
        struct.pack_into("<12f", header, 280, 0.8, 0, 0, 0, 0, 0.9, -0.8, 0, 0, 0, 2.5, 0)

    with pytest.raises(InputError, match=r"not perpendicular .*gantry tilt.*DICOM folder"):
        read_ct(_nifti_with(tmp_path, shear))


def test_a_nifti_with_two_voxel_sizes_is_refused(tmp_path: Path) -> None:
    def stretch(header: bytearray) -> None:
        struct.pack_into("<2h", header, 252, 1, 1)
        struct.pack_into("<12f", header, 280, 0.8, 0, 0, 0, 0, 0.9, 0, 0, 0, 0, 5.0, 0)

    with pytest.raises(InputError, match="two voxel sizes"):
        read_ct(_nifti_with(tmp_path, stretch))


def test_a_voxel_size_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="voxel size of zero"):
        read_ct(_nifti_with(tmp_path, lambda header: struct.pack_into("<f", header, 88, 0.0)))


def test_a_nifti_without_orientation_is_read_and_noted(tmp_path: Path) -> None:
    volume = read_ct(_nifti_with(tmp_path, lambda header: struct.pack_into("<2h", header, 252, 0, 0)))
    assert any("no orientation" in note for note in volume.notes)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_ct, read_qsm, read_magnitude])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_without_a_value_are_counted_and_refused(tmp_path: Path, read: Callable, bad: float) -> None:
    values = _qsm_values()
    values[0, 0, :3] = bad
    with pytest.raises(InputError, match=r"3 of 480 voxels are NaN or infinite, in map\.mha: "):
        read(_write(values, tmp_path / "map.mha"))


@pytest.mark.parametrize("read", [read_ct, read_qsm, read_magnitude])
@pytest.mark.parametrize("value", [0.0, -1000.0])
def test_a_constant_volume_is_refused(tmp_path: Path, read: Callable, value: float) -> None:
    with pytest.raises(InputError, match="all voxels"):
        read(_write(np.full((6, 8, 10), value, np.float32), tmp_path / "flat.nii"))


def test_a_ct_without_its_rescale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not in HU.*near 1024.*subtract 1024"):
        read_ct(_write(_ct_values() + 1024.0, tmp_path / "raw.nii"))


def test_a_normalised_ct_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in HU: values from 0 to 1"):
        read_ct(_write((_ct_values() + 1000.0) / 1900.0, tmp_path / "scaled.nii"))


def test_a_skull_stripped_ct_is_read(tmp_path: Path) -> None:
    volume = read_ct(_write(np.maximum(_ct_values(), 0.0), tmp_path / "brain.nii"))
    assert any("no air in the CT" in note for note in volume.notes)


# --- the unit of a susceptibility map ------------------------------------------------------------------------------


def test_ppm_is_taken_without_a_unit_and_said_so(tmp_path: Path) -> None:
    volume = read_qsm(_write(_qsm_values(), tmp_path / "map.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), _qsm_values())
    assert any("ppm taken" in note for note in volume.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_sidecar_gives_the_unit(tmp_path: Path, suffix: str) -> None:
    path = _write(_qsm_values(1000.0), tmp_path / f"sub-1_Chimap{suffix}")
    (tmp_path / "sub-1_Chimap.json").write_text(json.dumps({"Units": "ppb"}))
    volume = read_qsm(path)
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), _qsm_values(), atol=1e-6)
    assert volume.notes == ("QSM converted from ppb (JSON sidecar) to ppm",)


def test_the_option_overrules_the_sidecar(tmp_path: Path) -> None:
    path = _write(_qsm_values(1000.0), tmp_path / "map.nii.gz")
    (tmp_path / "map.json").write_text(json.dumps({"Units": "ppm"}))
    np.testing.assert_allclose(sitk.GetArrayFromImage(read_qsm(path, "ppb").image), _qsm_values(), atol=1e-6)


@pytest.mark.parametrize("unit", [None, "ppm"])
def test_a_ppb_map_read_as_ppm_is_refused_with_the_option_to_pass(tmp_path: Path, unit: str | None) -> None:
    with pytest.raises(InputError, match=r"cannot be ppm and look like ppb.*in map\.nii: pass --qsm-unit ppb"):
        read_qsm(_write(_qsm_values(1000.0), tmp_path / "map.nii"), unit)


def test_a_ppm_map_said_to_be_ppb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be ppb and look like ppm.*pass --qsm-unit ppm"):
        read_qsm(_write(_qsm_values(), tmp_path / "map.nii"), "ppb")


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown susceptibility unit 'Hz'"):
        read_qsm(_write(_qsm_values(), tmp_path / "map.nii"), "Hz")


@pytest.mark.parametrize("content", ["{", "[]", '{"Units": 3}', "\xff"])
def test_a_sidecar_that_cannot_be_understood_is_refused(tmp_path: Path, content: str) -> None:
    path = _write(_qsm_values(), tmp_path / "map.nii.gz")
    (tmp_path / "map.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"JSON sidecar .*in map\.json: "):
        read_qsm(path)


# --- labels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "largest", "kept"),
    [(np.float32, 24, sitk.sitkUInt16), (np.int16, 24, sitk.sitkUInt16), (np.int32, 70000, sitk.sitkUInt32)],
)
def test_labels_come_as_whole_numbers(tmp_path: Path, dtype: type, largest: int, kept: int) -> None:
    values = np.zeros((6, 8, 10), dtype)
    values[2, 3:5, 4] = [1, largest]
    labels = read_labels(_write(values, tmp_path / "dseg.nii.gz"))
    assert labels.image.GetPixelID() == kept
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels.image), values)
    assert labels.source.role == "labels"


@pytest.mark.parametrize(("value", "words"), [(1.5, "not whole"), (-1.0, "labels from -1"), (0.0, "no label")])
def test_what_is_no_label_map_is_refused(tmp_path: Path, value: float, words: str) -> None:
    values = np.zeros((6, 8, 10), np.float32)
    values[2, 3, 4] = value
    with pytest.raises(InputError, match=words):
        read_labels(_write(values, tmp_path / "dseg.nii"))
