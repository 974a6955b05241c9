"""Do probabilities mean what they say?"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.accuracy.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    as_classes,
    as_scores,
    count_subjects,
    few_subjects,
    joined,
    percentile_ends,
    subject_numbers,
)
from phantomcal.accuracy.proportions import proportion_of
from phantomcal.errors import InputError
from phantomcal.results.accuracy import Reliability, ReliabilityBin

N_BOOTSTRAP = 1000
_SEED = 20241
_CERTAIN = 1e-6
_MOST_WORK = 100_000_000


def reliability(
    truth: npt.ArrayLike,
    probability: npt.ArrayLike,
    n_bins: int = 10,
    subjects: Iterable[Any] | None = None,
    *,
    bins: Literal["width", "count"] = "width",
    rng: np.random.Generator | None = None,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Reliability:
    """Stated against observed: bins, expected calibration error, Brier score and its parts, slope and intercept.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
    probability : array_like, shape (n,)
        Of the positive class, 0 to 1; on cases that did not fit it.
    n_bins : int
        At least 2; empty bins are left out.
    subjects : iterable, optional
        Who each case belongs to; clusters where someone has several.
    bins : {"width", "count"}
        Bins of equal width, or of about equally many cases.
    rng : numpy.random.Generator, optional
        A fixed seed when not given.
    n_bootstrap : int
        Draws, at least 100.

    Returns
    -------
    Reliability
        The calibration error of perfect probabilities is above 0 for want of cases: `ece_if_calibrated` says how much.

    Raises
    ------
    InputError
        Values outside 0 to 1 or missing, unequal lengths, or fewer than two bins.

    Notes
    -----
    Brier score = reliability - resolution + uncertainty + what the width of the bins leaves.

    References
    ----------
    A. H. Murphy, J. Appl. Meteorol. 12 (1973) 595; D. B. Stephenson, C. A. S. Coelho, I. T. Jolliffe, Weather
    Forecast. 23 (2008) 752, 10.1175/2007WAF2006116.1; slope and intercept: D. R. Cox, Biometrika 45 (1958) 562,
    10.1093/biomet/45.3-4.562.
    """
    classes = as_classes(truth)
    p = as_scores(probability, classes.size, "probability")
    if ((p < 0) | (p > 1)).any():
        raise InputError("probabilities outside 0 to 1", "the call", "give shares, not per cent")
    if n_bins < 2 or n_bootstrap < 100:
        raise InputError(f"{n_bins} bins, {n_bootstrap} draws", "the call", "use 2 bins and 100 draws or more")
    numbers = subject_numbers(subjects, classes.size)
    rng = rng or np.random.default_rng(_SEED)
    edges = np.linspace(0, 1, n_bins + 1)
    if bins == "count":
        edges = np.unique(np.concatenate([[0.0], np.quantile(p, edges[1:-1]), [1.0]]))
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, edges.size - 2).astype(np.int64)
    y = classes.astype(np.float64)
    n, k = p.size, edges.size - 1
    count, stated, seen = (np.bincount(place, weights=w, minlength=k) for w in (np.ones(n), p, y))
    ece, brier = float(np.abs(stated - seen).sum() / n), float(((p - y) ** 2).mean())
    full = count > 0
    rate, said, share = seen[full] / count[full], stated[full] / count[full], count[full] / n
    base = float(y.mean())
    parts = float(share @ (said - rate) ** 2), float(share @ (rate - base) ** 2), base * (1 - base)
    draws = max(100, min(n_bootstrap, _MOST_WORK // n))
    boot = _bootstrap(p, y, place, k, numbers, rng, draws)
    perfect = _by_chance(p, place, k, rng, draws)
    slope, intercept, note = _cox(classes, p, numbers)
    clipped = int(((p <= 0) | (p >= 1)).sum())
    said_clipped = f"{clipped} probabilities of exactly 0 or 1 taken as {_CERTAIN:g} and its complement for the slope"
    return Reliability(
        n=n,
        n_positive=int(classes.sum()),
        n_subjects=count_subjects(numbers),
        bins=[_bin(i, edges, p, classes, place, numbers) for i in np.flatnonzero(full).tolist()],
        ece=ece,
        ece_ci95=percentile_ends(boot[0]),
        ece_if_calibrated=float(perfect.mean()),
        ece_if_calibrated_95=float(np.percentile(perfect, 95)),
        brier=brier,
        brier_ci95=percentile_ends(boot[1]),
        brier_reliability=parts[0],
        brier_resolution=parts[1],
        brier_uncertainty=parts[2],
        brier_within_bins=brier - (parts[0] - parts[1] + parts[2]),
        slope=slope[0],
        slope_se=slope[1],
        slope_ci95=slope[2],
        intercept=intercept[0],
        intercept_se=intercept[1],
        intercept_ci95=intercept[2],
        n_bootstrap=draws,
        method=f"bins of equal {bins}; bootstrap of {'cases' if numbers is None else 'whole subjects'}, percentiles; "
        f"logistic regression{'' if numbers is None else ' with subjects as clusters, t'}",
        note=joined(note, said_clipped if clipped and slope[0] is not None else "", few_subjects(numbers)),
    )


def _bin(
    i: int, edges: FloatArray, p: FloatArray, truth: BoolArray, place: IntArray, subjects: IntArray | None
) -> ReliabilityBin:
    here = place == i
    low, high = float(edges[i]), float(edges[i + 1])
    observed = proportion_of(truth[here], f"{low:.3g} to {high:.3g}", None if subjects is None else subjects[here])
    return ReliabilityBin(low=low, high=high, mean_probability=float(p[here].mean()), observed=observed)


def _bootstrap(
    p: FloatArray,
    y: FloatArray,
    place: IntArray,
    k: int,
    subjects: IntArray | None,
    rng: np.random.Generator,
    draws: int,
) -> tuple[FloatArray, FloatArray]:
    """Calibration error and Brier score of drawn cases or subjects; only their sums by bin are drawn."""
    unit = np.arange(p.size) if subjects is None else subjects
    g = int(unit.max()) + 1
    gap, square = np.empty(draws), np.empty(draws)
    loss = (p - y) ** 2
    for i in range(draws):
        weight = rng.multinomial(g, np.full(g, 1 / g))[unit]
        total = weight.sum()
        gap[i] = np.abs(np.bincount(place, weights=weight * (p - y), minlength=k)).sum() / total
        square[i] = weight @ loss / total
    return gap, square


def _by_chance(p: FloatArray, place: IntArray, k: int, rng: np.random.Generator, draws: int) -> FloatArray:
    found = np.empty(draws)
    for i in range(draws):
        drawn = rng.random(p.size) < p
        found[i] = np.abs(np.bincount(place, weights=p - drawn, minlength=k)).sum() / p.size
    return found


_Estimate = tuple[float | None, float | None, tuple[float, float] | None]
_NOTHING: _Estimate = (None, None, None)


def _cox(truth: BoolArray, p: FloatArray, subjects: IntArray | None) -> tuple[_Estimate, _Estimate, str]:
    if truth.all() or not truth.any():
        return _NOTHING, _NOTHING, "cases of one class only: no slope, no intercept"
    clipped = np.clip(p, _CERTAIN, 1 - _CERTAIN)
    logit = np.log(clipped / (1 - clipped))
    if np.ptp(logit) < 1e-9:
        return _NOTHING, _fitted(truth, np.ones((p.size, 1)), logit, subjects), "one probability for all: no slope"
    intercept = _fitted(truth, np.ones((p.size, 1)), logit, subjects)
    if logit[truth].min() > logit[~truth].max() or logit[truth].max() < logit[~truth].min():
        return _NOTHING, intercept, "the probabilities part the classes completely: the slope is unbounded"
    return _fitted(truth, np.column_stack([logit, np.ones(p.size)]), None, subjects), intercept, ""


def _fitted(truth: BoolArray, design: FloatArray, offset: FloatArray | None, subjects: IntArray | None) -> _Estimate:
    """The first coefficient of a logistic regression."""
    import warnings

    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    clusters = {} if subjects is None else {"cov_type": "cluster", "cov_kwds": {"groups": subjects}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = GLM(truth.astype(np.float64), design, family=Binomial(), offset=offset).fit(**clusters)
    value, error = float(found.params[0]), float(found.bse[0])
    if not (found.converged and np.isfinite(value) and np.isfinite(error)) or error <= 0:
        return _NOTHING
    groups = 0 if subjects is None else int(subjects.max()) + 1
    deviate = float(stats.norm.ppf(0.975) if subjects is None else stats.t.ppf(0.975, max(groups - 1, 1)))
    return value, error, (value - deviate * error, value + deviate * error)
