"""How far to trust an alignment: agreement of independent repeats, overlap, information gained, plausibility."""

from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.registration.heads import FixedKind
from phantomcal.results import Verdict
from phantomcal.volumes import corners_mm, world_box_mm

# Set between what was measured. Right alignments of 22 simulated and 4 remapped real heads: to the magnitude 0.84 nats
# and more, repeats within 0.4 mm; to the QSM map 0.55 nats, repeats within 1.0 mm. CT and MR of two people: 0.53 to
# 0.64 nats, 0.7 to 1.3 mm; with a QSM map 0.35 to 0.44 nats. Noise, or a head and a piece of pork: below 0.42 nats,
# 3.5 mm and more. A right one of real pork, T2-weighted: 0.60 nats, 1.4 mm.
REVIEW_ERROR_MM, FAIL_ERROR_MM = 1.0, 3.0
REVIEW_NATS: dict[FixedKind, float] = {"magnitude": 0.65, "qsm": 0.48}
FAIL_NATS = 0.20
REVIEW_OVERLAP, FAIL_OVERLAP = 0.70, 0.25
REVIEW_TURN_DEG = 45.0
REVIEW_RUNNER_UP = 0.85

# Set between what was measured as benchmarks/alignment_verdicts.py does. 150 right results with noise, shading,
# thick slices, missing parts or no skull: way back within 0.53 mm, spread 5.6 to 22 mm (one of 44), edges 0.86 and
# more, mirrored 0.80 and less (0.94 for a plain drawn head, nearly its own mirror image). 166 wrong ones: way back
# 0.6 mm and more, spread 38 mm and more or no top (93 %), edges 0.10 to 0.97, mirrored 0.88 and more. Heads of two
# people, five pairs: no top or spread 34 mm and more, edges 0.75 to 0.83, mirrored 0.99 to 1.02. The outline tells
# little: 0.49 to 1 where right, as noise frays the mask. Together they passed 107 of the 110 right results that were
# searched for, and none of the wrong ones.
REVIEW_SPREAD_MM = 30.0
REVIEW_EDGES, FAIL_EDGES = 0.80, 0.60  # to fail, the pose must be no top besides; real pork, rightly turned: 0.75
REVIEW_OUTLINE = 0.40
REVIEW_MIRROR = 0.97
REVIEW_UPPER_MM = 2.0
# From the 97 of these results whose coverage is known; 96 % of 110 true errors lay within the factor.
ERROR_LINE = (-5.32, 1.35, 2.86)  # level, power of the spread per nat, effect of the share not covered
ERROR_FACTOR = 2.5

_LEAST_SHARED_BOX = 0.10
_AXES = ("x (left-right)", "y (front-back)", "z (head-foot)")


