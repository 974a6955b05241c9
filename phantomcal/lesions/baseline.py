"""What tissue without the materials reads: the vials' medium, a constant, the image's own tissue, the other side."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.lesions.decompose import Baseline
from phantomcal.lesions.system import System

AnyArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

KINDS = ("auto", "medium", "tissue", "mirror", "fitted")
_SOFT_HU = (-20.0, 100.0)
_ALIKE_HU, _ALIKE_PPM = 15.0, 0.1
_LEAST_SHARE = 0.5
_SAMPLE = 300_000
_MIRROR_MM = 4.0
_CLIP_HU = (-200.0, 300.0)


def medium_baseline(system: System) -> Baseline:
    """The intercepts of the lines: right for samples in the vials' medium."""
    hu, ppm = (float(v) for v in system.medium)
    hu_se, ppm_se = (float(np.sqrt(v)) for v in system.medium_variance)
    note = "the medium of the vials: the intercepts of the calibration lines"
    return Baseline(hu, ppm, hu_se, ppm_se, kind="medium", note=note, from_medium=True)


def constant_baseline(text: str) -> Baseline:
    """A baseline as given: ``HU,PPM`` or with standard errors ``HU:SE,PPM:SE``, such as ``37:2,0.01:0.005``.

    Raises
    ------
    InputError
        Not two numbers, or a negative standard error.
    """
    fix = f"give HU,PPM such as 37,0.01 or 37:2,0.01:0.005 with standard errors, or one of {', '.join(KINDS)}"
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(f"{text!r} is no baseline", "--baseline", fix)
    try:
        pairs = [[float(number) for number in part.split(":")] for part in parts]
    except ValueError as error:
        raise InputError(f"{text!r} is no baseline", "--baseline", fix) from error
    if any(len(p) not in (1, 2) or not np.all(np.isfinite(p)) or (len(p) == 2 and p[1] < 0) for p in pairs):
        raise InputError(f"{text!r} is no baseline", "--baseline", fix)
    if abs(pairs[1][0]) > 5:
        raise InputError(f"a tissue of {pairs[1][0]:g} ppm does not exist", "--baseline", fix)
    hu, ppm = pairs
    return Baseline(
        hu[0],
        ppm[0],
        hu[1] if len(hu) == 2 else 0.0,
        ppm[1] if len(ppm) == 2 else 0.0,
        note="as given",
    )


