"""The verdict follows the evidence, and the predicted error is the scatter that was put in."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.registration.quality import (
    FAIL_EDGES,
    REVIEW_EDGES,
    REVIEW_MIRROR,
    REVIEW_OUTLINE,
    REVIEW_SPREAD_MM,
    Evidence,
    Judgement,
    judge,
    predicted_error_mm,
    require_overlap,
    second_opinion,
    target_error_mm,
)


def _evidence(error_mm: float = 0.2, axis_share: tuple[float, float, float] = (1, 1, 1), **changes: Any) -> Evidence:
    """Five repeats whose head points scatter by `error_mm` in all."""
    rng = np.random.default_rng(3)
    shifts = rng.normal(size=(5, 1, 3)) * np.array(axis_share)
    shifts -= shifts.mean(axis=0)
    shifts *= error_mm / np.sqrt((shifts**2).sum() / 4)
    good = Evidence(np.broadcast_to(shifts, (5, 40, 3)), 0.9, 0.2, 0.98)
    return dataclasses.replace(good, **changes)


def test_good_evidence_passes_and_says_why() -> None:
    judgement = judge(_evidence())
    assert judgement.verdict == "pass"
    assert "5 independent repeats agree within 0.20 mm" in judgement.reasons[0]
    assert "98% of the MR head" in judgement.reasons[0]
    assert judgement.warnings == []


@pytest.mark.parametrize("error_mm", [0.05, 0.7, 2.0])
def test_the_predicted_error_is_the_scatter_of_the_repeats(error_mm: float) -> None:
    assert judge(_evidence(error_mm)).predicted_error_mm == pytest.approx(error_mm)


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"error_mm": 1.4}, "review", "differ by 1.4 mm"),
        ({"error_mm": 5.0}, "fail", "differ by 5.0 mm"),
        ({"overlap_fraction": 0.5}, "review", "only 50% of the MR head"),
        ({"overlap_fraction": 0.1}, "fail", "only 10% of the MR head"),
        ({"mutual_information": 0.3}, "review", "little information"),
        ({"mutual_information": 0.1, "mutual_information_start": 0.05}, "fail", "little information"),
        ({"mutual_information_start": 1.0}, "fail", "more information at the start"),
        ({"turn_deg": 170.0}, "review", "turned by 170 degrees"),
        ({"runner_up": 0.95}, "review", "different pose fits nearly as well"),
    ],
)
def test_each_doubt_has_its_verdict_and_its_words(changes: dict[str, float], verdict: str, words: str) -> None:
    judgement = judge(_evidence(**changes))
    assert judgement.verdict == verdict
    assert any(words in reason for reason in judgement.reasons)


@pytest.mark.parametrize(
    ("name", "passes", "doubts", "fails"),
    [
        ("error_mm", [0.0, 0.99], [1.01, 2.99], [3.01]),
        ("mutual_information", [0.66, 2.0], [0.64, 0.21], [0.19]),
        ("overlap_fraction", [0.71, 1.0], [0.69, 0.26], [0.24, 0.0]),
        ("turn_deg", [0.0, 44.9], [45.1, 180.0], []),
        ("runner_up", [0.0, 0.84], [0.86, 1.0], []),
        ("mutual_information_start", [0.0, 0.91], [], [0.93]),
    ],
)
def test_verdicts_change_at_their_limits(
    name: str, passes: list[float], doubts: list[float], fails: list[float]
) -> None:
    """The limits users are told: 1 and 3 mm, 0.65 and 0.20 nats, 70 and 25 %, 45 degrees, 85 %, 0.02 nats lost."""
    for verdict, values in (("pass", passes), ("review", doubts), ("fail", fails)):
        for value in values:
            judgement = judge(_evidence(**{name: value}))
            assert judgement.verdict == verdict, (name, value)
            assert len(judgement.reasons) == 1
            assert judgement.reasons[0]


def test_a_susceptibility_map_is_expected_to_share_less() -> None:
    changes = {"mutual_information": 0.55, "mutual_information_start": 0.1}
    assert judge(_evidence(**changes)).verdict == "review"
    assert judge(_evidence(**changes, fixed_kind="qsm")).verdict == "pass"
    assert judge(_evidence(**changes | {"mutual_information": 0.47}, fixed_kind="qsm")).verdict == "review"


def test_one_failure_outweighs_many_doubts() -> None:
    judgement = judge(_evidence(5.0, overlap_fraction=0.5, turn_deg=170.0))
    assert judgement.verdict == "fail"
    assert len(judgement.reasons) == 3


def test_the_direction_the_data_leave_open_is_named() -> None:
    assert "along z (head-foot)" in judge(_evidence(0.9, (0.1, 0.1, 1.0))).warnings[0]


def test_the_target_error_is_a_distance() -> None:
    points = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    shifted = sitk.TranslationTransform(3, (3.0, 4.0, 0.0))
    np.testing.assert_allclose(target_error_mm(sitk.Transform(), shifted, points), [5.0, 5.0])
    turned = sitk.Euler3DTransform()
    turned.SetRotation(0.0, 0.0, np.pi / 2)
    np.testing.assert_allclose(target_error_mm(sitk.Transform(), turned, points), [0.0, np.sqrt(200.0)], atol=1e-12)


def test_what_lies_apart_is_refused_unless_a_transform_joins_it() -> None:
    ct, mr = sitk.Image([50, 50, 50], sitk.sitkFloat32), sitk.Image([50, 50, 50], sitk.sitkFloat32)
    require_overlap(ct, mr)
    mr.SetOrigin((0.0, 400.0, 0.0))
    with pytest.raises(InputError, match=r"CT and QSM do not overlap.*y 400 to 450.*--transform"):
        require_overlap(ct, mr)
    require_overlap(ct, mr, sitk.TranslationTransform(3, (0.0, -400.0, 0.0)))
    with pytest.raises(InputError, match="do not overlap"):
        require_overlap(ct, mr, sitk.TranslationTransform(3, (0.0, 400.0, 0.0)))


def test_a_touching_edge_is_no_overlap() -> None:
    ct, mr = sitk.Image([50, 50, 50], sitk.sitkFloat32), sitk.Image([50, 50, 50], sitk.sitkFloat32)
    mr.SetOrigin((0.0, 0.0, 47.0))
    with pytest.raises(InputError):
        require_overlap(ct, mr)
    mr.SetOrigin((0.0, 0.0, 40.0))
    require_overlap(ct, mr)


def _seen(**changes: Any) -> Evidence:
    """Evidence of a good alignment, all of it gathered."""
    more = {
        "forward_backward_mm": 0.1,
        "curvature": np.eye(6),
        "spread_per_nat_mm": 9.0,
        "edge_agreement": 0.92,
        "outline_agreement": 0.93,
        "mirrored_ratio": 0.7,
        "repeat_mm": 0.08,
    }
    return _evidence(**(more | changes))


def _second(**changes: Any) -> Judgement:
    evidence = _seen(**changes)
    return second_opinion(evidence, judge(evidence))


def test_a_second_opinion_that_agrees_passes_with_an_interval() -> None:
    judgement = _second()
    assert judgement.verdict == "pass"
    assert "other way round the result differs by 0.10 mm, edges agree to 0.92" in judgement.reasons[-1]
    assert judgement.predicted_error_ci95_mm is not None
    low, high = judgement.predicted_error_ci95_mm
    assert low < judgement.predicted_error_mm < high < 1.0


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"forward_backward_mm": 1.5}, "review", "MR to CT, the result differs by 1.5 mm"),
        ({"forward_backward_mm": 4.0}, "fail", "MR to CT, the result differs by 4.0 mm"),
        ({"settling_mm": 1.5}, "review", "lies 1.5 mm (RMS) from the transform given"),
        ({"settling_mm": 6.0}, "fail", "lies 6.0 mm (RMS) from the transform given"),
        ({"spread_per_nat_mm": float("inf")}, "review", "do not hold the head here"),
        ({"spread_per_nat_mm": REVIEW_SPREAD_MM + 1}, "review", "do not hold the head here"),
        ({"edge_agreement": REVIEW_EDGES - 0.01}, "review", "run different ways"),
        ({"edge_agreement": FAIL_EDGES - 0.01}, "review", "run different ways"),
        ({"edge_agreement": FAIL_EDGES - 0.01, "spread_per_nat_mm": float("inf")}, "fail", "run different ways"),
        ({"outline_agreement": REVIEW_OUTLINE - 0.01}, "review", "of the MR head lies in the CT's head"),
        ({"mirrored_ratio": REVIEW_MIRROR + 0.02}, "review", "mirrored left to right"),
    ],
)
def test_each_second_doubt_has_its_verdict_and_its_words(changes: dict[str, float], verdict: str, words: str) -> None:
    judgement = _second(**changes)
    assert judgement.verdict == verdict
    assert any(words in reason for reason in judgement.reasons)


def test_a_second_opinion_is_never_milder() -> None:
    for first in ("review", "fail"):
        judgement = second_opinion(_seen(), Judgement(first, ["a reason"], 0.1))  # type: ignore[arg-type]
        assert judgement.verdict == first
        assert judgement.reasons == ["a reason"]
    judgement = second_opinion(_seen(edge_agreement=0.3), Judgement("fail", ["a reason"], 0.1))
    assert judgement.verdict == "fail"
    assert judgement.reasons[0] == "a reason"


def test_what_was_not_gathered_does_not_count() -> None:
    nothing = dict.fromkeys(("forward_backward_mm", "edge_agreement", "outline_agreement", "mirrored_ratio"))
    assert _second(**nothing).verdict == "pass"


@pytest.mark.parametrize(("looser", "tighter"), [({"spread_per_nat_mm": 18.0}, {}), ({"overlap_fraction": 0.5}, {})])
def test_the_predicted_error_grows_with_what_is_loose_or_not_covered(looser: Any, tighter: Any) -> None:
    (more, (more_low, more_high)), (less, (less_low, less_high)) = (  # type: ignore[misc]
        predicted_error_mm(_seen(**changes)) for changes in (looser, tighter)
    )
    assert more > 1.5 * less
    assert more_low > less_low
    assert more_high > less_high


def test_what_is_seen_to_be_off_is_in_the_prediction() -> None:
    error, interval = predicted_error_mm(_seen(settling_mm=3.0))
    assert error == pytest.approx(3.0, abs=0.1)
    assert interval is not None
    assert interval[0] < 3.0 < interval[1] < 4.0
    assert predicted_error_mm(_seen(forward_backward_mm=5.0))[0] == 5.0
    assert predicted_error_mm(_seen(spread_per_nat_mm=float("inf"), repeat_mm=0.7)) == (0.7, None)


def test_an_upper_bound_over_two_millimetres_is_not_passed() -> None:
    judgement = _second(spread_per_nat_mm=REVIEW_SPREAD_MM - 0.5, overlap_fraction=0.71)
    assert judgement.predicted_error_ci95_mm is not None
    assert judgement.predicted_error_ci95_mm[1] > 2.0
    assert judgement.verdict == "review"
    assert any("predicted target error" in reason for reason in judgement.reasons)
