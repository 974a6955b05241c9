"""What is left of a correlation when outliers lose their weight?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.correlation.inference import t_test_p

FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 5
# All pairs of rows enter Theil and Sen's slope and the projections of the skipped correlation.
MOST_ROWS = 2000


@dataclass(frozen=True)
class RobustLine:
    """Theil and Sen's line: the median of the slopes between all pairs of rows."""

    slope: float
    ci95: tuple[float, float] | None  # takes rows as independent
    intercept: float


def percentage_bend(x: FloatArray, y: FloatArray, beta: float = 0.2) -> tuple[float, float] | None:
    """Percentage bend correlation: values far from the median of their column are bent to its edge.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Paired finite values, or residuals once covariates are taken out.
    beta : float
        Share of values that are bent, 0 to 0.5.

    Returns
    -------
    (r, p) or None
        p by Student's t with n - 2 degrees of freedom, for independent rows. None when half of a column is one value,
        or below five rows.

    References
    ----------
    R. R. Wilcox, Psychometrika 59 (1994) 601, 10.1007/BF02294395.
    """
    n = x.size
    if n < MIN_ROWS:
        return None
    bent = []
    for values in (x, y):
        away = values - np.median(values)
        edge = float(np.sort(np.abs(away))[int((1 - beta) * n) - 1])
        if edge <= 1e-12 * float(np.ptp(values)):
            return None
        low, high = away / edge < -1, away / edge > 1
        inside = values[~(low | high)]
        location = (inside.sum() + edge * (int(high.sum()) - int(low.sum()))) / inside.size
        bent.append(np.clip((values - location) / edge, -1, 1))
    a, b = bent
    length = float(np.sqrt((a @ a) * (b @ b)))
    if length == 0:
        return None
    r = float(np.clip(a @ b / length, -1, 1))
    return r, float(t_test_p(r, n - 2))


def skipped(x: FloatArray, y: FloatArray) -> tuple[float, npt.NDArray[np.bool_]] | None:
    """Spearman's rho without bivariate outliers.

    Every row is projected on the lines from the marginal medians through every other row, both columns scaled by their
    median absolute deviation; a row is an outlier when on any line it lies further out than the median distance plus
    2.716 (the root of chi squared's 97.5 % point) ideal-fourths interquartile ranges.

    Returns
    -------
    (rho, outliers) or None
        No p comes with it, since a test of what was selected does not hold its level. None below five rows, beyond
        2000, or when half of a column is one value.

    References
    ----------
    R. R. Wilcox, Introduction to Robust Estimation and Hypothesis Testing, section 6.4 and 9.4; C. R. Pernet et al.,
    Front. Psychol. 3 (2013) 606, 10.3389/fpsyg.2012.00606.
    """
    n = x.size
    if not MIN_ROWS <= n <= MOST_ROWS:
        return None
    table = np.column_stack([x, y])
    away = table - np.median(table, axis=0)
    spread = np.median(np.abs(away), axis=0)
    if (spread <= 1e-12 * np.ptp(table, axis=0)).any():
        return None
    away = away / spread
    length = np.sqrt((away**2).sum(axis=1))
    distance = np.abs(away @ away.T) / np.where(length > 0, length, np.inf)[:, None]
    limit = np.median(distance, axis=1) + np.sqrt(stats.chi2.ppf(0.975, 2)) * _ideal_fourths(distance)
    outliers = (distance > limit[:, None] * (1 + 1e-12)).any(axis=0)
    kept_x, kept_y = x[~outliers], y[~outliers]
    if kept_x.size < MIN_ROWS or np.ptp(kept_x) == 0 or np.ptp(kept_y) == 0:
        return None
    return float(stats.spearmanr(kept_x, kept_y).statistic), np.asarray(outliers, dtype=np.bool_)


def _ideal_fourths(rows: FloatArray) -> FloatArray:
    n = rows.shape[1]
    ordered = np.sort(rows, axis=1)
    j = int(np.floor(n / 4 + 5 / 12))
    g = n / 4 - j + 5 / 12
    low = (1 - g) * ordered[:, j - 1] + g * ordered[:, j]
    high = (1 - g) * ordered[:, n - j] + g * ordered[:, n - j - 1]
    return np.asarray(high - low, dtype=np.float64)


def theil_sen(x: FloatArray, y: FloatArray) -> RobustLine | None:
    """Theil and Sen's line with Sen's 95 % interval of the slope, by `scipy.stats.theilslopes`.

    Returns
    -------
    RobustLine or None
        None below five rows or beyond 2000.

    References
    ----------
    P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379, 10.1080/01621459.1968.10480934.
    """
    if not MIN_ROWS <= x.size <= MOST_ROWS:
        return None
    found = stats.theilslopes(y, x, alpha=0.95)
    slope = float(found[0])
    return RobustLine(slope, (float(found[2]), float(found[3])), float(np.median(y - slope * x)))
