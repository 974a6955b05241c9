"""Compressed NIfTI written in pieces is one valid stream that every reader takes."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.volumes.write import write_nifti


@pytest.mark.parametrize("shape", [(3, 4, 5), (90, 160, 160), (64, 256, 128)])
def test_what_is_written_is_read_back(tmp_path: Path, rng: np.random.Generator, shape: tuple[int, int, int]) -> None:
    """From one piece to several, and one that ends exactly with a piece but for the header."""
    image = sitk.GetImageFromArray(rng.integers(-1024, 3000, shape).astype(np.int16))
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    write_nifti(image, tmp_path / "a.nii.gz")
    back = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert back.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image))
    np.testing.assert_allclose(back.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(back.GetDirection(), image.GetDirection(), atol=1e-6)
    with gzip.open(tmp_path / "a.nii.gz") as stream:  # checks length and CRC
        assert len(stream.read()) == 352 + image.GetNumberOfPixels() * 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_equal_images_give_equal_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    image = sitk.GetImageFromArray(rng.normal(size=(40, 90, 90)).astype(np.float32))
    write_nifti(image, tmp_path / "a.nii.gz")
    write_nifti(image, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_steps_are_applied_by_the_reader(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.normal(0, 0.1, (20, 30, 30)).astype(np.float32)
    values[0] = 0.0
    write_nifti(sitk.GetImageFromArray(values), tmp_path / "a.nii.gz", steps=30_000)
    back = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")))
    np.testing.assert_allclose(back, values, atol=0.51 * np.abs(values).max() / 30_000)
    assert (back[0] == 0.0).all()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(tmp_path / "a.nii.gz"))
    reader.ReadImageInformation()
    assert float(reader.GetMetaData("scl_slope")) == pytest.approx(np.abs(values).max() / 30_000, rel=1e-5)


def test_an_empty_image_has_a_slope_too(tmp_path: Path) -> None:
    write_nifti(sitk.Image([4, 4, 4], sitk.sitkFloat32), tmp_path / "a.nii.gz", steps=4000)
    assert not sitk.GetArrayViewFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz"))).any()
