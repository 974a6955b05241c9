"""What is gathered of an alignment tells a right pose from a wrong one, and says which way it is loose."""

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.registration.evidence import (
    direction_words,
    directions,
    edge_agreement,
    mirrored_ratio,
    more_evidence,
    outline_agreement,
    spread_per_nat_mm,
)
from phantomcal.registration.prepared import Prepared, metric_at, prepare
from phantomcal.registration.quality import Evidence, inside_image, moved_mm
from tests.registration.drawn import Pair, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def prepared(pair: Pair) -> Prepared:
    return prepare(pair.ct, pair.magnitude)


def _off(truth: sitk.Euler3DTransform, shift_mm: tuple[float, float, float], turn_deg: float = 0.0) -> sitk.Transform:
    moved = sitk.Euler3DTransform(truth)
    moved.SetTranslation((np.array(truth.GetTranslation()) + shift_mm).tolist())
    moved.SetRotation(truth.GetAngleX(), truth.GetAngleY(), truth.GetAngleZ() + np.radians(turn_deg))
    return moved


def _evidence(prepared: Prepared, transform: sitk.Transform) -> Evidence:
    inside = inside_image(prepared.ct, moved_mm(transform, prepared.points_mm)).mean()
    nats = metric_at(prepared, transform)
    return more_evidence(prepared, transform, Evidence(np.zeros((3, 1, 3)), nats, 0.0, float(inside), repeat_mm=0.1))


def test_the_right_pose_is_held_and_the_way_back_leads_back(pair: Pair, prepared: Prepared) -> None:
    found = _evidence(prepared, pair.truth)
    assert found.forward_backward_mm is not None
    assert found.forward_backward_mm < 0.5
    assert found.spread_per_nat_mm is not None
    assert found.spread_per_nat_mm < 30
    assert found.edge_agreement is not None
    assert found.edge_agreement > 0.8
    assert found.outline_agreement is not None
    assert found.outline_agreement > 0.85
    assert found.covered_fraction is not None
    assert found.covered_fraction > 0.9


def test_a_wrong_pose_is_not(pair: Pair, prepared: Prepared) -> None:
    wrong = _off(pair.truth, (5.0, -4.0, 3.0), 6.0)
    found = _evidence(prepared, wrong)
    assert found.forward_backward_mm is not None
    assert found.forward_backward_mm > 4.0
    assert found.edge_agreement is not None
    right = edge_agreement(prepared, pair.truth)
    assert right is not None
    assert found.edge_agreement < right - 0.1


def test_edges_outside_the_ct_do_not_count(pair: Pair, prepared: Prepared) -> None:
    assert edge_agreement(prepared, _off(pair.truth, (0.0, 0.0, 500.0))) is None
    assert outline_agreement(prepared, _off(pair.truth, (0.0, 0.0, 500.0))) is None


def test_a_mirrored_image_fits_better_mirrored(pair: Pair) -> None:
    flipped = sitk.Flip(pair.magnitude, (True, False, False))
    flipped.SetOrigin(pair.magnitude.GetOrigin())
    flipped.SetDirection(pair.magnitude.GetDirection())
    swapped = prepare(pair.ct, flipped)
    # The head's own mirror plane lies in the volume's middle, so the true pose still lays one over the other.
    ratio = mirrored_ratio(swapped, pair.truth)
    assert ratio is not None
    assert ratio > 1.03
    plain = mirrored_ratio(prepare(pair.ct, pair.magnitude), pair.truth)
    assert plain is not None
    assert plain < 1.0


def test_the_spread_is_that_of_the_ellipsoid() -> None:
    """Six springs of known stiffness: the mean square displacement is the sum of the six, by hand."""
    rng = np.random.default_rng(1)
    points = rng.normal((5.0, 6.0, 7.0), 40, (400, 3))
    k = np.array([0.2, 0.3, 0.5, 1.0, 2.0, 4.0])
    offsets = points - points.mean(axis=0)
    by_hand = (1 / k[3:]).sum()
    for axis in range(3):
        arm2 = (np.delete(offsets, axis, axis=1) ** 2).sum(axis=1).mean()
        by_hand += arm2 / 60.0**2 / k[axis]
    assert spread_per_nat_mm(np.diag(k), points) == pytest.approx(np.sqrt(by_hand))
    assert spread_per_nat_mm(np.diag(k) / 4, points) == pytest.approx(2 * np.sqrt(by_hand))


def test_a_direction_that_is_not_held_has_no_spread() -> None:
    assert spread_per_nat_mm(np.diag([1.0, 1, 1, 1, 1, -0.01]), np.eye(3)) == np.inf


def test_the_loosest_motion_is_last_and_in_words() -> None:
    ways = directions(np.diag([0.3, 0.2, 0.1, 0.4, 0.5, 0.01]))
    assert [round(w.curvature_nats_per_mm2, 3) for w in ways] == [0.5, 0.4, 0.3, 0.2, 0.1, 0.01]
    assert ways[-1].words == "a shift along z (head-foot)"
    assert ways[-1].relative_sd == pytest.approx(np.sqrt(50))
    assert ways[2].words == "a turn about x (nodding)"
    assert ways[0].relative_sd == 1.0


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ([0, 0, 1, 0, 0, 0], "a turn about z (shaking the head)"),
        ([0, 0, 0, 0.7, 0.7, 0], "a shift along x (left-right) and along y (front-back)"),
        ([0.6, 0, 0, 0, 0, 0.8], "a shift along z (head-foot) with a turn about x (nodding)"),
    ],
)
def test_motions_in_words(axis: list[float], words: str) -> None:
    assert direction_words(np.array(axis, dtype=float)) == words


def test_evidence_keeps_what_it_had(pair: Pair, prepared: Prepared) -> None:
    before = Evidence(np.ones((3, 4, 3)), 0.7, 0.1, 0.9, turn_deg=12.0, runner_up=0.3)
    after = more_evidence(prepared, pair.truth, before)
    for field in ("mutual_information", "mutual_information_start", "overlap_fraction", "turn_deg", "runner_up"):
        assert getattr(after, field) == getattr(before, field)
    assert dataclasses.fields(after) == dataclasses.fields(before)
