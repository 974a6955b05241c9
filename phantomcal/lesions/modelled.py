"""Logistic models of a table of lesions: fitted here or brought along, and what they say about every lesion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.lesions.logistic import FEATURES, design, fit_logistic, predict, why_not
from phantomcal.lesions.readings import LesionTable
from phantomcal.results import LogisticModel

Array = NDArray[np.float64]
Method = Literal["likelihood", "logistic model", "logistic model, out of fold"]
_NAMES = {"qsm": "QSM alone", "ct": "CT alone", "both": "QSM and CT"}


@dataclass(frozen=True)
class Modelled:
    """What logistic models say.

    Attributes
    ----------
    haemorrhage : ndarray, shape (n,)
        Probability against calcification; NaN where no model applies.
    method : list of str
        What each lesion's verdict rests on.
    models : list of LogisticModel
    by_evidence : dict of str to ndarray
        Probability by each model alone, out of fold for labelled lesions.
    warnings : list of str
    """

    haemorrhage: Array
    method: list[Method]
    models: list[LogisticModel] = field(default_factory=list)
    by_evidence: dict[str, Array] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def modelled(table: LesionTable, truth: Sequence[str], model: Sequence[LogisticModel] | None, fit: bool) -> Modelled:
    """Fit models to the labels, or use those given, and predict every lesion by the richest model its readings allow.

    A labelled lesion is predicted by a model that did not see its subject (five folds of subjects). Where labels are
    too few, nothing is fitted and the likelihood decides; the warnings say so.

    Raises
    ------
    InputError
        Both a model and a fit were asked for.
    """
    if model and fit:
        raise InputError("both a fitted model and a fit", "--model and --fit", "leave one of them out")
    n = len(table.lesion)
    hu, ppm = table.readings.hu, table.readings.ppm
    labels = np.array(truth, dtype=object)
    labelled = np.isin(labels, ["haemorrhage", "calcification"])
    subjects = np.array([s or f"row {k}" for k, s in enumerate(table.subject)], dtype=object)
    probability, held_out = np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    models: list[LogisticModel] = list(model or [])
    warnings: list[str] = []
    by_evidence: dict[str, Array] = {}
    if fit:
        others = int((np.isin(labels, ["mixed", "nothing"])).sum())
        if others:
            warnings.append(f"{others} lesions labelled mixed or nothing are not used: the model knows two classes")
    for evidence in FEATURES:
        features = design(evidence, hu, ppm)
        complete = ~np.isnan(features).any(axis=1)
        if not complete.any():
            continue
        if fit:
            train = labelled & complete
            reason = why_not(labels[train] == "haemorrhage", features[train])
            if reason:
                warnings.append(f"no logistic model from {_NAMES[evidence]}: {reason}; the likelihood decides")
                continue
            own = fit_logistic(evidence, features[train], labels[train] == "haemorrhage", subjects[train])
            models.append(own)
            predicted = np.where(complete, predict(own, np.nan_to_num(features)), np.nan)
            folded = _out_of_fold(features[train], labels[train] == "haemorrhage", subjects[train], evidence)
            if isinstance(folded, str):
                warnings.append(f"{_NAMES[evidence]}: no cross-validation ({folded}); probabilities are optimistic")
            else:
                predicted[train] = folded
                held_out[train] = True
        else:
            found = next((m for m in models if m.evidence == evidence), None)
            if found is None:
                continue
            predicted = np.where(complete, predict(found, np.nan_to_num(features)), np.nan)
        by_evidence[evidence] = predicted
        # "both" comes last, so that the richest model decides.
        probability = np.where(np.isnan(predicted), probability, predicted)
    if model and np.isnan(probability).all():
        warnings.append("the fitted model knows none of these readings: the likelihood decides")
    method: list[Method] = [
        "likelihood" if np.isnan(p) else "logistic model, out of fold" if out else "logistic model"
        for p, out in zip(probability, held_out, strict=True)
    ]
    warnings += [f"logistic model from {_NAMES[m.evidence]}: {m.note}" for m in models if m.note and fit]
    return Modelled(probability, method, models, by_evidence, warnings)


def _out_of_fold(
    features: Array, haemorrhage: NDArray[np.bool_], subjects: NDArray[np.object_], evidence: str
) -> Array | str:
    from phantomcal.accuracy.crossvalidate import out_of_fold

    def fitted(x: Array, y: NDArray[np.bool_]):  # type: ignore[no-untyped-def]
        if why_not(y, x):
            raise InputError("too few labels in a fold", "cross-validation", "give more labels")
        own = fit_logistic(evidence, x, y, np.arange(y.size).astype(object))  # type: ignore[arg-type]
        return lambda rows: predict(own, rows)

    try:
        return out_of_fold(fitted, features, haemorrhage, subjects).probability
    except InputError as error:
        return error.what
