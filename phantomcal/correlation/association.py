"""How do two columns of numbers go together? Coefficients, the line, and the rows that carry them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.correlation.inference import fisher_interval, spearman_interval, spearman_p, t_test_p

FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 3


@dataclass(frozen=True)
class Association:
    """Relation of y to x over n rows.

    Attributes
    ----------
    n, dof : int
        Rows, and degrees of freedom n - 2 - k with k covariates.
    pearson_r, pearson_ci95, pearson_p, spearman_rho, spearman_ci95, spearman_p
        Coefficients with 95 % intervals and two-sided p; partial ones when there are covariates.
    slope, slope_se, slope_ci95, intercept
        Least-squares line of y on x with a t interval; with covariates, the line at their means.
    axis_slope : float
        Reduced-major-axis slope: SD of y over SD of x, with the sign of r (0 when r is 0).
    cook, leverage : ndarray, shape (n,)
        Cook's distance of each row from the line, and its leverage.
    r_without, p_without : ndarray, shape (n,)
        Pearson's r and its p when the row is left out; NaN when nothing varies without it.
    """

    n: int
    dof: int
    pearson_r: float
    pearson_ci95: tuple[float, float]
    pearson_p: float
    spearman_rho: float
    spearman_ci95: tuple[float, float]
    spearman_p: float
    slope: float
    slope_se: float
    slope_ci95: tuple[float, float]
    intercept: float
    axis_slope: float
    cook: FloatArray
    leverage: FloatArray
    r_without: FloatArray
    p_without: FloatArray


def associate(
    x: FloatArray, y: FloatArray, covariates: FloatArray | None = None, names: tuple[str, str] = ("x", "y")
) -> Association | str:
    """Pearson and Spearman correlation, regression line and influence of each row.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Paired finite values.
    covariates : ndarray, shape (n, k), optional
        Taken out of x and y (out of their ranks for Spearman, ranked themselves) by least squares before they are
        correlated: the partial correlation.
    names : tuple of str
        What x and y are called in the reason.

    Returns
    -------
    Association or str
        The reason in words when there is no answer: too few rows, or no variation.
    """
    n = x.size
    if n < MIN_ROWS:
        return f"{n} {'row is' if n == 1 else 'rows are'} too few for a correlation, {MIN_ROWS} are needed"
    for values, name in zip((x, y), names, strict=True):
        if is_constant(values):
            return f"{name} is constant"
    z = np.empty((n, 0)) if covariates is None else covariates
    basis = _basis(z)
    k = basis.shape[1]
    dof = n - 2 - k
    if dof < 1:
        return f"{n} rows are too few beside {k} covariates"
    rx, ry = _residuals(x, basis), _residuals(y, basis)
    sxx, syy, sxy = float(rx @ rx), float(ry @ ry), float(rx @ ry)
    if sxx <= 1e-18 * _spread(x) or syy <= 1e-18 * _spread(y):
        return "nothing is left to correlate once the covariates are taken out"
    r = float(np.clip(sxy / np.sqrt(sxx * syy), -1.0, 1.0))
    slope = sxy / sxx
    left = ry - slope * rx
    rss = float(left @ left)

    rank_x, rank_y = stats.rankdata(x), stats.rankdata(y)
    if k == 0:
        rho = _cosine(rank_x - rank_x.mean(), rank_y - rank_y.mean())
        rank_p = spearman_p(rank_x, rank_y)
    else:
        rank_basis = _basis(stats.rankdata(z, axis=0))
        rho = _cosine(_residuals(rank_x, rank_basis), _residuals(rank_y, rank_basis))
        rank_p = float(t_test_p(rho, dof))
    cook, leverage, r_without = _influence(rx, ry, left, basis, dof)
    slope_se = float(np.sqrt(rss / dof / sxx))
    half = float(stats.t.ppf(0.975, dof)) * slope_se
    return Association(
        n=n,
        dof=dof,
        pearson_r=r,
        pearson_ci95=fisher_interval(r, n, k),
        pearson_p=float(t_test_p(r, dof)),
        spearman_rho=rho,
        spearman_ci95=spearman_interval(rho, n, k),
        spearman_p=rank_p,
        slope=slope,
        slope_se=slope_se,
        slope_ci95=(slope - half, slope + half),
        intercept=float(y.mean() - slope * x.mean()),
        axis_slope=float(np.sign(sxy) * np.sqrt(syy / sxx)),
        cook=cook,
        leverage=leverage,
        r_without=r_without,
        p_without=t_test_p(r_without, dof - 1),
    )


def residual_pair(x: FloatArray, y: FloatArray, covariates: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """x and y with the covariates taken out by least squares, both about 0; as they are without covariates."""
    if covariates is None:
        return x, y
    basis = _basis(covariates)
    return _residuals(x, basis), _residuals(y, basis)


def is_constant(values: FloatArray) -> bool:
    """Whether values differ by no more than rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max(initial=0.0))


def _spread(values: FloatArray) -> float:
    centred = values - values.mean()
    return float(centred @ centred)


def _basis(covariates: FloatArray) -> FloatArray:
    """Orthonormal columns spanning the centred covariates; collinear and constant ones drop out."""
    centred = covariates - covariates.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    centred = centred[:, scale > 1e-12 * np.abs(covariates).max(axis=0, initial=0.0)]
    if centred.shape[1] == 0:
        return np.empty((covariates.shape[0], 0))
    u, singular, _ = np.linalg.svd(centred / np.sqrt((centred**2).sum(axis=0)), full_matrices=False)
    return np.asarray(u[:, singular > 1e-10 * singular[0]], dtype=np.float64)


def _residuals(values: FloatArray, basis: FloatArray) -> FloatArray:
    centred = values - values.mean()
    return np.asarray(centred - basis @ (basis.T @ centred), dtype=np.float64)


def _cosine(a: FloatArray, b: FloatArray) -> float:
    length = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / length, -1.0, 1.0)) if length > 0 else 0.0


def _influence(
    rx: FloatArray, ry: FloatArray, left: FloatArray, basis: FloatArray, dof: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cook's distance, leverage and the r without each row, in closed form (no refitting)."""
    n = rx.size
    leverage_z = 1.0 / n + (basis**2).sum(axis=1)
    sxx, syy, sxy = rx @ rx, ry @ ry, rx @ ry
    leverage = leverage_z + rx**2 / sxx
    mean_square = left @ left / dof
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / (1.0 - leverage_z)
        a, b, c = sxx - weight * rx**2, syy - weight * ry**2, sxy - weight * rx * ry
        varies = (leverage_z < 1.0 - 1e-9) & (a > 1e-9 * sxx) & (b > 1e-9 * syy)
        r_without = np.where(varies, np.clip(c / np.sqrt(a * b), -1.0, 1.0), np.nan)
        cook = left**2 * leverage / ((n - dof) * mean_square * (1.0 - leverage) ** 2)
    # A line through every point has no outlier; a row of leverage 1 owns its own slope, which r_without shows.
    exact = (mean_square * dof <= 1e-20 * syy) | (leverage > 1.0 - 1e-9)
    return np.where(exact, 0.0, cook), leverage, r_without
