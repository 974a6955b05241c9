"""Mean, spread and standard error of many regions at once."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phantomcal.correlation.labels import FloatArray, Voxels

# Noise is judged from at most so many voxels of a region, from its middle: more would not change the answer.
_MOST_FOR_NOISE = 16_384
_EVERY_FOR_SURFACE = 4_096
_LEAST_FOR_SURFACE = 30
_LEAST_PAIRS = 20
# Rounds of correcting for what the surface takes of the noise, and the most of it that is corrected for.
# Of the surface's ten terms as many as this fit smooth noise as well as its mean does (simulated: standard errors are
# within 15 % for point spreads of 0 to 1.2 voxels).
_ROUNDS = 4
_MOST_TAKEN = 0.5
_NOISE_TERMS = 6.0


@dataclass(frozen=True)
class Spread:
    """Statistics per region; NaN where there are too few voxels.

    Attributes
    ----------
    n : ndarray of int64
        Voxels.
    mean, sd : ndarray
        Of all voxels, or of those left by the trimming.
    sem : ndarray
        Standard error of the mean from the noise alone.
    n_effective : ndarray
        Independent voxels the noise is worth.
    percentiles : dict of float to ndarray
        Of all voxels.
    """

    n: npt.NDArray[np.int64]
    mean: FloatArray
    sd: FloatArray
    sem: FloatArray
    n_effective: FloatArray
    percentiles: dict[float, FloatArray] = field(default_factory=dict)


def spread(
    values: npt.NDArray[np.floating],
    voxels: Voxels,
    *,
    trim_percent: float = 0.0,
    percentiles: tuple[float, ...] = (),
    most_independent: float = 1.0,
    errors: bool = True,
) -> Spread:
    """Statistics of every region.

    Neighbouring voxels share noise. As in `phantomcal.phantom.measuring.sample.statistics`, what varies smoothly over a
    region is taken out by a quadratic surface first, and the rest is taken as white noise seen through a Gaussian point
    spread:
    with the correlation r of neighbours along an axis, voxels k apart have r^(k^2). Regions of 30 voxels or fewer, too
    small for a surface, borrow the correlation of all others.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Value of each voxel, finite.
    voxels : Voxels
        Which region they belong to, and where they lie.
    trim_percent : float
        Share of voxels left out at either end of each region's values. The standard error is then Tukey and
        McLaughlin's (1963, Sankhya A 25:331), from the winsorised spread.
    percentiles : tuple of float
        0 to 100, linear between voxels.
    most_independent : float
        No more than this share of the voxels counts as independent (interpolation makes no new ones).
    errors : bool
        Whether to work out `sem` and `n_effective`; NaN otherwise.

    Returns
    -------
    Spread
    """
    from phantomcal.correlation.kernels import moments

    n = voxels.counts
    mean, squares = np.empty(n.size), np.empty(n.size)
    moments(values, voxels.offsets, mean, squares)
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)
    sem, effective = np.full(n.size, np.nan), np.full(n.size, np.nan)
    if errors:
        noise_sd, share = _noise(values, voxels, sd)
        effective = np.minimum(np.clip(n * share, 1.0, np.maximum(n, 1)), np.maximum(n * most_independent, 1.0))
        effective = np.where(n > 0, effective, np.nan)
        sem = noise_sd / np.sqrt(effective)
    found: dict[float, FloatArray] = {p: np.full(n.size, np.nan) for p in percentiles}
    if percentiles or trim_percent > 0:
        for region in np.flatnonzero(n):
            own = values[voxels.offsets[region] : voxels.offsets[region + 1]]
            if percentiles:
                for p, value in zip(percentiles, _percentiles(own, percentiles), strict=True):
                    found[p][region] = value
            if trim_percent > 0:
                plain = sd[region]
                mean[region], sd[region], widened = _trimmed(own.astype(np.float64), trim_percent / 100)
                sem[region] *= widened / plain if plain > 0 else 1.0
    return Spread(n, mean, sd, sem, effective, found)


def _percentiles(values: npt.NDArray[np.floating], percentiles: tuple[float, ...]) -> FloatArray:
    """Percentiles, linear between voxels; numpy's own first copies everything to double precision."""
    place = np.array(percentiles) / 100 * (values.size - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, values.size - 1)
    ordered = np.partition(values, np.unique([below, above]))
    low, high = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
    return np.asarray(low + (high - low) * (place - below), dtype=np.float64)


def _trimmed(values: FloatArray, share: float) -> tuple[float, float, float]:
    """Mean and SD without the ends, and the winsorised SD over the share kept."""
    cut = int(share * values.size)
    ordered = np.sort(values)
    kept = ordered[cut : values.size - cut]
    sd = float(kept.std(ddof=1)) if kept.size > 1 else float("nan")
    winsorised = float(np.clip(ordered, kept[0], kept[-1]).std(ddof=1)) if values.size > 1 else float("nan")
    return float(kept.mean()), sd, winsorised / (kept.size / values.size)


