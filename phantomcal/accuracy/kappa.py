"""Do readers agree beyond chance?"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.accuracy.inputs import FloatArray, IntArray, count_subjects, few_subjects, same_length, subject_numbers
from phantomcal.errors import InputError
from phantomcal.results.accuracy import Kappa

WEIGHTS = ("linear", "quadratic")


def kappa(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    weights: str | None = None,
    *,
    subjects: Iterable[Any] | None = None,
    categories: Sequence[Any] | None = None,
) -> Kappa:
    """Cohen's kappa of two readers.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        What each reader called each case: numbers, truth values or text.
    weights : {None, "linear", "quadratic"}
        How disagreement grows with distance, for ordered categories.
    subjects : iterable, optional
        Who each case belongs to; whole subjects are left out in turn when someone has several.
    categories : sequence, optional
        All categories in order; needed for weights when they are text. Found from the calls when not given.

    Returns
    -------
    Kappa
        Without a value when both readers use one and the same category throughout.

    Raises
    ------
    InputError
        Unequal lengths, no case, unknown weights, or a call that is not among the categories.

    References
    ----------
    J. Cohen, Educ. Psychol. Meas. 20 (1960) 37, 10.1177/001316446002000104; J. L. Fleiss, J. Cohen, B. S. Everitt,
    Psychol. Bull. 72 (1969) 323, 10.1037/h0028106.
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.ndim != 1 or not a.size:
        raise InputError("no cases to compare", "the readings", "give one call a case")
    same_length(b, a.size, "second")
    if weights is not None and weights not in WEIGHTS:
        raise InputError(f"unknown weights {weights!r}", "the call", f"use {' or '.join(WEIGHTS)}, or none")
    names = _categories((a, b), categories, weights is not None)
    codes = [_coded(values, names) for values in (a, b)]
    k, n = len(names), a.size
    numbers = subject_numbers(subjects, n)
    cell = codes[0] * k + codes[1]
    table = np.bincount(cell, minlength=k * k).reshape(k, k).astype(np.float64)
    disagreement = _disagreement(k, weights)
    known: dict[str, Any] = {
        "n": n,
        "n_readers": 2,
        "n_subjects": count_subjects(numbers),
        "categories": [str(name) for name in names],
        "weights": weights or "none",
    }
    observed, expected = _agreements(table[None], disagreement)
    value = _beyond_chance(observed, expected)[0]
    known |= {"observed_agreement": float(observed[0]), "expected_agreement": float(expected[0])}
    if not np.isfinite(value):
        note = "both readers use one category only: agreement beyond chance cannot be told"
        return Kappa(**known, value=None, standard_error=None, ci95=None, method="Cohen", note=note)
    if numbers is None:
        from statsmodels.stats.inter_rater import cohens_kappa

        found = cohens_kappa(table, wt=weights)
        error, deviate, method = float(found.std_kappa), float(stats.norm.ppf(0.975)), "Cohen; Fleiss, Cohen, Everitt"
        note = "" if n >= 30 else f"only {n} cases: the large-sample standard error is rough"
    else:
        g = int(numbers.max()) + 1
        own = np.bincount(numbers * k * k + cell, minlength=g * k * k).reshape(g, k, k)
        without = _beyond_chance(*_agreements(table - own, disagreement))
        error = float(np.sqrt((g - 1) / g * ((without - value) ** 2).sum())) if g > 1 else np.nan
        deviate = float(stats.t.ppf(0.975, max(g - 1, 1)))
        method, note = "Cohen; whole subjects left out in turn (jackknife), t", few_subjects(numbers)
    if not np.isfinite(error):
        note = "no standard error: nothing is left to compare without one of the subjects"
        return Kappa(**known, value=float(value), standard_error=None, ci95=None, method=method, note=note)
    ends = (max(float(value) - deviate * error, -1.0), min(float(value) + deviate * error, 1.0))
    if error == 0:
        note = "no spread (perfect agreement?): a standard error of 0 says nothing of new cases"
        return Kappa(**known, value=float(value), standard_error=None, ci95=None, method=method, note=note)
    return Kappa(**known, value=float(value), standard_error=error, ci95=ends, method=method, note=note)