@dataclass(frozen=True)
class Evidence:
    """What is known about an alignment when it is judged.

    Attributes
    ----------
    displacements_mm : ndarray, shape (repeats, points, 3)
        Of head points, each repeat from the mean of all, along the world axes.
    mutual_information, mutual_information_start : float
        Nats, at the result and at the pose it started from.
    overlap_fraction : float
        Share of the MR head inside the CT field of view.
    turn_deg : float
        Angle of the whole rotation.
    runner_up : float
        Mutual information of the best quite different pose that was refined over that of the chosen one; 0 when none
        was worth refining.
    fixed_kind : {"magnitude", "qsm"}
        What the CT was aligned to: a QSM map shares less information with it.
    forward_backward_mm : float or None
        RMS distance, over head points, between CT-to-MR and the inverse of MR-to-CT.
    settling_mm : float or None
        Of a transform that was given: RMS distance to the best alignment nearby.
    curvature : ndarray, shape (6, 6), or None
        Of the metric at the result, nats per mm^2, positive at a top.
    spread_per_nat_mm : float or None
        RMS displacement of head points along the metric's ellipsoid of one nat.
    edge_agreement, outline_agreement : float or None
        Do edges run the same way; does the MR head lie in the CT's.
    mirrored_ratio : float or None
        Information shared with one image mirrored over that as they are.
    covered_fraction : float or None
        Share of the CT's head inside the MR field of view.
    repeat_mm : float or None
        RMS scatter of the repeats, where `displacements_mm` is no longer at hand.
    """

    displacements_mm: NDArray[np.float64]
    mutual_information: float
    mutual_information_start: float
    overlap_fraction: float
    turn_deg: float = 0.0
    runner_up: float = 0.0
    fixed_kind: FixedKind = "magnitude"
    forward_backward_mm: float | None = None
    settling_mm: float | None = None
    curvature: NDArray[np.float64] | None = None
    spread_per_nat_mm: float | None = None
    edge_agreement: float | None = None
    outline_agreement: float | None = None
    mirrored_ratio: float | None = None
    covered_fraction: float | None = None
    repeat_mm: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict, why, what else to know, and the predicted target error in mm."""

    verdict: Verdict
    reasons: list[str]
    predicted_error_mm: float
    warnings: list[str] = field(default_factory=list)
    predicted_error_ci95_mm: tuple[float, float] | None = None


def judge(evidence: Evidence) -> Judgement:
    """Judge an alignment by what can be seen without knowing the truth.

    Parameters
    ----------
    evidence : Evidence
        Of one alignment.

    Returns
    -------
    Judgement
        ``fail`` for an alignment not to be used, ``review`` for one to be looked at first; every reason has its number.
        The predicted error is the RMS distance of the repeats' head points from their mean, with n - 1 in the
        denominator: the error of one repeat, so rather too large for their mean, which leaves room for what all
        repeats share.
    """
    squared = evidence.displacements_mm**2
    freedom = max(1, len(squared) - 1)
    error_by_axis_mm = np.sqrt(squared.mean(axis=1).sum(axis=0) / freedom)
    error_mm = float(np.sqrt((error_by_axis_mm**2).sum()))
    nats, overlap = evidence.mutual_information, evidence.overlap_fraction

    fails, doubts = [], []
    grades = (
        (
            error_mm > FAIL_ERROR_MM,
            error_mm > REVIEW_ERROR_MM,
            f"independent repeats differ by {error_mm:.1f} mm (RMS)",
        ),
        (
            nats < FAIL_NATS,
            nats < REVIEW_NATS[evidence.fixed_kind],
            f"CT and MR share little information ({nats:.2f} nats): are both of one person?",
        ),
        (
            overlap < FAIL_OVERLAP,
            overlap < REVIEW_OVERLAP,
            f"only {overlap:.0%} of the MR head lies in the CT: outside of it the alignment is extrapolated",
        ),
        (
            nats < evidence.mutual_information_start - 0.02,
            False,
            "CT and MR shared more information at the start than at the end",
        ),
        (
            False,
            evidence.turn_deg > REVIEW_TURN_DEG,
            f"the CT is turned by {evidence.turn_deg:.0f} degrees: make sure that the picture shows one pose",
        ),
        (False, evidence.runner_up > REVIEW_RUNNER_UP, "a quite different pose fits nearly as well"),
    )
    for failed, doubtful, reason in grades:
        if failed:
            fails.append(reason)
        elif doubtful:
            doubts.append(reason)
    warnings = []
    worst = int(np.argmax(error_by_axis_mm))
    if error_by_axis_mm[worst] > 0.3 and error_by_axis_mm[worst] > 2 * np.median(error_by_axis_mm):
        warnings.append(f"the alignment is least certain along {_AXES[worst]}: {error_by_axis_mm[worst]:.1f} mm")
    if fails or doubts:
        return Judgement("fail" if fails else "review", fails + doubts, error_mm, warnings)
    agreed = (
        f"{len(squared)} independent repeats agree within {error_mm:.2f} mm (RMS), {overlap:.0%} of the MR head lies "
        f"in the CT, and shared information is {nats:.2f} nats ({evidence.mutual_information_start:.2f} at the start)"
    )
    return Judgement("pass", [agreed], error_mm, warnings)


def second_opinion(evidence: Evidence, first: Judgement) -> Judgement:
    """Judge again by what the images say at the result; never milder than the repeats were.

    Parameters
    ----------
    evidence : Evidence
        With all its optional parts.
    first : Judgement
        Of the repeats.

    Returns
    -------
    Judgement
        With the predicted target error and an interval for it.
    """
    error_mm, interval = predicted_error_mm(evidence)
    spread, back, settling = evidence.spread_per_nat_mm, evidence.forward_backward_mm, evidence.settling_mm
    edges, outline, mirror = evidence.edge_agreement, evidence.outline_agreement, evidence.mirrored_ratio
    known = "mirrored" in " ".join(first.reasons)
    grades = (
        (
            back is not None and back > FAIL_ERROR_MM,
            back is not None and back > REVIEW_ERROR_MM,
            f"aligned the other way round, MR to CT, the result differs by {back or 0.0:.1f} mm (RMS)",
        ),
        (
            settling is not None and settling > FAIL_ERROR_MM,
            settling is not None and settling > REVIEW_ERROR_MM,
            f"the best alignment nearby lies {settling or 0.0:.1f} mm (RMS) from the transform given",
        ),
        (
            False,
            spread is not None and spread > REVIEW_SPREAD_MM,
            "the images do not hold the head here: shared information hardly falls when it moves"
            + (f" (by {spread:.0f} mm for one nat)" if spread is not None and np.isfinite(spread) else ""),
        ),
        (
            edges is not None and edges < FAIL_EDGES and spread is not None and not np.isfinite(spread),
            edges is not None and edges < REVIEW_EDGES,
            f"edges of CT and MR run different ways (agreement {edges or 0.0:.2f}, chance 0.33)",
        ),
        (
            False,
            outline is not None and outline < REVIEW_OUTLINE,
            f"only {outline or 0.0:.0%} of the MR head lies in the CT's head",
        ),
        (
            False,
            mirror is not None and mirror > REVIEW_MIRROR and not known,
            f"mirrored left to right, the MR shares {mirror or 1.0:.2f} times the information: an axis in a header may "
            "point the wrong way, or the images are not of one head",
        ),
        (
            error_mm > FAIL_ERROR_MM,
            interval is not None and interval[1] > REVIEW_UPPER_MM,
            f"the predicted target error is {error_mm:.1f} mm"
            + (f" ({interval[0]:.1f} to {interval[1]:.1f} mm)" if interval else ""),
        ),
    )
    fails = [reason for failed, _, reason in grades if failed]
    doubts = [reason for failed, doubtful, reason in grades if doubtful and not failed]
    if not fails and not doubts and first.verdict == "pass":
        said = [*first.reasons, _agreeing_words(evidence)]
        return Judgement("pass", said, error_mm, first.warnings, interval)
    before = first.reasons if first.verdict != "pass" else []
    verdict: Verdict = "fail" if fails or first.verdict == "fail" else "review"
    return Judgement(verdict, [*fails, *before, *doubts], error_mm, first.warnings, interval)


def predicted_error_mm(evidence: Evidence) -> tuple[float, tuple[float, float] | None]:
    """Target error to be expected, RMS over points of the MR head, with an interval that held 95 % of simulated ones.

    The looser the images hold the head, and the more of it lies outside the other image, the larger the error: a
    straight line in logarithms through simulated heads. The distance of a given transform from the nearest top is
    added in quadrature. Where repeats, or the way back, differ by more than the line predicts, they are taken instead.

    Returns
    -------
    error_mm : float
    interval : (float, float) or None
        None where the result is no top of the metric: the line says nothing, and the error may be far larger.
    """
    spread, settling = evidence.spread_per_nat_mm, evidence.settling_mm or 0.0
    seen = max(evidence.repeat_mm or 0.0, evidence.forward_backward_mm or 0.0, settling)
    if spread is None or not np.isfinite(spread):
        return seen, None
    level, power, outside = ERROR_LINE
    covered = evidence.overlap_fraction
    if evidence.covered_fraction is not None:
        covered = min(covered, evidence.covered_fraction)
    line = float(np.exp(level + outside * (1.0 - covered)) * spread**power)
    error = float(np.hypot(line, settling))
    low, high = max(0.0, settling - ERROR_FACTOR * line, line / ERROR_FACTOR), settling + ERROR_FACTOR * line
    if seen > high:
        return seen, (line / ERROR_FACTOR, ERROR_FACTOR * seen)
    return error, (low, high)


def _agreeing_words(evidence: Evidence) -> str:
    parts = []
    if evidence.forward_backward_mm is not None:
        parts.append(f"aligned the other way round the result differs by {evidence.forward_backward_mm:.2f} mm")
    if evidence.edge_agreement is not None:
        parts.append(f"edges agree to {evidence.edge_agreement:.2f} (chance 0.33)")
    return ", ".join(parts)


def target_error_mm(a: sitk.Transform, b: sitk.Transform, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance between where two transforms take points.

    Parameters
    ----------
    a, b : SimpleITK.Transform
        The transform found and the true one, say.
    points_mm : ndarray, shape (n, 3)
        World points of the fixed image.

    Returns
    -------
    ndarray, shape (n,)
        mm.
    """
    return np.asarray(np.linalg.norm(moved_mm(a, points_mm) - moved_mm(b, points_mm), axis=1))


