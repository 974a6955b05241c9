"""What can be seen of an alignment without knowing the truth: gathered here, judged in `quality`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.registration.heads import points_mm, shrink
from phantomcal.registration.metric import ARM_MM, mutual_information
from phantomcal.registration.optimise import climb
from phantomcal.registration.prepared import Prepared, hessian_at, pose_of, refine_backward
from phantomcal.registration.quality import Evidence, inside_image, moved_mm, target_error_mm
from phantomcal.registration.starts import mirrored
from phantomcal.registration.threads import together
from phantomcal.results import Direction

Array = NDArray[np.float64]

_EDGE_MM = 2.0
_EDGE_SMOOTH_MM = 2.0
_EDGE_SHARE = 0.15  # of the MR head's voxels, those with the steepest values, count as edges
_SHIFTS = ("along x (left-right)", "along y (front-back)", "along z (head-foot)")
_TURNS = ("about x (nodding)", "about y (leaning to a shoulder)", "about z (shaking the head)")


def more_evidence(prepared: Prepared, transform: sitk.Transform, evidence: Evidence) -> Evidence:
    """Add what the images say at the result: the way back, the curvature of the metric, edges, outlines.

    Parameters
    ----------
    prepared : Prepared
        The pair.
    transform : SimpleITK.Transform
        MR to CT points, the result to be judged.
    evidence : Evidence
        With the repeats' part filled in.

    Returns
    -------
    Evidence
    """
    points = prepared.points_mm
    jobs: list[Callable[[], Any]] = [
        partial(job, prepared, transform)
        for job in (hessian_at, edge_agreement, refine_backward, mirrored_ratio, outline_agreement, covered_fraction)
    ]
    hessian, edges, backward, mirror, outline, covered = together(jobs)
    curvature = -hessian
    return replace(
        evidence,
        forward_backward_mm=rms_mm(target_error_mm(transform, backward, points)),
        curvature=curvature,
        spread_per_nat_mm=spread_per_nat_mm(curvature, moved_mm(transform, points)),
        edge_agreement=edges,
        outline_agreement=outline,
        mirrored_ratio=mirror,
        covered_fraction=covered,
    )


def rms_mm(distances_mm: Array) -> float:
    """Root mean square."""
    return float(np.sqrt((distances_mm**2).mean()))


def spread_per_nat_mm(curvature: Array, there_mm: Array) -> float:
    """RMS displacement of head points along the metric's ellipsoid: how loosely the images hold the head.

    Near its top the metric falls by half the squared step times its curvature. Steps that cost one nat each, added up
    over the six directions and averaged over the head, give this length; the standard error of the alignment is
    proportional to it, as that of any estimate by the top of a likelihood is.

    Parameters
    ----------
    curvature : ndarray, shape (6, 6)
        Nats per mm^2: turns (mm at 60 mm) about the CT's world axes, then shifts. Positive at a top.
    there_mm : ndarray, shape (n, 3)
        Points of the head, in the CT.

    Returns
    -------
    float
        mm; infinite when some direction is not held at all.
    """
    size, axes = np.linalg.eigh(curvature)
    if size[0] <= 0:
        return float("inf")
    offsets = there_mm - there_mm.mean(axis=0)
    turn, shift = axes[:3] / ARM_MM, axes[3:]
    steps = np.cross(turn.T[:, None, :], offsets[None]) + shift.T[:, None, :]  # direction, point, axis
    return float(np.sqrt(((steps**2).sum(axis=2).mean(axis=1) / size).sum()))


def directions(curvature: Array) -> list[Direction]:
    """The six independent motions and how well the metric holds each, best first."""
    size, axes = np.linalg.eigh(curvature)
    best = max(float(size[-1]), 1e-12)
    found = []
    for value, axis in sorted(zip(size, axes.T, strict=True), key=lambda pair: -pair[0]):
        turn, shift = axis[:3], axis[3:]
        if max(turn.max(), shift.max()) < -min(turn.min(), shift.min()):  # an axis has no sign: the largest part is up
            turn, shift = -turn, -shift
        found.append(
            Direction(
                words=direction_words(axis),
                turn=(float(turn[0]), float(turn[1]), float(turn[2])),
                shift=(float(shift[0]), float(shift[1]), float(shift[2])),
                curvature_nats_per_mm2=float(value),
                relative_sd=float(np.sqrt(best / max(float(value), 1e-6 * best))),
            )
        )
    return found


def direction_words(axis: Array) -> str:
    """A unit step in words: a turn, a shift, or both, about and along the world axes that matter."""
    share = axis**2 / (axis**2).sum()
    parts = []
    for name, part, words in (("turn", share[:3], _TURNS), ("shift", share[3:], _SHIFTS)):
        if part.sum() < 0.2:
            continue
        chosen = [words[k] for k in np.argsort(-part, kind="stable") if part[k] > 0.25 * part.sum()]
        parts.append((float(part.sum()), f"a {name} {' and '.join(chosen)}"))
    return " with ".join(text for _, text in sorted(parts, key=lambda pair: -pair[0]))


def edge_agreement(prepared: Prepared, transform: sitk.Transform) -> float | None:
    """Mean squared cosine between the gradients of CT and MR, at the steepest places of the MR [1]_.

    It asks whether edges run the same way, not which value goes with which: a second opinion that shares little with
    the metric the alignment was found by.

    Parameters
    ----------
    prepared : Prepared
        The pair.
    transform : SimpleITK.Transform
        MR to CT points.

    Returns
    -------
    float or None
        0 to 1, a third when edges have nothing to do with each other, less where the CT is flat; None when fewer than
        100 edges of the MR lie inside the CT.

    References
    ----------
    .. [1] Haber E, Modersitzki J. Intensity gradient based registration and fusion of multi-modal images. MICCAI 2006,
       LNCS 4191:726-733. doi:10.1007/11866763_89
    """
    mr = shrink(prepared.fixed_head.image, _EDGE_MM)
    ct = sitk.Resample(
        shrink(prepared.moving_head.image, _EDGE_MM), mr, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32
    )
    hu = sitk.GetArrayViewFromImage(ct)
    known = np.isfinite(hu)
    region = sitk.Resample(prepared.fixed_head.mask, mr, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    wide = sitk.BinaryDilate(region, [max(1, round(4.0 / s)) for s in mr.GetSpacing()])
    counts = (sitk.GetArrayViewFromImage(wide) > 0) & known
    if not counts.any():
        return None
    filled = sitk.GetImageFromArray(np.where(known, hu, np.float32(hu[known].min())))
    filled.CopyInformation(mr)
    # Next to where the CT ends its gradient is that of the end.
    counts &= sitk.GetArrayViewFromImage(
        sitk.BinaryErode(_mask(known, mr), [max(1, round(6.0 / s)) for s in mr.GetSpacing()])
    ).astype(bool)
    g_mr, g_ct = _gradient(mr), _gradient(filled)
    steep = np.sqrt((g_mr**2).sum(axis=0))
    if counts.sum() < 100:
        return None
    edge = counts & (steep >= np.quantile(steep[counts], 1 - _EDGE_SHARE))
    if edge.sum() < 100:
        return None
    a, b = g_mr[:, edge].astype(np.float64), g_ct[:, edge].astype(np.float64)
    noise = float(np.median(np.sqrt((g_ct[:, counts] ** 2).sum(axis=0))))  # flat places must not vote at random
    cosine2 = (a * b).sum(axis=0) ** 2 / np.maximum((a**2).sum(axis=0) * ((b**2).sum(axis=0) + noise**2), 1e-12)
    return float(cosine2.mean())


def outline_agreement(prepared: Prepared, transform: sitk.Transform) -> float | None:
    """Share of the MR head (or brain) that lies within the CT's head, of what lies in the CT's field of view."""
    mask = prepared.fixed_head.mask
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    axes = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    there = moved_mm(transform, (index @ axes.T + mask.GetOrigin())[:: max(1, len(index) // 4000)])
    there = there[inside_image(prepared.ct, there)]
    if not len(there):
        return None
    other = prepared.moving_head.mask
    axes = np.array(other.GetDirection()).reshape(3, 3) * other.GetSpacing()
    near = np.rint(np.linalg.solve(axes, (there - other.GetOrigin()).T).T).astype(int)
    near = np.clip(near, 0, np.array(other.GetSize()) - 1)
    return float(sitk.GetArrayViewFromImage(other)[near[:, 2], near[:, 1], near[:, 0]].astype(bool).mean())


def covered_fraction(prepared: Prepared, transform: sitk.Transform) -> float:
    """Share of the CT's head that lies inside the MR's field of view: the overlap seen from the other side."""
    back = moved_mm(transform.GetInverse(), points_mm(prepared.moving_head.mask, 1000))
    return float(inside_image(prepared.fixed, back).mean())


def mirrored_ratio(prepared: Prepared, transform: sitk.Transform) -> float | None:
    """Information shared with the MR's left and right swapped, at its nearest top, over that as the MR is.

    A head is nearly its own mirror image, so the mirrored one settles close to the same pose; that it then fits better
    says that an axis in one of the headers points the wrong way. At the middle level.
    """
    pose = pose_of(prepared, transform)
    plain, _ = mutual_information(prepared.middle, pose)
    _, swapped = climb(mirrored(prepared.middle), pose, tolerance=1e-4)
    return swapped / plain if plain > 0 else None


def _mask(values: NDArray[np.bool_], like: sitk.Image) -> sitk.Image:
    mask = sitk.GetImageFromArray(values.astype(np.uint8))
    mask.CopyInformation(like)
    return mask


def _gradient(image: sitk.Image) -> NDArray[np.float32]:
    """Gradient along the image's axes per mm, shape (3 for x, y, z, then z, y, x), of the smoothed image."""
    from phantomcal.registration import kernel

    values = sitk.GetArrayViewFromImage(image)
    found = np.empty((3, *values.shape), np.float32)
    taps = [_taps(_EDGE_SMOOTH_MM / spacing) for spacing in image.GetSpacing()]
    for axis, spacing in enumerate(image.GetSpacing()):
        kernels = [(slope / np.float32(spacing) if k == axis else smooth) for k, (smooth, slope) in enumerate(taps)]
        kernel.filtered(values, *kernels, found[axis])
    return found


def _taps(width: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gaussian of this standard deviation in voxels and its slope, exact for straight lines."""
    reach = max(1, int(np.ceil(4.0 * width)))
    place = np.arange(-reach, reach + 1.0)
    bell = np.exp(-0.5 * (place / width) ** 2)
    slope = place * bell
    return (bell / bell.sum()).astype(np.float32), (slope / (slope @ place)).astype(np.float32)
