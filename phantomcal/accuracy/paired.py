"""Two callers of the same cases: is one right more often?"""

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
    same_length,
    subject_numbers,
)
from phantomcal.accuracy.roc import holm
from phantomcal.results.accuracy import PairedCalls, PairedTest


def mcnemar(
    truth: npt.ArrayLike,
    called_a: npt.ArrayLike,
    called_b: npt.ArrayLike,
    names: tuple[str, str] = ("first", "second"),
    subjects: Iterable[Any] | None = None,
) -> PairedCalls:
    """McNemar's test of sensitivity, of specificity and of accuracy.

    Parameters
    ----------
    truth, called_a, called_b : array_like of bool, shape (n,)
        What each case is, and what the two callers called it.
    names : tuple of str
        Of the callers.
    subjects : iterable, optional
        Who each case belongs to; when someone has several, the sign of each subject's difference is what chance may
        turn, which keeps cases of one subject together. For independent cases that is McNemar's exact test.

    Returns
    -------
    PairedCalls
        Differences are first minus second. A class without cases has no test.

    Raises
    ------
    InputError
        Other values than yes and no, or unequal lengths.

    Notes
    -----
    The p value is the mid-p of the exact test; the interval is Bonett and Price's adjusted Wald interval, for clustered
    cases that of a ratio of sums over subjects with Student's t.

    References
    ----------
    Q. McNemar, Psychometrika 12 (1947) 153, 10.1007/BF02295996; M. W. Fagerland, S. Lydersen, P. Laake, BMC Med. Res.
    Methodol. 13 (2013) 91, 10.1186/1471-2288-13-91; D. G. Bonett, R. M. Price, J. Educ. Behav. Stat. 37 (2012) 479,
    10.3102/1076998611411915.
    """
    is_positive = as_classes(truth)
    first, second = as_classes(called_a, names[0]), as_classes(called_b, names[1])
    same_length(first, is_positive.size, names[0])
    same_length(second, is_positive.size, names[1])
    numbers = subject_numbers(subjects, is_positive.size)
    a, b = first == is_positive, second == is_positive
    everything = np.ones_like(is_positive)
    tests = [
        _test(measure, a[part], b[part], None if numbers is None else numbers[part])
        for measure, part in (("sensitivity", is_positive), ("specificity", ~is_positive), ("accuracy", everything))
    ]
    adjusted = holm([test.p for test in tests[:2]])
    tests[:2] = [test.model_copy(update={"p_adjusted": p}) for test, p in zip(tests[:2], adjusted, strict=True)]
    return PairedCalls(
        first=names[0], second=names[1], n=is_positive.size, n_subjects=count_subjects(numbers), tests=tests
    )


def _test(measure: str, a: BoolArray, b: BoolArray, subjects: IntArray | None) -> PairedTest:
    n = a.size
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    known = {
        "measure": measure,
        "n": n,
        "both_right": int((a & b).sum()),
        "only_first_right": only_a,
        "only_second_right": only_b,
        "both_wrong": int((~a & ~b).sum()),
    }
    if n == 0:
        nothing = dict.fromkeys(("difference", "ci95", "p", "p_exact", "chi2", "chi2_p"))
        return PairedTest(**known, **nothing, method="none", note="no such case")
    difference = (only_a - only_b) / n
    if only_a + only_b == 0:
        nothing = {"chi2": None, "chi2_p": None}
        ends = _adjusted_wald(0, 0, n) if subjects is None else None
        note = "both are right and wrong on the same cases"
        return PairedTest(
            **known, difference=0.0, ci95=ends, p=1.0, p_exact=1.0, **nothing, method="McNemar", note=note
        )
    if subjects is None:
        from statsmodels.stats.contingency_tables import mcnemar as tested

        table = [[known["both_right"], only_a], [only_b, known["both_wrong"]]]
        exact, plain = tested(table, exact=True), tested(table, exact=False, correction=False)
        p_exact = min(float(exact.pvalue), 1.0)
        tie = float(stats.binom.pmf(min(only_a, only_b), only_a + only_b, 0.5))
        return PairedTest(
            **known,
            difference=difference,
            ci95=_adjusted_wald(only_a, only_b, n),
            p=min(p_exact - tie, 1.0) if only_a != only_b else 1.0 - tie / 2,
            p_exact=p_exact,
            chi2=float(plain.statistic),
            chi2_p=float(plain.pvalue),
            method="McNemar, exact with mid-p",
        )
    sums = np.bincount(subjects, weights=a.astype(float) - b).round().astype(np.int64)
    sizes = np.bincount(subjects)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    p_exact, p_mid = _sign_flips(sums)
    g = sizes.size
    ends = None
    if g > 1:
        error = float(np.sqrt(g / (g - 1) * ((sums - difference * sizes) ** 2).sum()) / n)
        half = float(stats.t.ppf(0.975, g - 1)) * error
        ends = (max(difference - half, -1.0), min(difference + half, 1.0))
    spread = float((sums**2).sum())
    chi2 = float(sums.sum() ** 2 / spread) if spread else None
    return PairedTest(
        **known,
        difference=difference,
        ci95=ends,
        p=p_mid,
        p_exact=p_exact,
        chi2=chi2,
        chi2_p=None if chi2 is None else float(stats.chi2.sf(chi2, 1)),
        method="McNemar with subjects as clusters: signs of the subjects' differences, exact with mid-p",
        note=few_subjects(subjects),
    )


def _adjusted_wald(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    p, q = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = float(stats.norm.ppf(0.975) * np.sqrt((p + q - (p - q) ** 2) / (n + 2)))
    return max(p - q - half, -1.0), min(p - q + half, 1.0)


def _sign_flips(sums: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Exact and mid-p, two-sided, of a sum whose terms had either sign with equal chance."""
    sizes = np.abs(sums[sums != 0])
    total, reach = abs(int(sums.sum())), int(sizes.sum())
    if reach == 0:
        return 1.0, 1.0
    chance = np.zeros(2 * reach + 1)
    chance[reach] = 1.0
    for size in sizes:  # one step a subject: the distribution of the sum, convolved
        chance = (np.roll(chance, size) + np.roll(chance, -size)) / 2
    values = np.abs(np.arange(-reach, reach + 1))
    beyond, at = float(chance[values > total].sum()), float(chance[values == total].sum())
    return min(beyond + at, 1.0), min(beyond + at / 2, 1.0)
