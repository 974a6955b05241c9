"""Probabilities for cases that did not fit the model, with whole subjects held out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phantomcal.accuracy.inputs import (
    FloatArray,
    IntArray,
    as_classes,
    as_scores,
    require_both_classes,
    same_length,
)
from phantomcal.errors import InputError

Fit = Callable[[FloatArray, npt.NDArray[np.bool_]], Callable[[FloatArray], npt.ArrayLike]]


@dataclass(frozen=True)
class OutOfFold:
    """Probabilities of cases by models that never saw their subject.

    Attributes
    ----------
    probability : ndarray, shape (n,)
    fold : ndarray of int, shape (n,)
        Which fold each case was held out in.
    n_folds, n_groups : int
    method : str
        In words.
    """

    probability: FloatArray
    fold: IntArray
    n_folds: int
    n_groups: int
    method: str


def out_of_fold(
    fit: Fit | Any,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: Iterable[Any] | None = None,
    *,
    n_folds: int = 5,
    seed: int = 0,
) -> OutOfFold:
    """Cross-validated probabilities: subjects are split into folds, each predicted by a model of the others.

    Parameters
    ----------
    fit : callable or scikit-learn classifier
        Called with rows and truth of the training folds, returns a function from rows to probabilities of the positive
        class. Of a classifier a clone is fitted in every fold.
    X : array_like, shape (n, features)
    y : array_like of bool, shape (n,)
    groups : iterable, optional
        Subject of each case; each case its own when not given.
    n_folds : int
        At most as many as there are subjects with cases of the rarer class.
    seed : int
        Of the order in which subjects are dealt to the folds, classes balanced.

    Returns
    -------
    OutOfFold

    Raises
    ------
    InputError
        One class only, unequal lengths, too few subjects for two folds, or probabilities that are none.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.asarray(X, dtype=np.float64)
    truth = as_classes(y)
    require_both_classes(truth)
    if rows.ndim != 2 or rows.shape[0] != truth.size:
        raise InputError(f"rows of shape {rows.shape} for {truth.size} cases", "the call", "give a row a case")
    import pandas as pd

    own = np.arange(truth.size) if groups is None else np.asarray(list(groups))
    same_length(own, truth.size, "groups")
    subject = np.asarray(pd.factorize(own, use_na_sentinel=False)[0], dtype=np.int64)
    n_groups = int(subject.max()) + 1
    most = min(np.unique(subject[truth]).size, np.unique(subject[~truth]).size)
    folds = min(n_folds, most)
    if folds < 2:
        raise InputError(
            "one class is in a single subject only" if most < 2 else f"{n_folds} folds",
            "cross-validation",
            "two subjects of each class and two folds are needed",
        )
    probability, fold = np.full(truth.size, np.nan), np.full(truth.size, -1, dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (train, test) in enumerate(splitter.split(rows, truth, subject)):
        if not test.size:
            continue
        if truth[train].all() or not truth[train].any():
            raise InputError("a training fold has one class only", "cross-validation", "use fewer folds")
        if hasattr(fit, "predict_proba"):
            model = clone(fit).fit(rows[train], truth[train])
            predicted = model.predict_proba(rows[test])[:, list(model.classes_).index(True)]
        else:
            predicted = fit(rows[train], truth[train])(rows[test])
        values = as_scores(predicted, test.size, "predicted probability")
        if ((values < 0) | (values > 1)).any():
            raise InputError("predicted probabilities outside 0 to 1", "cross-validation", "check the model")
        probability[test], fold[test] = values, number
    words = f"{folds}-fold cross-validation, {'whole subjects' if groups is not None else 'cases'} held out"
    if folds < n_folds:
        words += f" ({folds} folds, as no more subjects hold the rarer class)"
    return OutOfFold(probability, fold, folds, n_groups, words)
