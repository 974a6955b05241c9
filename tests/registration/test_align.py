"""Searched, started or given: one judgement for all."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.registration.align import align
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.rigid import Registration
from tests.registration.drawn import Pair, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def searched(pair: Pair) -> Registration:
    return align(pair.ct, pair.magnitude)


def _off(truth: sitk.Euler3DTransform, shift_mm: tuple[float, float, float]) -> sitk.Euler3DTransform:
    moved = sitk.Euler3DTransform(truth)
    moved.SetTranslation((np.array(truth.GetTranslation()) + shift_mm).tolist())
    return moved


def test_a_right_result_passes_with_all_its_evidence(pair: Pair, searched: Registration) -> None:
    record = searched.alignment
    error = target_error_mm(searched.transform, pair.truth, pair.points_mm)
    assert record.verdict == "pass"
    assert record.method == "images"
    assert record.predicted_error_ci95_mm is not None
    assert record.predicted_error_ci95_mm[0] <= record.predicted_error_mm <= record.predicted_error_ci95_mm[1]
    assert np.sqrt((error**2).mean()) < record.predicted_error_ci95_mm[1]
    assert len(record.directions) == 6
    assert record.least_determined == record.directions[-1].words
    assert record.forward_backward_mm is not None
    assert record.settling_mm is None


def test_a_given_transform_is_kept_and_judged(pair: Pair) -> None:
    given = _off(pair.truth, (0.2, 0.1, 0.0))
    found = align(pair.ct, pair.magnitude, given=given)
    assert found.transform.GetParameters() == given.GetParameters()
    assert found.alignment.method == "given"
    assert found.alignment.settling_mm is not None
    assert found.alignment.settling_mm < 0.7
    assert found.alignment.verdict == "pass"


@pytest.mark.parametrize(("shift_mm", "verdict"), [((1.2, -1.2, 0.8), "review"), ((4.0, 3.0, -5.0), "fail")])
def test_a_given_transform_that_is_off_is_not_passed(
    pair: Pair, shift_mm: tuple[float, float, float], verdict: str
) -> None:
    found = align(pair.ct, pair.magnitude, given=_off(pair.truth, shift_mm)).alignment
    assert found.verdict == verdict
    assert found.settling_mm == pytest.approx(np.linalg.norm(shift_mm), abs=0.5)
    assert found.predicted_error_mm > 0.7 * np.linalg.norm(shift_mm)
    assert any("lies" in reason and "from the transform given" in reason for reason in found.reasons)


def test_a_start_is_followed_to_the_top(pair: Pair, searched: Registration) -> None:
    found = align(pair.ct, pair.magnitude, start=_off(pair.truth, (4.0, 3.0, -5.0)))
    apart = target_error_mm(found.transform, searched.transform, pair.points_mm)
    assert apart.max() < 0.5
    assert found.alignment.method == "images"
    assert found.alignment.verdict == "pass"


def test_a_start_that_leads_nowhere_is_not_passed(pair: Pair) -> None:
    astray = sitk.Euler3DTransform(pair.truth)
    astray.SetRotation(0.0, 0.0, np.pi)
    found = align(pair.ct, pair.magnitude, start=astray)
    assert target_error_mm(found.transform, pair.truth, pair.points_mm).mean() > 20
    assert found.alignment.verdict != "pass"


def test_a_transform_that_parts_the_images_is_refused(pair: Pair) -> None:
    with pytest.raises(InputError, match="do not overlap"):
        align(pair.ct, pair.magnitude, given=_off(pair.truth, (0.0, 0.0, 900.0)))


def test_two_runs_give_the_same_record(pair: Pair) -> None:
    a, b = (align(pair.ct, pair.magnitude, given=pair.truth).alignment for _ in range(2))
    assert a == b
