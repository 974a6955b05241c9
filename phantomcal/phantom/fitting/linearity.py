"""Is it a straight line at all? Bend, lack of fit, and the widest range in which it is straight."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.phantom.fitting.influence import influence

Array = NDArray[np.float64]

ALPHA = 0.05
BEND = 0.02  # share of the span below which a significant bend changes no reading that matters
_LEAST_LEVELS = 4
_OFF = 0.01


def curvature(x: Array, y: Array, weights: Array | None = None) -> tuple[float, float] | None:
    """Test of the quadratic term, and how much bend it stands for.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional
        Of a weighted line.

    Returns
    -------
    (p, share) or None
        p of the quadratic term, and the largest distance between parabola and straight line over the points as a share
        of the line's span; None with fewer than four distinct levels.

    References
    ----------
    QIBA: Obuchowski et al. 2016 (PMC4831211): test the quadratic term first.
    """
    if len(np.unique(x)) < _LEAST_LEVELS:
        return None
    root = np.ones(len(x)) if weights is None else np.sqrt(weights / np.mean(weights))
    z = (x - x.mean()) / x.std()
    plain = np.stack([np.ones_like(z), z, z**2], axis=1)
    design = plain * root[:, None]
    solution, *_ = np.linalg.lstsq(design, y * root, rcond=None)
    line, *_ = np.linalg.lstsq(design[:, :2], y * root, rcond=None)
    straight = plain[:, :2] @ line
    share = float(np.max(np.abs(plain @ solution - straight)) / max(float(np.ptp(straight)), 1e-300))
    dof = len(x) - 3
    residual = y * root - design @ solution
    scatter = float(residual @ residual) / dof
    if scatter <= 1e-24 * float(np.var(y)):
        return (1.0 if share < 1e-9 else 0.0), share
    error = float(np.sqrt(scatter * np.linalg.inv(design.T @ design)[2, 2]))
    return float(2 * stats.t.sf(abs(solution[2]) / error, dof)), share


def lack_of_fit(x: Array, y: Array) -> float | None:
    """F test of the straight line against free means of replicated levels.

    Returns
    -------
    float or None
        p; None without replicates, or with fewer than three levels, where there is nothing to lack.

    References
    ----------
    Draper, Smith, Applied Regression Analysis, 3rd ed., section 2.1.
    """
    levels, group = np.unique(x, return_inverse=True)
    n, k = len(x), len(levels)
    if k < 3 or n == k:
        return None
    means = np.bincount(group, y) / np.bincount(group)
    pure = float(np.sum((y - means[group]) ** 2))
    straight = np.polyval(np.polyfit(x - x.mean(), y, 1), x - x.mean())
    lack = max(float(np.sum((y - straight) ** 2)) - pure, 0.0)
    if pure <= 1e-24 * float(np.var(y)) * n:
        return 0.0 if lack > 1e-20 * float(np.var(y)) * n else 1.0
    return float(stats.f.sf(lack / (k - 2) / (pure / (n - k)), k - 2, n - k))


def is_bent(bend: tuple[float, float] | None) -> bool:
    """Whether a bend is both significant and large enough to matter."""
    return bend is not None and bend[0] < ALPHA and bend[1] > BEND


def linear_range(x: Array, y: Array) -> tuple[float, float] | None:
    """Widest range of neighbouring levels over which the line shows no bend that matters.

    The whole range counts when its quadratic term is not significant, or stands for less than 2 % of the span. A
    shorter one must in addition have end levels that lie on the line of its other vials (p of 0.01 or more): a shorter
    range has less power to show its bend. Levels are given up one at a time, from either end, only while one remains.

    Returns
    -------
    (low, high) or None
        In abscissa units; None with fewer than four levels, or when no four neighbouring levels lie straight.
    """
    levels = np.unique(x)
    if len(levels) < _LEAST_LEVELS:
        return None
    for kept in range(len(levels), _LEAST_LEVELS - 1, -1):
        candidates = []
        for first in range(len(levels) - kept + 1):
            low, high = levels[first], levels[first + kept - 1]
            inside = (x >= low) & (x <= high)
            if is_bent(curvature(x[inside], y[inside])):
                continue
            if kept == len(levels) or _ends_fit(x[inside], y[inside]):
                candidates.append((float(low), float(high)))
        if candidates:
            return max(candidates, key=lambda r: r[1] - r[0])
    return None


def _ends_fit(x: Array, y: Array) -> bool:
    """Whether the vials of the lowest and the highest level lie on the line of the others."""
    _, studentised, _, _ = influence(x, y)
    dof = len(x) - 3
    ends = studentised[(x == x.min()) | (x == x.max())]
    return dof < 1 or not bool(np.any(2 * stats.t.sf(np.abs(ends[np.isfinite(ends)]), dof) < _OFF))
