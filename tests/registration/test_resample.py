"""Both images in each other's space; what was not scanned is marked."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.registration.resample import on_grid_of


def _image(values: np.ndarray, spacing: float = 1.0) -> sitk.Image:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing([spacing] * 3)
    return image


@pytest.fixture
def ramp() -> sitk.Image:
    """HU that rise by 10 a millimetre along x."""
    return _image(np.broadcast_to(10.0 * np.arange(20), (20, 20, 20)))


def test_linear_values_lie_between_their_neighbours(ramp: sitk.Image) -> None:
    found = on_grid_of(ramp, ramp, sitk.TranslationTransform(3, (0.25, 0.0, 0.0)), outside=-1024.0)
    array = sitk.GetArrayFromImage(found.image)
    np.testing.assert_allclose(array[5, 5, :19], 10 * np.arange(19) + 2.5)


@pytest.mark.parametrize("interpolation", ["linear", "bspline", "nearest"])
def test_what_was_not_scanned_is_marked(ramp: sitk.Image, interpolation: str) -> None:
    shifted = sitk.TranslationTransform(3, (5.0, 0.0, 0.0))
    found = on_grid_of(ramp, ramp, shifted, interpolation=interpolation, outside=-1024.0)  # type: ignore[arg-type]
    array, mask = sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(found.mask())
    assert found.outside_share == pytest.approx(0.25)
    assert (array[..., 15:] == -1024.0).all()
    assert (mask[..., :15] == 1).all()
    assert not mask[..., 15:].any()
    np.testing.assert_allclose(array[10, 10, :15], 10 * np.arange(5, 20), atol=1e-3)
    assert found.image.GetPixelID() == sitk.sitkFloat32


def test_nearest_makes_no_new_values(ramp: sitk.Image) -> None:
    found = on_grid_of(
        ramp, ramp, sitk.TranslationTransform(3, (0.4, 0.3, 0.2)), interpolation="nearest", outside=-1024.0
    )
    assert set(np.unique(sitk.GetArrayFromImage(found.image))) <= set(10.0 * np.arange(20)) | {-1024.0}


def test_there_and_back(rng: np.random.Generator) -> None:
    smooth = sitk.SmoothingRecursiveGaussian(_image(rng.normal(size=(30, 30, 30))), 2.5)
    turn = sitk.Euler3DTransform()
    turn.SetCenter((15.0, 15.0, 15.0))
    turn.SetRotation(0.1, -0.2, 0.3)
    there = on_grid_of(smooth, smooth, turn, interpolation="bspline", outside=0.0)
    back = on_grid_of(there.image, smooth, turn.GetInverse(), interpolation="bspline", outside=0.0)
    middle = (slice(10, 20),) * 3
    before, after = sitk.GetArrayFromImage(smooth)[middle], sitk.GetArrayFromImage(back.image)[middle]
    assert np.abs(after - before).max() < 0.02 * before.std()


def test_an_unknown_interpolation_is_refused(ramp: sitk.Image) -> None:
    with pytest.raises(InputError, match="unknown interpolation 'cubic'"):
        on_grid_of(ramp, ramp, sitk.Transform(), interpolation="cubic", outside=0.0)  # type: ignore[arg-type]
