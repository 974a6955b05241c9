"""Statistics of many regions at once: those of numpy, and standard errors that hold for smoothed noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.stats import trim_mean

from phantomcal.correlation.labels import Voxels
from phantomcal.correlation.spread import spread


def sorted_voxels(labels: np.ndarray) -> Voxels:
    flat = np.flatnonzero(labels)
    order = np.argsort(labels.reshape(-1)[flat], kind="stable")
    counts = np.bincount(labels.reshape(-1)[flat])[1:]
    depth, height, width = labels.shape
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Voxels(flat[order].astype(np.int32), offsets, (depth, height, width))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), offset=st.sampled_from([0.0, 1e5, -3e7]))
def test_they_are_numpys(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (5, 6, 7))
    volume = offset + rng.normal(0, 1, labels.shape)
    voxels = sorted_voxels(labels)
    values = volume.reshape(-1)[voxels.flat]
    found = spread(values, voxels, percentiles=(50.0, 5.0))
    for region in range(5):
        own = volume[labels == region + 1]
        assert found.n[region] == own.size
        assert found.mean[region] == pytest.approx(own.mean(), rel=1e-13, abs=1e-12)
        assert found.sd[region] == pytest.approx(own.std(ddof=1), rel=1e-6)
        assert found.percentiles[50.0][region] == pytest.approx(np.median(own), rel=1e-12)
        assert found.percentiles[5.0][region] == pytest.approx(np.percentile(own, 5), rel=1e-12)


def test_trimming_leaves_the_ends_out() -> None:
    rng = np.random.default_rng(3)
    labels = np.ones((6, 6, 6), int)
    volume = rng.normal(0, 1, labels.shape)
    volume[0, 0, :4] = 1000.0
    voxels = sorted_voxels(labels)
    plain = spread(volume.reshape(-1), voxels)
    robust = spread(volume.reshape(-1), voxels, trim_percent=5)
    assert robust.mean[0] == pytest.approx(trim_mean(volume.reshape(-1), 0.05))
    assert robust.sd[0] < 1.1 < 100 < plain.sd[0]
    assert robust.n[0] == 216


@pytest.mark.parametrize("smoothing", [0.0, 0.7, 1.2])
def test_the_standard_error_is_how_far_means_scatter(smoothing: float) -> None:
    """Smoothed noise on a slope that belongs to the region: the scatter of 300 means against the mean error given."""
    rng = np.random.default_rng(11)
    k, j, i = np.indices((14, 14, 14)) - 6.5
    labels = (k**2 + j**2 + i**2 < 36).astype(int)
    voxels = sorted_voxels(labels)
    means, errors = [], []
    for _ in range(300):
        noise = rng.normal(0, 1, (20, 20, 20))
        noise = (
            ndimage.gaussian_filter(noise, smoothing, mode="wrap")[3:17, 3:17, 3:17]
            if smoothing
            else noise[3:17, 3:17, 3:17]
        )
        found = spread((noise + 0.3 * i).reshape(-1)[voxels.flat], voxels)
        means.append(found.mean[0])
        errors.append(found.sem[0])
    ratio = np.mean(errors) / np.std(means, ddof=1)
    assert 0.85 < ratio < 1.2


def test_small_regions_borrow_the_correlation_of_the_others() -> None:
    rng = np.random.default_rng(5)
    volume = ndimage.gaussian_filter(rng.normal(0, 1, (30, 30, 30)), 1.0)
    labels = np.zeros(volume.shape, int)
    labels[2:25, 2:25, 2:20] = 1
    labels[2:5, 2:5, 25:27] = 2
    voxels = sorted_voxels(labels)
    found = spread(volume.reshape(-1)[voxels.flat], voxels)
    assert found.n[1] == 18
    assert found.n_effective[1] < 8
    assert found.n_effective[1] >= 1


def test_without_noise_there_is_no_error() -> None:
    labels = np.ones((4, 4, 4), int)
    labels[0] = 2
    values = np.full(64, 0.25)
    found = spread(values, sorted_voxels(labels))
    assert found.sem.tolist() == [0.0, 0.0]
    assert np.isfinite(found.n_effective).all()


def test_large_regions_judge_their_noise_from_the_middle_and_agree() -> None:
    rng = np.random.default_rng(8)
    volume = ndimage.gaussian_filter(rng.normal(0, 1, (50, 60, 60)), 0.8)
    small, large = np.ones((50, 60, 60), int), np.ones((50, 60, 60), int)
    small[10:] = 0
    a, b = (spread(volume.reshape(-1)[v.flat], v) for v in (sorted_voxels(small), sorted_voxels(large)))
    assert b.n[0] == 5 * a.n[0]
    assert b.sem[0] == pytest.approx(a.sem[0] / np.sqrt(5), rel=0.1)


def test_empty_and_single_voxel_regions_have_no_spread() -> None:
    voxels = Voxels(np.array([3], np.int32), np.array([0, 0, 1]), (2, 2, 2))
    found = spread(np.array([7.0]), voxels, percentiles=(50.0,))
    assert np.isnan(found.mean[0])
    assert found.mean[1] == 7.0
    assert np.isnan(found.sd).all()
    assert np.isnan(found.sem).all()
    assert found.percentiles[50.0][1] == 7.0
