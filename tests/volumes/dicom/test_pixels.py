"""Pixels in every coding: the same values, or a refusal by name."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import uid
from pydicom.dataset import FileDataset

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_qsm
from tests.volumes.dicom.made import enhanced, save, slices, stored_again, stored_values, values_of

STORED = stored_values()


def _found(images: list[FileDataset], folder: Path) -> np.ndarray:
    return values_of(read_ct(save(images, folder)).image)


@pytest.mark.parametrize(
    "syntax", [uid.DeflatedExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian]
)
def test_native_transfer_syntaxes(tmp_path: Path, syntax: uid.UID) -> None:
    images = slices(STORED)
    for data in images:
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == uid.ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()
    folder = tmp_path / "s"
    folder.mkdir()
    order = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    for k, data in enumerate(images):
        pydicom.dcmwrite(folder / f"{k}.dcm", data, **order, force_encoding=True)
    assert stored_again(folder / "0.dcm").file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(values_of(read_ct(folder).image), STORED)


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.RLELossless])
@pytest.mark.parametrize("many", [False, True], ids=["slices", "enhanced"])
def test_lossless_compression_by_pydicom(tmp_path: Path, syntax: uid.UID, many: bool) -> None:
    images = [enhanced(STORED)] if many else slices(STORED)
    for data in images:
        data.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(_found(images, tmp_path / "s"), STORED)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("signed", [True, False])
def test_lossless_compression_by_gdcm(tmp_path: Path, compressor: str, signed: bool) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    packed.mkdir()
    stored = STORED if signed else STORED + 1024
    images = slices(stored, intercept=0 if signed else -1024)
    for data in images:
        data.PixelRepresentation = int(signed)
    save(images, plain)
    for path in plain.iterdir():
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        image = sitk.Cast(reader.Execute(), sitk.sitkInt16)
        for key in reader.GetMetaDataKeys():
            image.SetMetaData(key, reader.GetMetaData(key))
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.SetFileName(str(packed / path.name))
        writer.Execute(image)
    assert stored_again(packed / "000.dcm").file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(values_of(read_ct(packed).image), STORED)


def test_a_compression_nothing_decodes_is_named(tmp_path: Path) -> None:
    images = slices(STORED)
    for data in images:
        data.file_meta.TransferSyntaxUID = uid.MPEG2MPML
        data.PixelData = pydicom.encaps.encapsulate([b"\0\0"])
        data["PixelData"].VR = "OB"
    with pytest.raises(InputError, match=r"compressed as MPEG2 .* which nothing here decodes.*gdcmconv"):
        _found(images, tmp_path / "s")


def test_a_compressed_frame_cut_short_is_refused_by_file(tmp_path: Path) -> None:
    images = slices(STORED)
    for data in images:
        data.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    folder = save(images, tmp_path / "s")
    path = folder / "003.dcm"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"003\.dcm"):
        read_ct(folder)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("low", [0, 4])
def test_twelve_stored_bits_beside_an_old_overlay(tmp_path: Path, signed: bool, low: int) -> None:
    """Bits above and below the stored ones hold something else and must not count."""
    twelve = STORED if signed else STORED + 1024
    rubbish = np.random.default_rng(1).integers(0, 16, STORED.shape)
    raw = ((twelve.astype(int) & 0xFFF) << low) | (rubbish if low else rubbish << 12)
    images = slices(raw.astype("<u2").view("<i2"), intercept=0 if signed else -1024)
    for data in images:
        data.BitsStored, data.HighBit, data.PixelRepresentation = 12, 11 + low, int(signed)
    np.testing.assert_array_equal(_found(images, tmp_path / "s"), STORED)


def test_eight_and_thirty_two_bits(tmp_path: Path) -> None:
    small = (STORED % 200).astype("u1")
    for kind, bits in (("<u1", 8), ("<u4", 32)):
        images = slices(STORED, intercept=-100)
        for k, data in enumerate(images):
            data.BitsAllocated = data.BitsStored = bits
            data.HighBit, data.PixelRepresentation = bits - 1, 0
            data.PixelData = small[k].astype(kind).tobytes()
        np.testing.assert_array_equal(_found(images, tmp_path / str(bits)), small.astype(float) - 100)


def test_twelve_allocated_bits_are_refused(tmp_path: Path) -> None:
    images = slices(STORED)
    for data in images:
        data.BitsAllocated = 12
    with pytest.raises(InputError, match=r"pixels of 12 bits allocated"):
        _found(images, tmp_path / "s")


def test_monochrome1_changes_the_picture_not_the_values(tmp_path: Path) -> None:
    images = slices(STORED)
    for data in images:
        data.PhotometricInterpretation = "MONOCHROME1"
    volume = read_ct(save(images, tmp_path / "s"))
    np.testing.assert_array_equal(values_of(volume.image), STORED)
    assert any(note.startswith("MONOCHROME1") for note in volume.notes)


@pytest.mark.parametrize("colour", ["RGB", "PALETTE COLOR"])
def test_colour_is_refused(tmp_path: Path, colour: str) -> None:
    images = slices(STORED)
    for data in images:
        data.PhotometricInterpretation = colour
        data.SamplesPerPixel = 3 if colour == "RGB" else 1
    with pytest.raises(InputError, match=r"colour image"):
        _found(images, tmp_path / "s")


def _padded(value: int, *, limit: int | None = None, bits: int = 16, signed: bool = True, **options: object) -> list:
    stored = STORED.copy()
    stored[:, 0, 0] = np.array([value]).astype("<u2").view("<i2")
    images = slices(stored, **options)
    for data in images:
        data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, int(signed)
        data.add_new("PixelPaddingValue", "SS" if value < 2**15 else "US", value)
        if limit is not None:
            data.add_new("PixelPaddingRangeLimit", "SS", limit)
    return images


def test_padding_of_a_ct_is_air_and_nothing_else_changes(tmp_path: Path) -> None:
    for name, images in {
        "signed": _padded(-2000),
        "range": _padded(-1900, limit=-2100),
        "outside the stored bits": _padded(-3000, bits=12),
        "written unsigned": _padded(63536),
    }.items():
        found = _found(images, tmp_path / name)
        assert (found[:, 0, 0] == -1024).all(), name
        expected = STORED.astype(float)
        expected[:, 0, 0] = -1024
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_padding_that_tissue_may_have_too_is_kept_and_said(tmp_path: Path) -> None:
    volume = read_ct(save(_padded(0), tmp_path / "s"))
    assert (values_of(volume.image)[:, 0, 0] == 0).all()
    assert "PixelPaddingValue stands for 0 HU, which tissue may have too: kept as measured" in volume.notes


def test_padding_of_a_map_is_zero(tmp_path: Path) -> None:
    images = _padded(-30000, modality="MR")
    for data in images:
        data.RescaleType = "ppb"
    volume = read_qsm(save(images, tmp_path / "s"))
    assert (values_of(volume.image)[:, 0, 0] == 0).all()
    assert "6 voxels of padding: set to 0" in volume.notes


def test_floating_point_maps(tmp_path: Path) -> None:
    images = slices(STORED, modality="MR")
    for k, data in enumerate(images):
        del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
        data.BitsAllocated = 32
        data.FloatPixelData = (STORED[k] / 1e4).astype("<f4").tobytes()
        data.RescaleType = "ppm"
    found = values_of(read_qsm(save(images, tmp_path / "s")).image)
    np.testing.assert_allclose(found, STORED / 1e4, rtol=1e-6)


def test_a_file_without_preamble_and_meta_header(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    for k, data in enumerate(slices(STORED)):
        bare = pydicom.Dataset(data)
        pydicom.dcmwrite(folder / f"{k}.dcm", bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert (folder / "0.dcm").read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(values_of(read_ct(folder).image), STORED)
