"""How well does a score tell two classes apart, and does one do it better than another?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
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
    require_both_classes,
    subject_numbers,
)
from phantomcal.errors import InputError
from phantomcal.results.accuracy import AreaComparison, EqualAreas, RocPoint, RocResult

Scale = Literal["auto", "plain", "logit"]

# Beyond these areas a symmetric interval is a poor picture of a skewed estimate.
_LOGIT_FROM = 0.9
_MOST_POINTS = 400
_INDEPENDENT = "DeLong"
_CLUSTERED = "Obuchowski's variance for clustered cases, t"


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of several scores of the same cases.

    Attributes
    ----------
    values : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    dof : float
        Degrees of freedom of the variances; infinite for independent cases.
    """

    values: FloatArray
    covariance: FloatArray
    dof: float


def areas(truth: BoolArray, scores: FloatArray, subjects: IntArray | None = None) -> Areas:
    """Areas and their covariance from mid-ranks, in n log n steps a score.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Both classes.
    scores : ndarray, shape (k, n)
        Larger speaks for the positive class; ties count a half.
    subjects : ndarray of int, shape (n,), optional
        Counted from 0. The variance is then Obuchowski's, with subjects as clusters that may hold both classes.

    Returns
    -------
    Areas

    References
    ----------
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837, 10.2307/2531595; X. Sun, W. Xu, IEEE
    Signal Process. Lett. 21 (2014) 1389, 10.1109/LSP.2014.2337313; N. A. Obuchowski, Biometrics 53 (1997) 567,
    10.2307/2533958.
    """
    m, n = int(truth.sum()), int((~truth).sum())
    positive, negative = scores[:, truth], scores[:, ~truth]
    overall = stats.rankdata(scores, axis=1)
    # The share of the other class that a case beats: its rank among all less its rank in its own class.
    beats = (overall[:, truth] - stats.rankdata(positive, axis=1)) / n
    beaten = 1.0 - (overall[:, ~truth] - stats.rankdata(negative, axis=1)) / m
    values = beats.mean(axis=1)
    if subjects is None:
        covariance = _covariance(beats, values) / m + _covariance(beaten, values) / n
        return Areas(values, covariance, np.inf)
    n_subjects = int(subjects.max()) + 1
    up = _sums(beats - values[:, None], subjects[truth], n_subjects)
    down = _sums(beaten - values[:, None], subjects[~truth], n_subjects)
    i_up, i_down = (np.unique(subjects[part]).size for part in (truth, ~truth))
    cross = up @ down.T
    covariance = (
        _corrected(i_up) * (up @ up.T) / m**2
        + _corrected(i_down) * (down @ down.T) / n**2
        + _corrected(n_subjects) * (cross + cross.T) / (m * n)
    )
    return Areas(values, covariance, float(max(min(i_up, i_down) - 1, 1)))


def _covariance(placements: FloatArray, values: FloatArray) -> FloatArray:
    n = placements.shape[1]
    if n < 2:
        return np.full((values.size, values.size), np.nan)
    centred = placements - values[:, None]
    return np.asarray(centred @ centred.T / (n - 1), dtype=np.float64)


def _sums(values: FloatArray, subjects: IntArray, n_subjects: int) -> FloatArray:
    return np.stack([np.bincount(subjects, weights=row, minlength=n_subjects) for row in values])


def _corrected(groups: int) -> float:
    return groups / (groups - 1) if groups > 1 else np.nan


