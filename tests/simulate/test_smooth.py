"""Interpolation matrices and smooth noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from phantomcal.simulate.smooth import apply_along, interpolation_matrix, smooth_noise


@given(st.lists(st.floats(-2, 12), min_size=1, max_size=20), st.integers(2, 10))
def test_rows_of_an_interpolation_matrix_sum_to_one(positions, nodes):
    assert interpolation_matrix(positions, nodes).sum(axis=1) == pytest.approx(1, abs=1e-5)


@given(st.lists(st.floats(1, 8), min_size=1, max_size=20))
def test_parabolas_are_reproduced_away_from_the_ends(positions):
    values = interpolation_matrix(positions, 10) @ (np.arange(10, dtype=np.float32) ** 2)
    assert values == pytest.approx(np.square(positions), abs=1e-3)


def test_apply_along_works_on_every_axis(rng):
    values = rng.standard_normal((3, 4, 5)).astype(np.float32)
    for axis in range(3):
        matrix = rng.standard_normal((6, values.shape[axis])).astype(np.float32)
        expected = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
        assert apply_along(values, matrix, axis) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("band", [False, True])
def test_noise_is_standardised_and_varies_on_the_scale_asked(band, rng):
    noise = smooth_noise((80, 80, 80), 1.0, 24.0, rng, band)
    assert abs(noise.mean()) < 0.25
    assert noise.std() == pytest.approx(1, abs=0.2)
    near = np.corrcoef(noise[:, :, 2:].ravel(), noise[:, :, :-2].ravel())[0, 1]
    far = np.corrcoef(noise[:, :, 12:].ravel(), noise[:, :, :-12].ravel())[0, 1]
    assert near > 0.85
    assert far < 0.3


def test_a_band_has_no_slow_variation():
    slow = [
        ndimage.gaussian_filter(smooth_noise((80, 80, 80), 1.0, 24.0, np.random.default_rng(1), band), 10.0).std()
        for band in (False, True)
    ]
    assert slow[1] < 0.7 * slow[0]
