"""Simulated patients: repeated means, proportions and counts with exactly the planned values and correlations.

Every function returns averages over a patient's lesions, shape (trials, patients, visits). Two visits of one lesion
correlate by rho, two lesions of one patient by rho_L, whatever the visits.
"""

import math

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from phantomcal.results.trials import TrialDesign
from phantomcal.trials.design import attendance
from phantomcal.trials.size import years_per_visit

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def correlations(design: TrialDesign) -> tuple[float, float]:
    """Visits' and lesions' correlation; those that a single visit or lesion cannot show are set to fit."""
    between_lesions = design.lesion_correlation if design.lesions > 1 else design.correlation
    visits = design.correlation if design.visits > 1 else max(design.correlation, between_lesions)
    return visits, between_lesions


def draw(rng: Generator, design: TrialDesign, value: float, sd: float, n_trials: int, n_patients: int) -> FloatArray:
    """Patients of one arm.

    Parameters
    ----------
    rng : numpy.random.Generator
    design : TrialDesign
    value : float
        The arm's mean, proportion, or events per year.
    sd : float
        Of a single measurement; used for means only.
    n_trials, n_patients : int

    Returns
    -------
    ndarray, shape (n_trials, n_patients, visits)
        Averages over lesions; for rates events per visit and lesion.
    """
    shape = (n_trials, n_patients, design.visits)
    if design.outcome == "mean":
        return value + sd * _normal(rng, design, shape)
    if design.outcome == "proportion":
        return _binary(rng, design, value, shape)
    return _counts(rng, design, value * years_per_visit(design), shape)


def visits_made(rng: Generator, design: TrialDesign, n_trials: int, n_patients: int) -> IntArray:
    """Visits of every patient before they were lost, shape (n_trials, n_patients); all visits without dropout."""
    edges = np.cumsum(attendance(design))[:-1]
    return np.searchsorted(edges, rng.random((n_trials, n_patients)), side="right").astype(np.int64)


def _normal(rng: Generator, design: TrialDesign, shape: tuple[int, int, int]) -> FloatArray:
    # The average over lesions of three independent normal parts: the patient's, the lesion's, the visit's.
    rho, between = correlations(design)
    lasting = math.sqrt(between + (rho - between) / design.lesions)
    passing = math.sqrt((1.0 - rho) / design.lesions)
    return lasting * rng.standard_normal((*shape[:2], 1)) + passing * rng.standard_normal(shape)


def _binary(rng: Generator, design: TrialDesign, p: float, shape: tuple[int, int, int]) -> FloatArray:
    """A lesion takes the patient's draw or its own, and a visit the lesion's or its own, each a Bernoulli(p).

    With the chances sqrt(rho_L / rho) and sqrt(rho), every marginal is p and the correlations are rho and rho_L (A. D.
    Lunn, S. J. Davies, Biometrika 85 (1998) 487, 10.1093/biomet/85.2.487, once nested).
    """
    rho, between = correlations(design)

    def bernoulli(chance: float, *size: int) -> npt.NDArray[np.bool_]:
        return np.asarray(rng.random(size, dtype=np.float32) < np.float32(chance))

    trials, n, visits = shape
    total = np.zeros(shape, dtype=np.float64)
    patient = bernoulli(p, trials, n, 1)
    shared = math.sqrt(between / rho) if rho > 0 else 0.0
    for _ in range(design.lesions):
        lesion = patient
        if design.lesions > 1:
            lesion = np.where(bernoulli(shared, trials, n, 1), patient, bernoulli(p, trials, n, 1))
        own = bernoulli(p, trials, n, visits)
        total += np.where(bernoulli(math.sqrt(rho), trials, n, visits), lesion, own)
    return total / design.lesions


def _counts(rng: Generator, design: TrialDesign, mu: float, shape: tuple[int, int, int]) -> FloatArray:
    """Sums of independent Poisson or negative binomial parts: the patient's, the lesions' and the visit's.

    Parts with one success probability add up to a negative binomial again, so mean, dispersion and both correlations
    are exact (trivariate reduction).
    """
    rho, between = correlations(design)

    def part(share: float, *size: int) -> FloatArray:
        if share <= 0:
            return np.zeros(size)
        if design.dispersion == 0:
            return rng.poisson(share * mu, size).astype(np.float64)
        success = 1.0 / (1.0 + design.dispersion * mu)
        return rng.negative_binomial(share / design.dispersion, success, size).astype(np.float64)

    trials, n, visits = shape
    lesions = design.lesions
    patient = lesions * part(between, trials, n, 1)
    total = patient + part(lesions * (rho - between), trials, n, 1) + part(lesions * (1.0 - rho), trials, n, visits)
    return total / lesions
