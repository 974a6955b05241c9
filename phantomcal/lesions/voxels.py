"""What lies where inside a lesion: iron-like and calcium-like voxels, and whether calcium is a rim around blood."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage, stats

from phantomcal.accuracy.proportions import wilson
from phantomcal.correlation.regions import sample_regions
from phantomcal.lesions.assumptions import CLASSES, Assumptions
from phantomcal.lesions.likelihood import Readings, posterior
from phantomcal.lesions.measure import ct_on, surroundings
from phantomcal.results import LesionComposition

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

IRON, CALCIUM, NEITHER = 1, 2, 0
NAMED_FROM = 0.9
# Voxels are smoothed until their noise is no larger than this, or the width of two voxels is reached.
_AIM_PPM, _AIM_HU = 0.02, 6.0
_WIDTHS = (0.0, 1.0, 1.5, 2.0)
_LEAST_SHARE = 0.05
_LEAST_LIFT_HU = 15.0
_LEAST_EFFECTIVE = 6.0
_RIM_P = 0.05
_PRIOR: Mapping[str, float] = {"haemorrhage": 0.45, "calcification": 0.45, "mixed": 0.05, "nothing": 0.05}
_FWHM_TO_SIGMA = 1 / 2.3548
_UNIT_VOLUME = (2 * np.sqrt(np.pi)) ** 3


@dataclass(frozen=True)
class Inside:
    """The voxels of one lesion.

    Attributes
    ----------
    composition : LesionComposition
    kinds : ndarray of uint8, shape (z, y, x)
        1 iron-like, 2 calcium-like, 0 neither or outside, on the lesion's box.
    box : tuple of slice
        Where the box lies in the map.
    """

    composition: LesionComposition
    kinds: NDArray[np.uint8]
    box: tuple[slice, slice, slice]


def look_inside(
    labels: sitk.Image,
    known: Assumptions,
    *,
    qsm: sitk.Image,
    ct: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
) -> dict[int, Inside]:
    """Tell the voxels of every lesion apart.

    Noise and surroundings are those of a shell of tissue around the lesion. Voxels are smoothed inside the lesion
    (normalised convolution, so that nothing flows in from outside) by the narrowest Gaussian that brings the noise to
    0.02 ppm and 6 HU, two voxels wide at most. Each is then held against blood, calcium, both and tissue as whole
    lesions are (`phantomcal.lesions.likelihood`): iron-like from a probability of 0.9 of blood, with a positive excess;
    calcium-like from 0.9 of calcium, with or without blood beside it.

    Parameters
    ----------
    labels : SimpleITK.Image
        On the grid of `qsm`.
    known : Assumptions
    qsm : SimpleITK.Image
        ppm.
    ct : SimpleITK.Image, optional
        HU. Without it no pattern is named: streaks of the reconstruction around blood look like calcium.
    transform : SimpleITK.Transform, optional
        Points of the map to points of the CT.

    Returns
    -------
    dict of int to Inside
        By label; lesions without a measured voxel are left out.

    Notes
    -----
    A share is that of voxels, with Wilson's interval on the number of independent ones. Rim against core (outer and
    inner half of the voxels by depth) is Fisher's exact test, on independent voxels too.
    """
    shells = surroundings(labels)
    if not sitk.GetArrayViewFromImage(shells).any():
        return {}
    around = sample_regions(shells, ct=ct, qsm=qsm, transform=transform).set_index("label").to_dict("index")
    array = sitk.GetArrayViewFromImage(labels)
    spacing = np.array(labels.GetSpacing()[::-1])
    boxes = ndimage.find_objects(np.asarray(array, dtype=np.int64))
    values = sitk.GetArrayViewFromImage(qsm)
    found = {}
    for label, box in enumerate(boxes, start=1):
        if box is None or label not in around:
            continue
        shell = around[label]
        z, y, x = box
        mask = np.asarray(array[box] == label)
        ppm = np.asarray(values[box], dtype=np.float64)
        hu = None if ct is None else ct_on(ct, _cropped(labels, (z, y, x)), transform)
        mask &= np.isfinite(ppm) & (np.isfinite(hu) if hu is not None else True)
        background = (float(shell["ct_hu"]) if ct is not None else np.nan, float(shell["qsm_ppm"]))
        noise = (_noise(shell, "ct", "hu", ct), _noise(shell, "qsm", "ppm", qsm))
        if mask.any() and np.isfinite(background[1]) and np.isfinite(noise[1][0]):
            found[label] = _one(mask, ppm, hu, background, noise, spacing, (z, y, x), known)
    return found


def _one(
    mask: Bool,
    ppm: Array,
    hu: Array | None,
    background: tuple[float, float],
    noise: tuple[tuple[float, float], ...],
    spacing: Array,
    box: tuple[slice, slice, slice],
    known: Assumptions,
) -> Inside:
    fwhm, noise_hu, noise_ppm, shared = _width(noise)
    sigma = fwhm * _FWHM_TO_SIGMA
    smooth_ppm = _within(ppm, mask, sigma)
    smooth_hu = None if hu is None else _within(hu, mask, sigma)
    n = int(mask.sum())
    n_effective = float(np.clip(n / shared, 1.0, n))
    probabilities = _voxel_probabilities(
        smooth_ppm[mask],
        None if smooth_hu is None else smooth_hu[mask],
        background,
        (noise_hu, noise_ppm),
        mask,
        spacing,
        known,
    )
    blood, calcium, both, _ = (probabilities[:, k] for k in range(len(CLASSES)))
    kinds = np.zeros(mask.shape, np.uint8)
    kinds[mask] = np.where(
        (blood >= NAMED_FROM) & (smooth_ppm[mask] > background[1]),
        IRON,
        np.where(calcium + both >= NAMED_FROM, CALCIUM, NEITHER),
    )
    iron_share, calcium_share = (float((kinds[mask] == kind).mean()) for kind in (IRON, CALCIUM))
    intervals = [wilson(p * n_effective, n_effective) for p in (iron_share, calcium_share)]
    rim, core, rim_p = _rim(kinds, mask, spacing, n_effective / n)
    composition = LesionComposition(
        n_voxels=n,
        n_effective=n_effective,
        iron_share=iron_share,
        iron_share_se=_share_error(iron_share, n_effective),
        iron_share_ci95=intervals[0],
        calcium_share=calcium_share,
        calcium_share_se=_share_error(calcium_share, n_effective),
        calcium_share_ci95=intervals[1],
        neither_share=max(1.0 - iron_share - calcium_share, 0.0),
        calcium_share_rim=rim,
        calcium_share_core=core,
        rim_p=rim_p,
        smoothing_fwhm_mm=float(fwhm * np.cbrt(np.prod(spacing))),
        voxel_noise_ppm=noise_ppm,
        voxel_noise_hu=None if hu is None else noise_hu,
    )
    return Inside(_worded(composition, smooth_hu, kinds, background[0]), kinds, box)


def _worded(
    found: LesionComposition, hu: Array | None, kinds: NDArray[np.uint8], background_hu: float
) -> LesionComposition:
    """The pattern, where the data support one."""
    two = found.iron_share_ci95[0] > _LEAST_SHARE and found.calcium_share_ci95[0] > _LEAST_SHARE
    if found.n_effective < _LEAST_EFFECTIVE:
        return found.model_copy(
            update={"note": f"{found.n_effective:.1f} independent voxels are too few for a pattern"}
        )
    if not two:
        return found
    if hu is None:
        note = "iron-like and calcium-like voxels, but without CT not told from streaks of the reconstruction"
        return found.model_copy(update={"note": note})
    # A streak of the reconstruction is diamagnetic but no denser than tissue.
    lift = float(np.median(hu[kinds == CALCIUM])) - background_hu
    if not lift > max(_LEAST_LIFT_HU, 3.0 * (found.voxel_noise_hu or 0.0)):
        note = (
            f"calcium-like voxels are only {lift:.0f} HU above the surroundings: may be streaks of the reconstruction"
        )
        return found.model_copy(update={"note": note})
    pattern = "blood and calcium side by side"
    if found.rim_p is not None and found.rim_p < _RIM_P and found.calcium_share_rim is not None:
        outward = found.calcium_share_rim > (found.calcium_share_core or 0.0)
        pattern = "calcified rim around blood" if outward else "blood around a calcified core"
    return found.model_copy(update={"pattern": pattern})


def _voxel_probabilities(
    ppm: Array,
    hu: Array | None,
    background: tuple[float, float],
    noise: tuple[float, float],
    mask: Bool,
    spacing: Array,
    known: Assumptions,
) -> Array:
    n = ppm.size
    diameter = float((6.0 * mask.sum() * np.prod(spacing) / np.pi) ** (1 / 3))
    readings = Readings(
        np.full(n, np.nan) if hu is None else hu,
        ppm,
        np.full(n, np.hypot(np.nan_to_num(noise[0]), known.floor_hu)),
        np.full(n, np.hypot(noise[1], known.floor_ppm)),
        np.full(n, known.tissue_hu if np.isnan(background[0]) else background[0]),
        np.full(n, known.local_hu_sd),
        np.full(n, background[1]),
        np.full(n, known.local_ppm_sd),
        np.full(n, diameter),
    )
    found = posterior(readings, replace(known, prior=dict(_PRIOR)))
    return found.probabilities["qsm" if hu is None else "both"]


def _noise(shell: Mapping[Hashable, Any], modality: str, unit: str, image: sitk.Image | None) -> tuple[float, float]:
    """SD of a voxel's noise around the lesion, and how many voxels share one independent value."""
    if image is None:
        return float("nan"), 1.0
    effective = float(shell[f"{modality}_n_effective"])
    return float(shell[f"{modality}_sem_{unit}"]) * np.sqrt(effective), float(shell["n_voxels"]) / effective


