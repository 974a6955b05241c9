"""How sure is a share of cases?"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.accuracy.inputs import FEW_SUBJECTS, as_classes, joined, subject_numbers
from phantomcal.errors import InputError
from phantomcal.results.accuracy import Proportion

Interval = tuple[float, float]


def wilson(k: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of k out of n.

    Parameters
    ----------
    k, n : float
        Count and cases; need not be whole, as effective numbers are not.
    confidence : float
        Coverage, between 0 and 1.

    Returns
    -------
    tuple of float

    Raises
    ------
    InputError
        No case, or a count beyond the cases.

    References
    ----------
    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209, 10.1080/01621459.1927.10502953.
    """
    _check(k, n, confidence)
    return _score_interval(k / n, n, float(stats.norm.ppf(0.5 + confidence / 2)))


def exact(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of k out of n: never covers less than it says, often more.

    Parameters, returns and raises as `wilson`.

    References
    ----------
    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404, 10.1093/biomet/26.4.404.
    """
    _check(k, n, confidence)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(k, n, alpha=1 - confidence, method="beta")
    # statsmodels leaves NaN at the edges of some versions.
    return (0.0 if k == 0 else float(low)), (1.0 if k == n else float(high))


def proportion(
    k: int, n: int, name: str, groups: tuple[npt.ArrayLike, npt.ArrayLike] | None = None, empty: str = "no cases"
) -> Proportion:
    """A share with standard error and interval.

    Parameters
    ----------
    k, n : int
        Count and cases.
    name : str
        What it is a share of.
    groups : tuple of array_like, shapes (g,), optional
        Count and cases of each subject, where subjects have several. The variance is then that of a ratio of sums over
        subjects; the interval is Wilson's for the number of independent cases with the same variance, with Student's t
        on subjects - 1 degrees of freedom in place of the normal deviate.
    empty : str
        What to say when n is 0.

    Returns
    -------
    Proportion

    References
    ----------
    J. N. K. Rao, A. J. Scott, Biometrics 48 (1992) 577, 10.2307/2532311; C. Franco et al., J. Surv. Stat. Methodol. 7
    (2019) 334, 10.1093/jssam/smy019.
    """
    if n == 0:
        return Proportion(name=name, count=0, n=0, value=None, standard_error=None, ci95=None, note=empty)
    p = k / n
    if groups is None:
        return Proportion(
            name=name,
            count=k,
            n=n,
            value=p,
            standard_error=float(np.sqrt(p * (1 - p) / n)),
            ci95=wilson(k, n),
            ci95_exact=exact(k, n),
            method="Wilson",
        )
    counts, cases = (np.asarray(part, dtype=np.float64) for part in groups)
    counts, cases = counts[cases > 0], cases[cases > 0]
    if counts.sum() != k or cases.sum() != n:
        raise InputError(f"groups do not add up to {k} of {n}", name, "give count and cases of every subject")
    g = cases.size
    known = {"name": name, "count": k, "n": n, "value": p, "n_subjects": g}
    if g < 2:
        note = "all cases are of one subject: no interval"
        return Proportion(**known, standard_error=None, ci95=None, method="none", note=note)
    if 0 < k < n:
        variance = g / (g - 1) * float(((counts - p * cases) ** 2).sum()) / n**2
        effect = max(1.0, variance / (p * (1 - p) / n))
        note, error = "", float(np.sqrt(effect * p * (1 - p) / n))
    else:
        # All alike: how cases of one subject hang together cannot be seen, so each subject counts once.
        effect, error = n / g, None
        note = "no spread to tell clustering from: every subject counts as one case"
    if g < FEW_SUBJECTS:
        note = joined(note, f"only {g} subjects: the interval is rough")
    return Proportion(
        **known,
        standard_error=error,
        ci95=_score_interval(p, n / effect, float(stats.t.ppf(0.975, g - 1))),
        design_effect=effect,
        method="Wilson at the effective number of cases, subjects as clusters",
        note=note,
    )


def proportion_of(
    hits: npt.ArrayLike, name: str, subjects: Iterable[Any] | None = None, empty: str = "no cases"
) -> Proportion:
    """The share of cases that are hits.

    Parameters
    ----------
    hits : array_like of bool, shape (n,)
    name, empty : str
        As `proportion`.
    subjects : iterable, optional
        Who each case belongs to; treated as clusters when someone has several.
    """
    array = np.asarray(hits)
    if array.size == 0:
        return proportion(0, 0, name, empty=empty)
    array = as_classes(array, name)
    numbers = subject_numbers(subjects, array.size)
    groups = None
    if numbers is not None:
        groups = np.bincount(numbers, weights=array), np.bincount(numbers)
    return proportion(int(array.sum()), array.size, name, groups)


def _check(k: float, n: float, confidence: float) -> None:
    if not (n > 0 and 0 <= k <= n):
        raise InputError(f"{k:g} of {n:g} is no proportion", "the call", "give 0 <= k <= n, n > 0")
    if not 0 < confidence < 1:
        raise InputError(f"a confidence of {confidence:g}", "the call", "give a number between 0 and 1")


def _score_interval(p: float, n: float, deviate: float) -> Interval:
    # statsmodels' Wilson takes the level, not the deviate, which Student's t needs here.
    square = deviate**2
    middle = (p + square / (2 * n)) / (1 + square / n)
    half = deviate / (1 + square / n) * float(np.sqrt(p * (1 - p) / n + square / (4 * n**2)))
    return (0.0 if p == 0 else max(0.0, middle - half)), (1.0 if p == 1 else min(1.0, middle + half))
