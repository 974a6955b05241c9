"""The coarse search lands near the true pose from anywhere, and its alternatives are really others."""

from dataclasses import replace

import numpy as np
import pytest

from phantomcal.registration.metric import Pose
from phantomcal.registration.prepared import Prepared, pose_of, prepare, transform_of
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.starts import Poses, best_starts, close, mirrored, scores
from tests.registration.drawn import Pair, drawn_pair


def _found(prepared: Prepared, keep: int, *, from_headers: bool) -> list[tuple[Pose, float]]:
    heads = prepared.fixed_head, prepared.moving_head
    return best_starts(prepared.coarse, *heads, keep=keep, tries=8, from_headers=from_headers)


def _listed(poses: list[Pose]) -> Poses:
    return np.array([turn for turn, _ in poses]), np.array([centre for _, centre in poses])


@pytest.mark.parametrize(
    ("rotation_deg", "shift_mm"),
    [((30, -25, 30), (35, -30, 25)), ((0, 180, 10), (0, 0, 20)), ((85, 0, 40), (10, 0, 0))],
)
def test_the_best_start_lies_near_the_truth(rotation_deg: tuple[float, ...], shift_mm: tuple[float, ...]) -> None:
    pair = drawn_pair(2, rotation_deg=rotation_deg, shift_mm=shift_mm)
    prepared = prepare(pair.ct, pair.magnitude)
    pose, _ = _found(prepared, 3, from_headers=True)[0]
    assert target_error_mm(transform_of(pose, prepared.centre_mm), pair.truth, pair.points_mm).max() < 10.0


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def prepared(pair: Pair) -> Prepared:
    return prepare(pair.ct, pair.magnitude)


def test_alternatives_differ_and_fall_in_score(prepared: Prepared) -> None:
    starts = _found(prepared, 4, from_headers=False)
    nats = [score for _, score in starts]
    assert nats == sorted(nats, reverse=True)
    assert len(starts) > 1
    for k, (a, _) in enumerate(starts):
        assert all(not close(a, b) for b, _ in starts[:k])


def test_a_true_pose_scores_above_wrong_ones_and_few_points_are_counted(pair: Pair, prepared: Prepared) -> None:
    truth = pose_of(prepared, pair.truth)
    aside = (truth[0], truth[1] + np.array([0.0, 0.0, 60.0]))
    far = (truth[0], truth[1] + 1000.0)
    gains, shares = scores(prepared.coarse, _listed([truth, aside, far]))
    assert gains[0] > 1.3 * gains[1] > 0
    assert shares[0] > 0.9
    assert 0.3 < shares[1] < shares[0]
    assert gains[2] == shares[2] == 0.0


def test_scores_do_not_depend_on_how_poses_are_grouped(pair: Pair, prepared: Prepared) -> None:
    turn, there = pose_of(prepared, pair.truth)
    poses = [(turn, there + np.array([k, -k, 0.0])) for k in range(150)]
    together = scores(prepared.coarse, _listed(poses))[0]
    one_by_one = [scores(prepared.coarse, _listed([pose]))[0][0] for pose in poses]
    np.testing.assert_array_equal(together, one_by_one)


def test_mirroring_twice_changes_nothing(prepared: Prepared) -> None:
    level = prepared.coarse
    np.testing.assert_array_equal(mirrored(mirrored(level)).offsets_mm, level.offsets_mm)
    swapped = mirrored(level).offsets_mm
    np.testing.assert_array_equal(swapped[:, 0], -level.offsets_mm[:, 0])
    np.testing.assert_array_equal(swapped[:, 1:], level.offsets_mm[:, 1:])
    assert replace(mirrored(level), offsets_mm=level.offsets_mm).moving is level.moving
