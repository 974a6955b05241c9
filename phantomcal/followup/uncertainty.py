"""How well a change between two visits is known, and how probable it is that the true one passes a threshold."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

FloatArray = npt.NDArray[np.float64]

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Change:
    """Changes from `a` to `b` with their uncertainty; all arrays of shape (n,), NaN where nothing can be said.

    Attributes
    ----------
    percent, percent_se, percent_low, percent_high : ndarray
        100 (b - a) / a for a > 0; standard error by first order, 95 % interval by Fieller's theorem.
    ppm_se : ndarray
        Standard error of b - a.
    """

    percent: FloatArray
    percent_se: FloatArray
    percent_low: FloatArray
    percent_high: FloatArray
    ppm_se: FloatArray


def change_between(a: FloatArray, b: FloatArray, a_se: FloatArray, b_se: FloatArray) -> Change:
    """Change from `a` to `b`, measured independently.

    Parameters
    ----------
    a, b : ndarray, shape (n,)
        Earlier and later value, ppm.
    a_se, b_se : ndarray, shape (n,)
        Their standard errors; NaN when unknown.

    Returns
    -------
    Change

    References
    ----------
    E. C. Fieller, J. R. Stat. Soc. B 16 (1954) 175, 10.1111/j.2517-6161.1954.tb00159.x.
    """
    base = np.where(a > 0, a, np.nan)
    ratio = b / base
    relative = (a_se / base) ** 2
    first_order = 100.0 * np.sqrt((b_se / base) ** 2 + ratio**2 * relative)
    g = _Z95**2 * relative
    g = np.where(g < 1, g, np.nan)  # the baseline is not told from 0: the interval has no end
    half = _Z95 * np.sqrt((b_se / base) ** 2 * (1 - g) + ratio**2 * relative)
    return Change(
        percent=100.0 * (b - a) / base,
        percent_se=first_order,
        percent_low=100.0 * ((ratio - half) / (1 - g) - 1),
        percent_high=100.0 * ((ratio + half) / (1 - g) - 1),
        ppm_se=np.sqrt(a_se**2 + b_se**2),
    )


def probability_above(
    a: FloatArray, b: FloatArray, a_se: FloatArray, b_se: FloatArray, threshold_percent: float
) -> FloatArray:
    """Probability that the true rise is at least the threshold, for normal errors and nothing known beforehand.

    The rise passes the threshold where b - (1 + threshold / 100) a is positive, which is normal even where the ratio
    of the two is not.

    Parameters
    ----------
    a, b, a_se, b_se
        As `change_between` takes them.
    threshold_percent : float

    Returns
    -------
    ndarray, shape (n,)
        NaN where the baseline is not positive or an error is unknown.
    """
    factor = 1 + threshold_percent / 100
    spread = np.sqrt(b_se**2 + (factor * a_se) ** 2)
    excess = np.where(a > 0, b - factor * a, np.nan)
    return np.asarray(ndtr(excess / np.where(spread > 0, spread, np.nan)), dtype=np.float64)


def reaches(change: FloatArray, threshold: float) -> npt.NDArray[np.bool_]:
    """Whether a change is the threshold or more; a rise of exactly the threshold counts, whatever binary rounding did.

    0.50 to 0.53 is 6 %, but 6 - 4e-15 in floating point.
    """
    return np.asarray(change >= threshold - 1e-9 * max(1.0, abs(threshold)), dtype=np.bool_)
