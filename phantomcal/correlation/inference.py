"""How sure is a correlation coefficient? Intervals, p values, and p values adjusted for many regions."""

import math
from functools import lru_cache
from itertools import permutations

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.errors import InputError

FloatArray = npt.NDArray[np.float64]

ADJUSTMENTS = {"holm": "Holm", "bonferroni": "Bonferroni", "fdr_bh": "Benjamini-Hochberg", "none": "no adjustment"}
# 8! = 40320 orders are listed in milliseconds; from 9 rows on the t approximation is good.
EXACT_UP_TO = 8


def fisher_interval(r: float, n: int, n_covariates: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a Pearson or partial correlation by Fisher's z, standard error 1/sqrt(n - k - 3).

    Parameters
    ----------
    r : float
        The coefficient.
    n : int
        Rows.
    n_covariates : int
        How many covariates were taken out (k).
    confidence : float
        Coverage, 0 to 1.

    Returns
    -------
    tuple of float
        Lower and upper bound; (-1, 1) when there are too few rows to say anything.

    References
    ----------
    R. A. Fisher, Metron 1 (1921) 3-32.
    """
    return _z_interval(r, 1.0, n - n_covariates - 3, confidence)


def spearman_interval(rho: float, n: int, n_covariates: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a rank correlation by Fisher's z with the standard error sqrt((1 + rho^2/2) / (n - k - 3)).

    Parameters and returns as `fisher_interval`. Ranks in perfect order do not prove rho = 1: their inner bound is
    taken half the smallest possible step away from 1, where Fisher's z is finite.

    References
    ----------
    D. G. Bonett, T. A. Wright, Psychometrika 65 (2000) 23-28.
    """
    most = 1.0 - 6.0 / (n**3 - n)
    low, high = _z_interval(float(np.clip(rho, -most, most)), 1.0 + rho**2 / 2.0, n - n_covariates - 3, confidence)
    return (-1.0 if rho < -most else low), (1.0 if rho > most else high)


def _z_interval(r: float, variance: float, dof: int, confidence: float) -> tuple[float, float]:
    if dof < 1:
        return -1.0, 1.0
    half = float(stats.norm.ppf(0.5 + confidence / 2.0)) * float(np.sqrt(variance / dof))
    with np.errstate(divide="ignore"):
        z = np.arctanh(r)
    return float(np.tanh(z - half)), float(np.tanh(z + half))


def t_test_p(r: float | FloatArray, dof: int) -> FloatArray:
    """Two-sided p of correlation coefficients by Student's t with `dof` degrees of freedom; NaN when dof < 1."""
    r = np.asarray(r, dtype=np.float64)
    if dof < 1:
        return np.full(r.shape, np.nan)
    with np.errstate(divide="ignore"):
        t = np.abs(r) * np.sqrt(dof / np.maximum(1.0 - r**2, 0.0))
    return np.asarray(2.0 * stats.t.sf(t, dof), dtype=np.float64)


def spearman_p(rank_x: FloatArray, rank_y: FloatArray) -> float:
    """Two-sided p of a rank correlation: exact up to 8 rows, else by t, never below what n rows can show.

    Parameters
    ----------
    rank_x, rank_y : ndarray, shape (n,)
        Ranks, ties averaged; neither may be constant.

    Returns
    -------
    float
        The share of all n! orders that give at least this |rho| (n <= 8), or the t approximation with n - 2 degrees of
        freedom, not below 2/n!.
    """
    n = rank_x.size
    a, b = rank_x - rank_x.mean(), rank_y - rank_y.mean()
    if n <= EXACT_UP_TO:
        products = b[_orders(n)] @ a
        return float(np.mean(np.abs(products) >= abs(a @ b) - 1e-9))
    rho = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    return max(float(t_test_p(rho, n - 2)), 2.0 / math.factorial(min(n, 150)))


@lru_cache(maxsize=EXACT_UP_TO)
def _orders(n: int) -> npt.NDArray[np.int8]:
    return np.array(list(permutations(range(n))), dtype=np.int8)


def adjust_p(p: FloatArray, method: str = "holm") -> FloatArray:
    """P values adjusted for how many were computed.

    Parameters
    ----------
    p : ndarray, shape (m,)
        P values; NaN where no test was made, which does not count.
    method : {"holm", "bonferroni", "fdr_bh", "none"}
        Holm's step-down (the default, strong control of any false verdict), Bonferroni, or the false discovery rate.

    Returns
    -------
    ndarray, shape (m,)
        Adjusted p values, NaN where `p` is.

    Raises
    ------
    InputError
        Unknown method.

    References
    ----------
    S. Holm, Scand. J. Statist. 6 (1979) 65-70.
    """
    if method not in ADJUSTMENTS:
        raise InputError(f"unknown p adjustment {method!r}", "the call", f"use one of {', '.join(ADJUSTMENTS)}")
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    m = tested.size
    order = tested[np.argsort(p[tested], kind="stable")]
    if method == "holm":
        adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(m, 0, -1)), 1.0)
    elif method == "bonferroni":
        adjusted[tested] = np.minimum(p[tested] * m, 1.0)
    elif method == "fdr_bh":
        adjusted[tested] = stats.false_discovery_control(p[tested]) if m else p[tested]
    else:
        adjusted[tested] = p[tested]
    return adjusted
