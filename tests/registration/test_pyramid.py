"""Samples lie evenly within the head, and bins follow the values."""

from functools import partial

import numba
import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.registration.heads import Head, centroid_mm, ct_head
from phantomcal.registration.metric import N_BINS
from phantomcal.registration.pyramid import Contrast, ct_contrast, make_level
from phantomcal.registration.threads import share, together


def _ball(slope: tuple[float, float, float]) -> Head:
    """A ball of 40 mm in a turned image whose values rise along the world's axes."""
    image = sitk.Image([60, 60, 60], sitk.sitkFloat32)
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    image.SetOrigin((-59.0, 59.0, -59.0))
    index = np.indices((60, 60, 60))[::-1].reshape(3, -1).T
    world = index * 2.0 @ np.array(image.GetDirection()).reshape(3, 3).T + image.GetOrigin()
    values = sitk.GetImageFromArray((world @ slope).reshape(60, 60, 60).astype(np.float32))
    mask = sitk.GetImageFromArray((np.linalg.norm(world, axis=1) < 40).reshape(60, 60, 60).astype(np.uint8))
    for made in (values, mask):
        made.CopyInformation(image)
    return Head(values, mask, centroid_mm(mask))


@pytest.mark.parametrize("slope", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_samples_have_the_values_of_their_places(slope: tuple[float, float, float]) -> None:
    head = _ball(slope)
    even = Contrast(head, (-64.0, 64.0), (0.0, 1.0))
    level = make_level(even, even, (2.0, 2.0), 20_000)
    along = (level.offsets_mm + head.centre_mm) @ slope
    np.testing.assert_allclose(level.fixed_bins + 0.5, (along + 64.0) / 128.0 * N_BINS, atol=0.5001)
    index = (level.offsets_mm + head.centre_mm - level.origin_mm) @ level.to_index.T
    nearest = np.rint(index).astype(int)
    looked_up = level.moving[nearest[:, 2], nearest[:, 1], nearest[:, 0]]
    np.testing.assert_allclose(looked_up, 1 + (along + 64.0) / 128.0 * (N_BINS - 4), atol=0.25)


def test_samples_fill_the_mask_and_its_margin_evenly() -> None:
    head = _ball((1.0, 0.0, 0.0))
    even = Contrast(head, (-64.0, 64.0), (0.0, 1.0))
    level = make_level(even, even, (2.0, 2.0), 30_000, seed=4)
    radius = np.linalg.norm(level.offsets_mm, axis=1)
    assert len(radius) == pytest.approx(30_000, rel=0.02)
    assert 49 < radius.max() < 53
    assert (radius < 25).mean() == pytest.approx((radius < 50).mean() / 8, rel=0.03)
    np.testing.assert_allclose(level.offsets_mm.mean(axis=0), 0.0, atol=0.2)
    other = make_level(even, even, (2.0, 2.0), 30_000, seed=5)
    assert len(np.intersect1d(level.offsets_mm[:, 0], other.offsets_mm[:, 0])) < 300


def test_soft_tissue_has_more_bins_than_bone() -> None:
    head = _ball((1.0, 0.0, 0.0))
    hu = sitk.Clamp(head.image * 20.0 - 200.0 + 800.0, sitk.sitkFloat32, -1000.0, 1500.0)
    contrast = ct_contrast(ct_head(hu))
    per_hu = np.diff(contrast.shares) / np.diff(contrast.knots)
    assert per_hu[1] > 2 * max(per_hu[0], per_hu[2])
    assert contrast.shares[0] == 0.0
    assert contrast.shares[-1] == 1.0


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_shared_work_is_all_done_once(size: int) -> None:
    done = np.zeros(size, int)

    def job(start: int, stop: int) -> None:
        done[start:stop] += 1

    share(job, size)
    assert (done == 1).all()


def test_a_fault_in_shared_work_is_raised() -> None:
    def job(start: int, stop: int) -> None:
        raise ValueError(f"{start} to {stop}")

    with pytest.raises(ValueError, match="to"):
        share(job, 100)


def test_jobs_side_by_side_answer_in_order_and_share_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)

    def job(k: int) -> tuple[int, int]:
        pieces: list[tuple[int, int]] = []
        share(lambda start, stop: pieces.append((start, stop)), 100)
        return k, len(pieces)

    assert together([partial(job, k) for k in range(20)]) == [(k, 1) for k in range(20)]
    pieces: list[tuple[int, int]] = []
    share(lambda start, stop: pieces.append((start, stop)), 100)
    assert sorted(pieces) == [(0, 33), (33, 67), (67, 100)]
