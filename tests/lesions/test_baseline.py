"""Baselines: as given, the image's own tissue, the other side; and the noise of a voxel."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.lesions.baseline import (
    automatic_baseline,
    constant_baseline,
    mirror_baseline,
    tissue_baseline,
    voxel_noise,
)
from phantomcal.lesions.decompose import system_from
from tests.lesions.lines import calibration_of


def test_a_constant_is_read_with_or_without_its_error() -> None:
    plain, known = constant_baseline("37,-0.01"), constant_baseline("37:2,0.01:0.005")
    assert (plain.hu, plain.ppm, plain.hu_se) == (37.0, -0.01, 0.0)
    assert (known.hu_se, known.ppm_se) == (2.0, 0.005)
    for text in ("37", "a,b", "37,0.1,2", "37:-1,0", "nan,0", "37,300"):
        with pytest.raises(InputError, match="--baseline"):
            constant_baseline(text)


def test_the_most_frequent_tissue_is_found_among_others(rng: np.random.Generator) -> None:
    hu, ppm = np.full((30, 40, 40), 34.0), np.full((30, 40, 40), 0.02)
    hu[:8], ppm[:8] = 900.0, 0.0  # bone
    hu[20:22], ppm[20:22] = 75.0, 0.35  # blood
    hu += 4 * rng.standard_normal(hu.shape)
    ppm += 0.01 * rng.standard_normal(hu.shape)
    found, share = tissue_baseline(hu, ppm, np.ones(hu.shape, np.bool_))
    assert found.hu == pytest.approx(34.0, abs=0.3)
    assert found.ppm == pytest.approx(0.02, abs=0.002)
    assert (found.hu_noise, found.ppm_noise) == pytest.approx((4.0, 0.01), rel=0.1)
    assert share == pytest.approx(20 / 30, abs=0.02)


def test_without_one_tissue_the_medium_is_taken(rng: np.random.Generator) -> None:
    system = system_from(calibration_of("iron", "calcium"))
    ok = np.ones((20, 20, 20), np.bool_)
    tissue = automatic_baseline(system, 34 + rng.standard_normal(ok.shape), 0.01 * rng.standard_normal(ok.shape), ok)
    assert tissue.kind == "tissue"
    spread = automatic_baseline(system, rng.uniform(0, 400, ok.shape), rng.uniform(-0.5, 2, ok.shape), ok)
    assert (spread.kind, spread.from_medium) == ("medium", True)
    assert "no one tissue" in spread.note


def test_noise_of_a_voxel_is_not_that_of_borders(rng: np.random.Generator) -> None:
    values = np.where(np.arange(48)[:, None, None] < 24, 30.0, 900.0) + 5 * rng.standard_normal((48, 48, 48))
    values[:, :, 24:] += 40.0
    ok = np.ones(values.shape, np.bool_)
    assert voxel_noise(values, ok, (-50.0, 150.0)) == pytest.approx(5.0, rel=0.08)
    assert np.isnan(voxel_noise(values, ~ok))


def _head(rng: np.random.Generator, turned_deg: float, moved_mm: float) -> tuple[sitk.Image, sitk.Image, np.ndarray]:
    """A head of two like halves, turned and moved, with a lesion on its left."""
    size = (48, 54, 36)
    x, y, z = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * 4.0 for n in size], indexing="ij")
    angle = np.radians(turned_deg)
    x, y = np.cos(angle) * (x - moved_mm) + np.sin(angle) * y, -np.sin(angle) * (x - moved_mm) + np.cos(angle) * y
    r = (x / 70) ** 2 + (y / 90) ** 2 + (z / 60) ** 2
    hu = np.where(r < 0.8, 33.0, np.where(r < 1, 900.0, -1000.0))
    hu[((np.abs(x) - 25) / 12) ** 2 + ((y + 10) / 25) ** 2 + (z / 15) ** 2 < 1] = 8.0
    ppm = np.where(r < 0.8, 0.03 * np.sin(y / 20), 0.0)
    lesion = ((x - 40) ** 2 + (y - 30) ** 2 + z**2) < 8.0**2
    hu[lesion] += 120.0
    ppm[lesion] -= 0.2
    images = []
    for values, noise in ((hu, 3.0), (ppm, 0.005)):
        image = sitk.GetImageFromArray(
            (values + noise * rng.standard_normal(values.shape)).transpose(2, 1, 0).astype(np.float32)
        )
        image.SetSpacing((4.0, 4.0, 4.0))
        images.append(image)
    return images[0], images[1], lesion.transpose(2, 1, 0)


def test_the_other_side_is_found_in_a_turned_head(rng: np.random.Generator) -> None:
    hu, ppm, lesion = _head(rng, 6.0, 5.0)
    usable = sitk.GetArrayFromImage(hu) > -500
    found = mirror_baseline(hu, ppm, usable, lesion)
    assert found.correlation > 0.85
    assert "correlate by" in found.baseline.note
    inner = ndimage.binary_erosion(lesion)
    # Where the lesion is, the other side is healthy.
    assert np.nanmean(found.baseline.hu[inner]) == pytest.approx(33.0, abs=2.0)
    depth = 0.03 * np.nanmean(np.sin(1.5))
    assert np.nanmean(found.baseline.ppm[inner]) == pytest.approx(depth, abs=0.01)
    # And opposite the lesion there is nothing to compare with.
    assert np.isnan(found.baseline.hu).any()


def test_a_head_without_two_sides_is_refused(rng: np.random.Generator) -> None:
    hu = sitk.GetImageFromArray(rng.uniform(-200, 300, (24, 24, 24)).astype(np.float32))
    ppm = sitk.GetImageFromArray(rng.normal(0, 0.1, (24, 24, 24)).astype(np.float32))
    with pytest.raises(InputError, match="no midsagittal plane"):
        mirror_baseline(hu, ppm, np.ones((24, 24, 24), np.bool_))
