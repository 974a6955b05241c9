"""Drift per year: a robust slope with an interval that knows about autocorrelation."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from phantomcal.results.history import Trend

Array = NDArray[np.float64]
FEWEST = 5
DAYS_PER_YEAR = 365.25
_Z = 1.959963984540054


def drift_per_year(days: list[date], values: Array, reference: float) -> Trend | None:
    """Theil-Sen slope of the values over time, per year.

    Parameters
    ----------
    days : list of datetime.date
    values : ndarray, shape (n,)
        In order of the days.
    reference : float
        What percent are of.

    Returns
    -------
    Trend or None
        None with fewer than five values or less than three different days. The 95 % interval is Sen's, from the
        variance of Kendall's S with ties; positive autocorrelation of the residuals that is larger than chance widens
        that variance by (1 + r) / (1 - r).

    References
    ----------
    Sen 1968, 10.1080/01621459.1968.10480934. Autocorrelation: Yue and Wang 2004, 10.1023/B:WARM.0000043140.61082.60.
    """
    n = len(values)
    # scipy.stats has Theil and Sen's slope, but not the widened variance, and takes as long to load as a chart takes.
    t = np.array([(day - days[0]).days for day in days], dtype=np.float64) / DAYS_PER_YEAR
    if n < FEWEST or len(set(days)) < 3:
        return None
    i, j = np.triu_indices(n, 1)
    apart = t[j] - t[i]
    kept = apart > 0
    slopes = np.sort((values[j] - values[i])[kept] / apart[kept])
    slope = float(np.median(slopes))
    residual = values - slope * t
    residual = residual - np.median(residual)
    spread = float((residual**2).sum())
    r1 = float((residual[1:] * residual[:-1]).sum() / spread) if spread > 0 else None
    correlated = r1 is not None and r1 > _Z / np.sqrt(n)
    inflation = (1 + r1) / (1 - r1) if correlated and r1 is not None and r1 < 1 else 1.0
    variance = (n * (n - 1) * (2 * n + 5) - _ties(t) - _ties(values)) / 18 * inflation
    half = _Z * np.sqrt(max(variance, 0.0))
    low, high = (len(slopes) - half) / 2, (len(slopes) + half) / 2
    sound = low >= 1 and high <= len(slopes) - 1
    interval = (float(slopes[int(np.floor(low)) - 1]), float(slopes[int(np.ceil(high))])) if sound else None
    scale = 100 / reference if reference else None
    note = "" if interval else "too few values for an interval"
    if correlated and r1 is not None:
        note = f"neighbouring values are alike (lag-1 autocorrelation {r1:.2f}); the interval allows for it"
    return Trend(
        n=n,
        years=float(t[-1] - t[0]),
        per_year=slope,
        ci95=interval,
        percent_per_year=None if scale is None else slope * scale,
        percent_ci95=None if scale is None or interval is None else _scaled(interval, scale),
        lag1_autocorrelation=r1,
        variance_inflation=inflation,
        method="Theil-Sen slope, Sen's interval",
        note=note,
    )


def _ties(values: Array) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1) * (2 * counts + 5)).sum())


def _scaled(interval: tuple[float, float], scale: float) -> tuple[float, float]:
    low, high = sorted(bound * scale for bound in interval)
    return low, high
