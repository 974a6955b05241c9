"""Lines that a few bad vials cannot bend."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.phantom.fitting.fit import LineFit

Array = NDArray[np.float64]

LEAST_VIALS = 5  # with fewer, the median of the residuals says nothing about their scatter
_TUNING = 4.685  # Tukey's biweight at 95 % efficiency for normal residuals


def robust_line(x: Array, y: Array) -> LineFit:
    """MM-type line: Tukey's biweight from a resistant start with a resistant scale.

    The start is Siegel's line of repeated medians, which half of the vials cannot move. The scale of the residuals
    is taken from it (median absolute deviation without the two smallest, which the two parameters cost) and kept, so
    that the bad vials that the start ignores stay ignored. In short series a few vials fall on a line by chance, and
    the scale alone makes errors far too small: they are drawn towards those of least squares by
    s^2 = (p^2 s_ols^2 + n s_robust^2) / (p^2 + n), p = 2 (DuMouchel and O'Brien).

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        At least five points, x not constant.

    Returns
    -------
    LineFit
        `residual_sd` is s; intervals are Student's.

    Raises
    ------
    ValueError
        Fewer than five points, or constant x.

    References
    ----------
    Siegel, Biometrika 1982;69:242. Yohai, Ann Stat 1987;15:642. Street, Carroll, Ruppert, Am Stat 1988;42:152.
    DuMouchel, O'Brien, Proc 21st Symposium on the Interface, 1989, 297.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n = x.size
    if n < LEAST_VIALS or np.ptp(x) == 0:
        raise ValueError(f"a robust line needs {LEAST_VIALS} points and two different abscissae")
    from statsmodels.robust.norms import TukeyBiweight
    from statsmodels.robust.robust_linear_model import RLM

    # Centred and scaled: molar QSM slopes are too small for the fit's own tolerances.
    middle, wide, tall = float(x.mean()), float(np.ptp(x)), float(np.ptp(y)) or 1.0
    design = np.stack([(x - middle) / wide, np.ones(n)], axis=1)
    start = stats.siegelslopes(y / tall, design[:, 0])
    rest = y / tall - design @ np.array([start.slope, start.intercept])
    scale = float(np.median(np.sort(np.abs(rest))[2:])) / float(stats.norm.ppf(0.75))
    inverse = np.linalg.inv(design.T @ design)
    plain = y / tall - design @ (inverse @ design.T @ (y / tall))
    method = "robust (MM, Tukey's biweight)"
    dof = n - 2
    if scale < 1e-12:  # more than half of the vials lie exactly on a line, which is then the answer
        slope, intercept = (float(v) for v in (start.slope, start.intercept))
        robust_square = 0.0
    else:
        fitted = RLM(y / tall, design, M=TukeyBiweight(_TUNING)).fit(
            start_params=np.array([start.slope, start.intercept]),
            start_scale=scale,
            update_scale=False,
            conv="coefs",
            tol=1e-10,
            maxiter=200,
        )
        slope, intercept = (float(v) for v in fitted.params)
        robust_square = float(fitted.bcov_scaled[0, 0]) / inverse[0, 0]
    square = (4.0 * float(plain @ plain) / dof + n * robust_square) / (4.0 + n)
    covariance = inverse * square
    # Back to the units of the data: slope b tall/wide, intercept at x = 0.
    change = np.array([[tall / wide, 0.0], [-tall * middle / wide, tall]])
    slope, intercept = (float(v) for v in change @ np.array([slope, intercept]))
    covariance = change @ covariance @ change.T
    error = float(np.sqrt(covariance[0, 0]))
    p = float(2 * stats.t.sf(abs(slope) / error, dof)) if error > 0 else (0.0 if slope else None)
    r2 = float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(y) > 0 else None
    return LineFit(slope, intercept, covariance, float(np.sqrt(square)) * tall, r2, p, dof, method)


def theil_sen(x: Array, y: Array) -> tuple[float, float, tuple[float, float]]:
    """Median of all slopes, as a check without assumptions.

    Returns
    -------
    slope, intercept : float
    interval : (float, float)
        95 %, from Kendall's distribution.

    References
    ----------
    Sen, J Am Stat Assoc 1968;63:1379.
    """
    found = stats.theilslopes(y, x, 0.95)
    return float(found.slope), float(found.intercept), (float(found.low_slope), float(found.high_slope))
