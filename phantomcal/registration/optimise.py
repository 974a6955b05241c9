"""The nearest top of the mutual information, by quasi-Newton steps in directions that are equally steep."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from phantomcal.registration.metric import N_BINS, Level, Pose, mutual_information, stepped
from phantomcal.registration.threads import together

# Stop where a further step would gain less, nats. A tenth of a millimetre from the top costs 1e-3 at the finest level.
COARSE_GAIN, MIDDLE_GAIN, FINE_GAIN = 1e-4, 1e-5, 1e-6

_TYPICAL_CURVATURE = 0.02  # nats per mm^2, of heads at 6 mm
_LEAST_CURVATURE = 0.1  # share of the middle one below which a direction counts as flat
_PROBE_MM = 0.25


def climb(
    level: Level, start: Pose, *, tolerance: float, most: int = 40, curvature: NDArray[np.float64] | None = None
) -> tuple[Pose, float]:
    """Follow the gradient from `start` to the nearest top by quasi-Newton steps (BFGS).

    Parameters
    ----------
    level : Level
        Images and samples.
    start : tuple of ndarray
        Pose to start from.
    tolerance : float
        Stop where a Newton step along any axis would gain less than this, nats.
    most : int
        Steps.
    curvature : ndarray, shape (6, 6), optional
        Nats per mm^2 near the top, as from `curvature_at`: saves most of the steps.

    Returns
    -------
    pose : tuple of ndarray
    nats : float
        Mutual information there.
    """
    from phantomcal.registration import metric_kernel

    # In these units a Newton step is the gradient itself, and half its square is what it gains.
    units = np.eye(6) / np.sqrt(_TYPICAL_CURVATURE)
    if curvature is not None and curvature.any():
        size, axes = np.linalg.eigh(curvature)
        size = np.maximum(np.abs(size), _LEAST_CURVATURE * np.median(np.abs(size)))
        units = axes / np.sqrt(size)
    rotation, centre_mm = start
    step, nats, _ = metric_kernel.climb(
        level.fixed_bins, level.offsets_mm, level.moving, level.to_index, level.origin_mm, N_BINS,
        np.ascontiguousarray(rotation), np.ascontiguousarray(centre_mm), np.ascontiguousarray(units), tolerance, most,
    )  # fmt: skip
    return stepped(start, step), float(nats)


def curvature_at(level: Level, pose: Pose) -> NDArray[np.float64]:
    """Second derivatives of the mutual information in `stepped`'s parameters, nats per mm^2, shape (6, 6).

    Central differences of the analytic gradient over 0.25 mm.
    """
    probes = [stepped(pose, step) for step in _PROBE_MM * np.vstack([np.eye(6), -np.eye(6)])]
    slopes = np.array(together([partial(_slope, level, probe) for probe in probes]))
    found: NDArray[np.float64] = (slopes[:6] - slopes[6:]) / (2 * _PROBE_MM)
    return 0.5 * (found + found.T)


def _slope(level: Level, pose: Pose) -> NDArray[np.float64]:
    return mutual_information(level, pose)[1]
