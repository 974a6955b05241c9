"""How much each vial decides about its line."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.phantom.fitting.fit import fit_line

Array = NDArray[np.float64]


def influence(
    x: Array, y: Array, weights: Array | None = None, *, through_zero: bool = False
) -> tuple[Array, Array, Array, Array]:
    """Leverage, externally studentised residual, Cook's distance and the slope without each vial.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional
        Of a weighted line, one over variance.
    through_zero : bool
        Whether the line has no intercept.

    Returns
    -------
    leverage, studentised, cook, slope_without : ndarray, shape (n,)
        NaN where a number does not exist: with one vial fewer there is no line, or nothing to estimate scatter from.

    References
    ----------
    Cook, Technometrics 1977;19:15. Belsley, Kuh, Welsch, Regression Diagnostics, 1980.
    """
    n = len(x)
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    # Columns of unit size, so that a slope of 1e-5 loses no digits.
    scale = float(np.abs(x).max()) or 1.0
    columns = [x / scale] if through_zero else [x / scale, np.ones(n)]
    design = np.stack(columns, axis=1) * np.sqrt(w)[:, None]
    target = y * np.sqrt(w)
    p = design.shape[1]
    inverse = np.linalg.pinv(design.T @ design)
    solution = inverse @ design.T @ target
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    rest = target - design @ solution
    open_ = 1.0 - leverage
    decided = open_ < 1e-10  # the line goes through this vial whatever it reads
    open_[decided] = np.nan
    slope_without = (solution[0] - (inverse @ design.T)[0] * rest / open_) / scale
    square = float(rest @ rest)
    studentised = np.full(n, np.nan)
    cook = np.full(n, np.nan)
    exact = square <= (1e-12 * max(float(np.abs(target).max()), 1e-300)) ** 2 * n
    if n > p and not exact:
        cook = rest**2 / (p * square / (n - p)) * leverage / open_**2
    if n > p + 1 and not exact:
        variance = (square - rest**2 / open_) / (n - p - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            studentised = rest / np.sqrt(np.maximum(variance, 0.0) * open_)
        studentised[~np.isfinite(studentised)] = np.nan
    return leverage, studentised, cook, slope_without


def studentised_outlier(x: Array, y: Array) -> tuple[int, float] | None:
    """Point that a line through all others misses most, with its Bonferroni-adjusted p.

    Returns
    -------
    (index, p) or None
        None with fewer than five points, where one point more or less decides everything.
    """
    n = len(x)
    if n < 5 or np.ptp(x) == 0:
        return None
    p_values = []
    for k in range(n):
        keep = np.arange(n) != k
        if np.ptp(x[keep]) == 0:
            p_values.append(1.0)
            continue
        rest = fit_line(x[keep], y[keep])
        sxx = float(np.sum((x[keep] - x[keep].mean()) ** 2))
        spread = (rest.residual_sd or 0.0) * np.sqrt(1 + 1 / (n - 1) + (x[k] - x[keep].mean()) ** 2 / sxx)
        miss = abs(y[k] - rest.slope * x[k] - rest.intercept)
        if spread <= 1e-12 * (np.ptp(y) or 1.0):
            p_values.append(0.0 if miss > 1e-9 * (np.ptp(y) or 1.0) else 1.0)
        else:
            p_values.append(min(1.0, n * 2 * float(stats.t.sf(miss / spread, n - 3))))
    worst = int(np.argmin(p_values))
    return worst, p_values[worst]