def fleiss_kappa(
    calls: npt.ArrayLike, *, subjects: Iterable[Any] | None = None, categories: Sequence[Any] | None = None
) -> Kappa:
    """Fleiss' kappa of several readers.

    Parameters
    ----------
    calls : array_like, shape (n, readers)
        What each reader called each case; every reader calls all.
    subjects, categories
        As `kappa`.

    Returns
    -------
    Kappa
        Standard error from leaving out cases, or whole subjects, in turn.

    Raises
    ------
    InputError
        Fewer than two readers or cases.

    References
    ----------
    J. L. Fleiss, Psychol. Bull. 76 (1971) 378, 10.1037/h0031619.
    """
    table = np.asarray(calls)
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[0] < 2:
        raise InputError("too few readings", "the readings", "give two cases and two readers or more")
    names = _categories((table.ravel(),), categories, False)
    n, readers = table.shape
    codes = _coded(table.ravel(), names).reshape(n, readers)
    counts = np.stack([(codes == k).sum(axis=1) for k in range(len(names))], axis=1).astype(np.float64)
    numbers = subject_numbers(subjects, n)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))
    total = counts.sum(axis=0)
    observed, expected = float(agreeing.mean()), float(((total / total.sum()) ** 2).sum())
    known = {
        "n": n,
        "n_readers": readers,
        "n_subjects": count_subjects(numbers),
        "categories": [str(name) for name in names],
        "observed_agreement": observed,
        "expected_agreement": expected,
    }
    if expected >= 1 - 1e-12:
        note = "all readers use one category only: agreement beyond chance cannot be told"
        return Kappa(**known, value=None, standard_error=None, ci95=None, method="Fleiss", note=note)
    from statsmodels.stats.inter_rater import fleiss_kappa as of_counts

    value = float(of_counts(counts))
    unit = np.arange(n) if numbers is None else numbers
    g = int(unit.max()) + 1
    size = np.bincount(unit)
    left = n - size
    own = np.stack([np.bincount(unit, weights=column) for column in counts.T], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (total - own) / (left * readers)[:, None]
        chance = (share**2).sum(axis=1)
        without = ((agreeing.sum() - np.bincount(unit, weights=agreeing)) / left - chance) / (1 - chance)
        error = float(np.sqrt((g - 1) / g * ((without - value) ** 2).sum()))
    method = f"Fleiss; {'cases' if numbers is None else 'whole subjects'} left out in turn (jackknife), t"
    if not np.isfinite(error) or error == 0:
        note = "perfect agreement: no standard error" if error == 0 else "too few cases for a standard error"
        return Kappa(**known, value=value, standard_error=None, ci95=None, method=method, note=note)
    half = float(stats.t.ppf(0.975, g - 1)) * error
    ends = (max(value - half, -1.0), min(value + half, 1.0))
    return Kappa(**known, value=value, standard_error=error, ci95=ends, method=method, note=few_subjects(numbers))


def _categories(readings: Sequence[npt.NDArray[Any]], given: Sequence[Any] | None, ordered: bool) -> list[Any]:
    seen = np.unique(np.concatenate(readings))
    if given is not None:
        absent = [value for value in seen.tolist() if value not in given]
        if absent:
            raise InputError(f"{absent[0]!r} is no category", "the readings", "list all categories in order")
        return list(given)
    if ordered and seen.dtype.kind not in "biuf":
        raise InputError("weights need ordered categories", "the readings", "list the categories in order")
    return list(seen.tolist())


def _coded(values: npt.NDArray[Any], names: list[Any]) -> IntArray:
    place = {name: code for code, name in enumerate(names)}
    return np.array([place[value] for value in values.tolist()], dtype=np.int64)


def _disagreement(k: int, weights: str | None) -> FloatArray:
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k))).astype(np.float64)
    if weights is None:
        return np.asarray(distance > 0, dtype=np.float64)
    share = distance / max(k - 1, 1)
    return np.asarray(share**2 if weights == "quadratic" else share, dtype=np.float64)


def _agreements(tables: FloatArray, disagreement: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Observed and expected agreement of tables, shape (t, k, k)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    chance = shares.sum(axis=2)[:, :, None] * shares.sum(axis=1)[:, None, :]
    return 1 - (shares * disagreement).sum(axis=(1, 2)), 1 - (chance * disagreement).sum(axis=(1, 2))


def _beyond_chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan))