def tissue_baseline(hu: AnyArray, ppm: AnyArray, usable: BoolArray) -> tuple[Baseline, float]:
    """The most frequent tissue of the image, and the share of all voxels that read like it.

    Parameters
    ----------
    hu, ppm : ndarray
        Of one shape.
    usable : ndarray of bool

    Returns
    -------
    baseline : Baseline
        Medians of the voxels within 15 HU and 0.1 ppm of the fullest bin of the joint histogram. Its noise is how much
        they differ from place to place, measurement noise included.
    share : float
    """
    flat = np.flatnonzero(usable.reshape(-1))
    flat = flat[:: max(1, flat.size // _SAMPLE)]
    a, b = hu.reshape(-1)[flat].astype(np.float64), ppm.reshape(-1)[flat].astype(np.float64)
    if not a.size:
        raise InputError("no voxel has both readings", "CT and map", "check that they overlap")
    # Bins as wide as tissue scatters; what lies beyond soft tissue is not looked at.
    soft = (a > _SOFT_HU[0]) & (a < _SOFT_HU[1]) & (np.abs(b) < 0.5)
    if soft.sum() < 100:
        return Baseline(0.0, 0.0, kind="tissue"), 0.0
    counts, hu_edges, ppm_edges = np.histogram2d(a[soft], b[soft], bins=(24, 50), range=(_SOFT_HU, (-0.5, 0.5)))
    counts = ndimage.uniform_filter(counts, 3, mode="constant")
    i, j = np.unravel_index(int(np.argmax(counts)), counts.shape)
    centre = ((hu_edges[i] + hu_edges[i + 1]) / 2, (ppm_edges[j] + ppm_edges[j + 1]) / 2)
    for _ in range(3):
        like = (np.abs(a - centre[0]) < _ALIKE_HU) & (np.abs(b - centre[1]) < _ALIKE_PPM)
        centre = (float(np.median(a[like])), float(np.median(b[like])))
    share = float(like.mean())
    spread = [1.4826 * float(np.median(np.abs(v[like] - c))) for v, c in zip((a, b), centre, strict=True)]
    note = f"the most frequent tissue of the image, which {share:.0%} of the measured voxels are like"
    return Baseline(centre[0], centre[1], 0.0, 0.0, spread[0], spread[1], "tissue", note), share


def automatic_baseline(system: System, hu: AnyArray, ppm: AnyArray, usable: BoolArray) -> Baseline:
    """The image's own tissue where most voxels are alike, else the vials' medium."""
    tissue, share = tissue_baseline(hu, ppm, usable)
    if share >= _LEAST_SHARE:
        return tissue
    medium = medium_baseline(system)
    note = f"{medium.note}, as no one tissue makes up half of the image"
    return Baseline(medium.hu, medium.ppm, medium.hu_se, medium.ppm_se, kind="medium", note=note, from_medium=True)


@dataclass(frozen=True)
class Mirrored:
    """The other side of a head.

    Attributes
    ----------
    baseline : Baseline
        Arrays of HU and ppm; NaN where the other side was not measured.
    correlation : float
        Of CT and mirrored CT over soft tissue and bone.
    """

    baseline: Baseline
    correlation: float


def mirror_baseline(hu: sitk.Image, ppm: sitk.Image, usable: BoolArray, lesions: BoolArray | None = None) -> Mirrored:
    """Every voxel's baseline from the same place on the other side of the midsagittal plane.

    The CT is flipped from left to right and registered rigidly to itself (least squares, 4 mm steps refined, one
    thread): the plane halfway between is the midsagittal one. HU and ppm are then read on the other side.

    Parameters
    ----------
    hu, ppm : SimpleITK.Image
        On one grid.
    usable : ndarray of bool, shape (z, y, x)
    lesions : ndarray of bool, optional
        Voxels that must not serve as the other side of anything.

    Returns
    -------
    Mirrored

    Raises
    ------
    InputError
        The two sides are not alike: no midsagittal plane was found.
    """
    values = sitk.GetArrayFromImage(hu)
    filled = sitk.GetImageFromArray(np.where(np.isfinite(values), np.clip(values, *_CLIP_HU), _CLIP_HU[0]))
    filled.CopyInformation(hu)
    flip = _flip(hu)
    rigid = _symmetry(filled, flip)
    both = sitk.CompositeTransform([flip, rigid])
    allowed = usable if lesions is None else usable & ~lesions
    outside = float("nan")
    sides = []
    for image in (hu, ppm):
        own = np.where(allowed, sitk.GetArrayFromImage(image), np.nan).astype(np.float32)
        source = sitk.GetImageFromArray(own)
        source.CopyInformation(image)
        sides.append(sitk.GetArrayFromImage(sitk.Resample(source, image, both, sitk.sitkLinear, outside)))
    shown = sitk.GetArrayFromImage(sitk.Resample(filled, hu, both, sitk.sitkLinear, _CLIP_HU[0]))
    part = usable & np.isfinite(sides[0])
    if part.sum() < 1000:
        raise InputError("the two sides of the map hardly overlap", "--baseline mirror", "give a constant baseline")
    whole = sitk.GetArrayFromImage(filled)
    inside = (whole > _CLIP_HU[0] + 1) | (shown > _CLIP_HU[0] + 1)
    r = float(np.corrcoef(whole[inside][::7], shown[inside][::7])[0, 1])
    if not r > 0.3:
        raise InputError(
            f"no midsagittal plane: CT and its mirror image correlate by {r:.2f} only",
            "--baseline mirror",
            "give a constant baseline, or straighten the head first",
        )
    noise = []
    for own, other in zip((values, sitk.GetArrayFromImage(ppm)), sides, strict=True):
        difference = (own - other)[part]
        middle = float(np.median(difference))
        noise.append(1.4826 * float(np.median(np.abs(difference - middle))))
    note = (
        f"the same place on the other side; the sides correlate by {r:.3f} in CT and differ by {noise[0]:.2g} HU and "
        f"{noise[1]:.2g} ppm from voxel to voxel"
    )
    # The difference holds this side's noise as well, which the decomposition adds by itself: half the variance is left.
    half = [n / np.sqrt(2.0) for n in noise]
    return Mirrored(Baseline(sides[0], sides[1], 0.0, 0.0, half[0], half[1], "mirror", note), r)


def _flip(image: sitk.Image) -> sitk.AffineTransform:
    """Left and right exchanged about the middle of the volume."""
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    flip = sitk.AffineTransform(3)
    flip.SetMatrix([-1, 0, 0, 0, 1, 0, 0, 0, 1])
    flip.SetCenter(middle)
    return flip


def _symmetry(image: sitk.Image, flip: sitk.AffineTransform) -> sitk.Euler3DTransform:
    factors = [max(1, round(_MIRROR_MM / s)) for s in image.GetSpacing()]
    small = sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, _MIRROR_MM / 2), factors)
    flipped = sitk.Resample(small, small, flip, sitk.sitkLinear, _CLIP_HU[0])
    start = sitk.Euler3DTransform()
    start.SetCenter(flip.GetCenter())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 200, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    found = method.Execute(small, flipped)
    return sitk.Euler3DTransform(found.GetNthTransform(0) if isinstance(found, sitk.CompositeTransform) else found)


def voxel_noise(values: AnyArray, usable: BoolArray, window: tuple[float, float] | None = None) -> float:
    """Noise SD of a voxel, from differences of voxels two apart, which neither tissue borders nor smoothing decide.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
    usable : ndarray of bool
    window : tuple of float, optional
        Only voxels within it.

    Returns
    -------
    float
        Robust SD of the differences over the root of two; NaN without pairs.
    """
    step = max(1, int((values.size / 2_000_000) ** 0.5))
    part, ok = values[::step, ::step], usable[::step, ::step]
    if window is not None:
        ok = ok & (part > window[0]) & (part < window[1])
    both = ok[..., 2:] & ok[..., :-2]
    difference = (part[..., 2:] - part[..., :-2])[both]
    if difference.size < 50:
        return float("nan")
    middle = float(np.median(difference))
    return 1.4826 * float(np.median(np.abs(difference - middle))) / float(np.sqrt(2.0))