def roc(
    truth: npt.ArrayLike,
    score: npt.ArrayLike,
    subjects: Iterable[Any] | None = None,
    *,
    name: str = "",
    scale: Scale = "auto",
) -> RocResult:
    """Curve and area of one score.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
    score : array_like, shape (n,)
        Larger speaks for the positive class.
    subjects : iterable, optional
        Who each case belongs to; treated as clusters when someone has several.
    name : str
        Of the score.
    scale : {"auto", "plain", "logit"}
        Of the interval: symmetric about the area, or about its logit, which stays within 0 and 1. ``auto`` takes the
        logit for clustered cases, for areas beyond 0.1 and 0.9, and where a symmetric interval would leave 0 to 1.

    Returns
    -------
    RocResult
        An area of exactly 0 or 1 has neither standard error nor interval; the note says so.

    Raises
    ------
    InputError
        One class only, values missing, or unequal lengths.
    """
    classes = as_classes(truth)
    values = as_scores(score, classes.size)
    require_both_classes(classes)
    numbers = subject_numbers(subjects, classes.size)
    found = areas(classes, values[None], numbers)
    area, variance = float(found.values[0]), float(found.covariance[0, 0])
    m, n = int(classes.sum()), int((~classes).sum())
    known = {
        "name": name,
        "auc": area,
        "n_positive": m,
        "n_negative": n,
        "n_subjects": count_subjects(numbers),
        "points": _points(classes, values),
    }
    method = _INDEPENDENT if numbers is None else _CLUSTERED
    trouble = _why_no_error(area, variance, m, n)
    if trouble:
        return RocResult(**known, auc_se=None, auc_ci95=None, method=method, note=trouble)
    error = float(np.sqrt(variance))
    deviate = float(stats.norm.ppf(0.975) if np.isinf(found.dof) else stats.t.ppf(0.975, found.dof))
    interval, words = _interval(area, error, deviate, "logit" if scale == "auto" and numbers is not None else scale)
    return RocResult(**known, auc_se=error, auc_ci95=interval, method=method + words, note=few_subjects(numbers))


def _why_no_error(area: float, variance: float, m: int, n: int) -> str:
    if area in (0.0, 1.0):
        order = "above" if area == 1.0 else "below"
        return (
            f"every positive case ({m}) scores {order} every negative one ({n}): the area has no standard error, "
            "and new cases may still overlap"
        )
    if not np.isfinite(variance):
        return f"{m} positive and {n} negative cases (or their subjects) are too few for a standard error"
    if variance <= 0:
        return "the score does not vary within the classes: no standard error"
    return ""


def _interval(area: float, error: float, deviate: float, scale: Scale) -> tuple[tuple[float, float], str]:
    low, high = area - deviate * error, area + deviate * error
    outside = low < 0 or high > 1
    if scale == "logit" or (scale == "auto" and (outside or not 1 - _LOGIT_FROM < area < _LOGIT_FROM)):
        logit, half = float(np.log(area / (1 - area))), deviate * error / (area * (1 - area))
        ends = 1 / (1 + np.exp(-np.array([logit - half, logit + half])))
        return (float(ends[0]), float(ends[1])), ", interval on the logit scale"
    return (max(low, 0.0), min(high, 1.0)), ""


def _points(truth: BoolArray, score: FloatArray) -> list[RocPoint]:
    order = np.argsort(-score, kind="stable")
    ordered, called = score[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)
    tpr = np.append(0.0, np.cumsum(called)[last] / truth.sum())
    fpr = np.append(0.0, np.cumsum(~called)[last] / (~truth).sum())
    thresholds = np.append(np.nan, ordered[last])
    # Only the corners: between them the curve is straight.
    turn = np.diff(fpr[:-1]) * np.diff(tpr)[1:] - np.diff(tpr[:-1]) * np.diff(fpr)[1:]
    kept = np.flatnonzero(np.concatenate([[True], np.abs(turn) > 1e-15, [True]]))
    if kept.size > _MOST_POINTS:
        kept = kept[np.unique(np.linspace(0, kept.size - 1, _MOST_POINTS).round().astype(int))]
    return [
        RocPoint(
            threshold=None if np.isnan(thresholds[i]) else float(thresholds[i]),
            false_positive_rate=float(fpr[i]),
            true_positive_rate=float(tpr[i]),
        )
        for i in kept
    ]


