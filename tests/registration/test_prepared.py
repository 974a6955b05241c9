"""What is asked of a prepared pair at a transform: information, curvature, the nearest top, and the way back."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.registration.prepared import (
    Prepared,
    hessian_at,
    metric_at,
    pose_of,
    prepare,
    refine,
    refine_backward,
    transform_of,
)
from phantomcal.registration.quality import target_error_mm
from tests.registration.drawn import Pair, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def prepared(pair: Pair) -> Prepared:
    return prepare(pair.ct, pair.magnitude)


def _moved(transform: sitk.Euler3DTransform, shift_mm: tuple[float, float, float]) -> sitk.Euler3DTransform:
    moved = sitk.Euler3DTransform(transform)
    moved.SetTranslation((np.array(transform.GetTranslation()) + shift_mm).tolist())
    return moved


def test_a_pose_is_the_same_transform_whatever_its_kind(pair: Pair, prepared: Prepared) -> None:
    rigid = transform_of(pose_of(prepared, pair.truth), prepared.centre_mm)
    assert target_error_mm(rigid, pair.truth, pair.points_mm).max() < 1e-9
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(pair.truth.GetMatrix())
    affine.SetCenter(pair.truth.GetCenter())
    affine.SetTranslation(pair.truth.GetTranslation())
    assert metric_at(prepared, affine) == pytest.approx(metric_at(prepared, pair.truth), abs=1e-9)


def test_information_falls_away_from_the_truth(pair: Pair, prepared: Prepared) -> None:
    nats = [metric_at(prepared, _moved(pair.truth, (d, 0.0, 0.0))) for d in (0.0, 2.0, 6.0, 30.0)]
    assert nats == sorted(nats, reverse=True)
    assert nats[0] > 2 * nats[-1]


def test_refining_ends_on_the_truth_forward_and_backward(pair: Pair, prepared: Prepared) -> None:
    start = _moved(pair.truth, (3.0, -2.0, 2.5))
    there = refine(prepared, start)
    back = refine_backward(prepared, start)
    for found in (there, back):
        assert target_error_mm(found, pair.truth, pair.points_mm).max() < 0.7
    assert metric_at(prepared, there) > metric_at(prepared, start)


def test_the_curvature_foretells_the_loss_of_a_small_step(pair: Pair, prepared: Prepared) -> None:
    top = refine(prepared, pair.truth)
    curvature = hessian_at(prepared, top)
    assert np.linalg.eigvalsh(curvature).max() < 0
    best = metric_at(prepared, top)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 0.3
        lost = [best - metric_at(prepared, _moved(top, tuple(way * step))) for way in (1.0, -1.0)]
        assert np.mean(lost) == pytest.approx(-curvature[3 + axis, 3 + axis] * 0.3**2 / 2, rel=0.15)


def test_a_transform_with_a_scale_is_started_from_its_turn(pair: Pair, prepared: Prepared) -> None:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix((1.05 * np.array(pair.truth.GetMatrix())).tolist())
    affine.SetCenter(pair.truth.GetCenter())
    affine.SetTranslation(pair.truth.GetTranslation())
    assert target_error_mm(refine(prepared, affine), pair.truth, pair.points_mm).max() < 0.7
