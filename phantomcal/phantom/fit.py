"""Straight lines with honest errors: ordinary, weighted, and with errors in both axes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LineFit:
    """A fitted straight line.

    Attributes
    ----------
    slope, intercept : float
    covariance : ndarray, shape (2, 2), or None
        Of (slope, intercept); None for two points, which leave nothing to estimate an error from.
    residual_sd : float or None
        Of y about the line, n - 2 degrees of freedom, unweighted.
    r2 : float or None
        Share of the variance of y explained (squared correlation).
    p_value : float or None
        Two-sided t test of slope = 0.
    degrees_of_freedom : int
    method : str
        In words.
    reduced_chi2 : float or None
        Of a fit with known errors.
    """

    slope: float
    intercept: float
    covariance: Array | None
    residual_sd: float | None
    r2: float | None
    p_value: float | None
    degrees_of_freedom: int
    method: str
    reduced_chi2: float | None = None

    def error(self, which: int) -> float | None:
        """Standard error of slope (0) or intercept (1)."""
        return None if self.covariance is None else float(np.sqrt(self.covariance[which, which]))

    def interval(self, which: int, confidence: float = 0.95) -> tuple[float, float] | None:
        """t interval of slope (0) or intercept (1)."""
        error = self.error(which)
        if error is None:
            return None
        t = float(stats.t.ppf(0.5 + confidence / 2, self.degrees_of_freedom))
        centre = (self.slope, self.intercept)[which]
        return centre - t * error, centre + t * error


def fit_line(x: Array, y: Array, sd_y: Array | None = None, sd_x: Array | None = None) -> LineFit:
    """Fit y = slope x + intercept.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        At least two points, x not constant.
    sd_y, sd_x : ndarray, shape (n,), optional
        Known standard errors of y, and of x. With `sd_y` the fit is weighted; with both, errors in both axes are
        taken into account (orthogonal distance regression, which for a line is York's method).

    Returns
    -------
    LineFit
        With known errors the standard errors come from these, and are widened by the square root of the reduced chi
        squared where the points scatter more than their errors say.

    Raises
    ------
    ValueError
        Fewer than two points, constant x, or an error that is not positive.

    References
    ----------
    York et al., Am J Phys 2004;72:367. Boggs et al., ODRPACK, ACM TOMS 1989;15:348.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.size < 2 or np.ptp(x) == 0:
        raise ValueError("a line needs at least two different abscissae")
    for name, sd in (("y", sd_y), ("x", sd_x)):
        if sd is not None and not np.all(np.asarray(sd) > 0):
            raise ValueError(f"the standard errors of {name} must all be positive")
    n, dof = x.size, x.size - 2
    chi2: float | None = None
    covariance: Array | None
    if sd_y is None:
        method = "ordinary least squares"
        slope, intercept, unscaled = _weighted(x, y, np.ones(n))
        covariance = unscaled * _sum_of_squares(x, y, slope, intercept) / dof if dof > 0 else None
    else:
        if sd_x is None:
            method = "weighted least squares, weights 1/SE²"
            slope, intercept, covariance = _weighted(x, y, 1.0 / np.asarray(sd_y) ** 2)
            chi2 = float(np.sum(((y - slope * x - intercept) / sd_y) ** 2)) / dof if dof > 0 else None
        else:
            method = "errors in both axes (York, orthogonal distance regression)"
            slope, intercept, covariance, chi2 = _both_axes(x, y, np.asarray(sd_x), np.asarray(sd_y), dof)
        if chi2 is not None and chi2 > 1.0:
            method += f"; errors widened by {np.sqrt(chi2):.3g} for scatter"
            covariance = covariance * chi2
    residual = float(np.sqrt(_sum_of_squares(x, y, slope, intercept) / dof)) if dof > 0 else None
    r2 = _explained(x, y) if n > 2 else None
    p = None
    if covariance is not None and dof > 0:
        error = float(np.sqrt(covariance[0, 0]))
        if error > 0:
            p = float(2 * stats.t.sf(abs(slope) / error, dof))
        elif slope != 0:
            p = 0.0  # an exact line; a constant y has no test at all
    return LineFit(slope, intercept, covariance if dof > 0 else None, residual, r2, p, dof, method, chi2)


def _explained(x: Array, y: Array) -> float | None:
    """Squared correlation; None where y does not vary (beyond what squares can hold)."""
    dx, dy = x - x.mean(), y - y.mean()
    total = float(dx @ dx) * float(dy @ dy)
    return min(float(dx @ dy) ** 2 / total, 1.0) if total > 0 else None


def _sum_of_squares(x: Array, y: Array, slope: float, intercept: float) -> float:
    return float(np.sum((y - slope * x - intercept) ** 2))


def _weighted(x: Array, y: Array, w: Array) -> tuple[float, float, Array]:
    """Weighted line and its covariance for known variances 1/w."""
    xm, ym = float(w @ x / w.sum()), float(w @ y / w.sum())
    sxx = float(w @ (x - xm) ** 2)
    slope = float(w @ ((x - xm) * (y - ym))) / sxx
    covariance = np.array([[1.0 / sxx, -xm / sxx], [-xm / sxx, 1.0 / w.sum() + xm**2 / sxx]])
    return slope, ym - slope * xm, covariance


def _both_axes(x: Array, y: Array, sd_x: Array, sd_y: Array, dof: int) -> tuple[float, float, Array, float | None]:
    import odrpack

    # Fitted in standardised units: molar QSM slopes are 1e-5 of the abscissa, too small for finite differences.
    xs, ys = float(np.ptp(x)), float(np.ptp(y)) or 1.0
    start = _weighted(x / xs, y / ys, (ys / sd_y) ** 2)[:2]
    result = odrpack.odr_fit(
        lambda t, b: b[0] * t + b[1],
        x / xs,
        y / ys,
        np.array(start),
        weight_x=(xs / sd_x) ** 2,
        weight_y=(ys / sd_y) ** 2,
        # Exact derivatives: finite differences leave the sixth digit to chance.
        jac_beta=lambda t, b: np.stack([t, np.ones_like(t)]),
        jac_x=lambda t, b: np.full_like(t, b[0]),
        sstol=1e-14,
        partol=1e-14,
        maxit=500,
    )
    scale = np.array([ys / xs, ys])
    slope, intercept = (float(b) for b in result.beta * scale)
    covariance = np.asarray(result.cov_beta) * np.outer(scale, scale)
    if dof > 0:
        variance = sd_y**2 + (slope * sd_x) ** 2
        return slope, intercept, covariance, float(np.sum((y - slope * x - intercept) ** 2 / variance)) / dof
    return slope, intercept, covariance, None


def curvature(x: Array, y: Array) -> tuple[float, float] | None:
    """Test of the quadratic term, and how much bend it stands for.

    Returns
    -------
    (p, share) or None
        p of the quadratic term, and the largest distance between parabola and straight line over the points as a share
        of the line's span; None with fewer than four distinct levels.

    References
    ----------
    QIBA: Obuchowski et al. 2016 (PMC4831211): test the quadratic term first.
    """
    if len(np.unique(x)) < 4:
        return None
    z = (x - x.mean()) / x.std()
    design = np.stack([np.ones_like(z), z, z**2], axis=1)
    solution, *_ = np.linalg.lstsq(design, y, rcond=None)
    straight = np.polyval(np.polyfit(z, y, 1), z)
    share = float(np.max(np.abs(design @ solution - straight)) / max(float(np.ptp(straight)), 1e-300))
    dof = len(x) - 3
    residual = y - design @ solution
    scatter = float(residual @ residual) / dof
    if scatter <= 1e-24 * float(np.var(y)):
        return (1.0 if share < 1e-9 else 0.0), share
    error = float(np.sqrt(scatter * np.linalg.inv(design.T @ design)[2, 2]))
    return float(2 * stats.t.sf(abs(solution[2]) / error, dof)), share


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
