"""How strong is the evidence of a correlation, and how many rows would show it? Bayes factor, power, rows needed."""

import numpy as np
from scipy import special

ALPHA = 0.05
POWER = 0.8
_MOST_LOG = 700.0
_MOST_ROWS = 1_000_000


def bayes_factor(r: float, n: float) -> float:
    """Bayes factor of a correlation against none, for a uniform prior of the correlation from -1 to 1.

    Parameters
    ----------
    r : float
        Pearson's r.
    n : float
        Independent rows, an effective number for clustered ones.

    Returns
    -------
    float
        BF10: above 1 the data speak for a correlation, below 1 for none; at most exp(700).

    Notes
    -----
    The closed form of `pingouin.bayesfactor_pearson` (kappa 1), which gives infinity for long tables. Euler's
    transformation of the hypergeometric function keeps the growth outside of it.

    References
    ----------
    A. Ly, J. Verhagen, E.-J. Wagenmakers, J. Math. Psychol. 72 (2016) 19, 10.1016/j.jmp.2015.06.004.
    """
    if n < 2:
        return 1.0
    square = min(r * r, 1.0 - 1e-15)
    log_series = 0.5 * (4.0 - n) * np.log1p(-square) + np.log(special.hyp2f1(1.5, 1.5, n / 2 + 1, square))
    log_factor = -np.log(2.0) + 0.5 * np.log(np.pi) + special.gammaln((n + 1) / 2) - special.gammaln(n / 2 + 1)
    return float(np.exp(min(log_factor + log_series, _MOST_LOG)))


def achieved_power(r: float, n: float, alpha: float = ALPHA) -> float:
    """Chance that a two-sided test of so many rows finds a correlation of this size.

    Parameters
    ----------
    r : float
        True correlation.
    n : float
        Independent rows, above 3.
    alpha : float

    Returns
    -------
    float
        NaN for 3 rows or fewer. At the observed r it is a function of p and adds no evidence.

    References
    ----------
    J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed. 1988, as in R's pwr.r.test and
    `pingouin.power_corr`.
    """
    if n <= 3:
        return float("nan")
    t = special.stdtrit(n - 2, 1 - alpha / 2)
    critical = np.arctanh(np.sqrt(t**2 / (t**2 + n - 2)))
    r = min(abs(r), 1.0 - 1e-12)
    z = np.arctanh(r) + r / (2 * (n - 1))
    root = np.sqrt(n - 3)
    return float(special.ndtr((z - critical) * root) + special.ndtr((-z - critical) * root))


def rows_needed(r: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Fewest independent rows with which a two-sided test finds a correlation of this size with this power.

    Returns
    -------
    int or None
        None when more than a million are needed.
    """
    low, high = 3, 4
    while achieved_power(r, high, alpha) < power:
        low, high = high, 2 * high
        if low > _MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if achieved_power(r, middle, alpha) >= power else (middle, high)
    return high
