"""A CT and an MR image made ready once: the metric, its curvature and the nearest top can then be asked at any pose."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.registration.heads import (
    CT_FINE_MM,
    MR_FINE_MM,
    FixedKind,
    Head,
    ct_head,
    mr_head,
    points_mm,
    region_around,
)
from phantomcal.registration.metric import Level, Pose, mutual_information
from phantomcal.registration.optimise import FINE_GAIN, MIDDLE_GAIN, climb, curvature_at
from phantomcal.registration.pyramid import (
    Lookup,
    Samples,
    binned,
    ct_contrast,
    level_of,
    mr_contrast,
    sampled,
)
from phantomcal.registration.threads import both

COARSE_MM, MIDDLE_MM = 6.0, 3.0
_COARSE_SAMPLES, _MIDDLE_SAMPLES, _FINE_SAMPLES = 10_000, 120_000, 480_000
_BACKWARD_MIDDLE_SAMPLES, _BACKWARD_SAMPLES = 40_000, 160_000
_JUDGED_POINTS = 1000


@dataclass(frozen=True)
class Prepared:
    """A pair of images, their heads, and three levels of resolution for the metric.

    Attributes
    ----------
    ct, fixed : SimpleITK.Image
        As given.
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is.
    fixed_head, moving_head : Head
        MR and CT.
    coarse, middle, fine : Level
        At 6, 3 and the finest useful spacing (1 mm for MR, 1.5 mm for CT).
    points_mm : ndarray, shape (n, 3)
        About 1000 points of the MR head, world LPS mm, at which transforms are compared.
    seed : int
        Of the samples.
    """

    ct: sitk.Image
    fixed: sitk.Image
    fixed_kind: FixedKind
    fixed_head: Head
    moving_head: Head
    coarse: Level
    middle: Level
    fine: Level
    points_mm: NDArray[np.float64]
    seed: int = 0

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """Centre of the MR head, about which poses turn; world LPS mm."""
        return self.fixed_head.centre_mm


def prepare(ct: sitk.Image, fixed: sitk.Image, fixed_kind: FixedKind = "magnitude", *, seed: int = 0) -> Prepared:
    """Find both heads, and bring both images to the resolutions and contrasts that are compared.

    Parameters
    ----------
    ct, fixed : SimpleITK.Image
        CT (HU), and the magnitude or the QSM map (ppm, 0 outside the brain).
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is.
    seed : int
        Of the samples.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        No head in one of the images.
    """
    (moving_head, lookups), (fixed_head, samples) = both(
        lambda: _looked_up(ct), lambda: _sampled(fixed, fixed_kind, seed)
    )
    coarse, middle, fine = (level_of(*parts) for parts in zip(samples, lookups, strict=True))
    points = points_mm(fixed_head.mask, _JUDGED_POINTS)
    return Prepared(ct, fixed, fixed_kind, fixed_head, moving_head, coarse, middle, fine, points, seed)


def _looked_up(ct: sitk.Image) -> tuple[Head, list[Lookup]]:
    head = ct_head(ct)
    return head, [binned(ct_contrast(head), spacing) for spacing in (COARSE_MM, MIDDLE_MM, CT_FINE_MM)]


def _sampled(fixed: sitk.Image, kind: FixedKind, seed: int) -> tuple[Head, list[Samples]]:
    head = mr_head(fixed, kind)
    contrast, region = mr_contrast(head), region_around(head, head.mask)
    wanted = ((COARSE_MM, _COARSE_SAMPLES), (MIDDLE_MM, _MIDDLE_SAMPLES), (MR_FINE_MM, _FINE_SAMPLES))
    return head, [sampled(contrast, region, spacing, count, seed) for spacing, count in wanted]


def metric_at(prepared: Prepared, transform: sitk.Transform) -> float:
    """Mutual information at a transform (MR to CT points, rigid or affine), nats, at the finest level."""
    return mutual_information(prepared.fine, pose_of(prepared, transform))[0]


def hessian_at(prepared: Prepared, transform: sitk.Transform) -> NDArray[np.float64]:
    """Curvature of the mutual information at a transform, at the finest level.

    Parameters
    ----------
    prepared : Prepared
        The pair.
    transform : SimpleITK.Transform
        MR to CT points.

    Returns
    -------
    ndarray, shape (6, 6)
        Nats per mm^2, symmetric, negative definite at a top. Parameters: three turns about the CT's world axes through
        where the MR head's centre goes, in mm at 60 mm from it, and three shifts in mm. Central differences of the
        analytic gradient over 0.25 mm.
    """
    return curvature_at(prepared.fine, pose_of(prepared, transform))


def refine(prepared: Prepared, start: sitk.Transform) -> sitk.Euler3DTransform:
    """The nearest top of the mutual information from a start (MR to CT points): no search.

    The start's linear part is taken as a rotation, which for an affine transform is the nearest one.
    """
    pose, _ = climb(prepared.middle, _rigid(pose_of(prepared, start)), tolerance=MIDDLE_GAIN)
    curvature = curvature_at(prepared.middle, pose)
    pose, _ = climb(prepared.fine, pose, tolerance=FINE_GAIN, curvature=curvature)
    return transform_of(pose, prepared.centre_mm)


def refine_backward(prepared: Prepared, start: sitk.Transform) -> sitk.Euler3DTransform:
    """As `refine`, with points of the CT looked up in the MR image, by its own samples and interpolation.

    Parameters
    ----------
    prepared : Prepared
        The pair.
    start : SimpleITK.Transform
        MR to CT points.

    Returns
    -------
    SimpleITK.Euler3DTransform
        MR to CT points again, to be compared with the forward result.
    """
    hu, mr = ct_contrast(prepared.moving_head), mr_contrast(prepared.fixed_head)
    rotation, _ = _rigid(pose_of(prepared, start))
    backward = start.GetInverse()
    centre = prepared.moving_head.centre_mm
    pose: Pose = (rotation.T, np.array(backward.TransformPoint(centre.tolist())))
    region = region_around(hu.head, hu.head.mask)
    seed = prepared.seed + 1
    middle = level_of(sampled(hu, region, MIDDLE_MM, _BACKWARD_MIDDLE_SAMPLES, seed), binned(mr, MIDDLE_MM))
    pose, _ = climb(middle, pose, tolerance=MIDDLE_GAIN)
    fine = level_of(sampled(hu, region, CT_FINE_MM, _BACKWARD_SAMPLES, seed), binned(mr, MR_FINE_MM))
    pose, _ = climb(fine, pose, tolerance=FINE_GAIN, curvature=curvature_at(middle, pose))
    return sitk.Euler3DTransform(transform_of(pose, centre).GetInverse())


def pose_of(prepared: Prepared, transform: sitk.Transform) -> Pose:
    """Linear part of a transform (exact when it is affine) and where it takes the MR head's centre."""
    centre = prepared.centre_mm
    there = np.array(transform.TransformPoint(centre.tolist()))
    arms = [np.array(transform.TransformPoint((centre + arm).tolist())) - there for arm in 100.0 * np.eye(3)]
    return np.array(arms).T / 100.0, there


def transform_of(pose: Pose, centre_mm: NDArray[np.float64]) -> sitk.Euler3DTransform:
    """Pose, which turns about `centre_mm`, as an ITK transform of MR to CT points."""
    rotation, there = pose
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre_mm.tolist())
    transform.SetMatrix(rotation.ravel().tolist(), 1e-6)
    transform.SetTranslation((there - centre_mm).tolist())
    return transform


def _rigid(pose: Pose) -> Pose:
    left, _, right = np.linalg.svd(pose[0])
    flip = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(left @ right)))])
    return left @ flip @ right, pose[1]