def compare_areas(
    truth: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike], subjects: Iterable[Any] | None = None
) -> list[AreaComparison]:
    """Areas of several scores of the same cases, every pair.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
    scores : mapping of str to array_like, shape (n,)
        Two or more scores by name; larger speaks for the positive class in each.
    subjects : iterable, optional
        As `roc`.

    Returns
    -------
    list of AreaComparison
        First minus second, in the order given; p values adjusted by Holm over the pairs.

    Raises
    ------
    InputError
        Fewer than two scores, or as `roc`.
    """
    names, found, numbers = _several(truth, scores, subjects)
    rows = []
    for i, j in combinations(range(len(names)), 2):
        difference = float(found.values[i] - found.values[j])
        variance = float(found.covariance[i, i] + found.covariance[j, j] - 2 * found.covariance[i, j])
        known = {
            "first": names[i],
            "second": names[j],
            "auc_first": float(found.values[i]),
            "auc_second": float(found.values[j]),
            "difference": difference,
            "p_adjusted": None,
            "method": "DeLong" if numbers is None else _CLUSTERED,
        }
        if variance > 1e-24:
            error = float(np.sqrt(variance))
            z = difference / error
            clustered = np.isfinite(found.dof)
            p = float(2 * (stats.t.sf(abs(z), found.dof) if clustered else stats.norm.sf(abs(z))))
            half = float(stats.t.ppf(0.975, found.dof) if clustered else stats.norm.ppf(0.975)) * error
            ends = (max(difference - half, -1.0), min(difference + half, 1.0))
            row = AreaComparison(**known, standard_error=error, ci95=ends, z=z, p=p, note=few_subjects(numbers))
        elif abs(difference) < 1e-12 and found.covariance[i, i] > 1e-24:
            note = "both scores put the cases in the same order"
            row = AreaComparison(**known, standard_error=0.0, ci95=(0.0, 0.0), z=None, p=1.0, note=note)
        else:
            note = "the difference has no standard error (an area of exactly 0 or 1, or too few cases)"
            row = AreaComparison(**known, standard_error=None, ci95=None, z=None, p=None, note=note)
        rows.append(row)
    adjusted = holm([row.p for row in rows])
    return [row.model_copy(update={"p_adjusted": p}) for row, p in zip(rows, adjusted, strict=True)]


def equal_areas(
    truth: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike], subjects: Iterable[Any] | None = None
) -> EqualAreas:
    """Test that the areas of all scores are equal: chi-squared of the contrasts against the first.

    Parameters and raises as `compare_areas`.
    """
    names, found, numbers = _several(truth, scores, subjects)
    k = len(names)
    contrast = np.column_stack([np.ones(k - 1), -np.eye(k - 1)])
    difference, covariance = contrast @ found.values, contrast @ found.covariance @ contrast.T
    method = "DeLong, Wald chi-squared" if numbers is None else "Obuchowski's covariance, Wald chi-squared"
    if not np.isfinite(covariance).all() or np.linalg.matrix_rank(covariance) < k - 1:
        note = "the differences have no covariance of full rank: scores of equal order, or areas of 0 or 1"
        return EqualAreas(names=names, chi2=None, dof=k - 1, p=None, method=method, note=note)
    chi2 = float(difference @ np.linalg.solve(covariance, difference))
    return EqualAreas(names=names, chi2=chi2, dof=k - 1, p=float(stats.chi2.sf(chi2, k - 1)), method=method)


def _several(
    truth: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike], subjects: Iterable[Any] | None
) -> tuple[list[str], Areas, IntArray | None]:
    classes = as_classes(truth)
    if len(scores) < 2:
        raise InputError("fewer than two scores to compare", "the call", "give two or more")
    require_both_classes(classes)
    table = np.stack([as_scores(values, classes.size, name) for name, values in scores.items()])
    numbers = subject_numbers(subjects, classes.size)
    return list(scores), areas(classes, table, numbers), numbers


def holm(p: list[float | None]) -> list[float | None]:
    """P values adjusted by Holm; None stays None and does not count."""
    # Not statsmodels' multipletests, which collects garbage at every call: a tenth of a second for two numbers.
    adjusted, largest = list(p), 0.0
    tested = sorted((value, place) for place, value in enumerate(p) if value is not None)
    for rank, (value, place) in enumerate(tested):
        largest = max(largest, value * (len(tested) - rank))
        adjusted[place] = min(largest, 1.0)
    return adjusted