def _width(noise: tuple[tuple[float, float], ...]) -> tuple[float, float, float, float]:
    """Smoothing (FWHM, voxels), the noise left in HU and ppm, and voxels that share one independent value.

    White noise through a Gaussian point spread is taken to lie in the voxels already; widths add in quadrature.
    """
    (sd_hu, shared_hu), (sd_ppm, shared_ppm) = noise
    for fwhm in _WIDTHS:
        added = (fwhm * _FWHM_TO_SIGMA) ** 2
        left_hu, left_ppm = (
            sd * (own / (own + added)) ** 0.75
            for sd, own in ((sd_hu, _own_variance(shared_hu)), (sd_ppm, _own_variance(shared_ppm)))
        )
        if left_ppm <= _AIM_PPM and not left_hu > _AIM_HU:
            break
    most = max(_own_variance(s) for s in (shared_hu, shared_ppm))
    return fwhm, float(left_hu), float(left_ppm), float(_UNIT_VOLUME * (most + added) ** 1.5)


def _own_variance(shared: float) -> float:
    """Variance (voxels squared) of the point spread that makes so many voxels share one independent value."""
    return float((max(shared, 1.0) / _UNIT_VOLUME) ** (2 / 3))


def _within(values: Array, mask: Bool, sigma: float) -> Array:
    """Gaussian mean over the voxels of the mask alone."""
    if sigma <= 0:
        return values
    weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(mask, values, 0.0), sigma, mode="constant")
    return np.asarray(total / np.maximum(weight, 1e-6))


