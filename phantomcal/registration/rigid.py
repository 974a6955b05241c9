"""Rigid alignment of a CT to the MR space of a QSM map by mutual information, coarse to fine."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.errors import InputError
from phantomcal.registration.heads import AIR_HU, FixedKind
from phantomcal.registration.metric import Level, Pose, mutual_information
from phantomcal.registration.optimise import FINE_GAIN, MIDDLE_GAIN, climb, curvature_at
from phantomcal.registration.prepared import Prepared, prepare, transform_of
from phantomcal.registration.pyramid import parts
from phantomcal.registration.quality import (
    Evidence,
    Judgement,
    inside_image,
    judge,
    moved_mm,
    require_overlap,
    target_error_mm,
)
from phantomcal.registration.starts import climbed, mirrored, poses_between, promising
from phantomcal.registration.threads import both, together
from phantomcal.results import Alignment

Init = Literal["auto", "centre"]

_TRIES, _MIRRORED_TRIES = 10, 4
_PARTS = 3  # of the samples at 3 mm, of which one is enough to choose by
_RIVAL = 0.6  # share of the best coarse pose's information that makes another pose worth refining
_OTHER_POSE_MM = 10.0
# Simulated heads: 0.67 to 0.73 as they are, 1.37 to 1.49 with an axis flipped. Nearly symmetric ones: 0.94 and 1.06.
_MIRROR_GAIN = 1.05


@dataclass(frozen=True)
class Registration:
    """A transform that takes MR points to CT points (world LPS mm), and how far to trust it."""

    transform: sitk.Euler3DTransform
    alignment: Alignment


def register(
    ct: sitk.Image,
    fixed: sitk.Image,
    *,
    fixed_kind: FixedKind = "magnitude",
    init: Init = "auto",
    seed: int = 0,
    starts: int = 3,
    repeats: int = 3,
    prepared: Prepared | None = None,
) -> Registration:
    """Align a CT rigidly to MR.

    Many poses are scored on a coarse grid; the best are climbed to the nearest top of their mutual information [1]_ by
    BFGS at 6 mm, and the best of these at 3 mm. The winner is climbed to the end several times, from disturbed poses
    and by other samples: the result is their mean, and their scatter says how far to trust it. The same is tried with
    one image mirrored: where that fits better, an image has left and right swapped, and the verdict is ``fail``.
    Seeded samples, sums in one order: equal input gives equal bytes, on any number of threads.

    Parameters
    ----------
    ct : SimpleITK.Image
        Moving image, HU.
    fixed : SimpleITK.Image
        Gradient-echo magnitude on the QSM map's grid, or the QSM map (ppm, 0 outside the brain).
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is. A QSM map shows CT little but the outline of the brain: expect 1 to 3 mm, not tenths.
    init : {"auto", "centre"}
        ``"auto"`` trusts the headers to place both in one room, ``"centre"`` starts from the centres of both heads.
    seed : int
        Of samples and disturbances.
    starts : int
        How many coarse poses are refined.
    repeats : int
        Independent repeats, at least 2.
    prepared : Prepared, optional
        The same images by `prepare`, where it was called before.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        No overlap of the world boxes with ``init="auto"``, no head in one of the images, or an impossible option.

    References
    ----------
    .. [1] Mattes D et al., PET-CT image registration in the chest using free-form deformations. IEEE Trans Med Imaging
       2003;22:120-128.
    """
    if starts < 1 or repeats < 2:
        raise InputError(
            "registration needs one start and two repeats or more", "the options", "raise starts or repeats"
        )
    if init == "auto":
        require_overlap(ct, fixed)
    prepared = prepared or prepare(ct, fixed, fixed_kind, seed=seed)
    best, runner_up, mirror = _search(prepared, starts, from_headers=init == "auto")
    start = (np.eye(3), prepared.centre_mm if init == "auto" else prepared.moving_head.centre_mm)
    poses, (nats_start, _) = _repeated(prepared, best, repeats, start)
    pose = _mean(poses)
    results = [transform_of(p, prepared.centre_mm) for p in poses]
    points = prepared.points_mm
    moved = moved_mm(transform_of(pose, prepared.centre_mm), points)
    inside = inside_image(ct, moved)
    transform = _recentred(pose, prepared, points[inside])

    evidence = Evidence(
        displacements_mm=np.array([moved_mm(result, points) - moved for result in results]),
        mutual_information=mutual_information(prepared.fine, pose)[0],
        mutual_information_start=nats_start,
        overlap_fraction=float(inside.mean()),
        turn_deg=float(np.degrees(Rotation.from_matrix(pose[0]).magnitude())),
        runner_up=runner_up,
        fixed_kind=fixed_kind,
    )
    judgement = _unless_mirrored(judge(evidence), mirror)
    spread = max(float(target_error_mm(a, b, points).max()) for k, a in enumerate(results) for b in results[:k])
    angles = np.degrees([transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ()])
    alignment = Alignment(
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        rotation_deg=_triple(angles),
        translation_mm=_triple(transform.GetTranslation()),
        centre_mm=_triple(transform.GetCenter()),
        mutual_information=evidence.mutual_information,
        mutual_information_start=evidence.mutual_information_start,
        overlap_fraction=evidence.overlap_fraction,
        start_spread_mm=spread,
        predicted_error_mm=judgement.predicted_error_mm,
        n_repeats=repeats,
        fixed_kind=fixed_kind,
        warnings=judgement.warnings,
    )
    return Registration(transform, alignment)


def resample_ct(
    ct: sitk.Image, fixed: sitk.Image, transform: sitk.Transform, outside_hu: float = AIR_HU, *, spline: bool = False
) -> sitk.Image:
    """CT on the grid of the fixed image, by one interpolation.

    Parameters
    ----------
    ct, fixed : SimpleITK.Image
        Moving image (HU) and the image whose grid is wanted.
    transform : SimpleITK.Transform
        Fixed to moving points.
    outside_hu : float
        Value where the CT has no voxel.
    spline : bool
        Cubic B-spline instead of linear: sharper, but rings at bone.

    Returns
    -------
    SimpleITK.Image
        float32, HU.
    """
    kind = sitk.sitkBSpline if spline else sitk.sitkLinear
    return sitk.Resample(ct, fixed, transform, kind, outside_hu, sitk.sitkFloat32)


def _search(prepared: Prepared, starts: int, *, from_headers: bool) -> tuple[Pose, float, float]:
    """Best pose at 3 mm, and the information of the best quite different and of the best mirrored pose over its own."""
    coarse, swapped = prepared.coarse, mirrored(prepared.coarse)
    poses = poses_between(prepared.fixed_head, prepared.moving_head, from_headers)
    promise, swapped_promise = together(
        [partial(promising, coarse, poses, _TRIES), partial(promising, swapped, poses, _MIRRORED_TRIES)]
    )
    found, swapped_found = both(
        lambda: climbed(coarse, *promise)[:starts], lambda: climbed(swapped, *swapped_promise)[:1]
    )
    # A third of the samples tells poses apart; the winner is climbed again with all of them.
    middle = parts(prepared.middle, _PARTS)[0]
    rivals = [pose for pose, nats in found if nats >= _RIVAL * found[0][1]]
    *refined, (_, mirror) = together(
        [partial(climb, middle, rival, tolerance=MIDDLE_GAIN) for rival in rivals]
        + [partial(climb, mirrored(middle), swapped_found[0][0], tolerance=MIDDLE_GAIN)]
    )
    best, most = max(refined, key=lambda result: result[1])
    points = prepared.points_mm
    other = 0.0
    for pose, nats in refined:
        apart = target_error_mm(
            transform_of(pose, prepared.centre_mm), transform_of(best, prepared.centre_mm), points[::10]
        )
        if apart.max() > _OTHER_POSE_MM:
            other = max(other, nats)
    return (best, other / most, mirror / most) if most > 0 else (best, 0.0, 0.0)


def _repeated(
    prepared: Prepared, best: Pose, repeats: int, start: Pose
) -> tuple[list[Pose], tuple[float, NDArray[np.float64]]]:
    """Tops reached from disturbed poses, each by its own samples, and the metric at the start, done beside them."""
    random = np.random.default_rng(prepared.seed)
    curvature = curvature_at(parts(prepared.middle, _PARTS)[0], best)
    jobs: list[Callable[[], Any]] = []
    for middle, fine in zip(parts(prepared.middle, repeats), parts(prepared.fine, repeats), strict=True):
        turn = Rotation.from_rotvec(np.radians(random.normal(0.0, 1.5, 3))).as_matrix()
        disturbed = (turn @ best[0], best[1] + random.normal(0.0, 2.0, 3))
        jobs.append(partial(_settled, middle, fine, disturbed, curvature))
    jobs.append(partial(mutual_information, prepared.fine, start))
    *poses, at_start = together(jobs)
    return poses, at_start


def _settled(middle: Level, fine: Level, start: Pose, curvature: NDArray[np.float64]) -> Pose:
    pose, _ = climb(middle, start, tolerance=MIDDLE_GAIN, curvature=curvature)
    return climb(fine, pose, tolerance=FINE_GAIN, curvature=curvature)[0]


def _unless_mirrored(judgement: Judgement, mirror: float) -> Judgement:
    if mirror < _MIRROR_GAIN:
        return judgement
    reason = (
        f"mirrored, the images share {mirror - 1:.0%} more information: an axis in the header of one of them seems to "
        "point the wrong way, which no rigid transform mends"
    )
    reasons = judgement.reasons if judgement.verdict != "pass" else []
    return replace(judgement, verdict="fail", reasons=[reason, *reasons])


def _mean(poses: list[Pose]) -> Pose:
    rotation = Rotation.from_matrix(np.array([pose[0] for pose in poses])).mean().as_matrix()
    return rotation, np.mean([pose[1] for pose in poses], axis=0)


def _recentred(pose: Pose, prepared: Prepared, shared_mm: NDArray[np.float64]) -> sitk.Euler3DTransform:
    """As a transform that turns about the middle of what both images show: else turns and shifts hide each other."""
    centre = prepared.centre_mm
    if not len(shared_mm):
        return transform_of(pose, centre)
    middle = shared_mm.mean(axis=0)
    return transform_of((pose[0], pose[0] @ (middle - centre) + pose[1]), middle)


def _triple(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
