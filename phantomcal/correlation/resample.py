"""Correlations of many resamples at once: BCa bootstrap and jackknife, over rows or over whole subjects.

A resample is a row of weights: how often it takes each row of the data. Sums over all resamples are then one matrix
product, and ranks come from cumulated weights, so that nothing loops over resamples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

N_BOOTSTRAP = 10_000
SEED = 20_200_412
# Below, BCa intervals are too narrow: 86 to 92 % coverage with 6 to 15 subjects (benchmarks/correlation.py).
MIN_UNITS = 20
MOST_UNITS = 1000
_MOST_DRAWN = 20_000_000
_CHUNK_CELLS = 262_144


@dataclass(frozen=True)
class Coefficients:
    """Pearson's r, Spearman's rho, least-squares slope and reduced-major-axis slope of each resample, shape (B,)."""

    r: FloatArray
    rho: FloatArray
    slope: FloatArray
    axis_slope: FloatArray

    def all(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.r, self.rho, self.slope, self.axis_slope


@dataclass(frozen=True)
class Pairs:
    """Paired columns made ready for resampling.

    Attributes
    ----------
    columns : ndarray, shape (n, 2 + k)
        x, y and covariates, centred and scaled to unit SD; rows in order of x.
    scale : float
        SD of y over SD of x: slopes of `columns` times this are slopes of y on x.
    order : ndarray of int, shape (n,)
        Position of each of these rows in the data.
    """

    columns: FloatArray
    scale: float
    order: IntArray
    rankings: "tuple[_Ranking, ...]"


@dataclass(frozen=True)
class _Ranking:
    order: IntArray | None  # None: rows already stand in this order
    starts: IntArray | None  # first position of each group of ties; None without ties
    place: IntArray  # group of each row


def prepare(x: FloatArray, y: FloatArray, covariates: FloatArray | None = None) -> Pairs:
    """Centre, scale and order columns for `resampled`.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Paired finite values that vary.
    covariates : ndarray, shape (n, k), optional
        Taken out of both in every resample.

    Returns
    -------
    Pairs
    """
    table = np.column_stack([x, y] if covariates is None else [x, y, covariates])
    order = np.argsort(x, kind="stable").astype(np.int64)
    table = table[order]
    centred = table - table.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    rankings = tuple(_ranking(table[:, j], j == 0) for j in range(table.shape[1]))
    return Pairs(centred / spread, float(spread[1] / spread[0]), order, rankings)


def _ranking(values: FloatArray, in_order: bool) -> _Ranking:
    order = np.arange(values.size) if in_order else np.argsort(values, kind="stable")
    new = np.concatenate([[True], np.diff(values[order]) > 0])
    group = np.cumsum(new) - 1
    place = np.empty(values.size, dtype=np.int64)
    place[order] = group
    return _Ranking(None if in_order else order, None if new.all() else np.flatnonzero(new), place)


def resampled(pairs: Pairs, weights: FloatArray | npt.NDArray[np.uint8]) -> Coefficients:
    """Coefficients of every resample.

    Parameters
    ----------
    pairs : Pairs
        From `prepare`.
    weights : ndarray, shape (B, n)
        How often each resample takes each row of the data, in the data's order.

    Returns
    -------
    Coefficients
        NaN where a resample has no variation left.
    """
    weights = np.asarray(weights[:, pairs.order], dtype=np.float64)
    m = pairs.columns.shape[1]
    upper = np.triu_indices(m)
    products = pairs.columns[:, upper[0]] * pairs.columns[:, upper[1]]
    sums = weights @ np.column_stack([np.ones(len(products)), pairs.columns, products])
    total = sums[:, :1]
    means = sums[:, 1 : 1 + m] / total
    square = np.empty((len(weights), m, m))
    square[:, upper[0], upper[1]] = sums[:, 1 + m :] / total - means[:, upper[0]] * means[:, upper[1]]
    square[:, upper[1], upper[0]] = square[:, upper[0], upper[1]]
    sxx, syy, sxy = _given_the_rest(square)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = sxy / np.sqrt(sxx * syy)
        slope = sxy / sxx * pairs.scale
        axis = np.sign(sxy) * np.sqrt(syy / sxx) * pairs.scale

    centre = (total + 1) / 2
    ranks = [_weighted_ranks(weights, ranking) - centre for ranking in pairs.rankings]
    rank_square = np.empty((len(weights), m, m))
    for i in range(m):
        part = weights * ranks[i]
        for j in range(i, m):
            rank_square[:, i, j] = rank_square[:, j, i] = np.einsum("bn,bn->b", part, ranks[j])
    trace = np.maximum(np.einsum("bii->b", rank_square), 1e-300)  # 0 where a resample is one row over and over
    rxx, ryy, rxy = _given_the_rest(rank_square / trace[:, None, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = rxy / np.sqrt(rxx * ryy)
    return Coefficients(np.clip(r, -1, 1), np.clip(rho, -1, 1), slope, axis)


def _given_the_rest(square: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variances and covariance of the first two columns once the others are taken out; NaN where none is left."""
    left = square[:, :2, :2]
    if square.shape[1] > 2:
        across = square[:, :2, 2:]
        inverse = np.linalg.pinv(square[:, 2:, 2:], rcond=1e-10, hermitian=True)
        left = left - across @ inverse @ across.transpose(0, 2, 1)
    sxx, syy, sxy = left[:, 0, 0], left[:, 1, 1], left[:, 0, 1]
    varies = (sxx > 1e-12) & (syy > 1e-12)
    nan = np.nan
    return np.where(varies, sxx, nan), np.where(varies, syy, nan), np.where(varies, sxy, nan)