def _rim(
    kinds: NDArray[np.uint8], mask: Bool, spacing: Array, independent: float
) -> tuple[float | None, float | None, float | None]:
    """Calcium's share in the outer and the inner half of the voxels, and p of the difference."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1][mask]
    inner = depth > np.median(depth)
    if not inner.any() or inner.all():
        return None, None, None
    calcium = kinds[mask] == CALCIUM
    rim, core = float(calcium[~inner].mean()), float(calcium[inner].mean())
    counts = [
        [round(float(part.sum()) * independent), round(float((~part).sum()) * independent)]
        for part in (calcium[~inner], calcium[inner])
    ]
    return rim, core, float(stats.fisher_exact(np.array(counts)).pvalue)


def _share_error(p: float, n: float) -> float:
    """Standard error of a share; of none or all that of Agresti and Coull, which is not 0."""
    moved = (p * n + 2.0) / (n + 4.0)
    return float(np.sqrt(moved * (1 - moved) / (n + 4.0)))


def _cropped(labels: sitk.Image, box: tuple[slice, slice, slice]) -> sitk.Image:
    start, stop = [s.start for s in box[::-1]], [s.stop for s in box[::-1]]
    return sitk.RegionOfInterest(labels, [b - a for a, b in zip(start, stop, strict=True)], start)
