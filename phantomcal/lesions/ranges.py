"""More materials than readings: how much of each could be there."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantomcal.lesions.decompose import Baseline
from phantomcal.lesions.system import System

_ROUNDING = 1e-9
AnyArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest amount of each material that the readings allow, mmol/L; arrays of shape (m, ...).

    Attributes
    ----------
    names : tuple of str
    low, high : ndarray
        Over all non-negative mixtures that give the readings exactly. Where none does (noise, or a wrong baseline),
        both are the nearest mixture in the metric of the noise.
    exact : ndarray of bool
        Whether some mixture gives the readings.
    """

    names: tuple[str, ...]
    low: AnyArray
    high: AnyArray
    exact: NDArray[np.bool_]


def feasible_amounts(
    hu: AnyArray | float,
    ppm: AnyArray | float,
    *,
    hu_se: AnyArray | float,
    ppm_se: AnyArray | float,
    system: System,
    baseline: Baseline,
) -> Ranges:
    """Range of every material's amount over all mixtures that explain HU and ppm.

    The mixtures ``S c = y``, ``c >= 0`` form a polytope, and the extremes of an amount lie in its corners, in which at
    most two materials are there: the smallest and largest over all pairs with non-negative amounts are those over all
    mixtures (linear programming by its basic solutions, which for two equations is a closed form).

    Parameters
    ----------
    hu, ppm, hu_se, ppm_se, baseline
        As `phantomcal.lesions.decompose.decompose` takes them.
    system : System
        Of two materials or more.

    Returns
    -------
    Ranges

    References
    ----------
    Dantzig, Linear Programming and Extensions, 1963 (basic feasible solutions).
    """
    y = np.broadcast_arrays(
        np.subtract(hu, baseline.hu, dtype=np.float64), np.subtract(ppm, baseline.ppm, dtype=np.float64)
    )
    m = len(system.components)
    shape = y[0].shape
    low = np.full((m, *shape), np.inf)
    high = np.full((m, *shape), -np.inf)
    exact = np.zeros(shape, np.bool_)
    s = system.slopes
    for i, j in combinations(range(m), 2):
        det = s[0, i] * s[1, j] - s[0, j] * s[1, i]
        if abs(det) <= 1e-12 * np.linalg.norm(s[:, i]) * np.linalg.norm(s[:, j]):
            continue
        a = (s[1, j] * y[0] - s[0, j] * y[1]) / det
        b = (s[0, i] * y[1] - s[1, i] * y[0]) / det
        # On an edge of the cone rounding decides about the sign.
        least_a = -_ROUNDING * (abs(s[1, j]) * np.abs(y[0]) + abs(s[0, j]) * np.abs(y[1])) / abs(det)
        least_b = -_ROUNDING * (abs(s[0, i]) * np.abs(y[1]) + abs(s[1, i]) * np.abs(y[0])) / abs(det)
        fits = (a >= least_a) & (b >= least_b)
        a, b = np.maximum(a, 0.0), np.maximum(b, 0.0)
        exact |= fits
        for k in range(m):
            amount = a if k == i else b if k == j else np.zeros(shape)
            low[k] = np.where(fits, np.minimum(low[k], amount), low[k])
            high[k] = np.where(fits, np.maximum(high[k], amount), high[k])
    nearest = _single(y, s, np.square(hu_se, dtype=np.float64), np.square(ppm_se, dtype=np.float64))
    missing = np.isnan(y[0]) | np.isnan(y[1])
    low = np.where(missing, np.nan, np.where(exact, low, nearest))
    high = np.where(missing, np.nan, np.where(exact, high, nearest))
    return Ranges(system.names, low, high, exact)


def _single(y: Any, s: AnyArray, hu_variance: Any, ppm_variance: Any) -> AnyArray:
    """Nearest mixture where none is exact: outside the cone of the materials it lies on one of its edges."""
    m = s.shape[1]
    amounts, gains = [], []
    for k in range(m):
        along = np.maximum(s[0, k] * y[0] / hu_variance + s[1, k] * y[1] / ppm_variance, 0.0)
        amount = along / (s[0, k] ** 2 / hu_variance + s[1, k] ** 2 / ppm_variance)
        amounts.append(amount)
        gains.append(along * amount)
    best = np.argmax(np.stack(gains), axis=0)
    return np.stack([np.where(best == k, amounts[k], 0.0) for k in range(m)])


def ambiguity(system: System) -> list[str]:
    """What two readings cannot tell apart among three materials or more, in words."""
    m = len(system.components)
    if m < 3:
        return []
    angle = np.arctan2(*(system.slopes / np.abs(system.slopes).max(axis=1, keepdims=True)))
    order = np.argsort(angle)
    names = system.names
    told = [
        f"HU and ppm are two readings: of {m} materials they give ranges, not amounts, except where all but two are "
        "known to be absent"
    ]
    for k in order[1:-1]:
        first, last = names[order[0]], names[order[-1]]
        told.append(f"{names[k]} cannot be told from a mixture of {first} and {last} that gives the same HU and ppm")
    return told
