"""Haemorrhage against calcification by logistic regression on labelled lesions, with a modest penalty."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phantomcal.results import LogisticFeature, LogisticModel

Array = NDArray[np.float64]
Feature = Literal["qsm_ppm", "ct_hu"]
Evidence = Literal["qsm", "ct", "both"]

LEAST_OF_A_CLASS = 5
# Coefficients of a standardised reading lie within about 6 (two SDs, root of 10): steep enough for any real contrast.
PENALTY = 10.0
FEATURES: dict[Evidence, tuple[Feature, ...]] = {
    "qsm": ("qsm_ppm",),
    "ct": ("ct_hu",),
    "both": ("qsm_ppm", "ct_hu"),
}


def design(evidence: Evidence, hu: Array, ppm: Array) -> Array:
    """The features of an evidence as columns (n, features); NaN where not measured."""
    columns = {"qsm_ppm": ppm, "ct_hu": hu}
    return np.column_stack([columns[name] for name in FEATURES[evidence]])


def why_not(haemorrhage: NDArray[np.bool_], features: Array) -> str:
    """Why these labels cannot be fitted, in words; empty when they can."""
    n1, n0 = int(haemorrhage.sum()), int((~haemorrhage).sum())
    if min(n1, n0) < LEAST_OF_A_CLASS:
        return (
            f"{n1} labelled haemorrhages and {n0} calcifications with these readings; at least {LEAST_OF_A_CLASS} of "
            "each are needed"
        )
    if (features.std(axis=0) == 0).any():
        return "a reading is the same in every labelled lesion"
    return ""


def fit_logistic(
    evidence: Evidence,
    features: Array,
    haemorrhage: NDArray[np.bool_],
    subjects: NDArray[np.object_],
    penalty: float = PENALTY,
) -> LogisticModel:
    """Fit the log odds of haemorrhage to standardised readings.

    Parameters
    ----------
    evidence : {"qsm", "ct", "both"}
    features : ndarray, shape (n, features)
        As `design` gives them; finite.
    haemorrhage : ndarray of bool, shape (n,)
        The labels; False is calcification.
    subjects : ndarray, shape (n,)
        Whose lesion each is.
    penalty : float
        C of scikit-learn. The ridge penalty keeps coefficients finite when the labels are told apart without error.

    Returns
    -------
    LogisticModel
        Standard errors from the penalised information matrix; with few subjects they are too small.

    Raises
    ------
    ValueError
        The labels cannot be fitted (see `why_not`).

    References
    ----------
    le Cessie S, van Houwelingen JC. Ridge estimators in logistic regression. Appl Stat 1992;41:191-201,
    doi 10.2307/2347628. Gelman A, Jakulin A, Pittau MG, Su YS. A weakly informative default prior distribution for
    logistic and other regression models. Ann Appl Stat 2008;2:1360-1383, doi 10.1214/08-AOAS191 (why a modest one).
    """
    from sklearn.linear_model import LogisticRegression

    reason = why_not(haemorrhage, features)
    if reason:
        raise ValueError(reason)
    centre, scale = features.mean(axis=0), features.std(axis=0, ddof=1)
    z = (features - centre) / scale
    fitted = LogisticRegression(C=penalty, tol=1e-10, max_iter=1000).fit(z, haemorrhage)
    coefficients = np.concatenate([fitted.intercept_, fitted.coef_[0]])
    padded = np.column_stack([np.ones(len(z)), z])
    score = padded @ coefficients
    p = 1.0 / (1.0 + np.exp(-score))
    information = (padded * (p * (1 - p))[:, None]).T @ padded
    information[np.arange(1, len(coefficients)), np.arange(1, len(coefficients))] += 1.0 / penalty
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    separated = bool(score[haemorrhage].min() > score[~haemorrhage].max())
    n_subjects = len(set(subjects.tolist()))
    told = []
    if separated:
        told.append("the labels are told apart without error: the penalty, not the data, sets how steep the curve is")
    if n_subjects < len(z):
        told.append(f"{len(z)} lesions of {n_subjects} subjects are taken as independent in the standard errors")
    return LogisticModel(
        evidence=evidence,
        features=[
            LogisticFeature(
                name=name,
                centre=float(centre[k]),
                scale=float(scale[k]),
                coefficient=float(coefficients[k + 1]),
                standard_error=float(errors[k + 1]),
            )
            for k, name in enumerate(FEATURES[evidence])
        ],
        intercept=float(coefficients[0]),
        intercept_se=float(errors[0]),
        penalty=penalty,
        n_haemorrhage=int(haemorrhage.sum()),
        n_calcification=int((~haemorrhage).sum()),
        n_subjects=n_subjects,
        separated=separated,
        note="; ".join(told),
    )


def predict(model: LogisticModel, features: Array) -> Array:
    """Probability of haemorrhage (n,); NaN where a feature is missing."""
    centre, scale, weights = (
        np.array([getattr(f, name) for f in model.features]) for name in ("centre", "scale", "coefficient")
    )
    score = model.intercept + ((features - centre) / scale) @ weights
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -700, 700))))
