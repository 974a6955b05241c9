"""Air in a vial: bubbles and empty vials, on CT, on the susceptibility map and on the magnitude."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.results import Modality

Mask = NDArray[np.bool_]
Values = NDArray[np.float32]

_NOISES = 8.0  # a voxel this many noise SDs off its vial is no noise
_CT_DROP_HU = 150.0  # more than any liquid series falls within one vial, far less than air
# Air is 9.4 ppm above water. In real maps the rims of strong vials are up to 0.8 ppm above their middles, since they
# hold a share of the surroundings; the middles are even to 0.3 ppm, settled powder included.
_QSM_STEP_PPM = {"middle": 0.6, "rim": 0.9}
_QSM_SHARE = {"middle": 0.3, "rim": 0.6}  # of the vial's contrast
_QSM_GROW = 0.4  # beside a bubble its dipole field shows, upwards and downwards
_MASKED = 0.01  # share of voxels set to zero for want of signal that is no accident
_VOID = 0.5  # of the vial's median magnitude
_NO_SIGNAL = 0.15  # of the phantom's median magnitude
_LEAST_VOXELS = 4
_LEAST_SHARE = 0.002
_AROUND_MM = 1.5  # point spread around a bubble
AIR_HU = -500.0


def noise_of(values: Values) -> float:
    """SD of a vial's voxels from their median absolute deviation, so that a bubble does not count."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def air_voxels(
    values: Values,
    core: Mask,
    middle_part: Mask,
    modality: Modality,
    typical_noise: float,
    spacing_mm: tuple[float, float, float],
    background: float | None = None,
    magnitude: Values | None = None,
) -> Mask:
    """Voxels of a vial that a bubble spoils.

    On CT air is far below the liquid. On a susceptibility map a bubble is a strong source: voxels in it are far above
    the vial's value, voxels beside it above and below. On the magnitude it is a void. Single voxels are noise; only
    connected ones count, and what the point spread carries around them is left out with them.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        HU or ppm.
    core : ndarray of bool, same shape
        The eroded vial.
    middle_part : ndarray of bool, same shape
        Its voxels far from the wall.
    modality : {"ct", "qsm"}
    typical_noise : float
        Noise SD of the phantom's vials; a bubble raises that of its own.
    spacing_mm : tuple of float
        Of the array's axes.
    background : float, optional
        Median around the vial.
    magnitude : ndarray, optional
        Gradient-echo magnitude of the same voxels.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
    """
    inside = values[core]
    if not inside.size:
        return np.zeros_like(core)
    middle = float(np.median(inside))
    least = max(_LEAST_VOXELS, round(_LEAST_SHARE * inside.size))
    if modality == "ct":
        if middle < AIR_HU:
            return np.zeros_like(core)  # an air insert, or an empty vial: see `empty`
        spoilt = _connected(core & (values < middle - max(_CT_DROP_HU, _NOISES * typical_noise)), least)
    else:
        contrast = abs(middle - (background or 0.0))
        steps = {
            part: max(_QSM_STEP_PPM[part], _NOISES * typical_noise, _QSM_SHARE[part] * contrast)
            for part in ("middle", "rim")
        }
        step = steps["middle"]
        allowed = np.where(middle_part, np.float32(step), np.float32(steps["rim"]))
        seeds = _connected(core & (values > np.float32(middle) + allowed), least)
        if magnitude is not None:
            seeds |= _connected(core & (magnitude < _VOID * np.median(magnitude[core])), least)
        masked = core & (values == 0)
        if typical_noise > 0 and masked.sum() > _MASKED * inside.size:
            seeds |= masked
        off = core & (np.abs(values - np.float32(middle)) > _QSM_GROW * step)
        spoilt = _touching(off | seeds, seeds)
    if not spoilt.any():
        return spoilt
    around = max(_AROUND_MM, 1.01 * min(spacing_mm[1:]))
    near: Mask = ndimage.distance_transform_edt(~spoilt, sampling=spacing_mm) <= around
    return near & core


def _connected(mask: Mask, least: int) -> Mask:
    """Connected parts of at least so many voxels."""
    labels, n = ndimage.label(mask)
    if not n:
        return mask
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    kept: Mask = large[labels]
    return kept


def _touching(mask: Mask, seeds: Mask) -> Mask:
    """Connected parts that hold a seed."""
    labels, n = ndimage.label(mask)
    held = np.zeros(n + 1, dtype=bool)
    held[np.unique(labels[seeds])] = True
    held[0] = False
    kept: Mask = held[labels]
    return kept


def empty(
    inside: Values,
    modality: Modality,
    typical_noise: float,
    expected: float,
    background: float | None,
    magnitude: Values | None = None,
    full_magnitude: float | None = None,
) -> bool:
    """Whether a vial holds air instead of what the protocol says.

    Parameters
    ----------
    inside : ndarray, shape (n,)
        HU or ppm of the eroded vial.
    modality : {"ct", "qsm"}
    typical_noise : float
        Noise SD of the phantom's vials.
    expected : float
        Predicted HU or ppm, NaN when nothing predicts it.
    background : float or None
        Median around the vial.
    magnitude : ndarray, optional
        Magnitude of the same voxels.
    full_magnitude : float, optional
        Median magnitude of the phantom.
    """
    if not inside.size:
        return False
    middle = float(np.median(inside))
    if modality == "ct":
        return middle < AIR_HU and not expected < AIR_HU
    if magnitude is not None and full_magnitude:
        return float(np.median(magnitude)) < _NO_SIGNAL * full_magnitude
    # Air is 9.4 ppm above water; without signal inside, a map shows a noisy part of that.
    rise = middle - (background or 0.0) - 1.6 * max(expected if np.isfinite(expected) else 0.0, 0.0)
    return rise > 1.0 and noise_of(inside) > max(5.0 * typical_noise, 0.2)
