"""The sums of HU and ppm that one lesion adds, and how well they are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.lesions.decompose import Baseline
from phantomcal.lesions.template import Fitted, Sharpness, fit_total
from phantomcal.lesions.variogram import variance_of_sum

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_Box = tuple[slice, slice, slice]

_WIDER = 1.4  # how much farther the tissue is looked at for comparison
_FARTHER = (1.5, 2.0, 3.0)  # and where nothing near is free of blur
_AROUND_MM = 12.0
_OUTLIER_SD = 4.0
_FEW_DOF, _MOST_DOF = 4.0, 200.0
_SHELL_MM, _MOST_GROWTH_MM = 1.0, 4.0
_FAR_MM = (5.5, 9.0)
_CLEAR_SD = 3.0
_FEW_FAR = 100
_STILL_LESION, _HALF = 0.75, 0.5


@dataclass(frozen=True)
class Total:
    """What one lesion adds.

    Attributes
    ----------
    volume_mm3 : float
        Of the mask.
    body_mm3 : float
        Of the lesion as it was summed: larger where the mask was drawn inside its visible edge.
    sums : ndarray, shape (2,)
        Excess HU times mm3, and ppm times mm3.
    variance : ndarray, shape (2,)
        From noise and texture.
    degrees_of_freedom : float
        Of that.
    form_variance : ndarray, shape (2,)
        From the assumed blur and from where the tissue is looked at.
    shared_variance : ndarray, shape (2,)
        From a baseline that was given.
    tissue, tissue_se : ndarray, shape (2,)
        HU and ppm of the tissue.
    n_tissue : int
    centre_index : tuple of int
        (x, y, z).
    notes : list of str
    """

    volume_mm3: float
    body_mm3: float
    sums: Array
    variance: Array
    degrees_of_freedom: float
    form_variance: Array
    shared_variance: Array
    tissue: Array
    tissue_se: Array
    n_tissue: int
    centre_index: tuple[int, int, int]
    notes: list[str]


def lesion_total(
    fields: tuple[NDArray[Any], NDArray[Any]],
    labels: NDArray[np.integer],
    number: int,
    extent: _Box,
    usable: BoolArray,
    free: BoolArray,
    spacing_mm: tuple[float, float, float],
    how: Sharpness,
    reach: float,
    baseline: Baseline | None,
    name: str,
) -> Total:
    """What one lesion adds to CT and map.

    Parameters
    ----------
    fields : tuple of ndarray, shape (z, y, x)
        HU and ppm, less the baseline where one is given.
    labels : ndarray of int
    number : int
        The label.
    extent : tuple of slice
        Its bounding box.
    usable, free : ndarray of bool
        Where both readings are, and where besides no lesion is near.
    spacing_mm : tuple of float
        Voxel size (x, y, z).
    how : Sharpness
    reach : float
        How far around the mask the tissue is looked at, mm.
    baseline : Baseline, optional
    name : str
        For messages.

    Returns
    -------
    Total

    Raises
    ------
    InputError
        No voxel of the lesion has both readings.
    """
    step = np.array(spacing_mm[::-1])
    box = _widened(extent, np.ceil((_WIDER * reach + _AROUND_MM) / step).astype(int), labels.shape)
    mask = labels[box] == number
    ok = usable[box]
    if not (mask & ok).any():
        raise InputError(
            f"{name} has no voxel with both readings", "the label map", "check CT coverage and the map's mask"
        )
    images = [np.asarray(np.where(ok, f[box], 0.0), dtype=np.float64) for f in fields]
    distance = ndimage.distance_transform_edt(~mask, sampling=step)
    others = (labels[box] != 0) & ~mask
    own = ok & ~others
    notes = []
    if others.any():
        theirs = ndimage.distance_transform_edt(~others, sampling=step)
        contested = own & (theirs < np.minimum(distance, reach))
        own &= ~contested
        if int((contested & (distance <= reach)).sum()):
            notes.append("another lesion is close: what blur mixes between the two is parted by the model alone")
    given = mask
    grown, body = _drawn_inside(images, mask, own, distance, step)
    if grown > 0:
        mask = body
        distance = ndimage.distance_transform_edt(~mask, sampling=step)
        notes.append(f"its mask lies inside its visible edge: widened by about {grown:.2g} mm for the sums")
    fit_tissue = baseline is None
    lost = float((mask & ~ok).sum()) / float(mask.sum())
    if lost > 0:
        notes.append(f"{lost:.0%} of its mask has no reading (edge of the map or of the CT): filled by the model")
    both = None
    for farther in (1.0, *_FARTHER):  # coarse images blur a lesion over all that is near
        both = _both_fits(images, mask, own, distance, spacing_mm, how, farther * reach, fit_tissue, grown > 0)
        if both is not None:
            if farther > 1:
                notes.append(f"blurred widely: the tissue around it is looked at out to {farther * reach:.2g} mm")
            reach *= farther
            break
    if both is None:
        raise InputError(
            f"{name} has too little tissue around it to tell what it adds",
            "the label map",
            "give what the tissue reads with --baseline",
        )
    fits = [first for first, _ in both]
    form = np.array([sum(share * (other.total - first.total) ** 2 for other, share in more) for first, more in both])
    around = free[box] & (distance > reach)
    around &= _plain(images, around)
    variance = np.array(
        [variance_of_sum(f.weights, i, around, about_zero=not fit_tissue) for f, i in zip(fits, images, strict=True)]
    )
    summed = float((distance <= reach).sum())
    dof = float(np.clip(around.sum() / summed - 1.0, _FEW_DOF, _MOST_DOF))
    if np.isnan(variance).any():
        near = own & ~mask & (distance <= _WIDER * reach)
        variance = np.array(
            [
                float(np.square(f.weights).sum()) * 4.0 * _robust_variance(i[near])
                for f, i in zip(fits, images, strict=True)
            ]
        )
        dof = _FEW_DOF
        notes.append("too little free tissue around to see its noise: four times that of unconnected voxels is taken")
    left = max(f.n_left_out for f in fits)
    if left > 0.2 * summed:
        notes.append(f"{left} voxels around it read otherwise than tissue (vessel, bone, fluid) and were left out")
    voxel = float(np.prod(spacing_mm))
    tissue = np.array([f.tissue for f in fits])
    if fit_tissue:
        # The level rests on the same voxels as the sum does: its error is that of the sum over the voxels summed.
        tissue_se, shared = np.sqrt(variance) / summed, np.zeros(2)
    else:
        assert baseline is not None
        tissue = np.array(
            [float(np.mean(np.broadcast_to(b, labels.shape)[box][mask])) for b in (baseline.hu, baseline.ppm)]
        )
        tissue_se = np.array([baseline.hu_se, baseline.ppm_se])
        shared = np.array([(float(f.weights.sum()) * se) ** 2 for f, se in zip(fits, tissue_se, strict=True)])
    middle = np.argwhere(mask).mean(axis=0) + [s.start for s in box]
    z, y, x = (round(float(v)) for v in middle)
    return Total(
        float(given.sum()) * voxel,
        float(mask.sum()) * voxel,
        np.array([f.total for f in fits]) * voxel,
        variance * voxel**2,
        dof,
        form * voxel**2,
        shared * voxel**2,
        tissue,
        tissue_se,
        min(f.n_tissue for f in fits) if fit_tissue else 0,
        (x, y, z),
        notes,
    )


def _drawn_inside(
    images: list[Array], mask: BoolArray, own: BoolArray, distance: Array, step: Array
) -> tuple[float, BoolArray]:
    """How far the lesion reaches beyond its mask, mm, and what of that is above half its height.

    Judged in the image that shows it best, shell by shell.
    """
    far = own & (distance > _FAR_MM[0]) & (distance <= _FAR_MM[1])
    inside = own & mask
    if far.sum() < _FEW_FAR or not inside.any():
        return 0.0, mask
    shown = []
    for image in images:
        level = float(np.median(image[far]))
        # The quarter that stands out most: half of a rim or of a mixed lesion may look like tissue.
        height = max(np.quantile(image[inside], (0.25, 0.75)).tolist(), key=lambda v: abs(v - level))
        clear = abs(height - level) / max(np.sqrt(_robust_variance(image[far])), 1e-12)
        shown.append((clear, (image - level) / (height - level) if height != level else image * 0.0))
    clear, share = max(shown, key=lambda s: s[0])
    if clear < _CLEAR_SD:
        return 0.0, mask
    reached = 0.0
    shell = max(_SHELL_MM, float(step.min()))
    while reached < _MOST_GROWTH_MM:
        ring = own & (distance > reached) & (distance <= reached + shell)
        # The median, as a vessel beside it is no lesion. The first shell of a right mask is blurred edge.
        enough = _HALF if reached else _STILL_LESION
        if not ring.any() or float(np.median(share[ring])) < enough:
            break
        reached += shell
    if not reached:
        return 0.0, mask
    return reached, mask | (own & (distance <= reached + shell) & (share >= _HALF))


def _both_fits(
    images: list[Array],
    mask: BoolArray,
    own: BoolArray,
    distance: Array,
    spacing_mm: tuple[float, float, float],
    how: Sharpness,
    reach: float,
    tissue: bool,
    grown: bool,
) -> list[tuple[Fitted, list[tuple[Fitted, float]]]] | None:
    """Fits of CT and map, each with the others that say how much it depends on what was assumed; None if one fails."""
    step = np.array(spacing_mm[::-1])
    found = []
    for k, sigma in enumerate((how.ct_mm, how.qsm_mm)):
        first, others = _fits(images[k], mask, own, distance, sigma, spacing_mm, how, reach, tissue, k == 1)
        if first is None:
            return None
        if grown:  # how far it reaches is a guess: a shell more changes the sum by this
            more = mask | ((distance <= max(_SHELL_MM, float(step.min()))) & own)
            away = ndimage.distance_transform_edt(~more, sampling=step)
            other, _ = _fits(images[k], more, own, away, sigma, spacing_mm, how, reach, tissue, k == 1)
            if other is not None:
                others.append((other, 1.0))
        found.append((first, others))
    return found


def _fits(
    image: Array,
    mask: BoolArray,
    own: BoolArray,
    distance: Array,
    sigma: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    how: Sharpness,
    reach: float,
    tissue: bool,
    centred: bool,
) -> tuple[Fitted | None, list[tuple[Fitted, float]]]:
    """The fit, and those with more blur, a wider look and no search, that say how much it depends on each."""
    # A box around the fitted part is all the fits need.
    part = ndimage.find_objects((distance <= _WIDER * reach + 2 * max(spacing_mm)).astype(np.uint8))[0]
    more = 1.0 + how.relative_se[1 if centred else 0]
    wide = (sigma[0] * more, sigma[1] * more, sigma[2] * more)
    asked = [(sigma, reach, centred), (wide, reach, centred), (sigma, _WIDER * reach, centred)]
    shares = [1.0, 1.0, 1.0]
    if not centred:  # the search for its place mends most of what it changes
        asked.append((sigma, reach, True))
        shares.append(0.5)
    found = [
        fit_total(image[part], mask[part], own[part], distance[part], s, spacing_mm, reach=r, tissue=tissue, centred=c)
        for s, r, c in asked
    ]
    placed = []
    for fit, share in zip(found, shares, strict=True):
        if fit is None:
            continue
        weights = np.zeros(image.shape)
        weights[part] = fit.weights
        placed.append((Fitted(fit.total, fit.tissue, weights, fit.n_tissue, fit.n_left_out), share))
    return (None, []) if found[0] is None else (placed[0][0], placed[1:])


def extents_of(labels: NDArray[np.integer]) -> dict[int, _Box]:
    """Bounding box of every label above 0, in ascending order."""
    filled = labels > 0
    if not filled.any():
        return {}
    spans = [np.flatnonzero(filled.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (slice(int(s[0]), int(s[-1]) + 1) for s in spans)
    found = {}
    for number, own in enumerate(ndimage.find_objects(labels[z, y, x].astype(np.int64)), start=1):
        if own is not None:
            at = [slice(o.start + s.start, o.stop + s.start) for o, s in zip(own, (z, y, x), strict=True)]
            found[number] = (at[0], at[1], at[2])
    return found


def near_lesions(
    labels: NDArray[np.integer], extents: Mapping[int, _Box], spacing_mm: tuple[float, float, float], reach: float
) -> BoolArray:
    """Lesions and what lies within reach of one."""
    step = np.array(spacing_mm[::-1])
    near = np.zeros(labels.shape, np.bool_)
    pad = np.ceil(reach / step).astype(int)
    for extent in extents.values():
        box = _widened(extent, pad, labels.shape)
        near[box] |= ndimage.distance_transform_edt(labels[box] == 0, sampling=step) <= reach
    return near


def neighbourhood(
    labels: NDArray[np.integer], number: int, extent: _Box, spacing_mm: tuple[float, float, float], reach: float
) -> tuple[_Box, BoolArray]:
    """Voxels of a lesion and within reach of it, in a box of the volume."""
    step = np.array(spacing_mm[::-1])
    box = _widened(extent, np.ceil(reach / step).astype(int), labels.shape)
    return box, np.asarray(ndimage.distance_transform_edt(labels[box] != number, sampling=step) <= reach)


def voxel_sharpness(spacing_mm: tuple[float, float, float]) -> Sharpness:
    """Blur of images as sharp as their voxels: a full width at half maximum of one voxel, at least 1 mm.

    Averaging over a voxel blurs by 0.29 of it besides; the CT is interpolated linearly, which blurs by up to 0.41.
    """
    return sharpness_of(spacing_mm, np.eye(3), spacing_mm)


def sharpness_of(
    ct_spacing_mm: tuple[float, float, float], ct_axes: Array, map_spacing_mm: tuple[float, float, float]
) -> Sharpness:
    """Blur of CT and map along the map's axes.

    Parameters
    ----------
    ct_spacing_mm, map_spacing_mm : tuple of float
        Voxel sizes (x, y, z).
    ct_axes : ndarray, shape (3, 3)
        Columns: the CT's axes in the map's.

    Returns
    -------
    Sharpness
        For the CT: voxel average, linear interpolation (variance of a sixth of the squared voxel) and a point spread of
        0.8 mm full width; for the map: voxel average and a point spread of 1 mm or one voxel, whichever is less sharp.
    """
    ct = np.square(ct_spacing_mm) * (1 / 12 + 1 / 6) + (0.8 / 2.3548) ** 2
    ct_along = np.sqrt(np.square(ct_axes) @ ct)
    spread = np.maximum(np.array(map_spacing_mm), 1.0) / 2.3548
    own = np.sqrt(np.square(map_spacing_mm) / 12 + spread**2)
    return Sharpness(
        (float(ct_along[0]), float(ct_along[1]), float(ct_along[2])), (float(own[0]), float(own[1]), float(own[2]))
    )


def _plain(images: list[Array], free: BoolArray) -> BoolArray:
    """Free tissue without vessels, bone and the like: within four robust SD of the median in both images."""
    keep = free.copy()
    for image in images:
        values = image[free]
        if values.size:
            middle = float(np.median(values))
            sd = np.sqrt(_robust_variance(values))
            if sd > 0:
                keep &= np.abs(image - middle) <= _OUTLIER_SD * sd
    return keep


def _robust_variance(values: Array) -> float:
    return float((1.4826 * np.median(np.abs(values - np.median(values)))) ** 2) if values.size else float("nan")


def _widened(extent: _Box, pad: NDArray[np.integer], shape: tuple[int, ...]) -> _Box:
    a, b, c = (
        slice(max(s.start - int(p), 0), min(s.stop + int(p), n)) for s, p, n in zip(extent, pad, shape, strict=True)
    )
    return a, b, c