def _noise(values: npt.NDArray[np.floating], voxels: Voxels, sd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """SD of the noise of each region, and how many independent samples a voxel is worth."""
    from phantomcal.correlation.kernels import N_TERMS, boxes, normal_equations, residual_products

    n, regions = voxels.counts, voxels.counts.size
    shape = np.array(voxels.shape, np.int64)
    # Slots ascend through the volume, so the first and last tell the slices.
    first, last = voxels.offsets[:-1], np.maximum(voxels.offsets[1:] - 1, 0)
    plane = voxels.shape[1] * voxels.shape[2]
    slices = np.zeros((regions, 2), np.int64)
    filled = n > 0
    slices[filled] = np.stack([voxels.flat[first[filled]], voxels.flat[last[filled]]], axis=1) // plane
    # A run of slots is a run of slices: it must hold several of them to have neighbours along z.
    depth = slices[:, 1] - slices[:, 0] + 1
    run = np.minimum(n, np.maximum(_MOST_FOR_NOISE, 6 * n // depth))
    starts = voxels.offsets[:-1] + (n - run) // 2
    stops = starts + run
    low, high = np.empty((regions, 3), np.int64), np.empty((regions, 3), np.int64)
    boxes(voxels.flat, starts, stops, shape, low, high)
    centre, scale = (low + high) / 2.0, np.maximum(high - low, 1.0)
    extent = np.maximum(high - low + 1, 1)
    extent[:, 0] = depth
    gram, moment = np.zeros((regions, N_TERMS, N_TERMS)), np.zeros((regions, N_TERMS))
    strides = np.maximum(run // _EVERY_FOR_SURFACE, 1)
    normal_equations(values, voxels.flat, starts, stops, strides, shape, centre, scale, gram, moment)
    # Flat regions have no slope across: the pseudo-inverse leaves such terms out.
    weights = np.einsum("rpq,rq->rp", np.linalg.pinv(gram, rcond=1e-10, hermitian=True), moment)
    large = run > _LEAST_FOR_SURFACE
    mean_only = np.zeros_like(weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_only[:, 0] = np.where(n > 0, moment[:, 0] / np.maximum(gram[:, 0, 0], 1), 0.0)
    weights = np.where(large[:, None], weights, mean_only)
    products, pairs = np.zeros((regions, 4)), np.zeros((regions, 4))
    residual_products(values, voxels.flat, starts, stops, shape, centre, scale, weights, products, pairs)
    terms = np.where(large, _NOISE_TERMS, 1.0)
    found = products[:, 0] / np.maximum(run, 1)
    # Without noise there is no correlation of it either.
    steady = found <= (1e-12 * np.maximum(np.abs(weights[:, 0]), np.nan_to_num(sd))) ** 2
    usable = large & ~steady
    with np.errstate(invalid="ignore", divide="ignore"):
        neighbours = np.where(pairs[:, 1:] > 0, products[:, 1:] / np.maximum(pairs[:, 1:], 1), 0.0) / found[:, None]
    taken = np.minimum(terms / np.maximum(run, 1), _MOST_TAKEN)
    share = np.ones(regions)
    for _ in range(_ROUNDS):
        # The surface takes along the noise that looks like it: of smooth noise, which is worth fewer voxels, more.
        r = neighbours * (1.0 - taken[:, None]) + taken[:, None]
        r = _borrowed(r, pairs[:, 1:], usable)
        share = np.prod([_share(r[:, axis], extent[:, axis]) for axis in range(3)], axis=0)
        taken = np.minimum(terms / np.maximum(run * share, 1.0), _MOST_TAKEN)
    noise_sd = np.sqrt(found / (1.0 - taken))
    return np.where(n > 1, np.where(steady, 0.0, noise_sd), np.nan), share


def _borrowed(r: FloatArray, pairs: FloatArray, usable: npt.NDArray[np.bool_]) -> FloatArray:
    """Correlation of neighbours along z, y, x; that of all regions together where a region has too few of them."""
    weight = np.where(usable[:, None], pairs, 0.0)
    pooled = (np.nan_to_num(r) * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1.0)
    return np.clip(np.where(usable[:, None] & (pairs >= _LEAST_PAIRS), r, pooled), 0.0, 0.999)


def _share(r: FloatArray, length: npt.NDArray[np.int64]) -> FloatArray:
    """Independent samples per voxel along one axis of a region so many voxels long."""
    # r^(k^2) is below 1e-7 beyond lag 127 for any r <= 0.999.
    lags = np.arange(1, 128)
    weight = np.maximum(1.0 - lags / length[:, None], 0.0)
    return np.asarray(1.0 / (1.0 + 2.0 * np.sum(weight * r[:, None] ** (lags**2), axis=1)), dtype=np.float64)
