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
    """

    displacements_mm: NDArray[np.float64]
    mutual_information: float
    mutual_information_start: float
    overlap_fraction: float
    turn_deg: float = 0.0
    runner_up: float = 0.0
    fixed_kind: FixedKind = "magnitude"


@dataclass(frozen=True)
class Judgement:
    """The verdict, why, what else to know, and the predicted target error in mm."""

    verdict: Verdict
    reasons: list[str]
    predicted_error_mm: float
    warnings: list[str] = field(default_factory=list)


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
    return np.array([transform.TransformPoint(p) for p in points_mm.tolist()])


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
