"""Simulated patients have exactly the planned means, variances and correlations."""

import numpy as np
import pytest

from phantomcal.results.trials import TrialDesign
from phantomcal.trials.design import attendance, averaged_variance
from phantomcal.trials.draws import draw, visits_made

N = 60_000
CASES = [
    pytest.param("mean", 1.5, 2.0, 0.0, id="normal"),
    pytest.param("proportion", 0.31, 1.0, 0.0, id="binary"),
    pytest.param("rate", 0.8, 1.0, 0.0, id="Poisson"),
    pytest.param("rate", 0.8, 1.0, 1.5, id="negative binomial"),
]


def variance_of(outcome: str, value: float, sd: float, dispersion: float) -> float:
    return {"mean": sd**2, "proportion": value * (1 - value), "rate": value + dispersion * value**2}[outcome]


@pytest.mark.parametrize(("outcome", "value", "sd", "dispersion"), CASES)
@pytest.mark.parametrize(("rho", "between", "lesions"), [(0.0, 0.0, 1), (0.6, 0.0, 1), (1.0, 0.0, 1), (0.7, 0.4, 3)])
def test_moments(
    rng: np.random.Generator,
    outcome: str,
    value: float,
    sd: float,
    dispersion: float,
    rho: float,
    between: float,
    lesions: int,
) -> None:
    plan = TrialDesign(
        outcome=outcome, visits=3, correlation=rho, lesions=lesions, lesion_correlation=between, dispersion=dispersion
    )
    drawn = draw(rng, plan, value, sd, 1, N)[0]
    single = variance_of(outcome, value, sd, dispersion)
    assert drawn.shape == (N, 3)
    error = np.sqrt(single / N)
    assert drawn.mean() == pytest.approx(value, abs=5 * error)
    # Of a patient's average over visits and lesions: what the formula takes.
    assert drawn.mean(axis=1).var() == pytest.approx(single * averaged_variance(plan), rel=0.04)
    # Of one visit, averaged over lesions; and between two visits.
    visit = (1 + (lesions - 1) * between) / lesions
    shared = (rho + (lesions - 1) * between) / lesions
    covariance = np.cov(drawn.T)
    assert np.diag(covariance) == pytest.approx(np.full(3, single * visit), rel=0.05)
    assert covariance[0, 2] == pytest.approx(single * shared, abs=0.05 * single)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_binary_values_are_binary_with_the_planned_share(rng: np.random.Generator, rho: float) -> None:
    plan = TrialDesign(outcome="proportion", visits=2, correlation=rho)
    drawn = draw(rng, plan, 0.2, 1.0, 4, 5000)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn.mean() == pytest.approx(0.2, abs=0.015)


def test_counts_without_over_dispersion_are_poisson(rng: np.random.Generator) -> None:
    plan = TrialDesign(outcome="rate", visits=2, correlation=0.5, years=1.0)
    counts = draw(rng, plan, 1.2, 1.0, 1, N)[0, :, 0]  # half a year a visit
    shares = np.bincount(counts.astype(int), minlength=4)[:4] / N
    poisson = np.exp(-0.6) * 0.6 ** np.arange(4) / np.array([1, 1, 2, 6])
    assert shares == pytest.approx(poisson, abs=0.008)


def test_losses_are_final_and_even(rng: np.random.Generator) -> None:
    plan = TrialDesign(outcome="mean", visits=4, correlation=0.5, dropout=0.3)
    made = visits_made(rng, plan, 1, N)[0]
    assert np.bincount(made, minlength=5) / N == pytest.approx(attendance(plan), abs=0.006)
    whole = visits_made(rng, plan.model_copy(update={"dropout": 0.0}), 1, 100)
    assert (whole == 4).all()