def moved_mm(transform: sitk.Transform, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a transform takes points (n, 3), world mm."""
    if not transform.IsLinear():
        return np.array([transform.TransformPoint(p) for p in points_mm.tolist()])
    there = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    arms = np.array([transform.TransformPoint(arm) for arm in (1000.0 * np.eye(3)).tolist()]) - there
    return np.asarray(points_mm @ (arms / 1000.0) + there)


def inside_image(image: sitk.Image, points_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which world points (n, 3) lie within an image's voxels."""
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    index = np.linalg.solve(axes, (points_mm - image.GetOrigin()).T).T
    return np.asarray(((index >= -0.5) & (index <= np.array(image.GetSize()) - 0.5)).all(axis=1))


def require_overlap(ct: sitk.Image, fixed: sitk.Image, transform: sitk.Transform | None = None) -> None:
    """Refuse a CT and an MR volume that lie in different places.

    Parameters
    ----------
    ct, fixed : SimpleITK.Image
        CT, and the QSM map or magnitude.
    transform : SimpleITK.Transform, optional
        Fixed to moving points; without it the headers are taken to share one space.

    Raises
    ------
    InputError
        When the world boxes share less than a tenth of the smaller one.
    """
    low_ct, high_ct = world_box_mm(ct)
    low, high = world_box_mm(fixed)
    if transform is not None:
        corners = moved_mm(transform, corners_mm(fixed))
        low, high = corners.min(axis=0), corners.max(axis=0)
    shared = np.clip(np.minimum(high, high_ct) - np.maximum(low, low_ct), 0.0, None)
    if shared.prod() < _LEAST_SHARED_BOX * min((high - low).prod(), (high_ct - low_ct).prod()):
        raise InputError(
            "CT and QSM do not overlap",
            f"the headers (CT {_box_words(low_ct, high_ct)}; MR {_box_words(low, high)})",
            "check that both are of one person, align them by `phantomcal register --init centre`, or give --transform",
        )


def _box_words(low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    ends = ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
    return f"at {ends} mm"
