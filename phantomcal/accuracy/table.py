"""Calls against the truth: sensitivity, specificity, predictive values, likelihood ratios."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.accuracy.inputs import (
    BoolArray,
    IntArray,
    as_classes,
    count_subjects,
    few_subjects,
    joined,
    same_length,
    subject_numbers,
)
from phantomcal.accuracy.proportions import proportion_of
from phantomcal.results.accuracy import DiagnosticTable, LikelihoodRatio


def diagnostic_table(
    truth: npt.ArrayLike, called: npt.ArrayLike, subjects: Iterable[Any] | None = None
) -> DiagnosticTable:
    """The two-by-two table and what is read from it.

    Parameters
    ----------
    truth, called : array_like of bool, shape (n,)
        What a case is, and what it was called.
    subjects : iterable, optional
        Who each case belongs to; treated as clusters when someone has several.

    Returns
    -------
    DiagnosticTable
        A measure without cases has no value and says so.

    Raises
    ------
    InputError
        Other values than yes and no, or unequal lengths.

    Notes
    -----
    Likelihood ratios have log-normal intervals. With an empty cell the ratio of 0 or infinity stands, and the interval
    is that of the table with a half added to each cell.

    References
    ----------
    D. L. Simel, G. P. Samsa, D. B. Matchar, J. Clin. Epidemiol. 44 (1991) 763, 10.1016/0895-4356(91)90128-V.
    """
    is_positive = as_classes(truth)
    calls = as_classes(called, "called")
    same_length(calls, is_positive.size, "called")
    numbers = subject_numbers(subjects, is_positive.size)

    def share(hits: BoolArray, among: BoolArray, name: str, empty: str) -> Any:
        return proportion_of(hits[among], name, None if numbers is None else numbers[among], empty)

    everything = np.ones_like(is_positive)
    tp, fp = int((is_positive & calls).sum()), int((~is_positive & calls).sum())
    fn, tn = int((is_positive & ~calls).sum()), int((~is_positive & ~calls).sum())
    no_positive, no_negative = "no positive case", "no negative case"
    return DiagnosticTable(
        true_positive=tp,
        false_positive=fp,
        false_negative=fn,
        true_negative=tn,
        n=is_positive.size,
        n_subjects=count_subjects(numbers),
        sensitivity=share(calls, is_positive, "sensitivity", no_positive),
        specificity=share(~calls, ~is_positive, "specificity", no_negative),
        positive_predictive_value=share(is_positive, calls, "positive predictive value", "nothing called positive"),
        negative_predictive_value=share(~is_positive, ~calls, "negative predictive value", "nothing called negative"),
        accuracy=share(calls == is_positive, everything, "accuracy", ""),
        prevalence=share(is_positive, everything, "share of positive cases", ""),
        likelihood_ratio_positive=_ratio("positive", tp, fn, fp, tn, is_positive, calls, numbers),
        likelihood_ratio_negative=_ratio("negative", fn, tp, tn, fp, is_positive, ~calls, numbers),
        note="predictive values hold for this share of positive cases only",
    )


def _ratio(
    name: str,
    hit: int,
    missed: int,
    false_hit: int,
    rest: int,
    truth: BoolArray,
    hits: BoolArray,
    subjects: IntArray | None,
) -> LikelihoodRatio:
    """P(call | positive) / P(call | negative), with the interval of its logarithm."""
    words = f"likelihood ratio of a {name} call"
    positive, negative = hit + missed, false_hit + rest
    if not positive or not negative:
        return LikelihoodRatio(name=words, value=None, ci95=None, note="one class is missing")
    if hit == 0 and false_hit == 0:
        return LikelihoodRatio(name=words, value=None, ci95=None, note="no such call was made")
    value = (hit / positive) / (false_hit / negative) if false_hit else None
    empty = hit == 0 or false_hit == 0
    note = "infinite" if value is None else "zero" if value == 0 else ""
    if subjects is None:
        half = 0.5 if empty else 0.0
        a, b, m, n = hit + half, false_hit + half, positive + 2 * half, negative + 2 * half
        error = np.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
        centre, reach = np.log((a / m) / (b / n)), stats.norm.ppf(0.975) * error
        more = "interval with a half added to each cell" if empty else ""
        ends = (float(np.exp(centre - reach)), float(np.exp(centre + reach)))
        return LikelihoodRatio(name=words, value=value, ci95=ends, method="log-normal (Simel)", note=joined(note, more))
    method = "log-normal, linearised over subjects, t"
    if empty or value is None:
        more = "no interval with an empty cell and several cases of one subject"
        return LikelihoodRatio(name=words, value=value, ci95=None, method=method, note=joined(note, more))
    g = int(subjects.max()) + 1
    p, q = hit / positive, false_hit / negative
    influence = np.where(truth, (hits - p) / (p * positive), -(hits - q) / (q * negative))
    error = float(np.sqrt(g / (g - 1) * (np.bincount(subjects, weights=influence) ** 2).sum())) if g > 1 else np.nan
    if not np.isfinite(error):
        return LikelihoodRatio(name=words, value=value, ci95=None, method=method, note="all cases are of one subject")
    reach = float(stats.t.ppf(0.975, g - 1)) * error
    ends = (float(value * np.exp(-reach)), float(value * np.exp(reach)))
    return LikelihoodRatio(name=words, value=value, ci95=ends, method=method, note=few_subjects(subjects))
