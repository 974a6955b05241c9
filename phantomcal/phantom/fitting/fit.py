"""Straight lines with honest errors: ordinary, weighted, with errors in both axes, and through zero."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

_MANY = 1_000_000  # degrees of freedom that make Student's t normal


@dataclass(frozen=True)
class Curve:
    """What reading a line backwards needs.

    Attributes
    ----------
    slope, intercept : float
    slope_variance, intercept_variance, covariance : float
        Of slope and intercept.
    residual_sd : float
        SD of a single vial about the line: noise and everything else that differs between vials.
    degrees_of_freedom : int
        Of `residual_sd`; a million when errors are known, which makes intervals normal.
    vial_noise : float
        Part of `residual_sd` that is noise of the vials' own values, root mean square; 0 when not known.
    """

    slope: float
    intercept: float
    slope_variance: float
    intercept_variance: float
    covariance: float
    residual_sd: float
    degrees_of_freedom: int
    vial_noise: float = 0.0

    def reading_variance(self, standard_error: float | None = None, replicates: int = 1) -> float:
        """Variance of a reading about the line, without that of the line itself.

        Parameters
        ----------
        standard_error : float, optional
            Of the reading, from its own noise. The scatter between vials is added: a sample stands somewhere else
            than the vials do, as every vial does. None takes the reading to be as good as that of a vial.
        replicates : int
            Independent samples averaged, when no standard error is given.
        """
        if standard_error is None:
            return self.residual_sd**2 / replicates
        return max(self.residual_sd**2 - self.vial_noise**2, 0.0) + standard_error**2

    def line_variance(self, x: "float | Array") -> "float | Array":
        """Variance of the line's own value at x."""
        return self.intercept_variance + 2 * x * self.covariance + x**2 * self.slope_variance


@dataclass(frozen=True)
class LineFit:
    """A fitted straight line.

    Attributes
    ----------
    slope, intercept : float
    covariance : ndarray, shape (2, 2), or None
        Of (slope, intercept); None for two points, which leave nothing to estimate an error from.
    residual_sd : float or None
        Of y about the line, unweighted, with the degrees of freedom of the line.
    r2 : float or None
        Share of the variance of y explained (squared correlation).
    p_value : float or None
        Two-sided t test of slope = 0.
    degrees_of_freedom : int
    method : str
        In words.
    reduced_chi2 : float or None
        Of a fit with known errors.
    errors_known : bool
        Whether the standard errors are those of known errors; False where they come from the scatter.
    value_noise, abscissa_noise : float
        Root mean square known errors of y, and of x times the slope: parts of `residual_sd`. 0 when not known.
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
    errors_known: bool = False
    value_noise: float = 0.0
    abscissa_noise: float = 0.0

    @property
    def curve(self) -> "Curve | None":
        """The line as a calibration curve; None for two points, whose errors are unknown."""
        if self.covariance is None or self.residual_sd is None:
            return None
        (var_b, cov), (_, var_a) = self.covariance
        # A sample has no error of its concentration, as the vials have. Known errors that explain the scatter are all
        # there is, and need no degrees of freedom.
        reading = max(self.residual_sd**2 - self.abscissa_noise**2, self.value_noise**2 if self.abscissa_noise else 0.0)
        if self.errors_known and self.value_noise > 0:
            reading = self.value_noise**2
        return Curve(
            self.slope,
            self.intercept,
            float(var_b),
            float(var_a),
            float(cov),
            float(np.sqrt(reading)),
            _MANY if self.errors_known else self.degrees_of_freedom,
            self.value_noise,
        )

    def error(self, which: int) -> float | None:
        """Standard error of slope (0) or intercept (1)."""
        return None if self.covariance is None else float(np.sqrt(self.covariance[which, which]))

    def quantile(self, share: float) -> float:
        """Of the distribution that slope over error follows."""
        return float(stats.norm.ppf(share) if self.errors_known else stats.t.ppf(share, self.degrees_of_freedom))

    def test(self, value: float, error: float) -> float | None:
        """Two-sided p of an estimate being 0; None where there is nothing to test."""
        if error > 0:
            tail = stats.norm.sf if self.errors_known else (lambda z: stats.t.sf(z, self.degrees_of_freedom))
            return float(2 * tail(abs(value) / error))
        return 0.0 if value != 0 else None  # an exact line; a constant y has no test at all

    def interval(self, which: int, confidence: float = 0.95) -> tuple[float, float] | None:
        """Interval of slope (0) or intercept (1): Student's t, or normal where the errors are known."""
        error = self.error(which)
        if error is None:
            return None
        t = self.quantile(0.5 + confidence / 2)
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
        With known errors the standard errors come from these, and intervals are normal. Where the points scatter more
        than their errors say, the standard errors are widened by the square root of the reduced chi squared, and
        intervals are Student's.

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
    known = chi2 is not None and chi2 <= 1.0
    fit = LineFit(
        slope,
        intercept,
        covariance if dof > 0 else None,
        residual,
        r2,
        None,
        dof,
        method,
        chi2,
        known,
        _rms(sd_y),
        abs(slope) * _rms(sd_x),
    )
    error = fit.error(0)
    return fit if error is None else replace(fit, p_value=fit.test(slope, error))


def _rms(values: Array | None) -> float:
    return 0.0 if values is None else float(np.sqrt(np.mean(np.asarray(values) ** 2)))


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


def fit_through_zero(x: Array, y: Array, sd_y: Array | None = None) -> LineFit:
    """Fit y = slope x.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        At least two points, not all at x = 0.
    sd_y : ndarray, shape (n,), optional
        Known standard errors of y; errors are widened as in `fit_line`.

    Returns
    -------
    LineFit
        Intercept 0 without error, n - 1 degrees of freedom.

    Raises
    ------
    ValueError
        Fewer than two points, or all at zero.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.size < 2 or not np.any(x):
        raise ValueError("a line through zero needs two points, one of them away from zero")
    w = np.ones_like(x) if sd_y is None else 1.0 / np.asarray(sd_y) ** 2
    dof = x.size - 1
    slope = float(w @ (x * y)) / float(w @ x**2)
    chi2 = float(w @ (y - slope * x) ** 2) / dof
    variance = (chi2 if sd_y is None else max(chi2, 1.0)) / float(w @ x**2)
    residual = float(np.sqrt(np.sum((y - slope * x) ** 2) / dof))
    method = f"through zero, {'ordinary' if sd_y is None else 'weighted'} least squares"
    covariance = np.array([[variance, 0.0], [0.0, 0.0]])
    fit = LineFit(
        slope,
        0.0,
        covariance,
        residual,
        _explained(x, y),
        None,
        dof,
        method,
        None if sd_y is None else chi2,
        sd_y is not None and chi2 <= 1.0,
        _rms(sd_y),
    )
    return replace(fit, p_value=fit.test(slope, float(np.sqrt(variance))))
