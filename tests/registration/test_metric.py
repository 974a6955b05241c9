"""The mutual information is that of a plain histogram, its gradient exact, its bits those of one thread."""

from dataclasses import replace
from functools import cache

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.registration.metric import ARM_MM, N_BINS, Level, inside_share, mutual_information, stepped
from phantomcal.registration.optimise import climb, curvature_at
from phantomcal.registration.prepared import Prepared, pose_of, prepare
from phantomcal.registration.pyramid import parts
from tests.registration.drawn import Pair, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def prepared(pair: Pair) -> Prepared:
    return prepare(pair.ct, pair.magnitude)


def _constant_level(rng: np.random.Generator, n: int = 4000) -> Level:
    """A moving image with one value a slab, and samples at the middle of slabs: no window reaches another slab."""
    moving = np.empty((40, 6, 6), np.float32)
    moving[:] = np.repeat([5.0, 15.0, 25.0, 10.0], 10)[:, None, None]
    slab = rng.integers(0, 4, n)
    offsets = np.column_stack([np.full(n, 2.5), np.full(n, 2.5), slab * 10 + 4.5]).astype(np.float32)
    fixed = np.where(rng.random(n) < 0.8, slab, rng.integers(0, 4, n)).astype(np.uint8)
    return Level(fixed, offsets, moving, np.eye(3), np.zeros(3))


def test_it_is_the_mutual_information_of_the_joint_histogram(rng: np.random.Generator) -> None:
    level = _constant_level(rng)
    slab = ((level.offsets_mm[:, 2] - 4.5) / 10).astype(int)
    joint = np.zeros((4, 4))
    np.add.at(joint, (level.fixed_bins, slab), 1.0 / len(slab))
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    nats, gradient = mutual_information(level, (np.eye(3), np.zeros(3)))
    # Values 5, 10, 15 and 25 are far enough apart for their B-spline windows not to meet.
    assert nats == pytest.approx(float((joint * np.log(joint / apart)).sum()), abs=1e-6)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


def test_what_lies_outside_does_not_count(rng: np.random.Generator) -> None:
    level = _constant_level(rng)
    far = level.offsets_mm + np.array([500.0, 0.0, 0.0], np.float32)
    both = replace(
        level,
        fixed_bins=np.concatenate([level.fixed_bins, level.fixed_bins[::-1]]),
        offsets_mm=np.concatenate([level.offsets_mm, far]),
    )
    pose = (np.eye(3), np.zeros(3))
    assert mutual_information(both, pose)[0] == pytest.approx(mutual_information(level, pose)[0], abs=1e-9)
    assert inside_share(both, pose) == 0.5
    nowhere = (np.eye(3), np.array([0.0, 0.0, 1e4]))
    assert mutual_information(level, nowhere) == (0.0, pytest.approx(np.zeros(6)))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(-12.0, 12.0), min_size=6, max_size=6))
def test_the_gradient_is_the_slope(step: list[float]) -> None:
    """Also where samples leave the CT: the head is cut off close above and below."""
    pair, prepared = _cut_pair()
    pose = stepped(pose_of(prepared, pair.truth), np.array(step))
    gradient = mutual_information(prepared.middle, pose)[1]
    h = 2e-3
    slopes = [
        (
            mutual_information(prepared.middle, stepped(pose, h * unit))[0]
            - mutual_information(prepared.middle, stepped(pose, -h * unit))[0]
        )
        / (2 * h)
        for unit in np.eye(6)
    ]
    np.testing.assert_allclose(gradient, slopes, atol=1.5e-4)


@cache
def _cut_pair() -> tuple[Pair, Prepared]:
    pair = drawn_pair(slice_mm=5.0)
    return pair, prepare(pair.ct[:, :, 8:24], pair.magnitude)


def test_turns_count_by_their_arc(pair: Pair, prepared: Prepared) -> None:
    turn, there = pose_of(prepared, pair.truth)
    further, same = stepped((turn, there), np.array([ARM_MM * np.pi / 2, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(further @ turn.T, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    np.testing.assert_array_equal(same, there)


def test_parts_share_out_all_samples(prepared: Prepared) -> None:
    shared = parts(prepared.middle, 3)
    assert sum(len(part.fixed_bins) for part in shared) == len(prepared.middle.fixed_bins)
    spread = [part.offsets_mm.std(axis=0) for part in shared]
    np.testing.assert_allclose(spread[0], spread[1], rtol=0.02)
    assert prepared.middle.fixed_bins.max() == N_BINS - 1


@pytest.mark.parametrize("shift", [0.0, 6.0])
def test_the_climb_ends_on_a_top_above_its_start(pair: Pair, prepared: Prepared, shift: float) -> None:
    start = stepped(pose_of(prepared, pair.truth), np.array([4.0, -3.0, 2.0, shift, -shift, shift]))
    pose, nats = climb(prepared.middle, start, tolerance=1e-6)
    assert nats == pytest.approx(mutual_information(prepared.middle, pose)[0], abs=1e-9)
    assert nats > mutual_information(prepared.middle, start)[0]
    curvature = curvature_at(prepared.middle, pose)
    np.testing.assert_allclose(curvature, curvature.T)
    assert np.linalg.eigvalsh(curvature).max() < 0
    helped, again = climb(prepared.middle, start, tolerance=1e-6, curvature=curvature)
    assert again == pytest.approx(nats, abs=1e-4)
    np.testing.assert_allclose(helped[1], pose[1], atol=0.2)


def test_one_thread_and_many_give_the_same_bits(
    pair: Pair, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose = pose_of(prepared, pair.truth)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        found.append(mutual_information(prepared.fine, pose))
    assert found[0][0] == found[1][0] == found[2][0]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][1], other[1])