def _weighted_ranks(weights: FloatArray, ranking: _Ranking) -> FloatArray:
    """Mean rank of each row within each resample, ties averaged."""
    sorted_weights = weights if ranking.order is None else weights[:, ranking.order]
    if ranking.starts is not None:
        sorted_weights = np.add.reduceat(sorted_weights, ranking.starts, axis=1)
    rank = np.cumsum(sorted_weights, axis=1)
    rank -= 0.5 * sorted_weights
    rank += 0.5
    if ranking.order is None and ranking.starts is None:
        return rank
    return np.asarray(rank[:, ranking.place], dtype=np.float64)


def jackknife(pairs: Pairs, unit: IntArray) -> tuple[Coefficients, FloatArray]:
    """Coefficients with each unit left out in turn.

    Parameters
    ----------
    pairs : Pairs
    unit : ndarray of int, shape (n,)
        Unit of each row (row number, or subject), counted from 0. Beyond 1000 units, groups of units are left out.

    Returns
    -------
    without : Coefficients
        Shape (units,).
    size : ndarray, shape (units,)
        Rows left out with each.
    """
    unit = unit % MOST_UNITS
    n_units = int(unit.max()) + 1
    parts = []
    step = max(1, _CHUNK_CELLS // unit.size)
    for first in range(0, n_units, step):
        these = np.arange(first, min(first + step, n_units))
        parts.append(resampled(pairs, (unit[None, :] != these[:, None]).astype(np.float64)))
    joined = Coefficients(*(np.concatenate(values) for values in zip(*(p.all() for p in parts), strict=True)))
    return joined, np.bincount(unit, minlength=n_units).astype(np.float64)


def bootstrap(
    pairs: Pairs, unit: IntArray | None = None, n_bootstrap: int = N_BOOTSTRAP, seed: int = SEED
) -> Coefficients:
    """Coefficients of bootstrap samples of rows, or of whole subjects when rows of one belong together.

    Parameters
    ----------
    pairs : Pairs
    unit : ndarray of int, shape (n,), optional
        Subject of each row; each row its own by default.
    n_bootstrap : int
        Samples; fewer (1000 at least) for tables of more than 2000 units, where intervals have long settled.
    seed : int
        The same seed gives the same samples.

    Returns
    -------
    Coefficients
        Shape (n_bootstrap,).
    """
    n_units = len(pairs.order) if unit is None else int(unit.max()) + 1
    parts = []
    for counts in _counts(n_units, samples_for(n_units, n_bootstrap), seed, max(1, _CHUNK_CELLS // len(pairs.order))):
        parts.append(resampled(pairs, counts if unit is None else counts[:, unit]))
    return Coefficients(*(np.concatenate(values) for values in zip(*(p.all() for p in parts), strict=True)))


def samples_for(n_units: int, n_bootstrap: int = N_BOOTSTRAP) -> int:
    """Bootstrap samples that are drawn of so many units."""
    return min(n_bootstrap, max(1000, _MOST_DRAWN // n_units))


def _counts(n_units: int, n_bootstrap: int, seed: int, step: int) -> Iterator[npt.NDArray[np.uint8]]:
    drawn = _draw(n_units, n_bootstrap, seed)
    for first in range(0, n_bootstrap, step):
        yield drawn[first : first + step]


@lru_cache(maxsize=4)
def _draw(n_units: int, n_bootstrap: int, seed: int) -> npt.NDArray[np.uint8]:
    """How often each sample takes each unit; regions of equal size share the samples."""
    rng = np.random.default_rng([seed, n_units])
    counts = np.empty((n_bootstrap, n_units), dtype=np.uint8)
    step = max(1, _CHUNK_CELLS // n_units)
    for first in range(0, n_bootstrap, step):
        size = min(step, n_bootstrap - first)
        taken = rng.integers(0, n_units, size=(size, n_units)) + n_units * np.arange(size)[:, None]
        counts[first : first + size] = np.bincount(taken.ravel(), minlength=size * n_units).reshape(size, n_units)
    counts.setflags(write=False)
    return counts


def bca_interval(
    estimate: float, samples: FloatArray, without: FloatArray, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated bootstrap interval.

    Parameters
    ----------
    estimate : float
        Of the data.
    samples : ndarray, shape (B,)
        Of the bootstrap samples; NaN where a sample had no variation.
    without : ndarray, shape (units,)
        With each unit left out, for the acceleration.
    confidence : float

    Returns
    -------
    tuple of float, or None
        None when more than one sample in twenty, or a leave-one-out, has no value.

    References
    ----------
    B. Efron, J. Am. Stat. Assoc. 82 (1987) 171, 10.1080/01621459.1987.10478410.
    """
    known = samples[np.isfinite(samples)]
    if known.size < 0.95 * samples.size or not np.isfinite(without).all():
        return None
    below = (np.sum(known < estimate) + 0.5 * np.sum(known == estimate)) / known.size
    if not 0 < below < 1:
        return None
    shift = float(stats.norm.ppf(below))
    away = without.mean() - without
    squares = float(away @ away)
    speed = float((away**3).sum() / (6.0 * squares**1.5)) if squares > 0 else 0.0
    z = stats.norm.ppf([0.5 - confidence / 2, 0.5 + confidence / 2]) + shift
    shares = np.asarray(stats.norm.cdf(shift + z / (1.0 - speed * z)), dtype=np.float64)
    return float(np.quantile(known, shares[0])), float(np.quantile(known, shares[1]))
