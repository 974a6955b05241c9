"""From which score upwards should a case be called positive, and how sure is that?"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    require_both_classes,
    subject_numbers,
)
from phantomcal.accuracy.proportions import proportion_of
from phantomcal.errors import InputError
from phantomcal.results.accuracy import Cutoff

N_BOOTSTRAP = 2000
_SEED = 20240
# Weights of one draw after another, so that memory stays small; fewer draws of very many cases.
_AT_ONCE = 2_000_000
_MOST_WORK = 400_000_000
_FEWEST_DRAWS = 200


def best_cutoff(
    truth: npt.ArrayLike,
    score: npt.ArrayLike,
    subjects: Iterable[Any] | None = None,
    *,
    rng: np.random.Generator | None = None,
    n_bootstrap: int = N_BOOTSTRAP,
    sensitivity: float | None = None,
    name: str = "",
) -> Cutoff:
    """The cut-off with the largest Youden index, or the most specific one that reaches a stated sensitivity.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
    score : array_like, shape (n,)
        A case is called positive from the cut-off upwards.
    subjects : iterable, optional
        Who each case belongs to; whole subjects are drawn when someone has several cases.
    rng : numpy.random.Generator, optional
        Of the bootstrap; a fixed seed when not given.
    n_bootstrap : int
        Draws, at least 100; of very many cases fewer are made.
    sensitivity : float, optional
        Wanted sensitivity, 0 to 1, in place of Youden's rule.
    name : str
        Of the score.

    Returns
    -------
    Cutoff
        Halfway between the two scores it parts. Of equal Youden indices, the one whose sensitivity and specificity
        are closest. Sensitivity and specificity are those on the same cases, hence too good; `youden_corrected` takes
        off what the bootstrap finds as optimism.

    Raises
    ------
    InputError
        One class only, a constant score, values missing, or a wanted sensitivity outside 0 to 1.

    References
    ----------
    W. J. Youden, Cancer 3 (1950) 32; optimism: B. Efron, J. Am. Stat. Assoc. 78 (1983) 316,
    10.1080/01621459.1983.10477973.
    """
    classes = as_classes(truth)
    values = as_scores(score, classes.size)
    require_both_classes(classes)
    if sensitivity is not None and not 0 < sensitivity <= 1:
        raise InputError(f"a sensitivity of {sensitivity:g}", "the call", "give a number above 0 and up to 1")
    if np.ptp(values) == 0:
        raise InputError("the score is the same for all cases", "the call", "a cut-off needs scores that differ")
    if n_bootstrap < 100:
        raise InputError(f"{n_bootstrap} bootstrap draws", "the call", "draw 100 or more")
    numbers = subject_numbers(subjects, classes.size)
    steps = _steps(classes, values)
    everyone = np.ones((1, classes.size))
    best = int(_chosen(steps, everyone, sensitivity)[0])
    cutoff = float(steps.cutoffs[best])
    draws = max(_FEWEST_DRAWS, min(n_bootstrap, _MOST_WORK // classes.size))
    found, optimism = _bootstrap(steps, numbers, rng or np.random.default_rng(_SEED), draws, sensitivity)
    positive = values >= cutoff
    own = None if numbers is None else numbers
    index = float(steps.youden(everyone)[0, best])
    skipped = draws - found.size
    note = joined(
        "sensitivity and specificity on the cases that chose the cut-off are optimistic",
        few_subjects(numbers),
        f"{skipped} of {draws} draws had one class only and were left out" if skipped else "",
    )
    return Cutoff(
        name=name,
        rule="largest Youden index" if sensitivity is None else f"sensitivity at least {sensitivity:g}",
        cutoff=cutoff,
        cutoff_ci95=percentile_ends(found) if found.size >= draws // 2 else None,
        sensitivity=proportion_of(positive[classes], "sensitivity", None if own is None else own[classes]),
        specificity=proportion_of(~positive[~classes], "specificity", None if own is None else own[~classes]),
        youden=index,
        youden_corrected=index - float(optimism.mean()) if optimism.size else None,
        n_bootstrap=int(found.size),
        n_positive=int(classes.sum()),
        n_negative=int((~classes).sum()),
        n_subjects=count_subjects(numbers),
        method=f"bootstrap of {'cases within classes' if numbers is None else 'whole subjects'}, percentiles",
        note=note,
    )


@dataclass(frozen=True)
class _Steps:
    """Cases in falling order of score, and the places where a cut-off may stand."""

    order: IntArray
    truth: BoolArray
    last: IntArray
    cutoffs: FloatArray

    def rates(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sensitivity and 1 - specificity at every cut-off, shape (draws, cut-offs)."""
        ordered = weights[:, self.order]
        up = np.cumsum(np.where(self.truth, ordered, 0.0), axis=1)
        down = np.cumsum(np.where(self.truth, 0.0, ordered), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return up[:, self.last] / up[:, -1:], down[:, self.last] / down[:, -1:]

    def youden(self, weights: FloatArray) -> FloatArray:
        """Sensitivity + specificity - 1."""
        tpr, fpr = self.rates(weights)
        return np.asarray(tpr - fpr, dtype=np.float64)


def _steps(truth: BoolArray, score: FloatArray) -> _Steps:
    order = np.argsort(-score, kind="stable").astype(np.int64)
    ordered = score[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)
    below = np.append(ordered[last[:-1] + 1], -np.inf)
    # Halfway to the next score below; under the lowest everything is positive.
    middle = np.append((ordered[last[:-1]] + below[:-1]) / 2, ordered[-1])
    return _Steps(order, truth[order], last, middle)


def _chosen(steps: _Steps, weights: FloatArray, sensitivity: float | None) -> IntArray:
    tpr, fpr = steps.rates(weights)
    if sensitivity is not None:
        return np.asarray(np.argmax(tpr >= sensitivity - 1e-12, axis=1), dtype=np.int64)
    index = tpr - fpr
    near = index >= index.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(np.argmin(np.where(near, np.abs(tpr + fpr - 1), np.inf), axis=1), dtype=np.int64)


def _bootstrap(
    steps: _Steps, subjects: IntArray | None, rng: np.random.Generator, draws: int, sensitivity: float | None
) -> tuple[FloatArray, FloatArray]:
    n = steps.order.size
    positive = np.empty(n, dtype=bool)
    positive[steps.order] = steps.truth
    apparent = steps.youden(np.ones((1, n)))[0]
    cutoffs, optimism = [], []
    at_once = max(1, _AT_ONCE // n)
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        if subjects is None:
            weights = np.empty((count, n))
            for part in (positive, ~positive):
                size = int(part.sum())
                weights[:, part] = rng.multinomial(size, np.full(size, 1 / size), size=count)
        else:
            g = int(subjects.max()) + 1
            weights = rng.multinomial(g, np.full(g, 1 / g), size=count)[:, subjects].astype(np.float64)
        both = (weights[:, positive].sum(axis=1) > 0) & (weights[:, ~positive].sum(axis=1) > 0)
        weights = weights[both]
        if not weights.size:
            continue
        place = _chosen(steps, weights, sensitivity)
        drawn = np.take_along_axis(steps.youden(weights), place[:, None], axis=1)[:, 0]
        cutoffs.append(steps.cutoffs[place])
        optimism.append(drawn - apparent[place])
    nothing = np.empty(0)
    return (np.concatenate(cutoffs), np.concatenate(optimism)) if cutoffs else (nothing, nothing)
