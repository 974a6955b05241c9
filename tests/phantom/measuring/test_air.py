"""Bubbles and empty vials are seen on CT and on maps, and only there."""

import numpy as np
import pytest

from phantomcal.phantom.measuring.air import air_voxels, empty, noise_of

SHAPE, SPACING = (20, 16, 16), (2.0, 1.0, 1.0)
Y, X = np.meshgrid(np.arange(16) - 7.5, np.arange(16) - 7.5, indexing="ij")
CORE = np.broadcast_to(np.hypot(X, Y) <= 6.0, SHAPE)
MIDDLE = np.broadcast_to(np.hypot(X, Y) <= 4.0, SHAPE)
BUBBLE = np.zeros(SHAPE, dtype=bool)
BUBBLE[6:13] = np.hypot(X, Y - 4.0) <= 2.2


def vial(rng: np.random.Generator, value: float, noise: float) -> np.ndarray:
    return rng.normal(value, noise, SHAPE).astype(np.float32)


@pytest.mark.parametrize("value", [0.0, 60.0, 300.0])
def test_a_bubble_on_ct_is_left_out_with_its_rim(rng: np.random.Generator, value: float) -> None:
    values = vial(rng, value, 12.0)
    values[BUBBLE] -= 1000.0
    spoilt = air_voxels(values, CORE, MIDDLE, "ct", 12.0, SPACING)
    assert spoilt[BUBBLE & CORE].all()
    assert BUBBLE.sum() < spoilt.sum() < 4 * BUBBLE.sum()
    assert values[CORE & ~spoilt].mean() == pytest.approx(value, abs=1.0)


@pytest.mark.parametrize(("modality", "value", "noise"), [("ct", 50.0, 40.0), ("ct", -1000.0, 20.0), ("qsm", 3.0, 0.1)])
def test_noise_and_air_inserts_are_no_bubbles(
    rng: np.random.Generator, modality: str, value: float, noise: float
) -> None:
    assert not air_voxels(vial(rng, value, noise), CORE, MIDDLE, modality, noise, SPACING).any()  # type: ignore[arg-type]


def test_one_hot_voxel_is_no_bubble(rng: np.random.Generator) -> None:
    values = vial(rng, 40.0, 5.0)
    values[10, 8, 8] = -900.0
    assert not air_voxels(values, CORE, MIDDLE, "ct", 5.0, SPACING).any()


def test_a_bubble_on_a_map_is_a_source_inside_and_a_dipole_around(rng: np.random.Generator) -> None:
    values = vial(rng, 0.8, 0.03)
    values[BUBBLE] += 3.5
    values[13:16][:, BUBBLE[9]] -= 0.6
    spoilt = air_voxels(values, CORE, MIDDLE, "qsm", 0.03, SPACING, 0.0)
    assert spoilt[BUBBLE & CORE].all()
    assert spoilt[13:16][:, BUBBLE[9] & CORE[9]].all()


def test_the_rim_of_a_strong_vial_is_partial_volume_and_no_bubble(rng: np.random.Generator) -> None:
    values = vial(rng, -1.4, 0.05)
    values[:, np.hypot(X, Y) > 5.0] = -0.6  # the surroundings are at 0.2
    assert not air_voxels(values, CORE, MIDDLE, "qsm", 0.05, SPACING, 0.2).any()


def test_a_magnitude_shows_a_bubble_that_the_map_hides(rng: np.random.Generator) -> None:
    values, magnitude = vial(rng, 0.1, 0.03), vial(rng, 1000.0, 20.0)
    magnitude[BUBBLE] = 15.0
    assert not air_voxels(values, CORE, MIDDLE, "qsm", 0.03, SPACING, 0.0).any()
    assert air_voxels(values, CORE, MIDDLE, "qsm", 0.03, SPACING, 0.0, magnitude)[BUBBLE & CORE].all()


def test_voxels_masked_out_of_a_map_are_not_averaged(rng: np.random.Generator) -> None:
    values = vial(rng, 0.4, 0.02)
    values[BUBBLE] = 0.0
    assert air_voxels(values, CORE, MIDDLE, "qsm", 0.02, SPACING, 0.0)[BUBBLE & CORE].all()


def test_what_is_empty(rng: np.random.Generator) -> None:
    air, noisy = rng.normal(-1000, 15, 500).astype(np.float32), rng.normal(4.4, 1.0, 500).astype(np.float32)
    assert empty(air, "ct", 10.0, 57.0, 0.0)
    assert not empty(air, "ct", 10.0, -1000.0, 0.0)  # an insert that is meant to be air
    assert empty(noisy, "qsm", 0.03, 0.4, 0.0)
    strong = rng.normal(3.3, 0.1, 500).astype(np.float32)
    assert not empty(strong, "qsm", 0.03, -0.2, 0.0)  # a strong vial in the place of a weak one is not noisy
    void = rng.normal(12, 4, 500).astype(np.float32)
    assert empty(strong, "qsm", 0.03, 3.3, 0.0, void, 1000.0)
    assert not empty(strong, "qsm", 0.03, 3.3, 0.0, void + 600, 1000.0)


def test_noise_is_not_moved_by_a_bubble(rng: np.random.Generator) -> None:
    values = rng.normal(50, 10, 5000).astype(np.float32)
    values[:500] = -1000
    assert noise_of(values) == pytest.approx(10, rel=0.25)
