"""The mixed model of thousands of trials against statsmodels' of one."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from phantomcal.trials.reml import MixedFit, mixed_two_arms


def fitted(values: np.ndarray, made: np.ndarray) -> MixedFit:
    """`values` of shape (trials, 2, patients, visits)."""
    seen = np.arange(values.shape[-1]) < made[..., None]
    average = np.where(seen, values, 0.0).sum(axis=-1) / np.maximum(made, 1)
    within = np.where(seen, (values - average[..., None]) ** 2, 0.0).sum(axis=(1, 2, 3))
    return mixed_two_arms((average[:, 0], average[:, 1]), (made[:, 0], made[:, 1]), within)


@pytest.mark.parametrize("between", [0.2, 1.0, 4.0])
def test_unbalanced_trials_are_fitted_as_statsmodels_does(rng: np.random.Generator, between: float) -> None:
    trials, n, m = 4, 25, 4
    values = np.sqrt(between) * rng.standard_normal((trials, 2, n, 1)) + rng.standard_normal((trials, 2, n, m))
    values[:, 1] -= 0.6
    made = rng.integers(0, m + 1, (trials, 2, n))
    fit = fitted(values, made)
    for k in range(trials):
        rows = [
            {"y": values[k, arm, i, j], "arm": arm, "patient": arm * n + i}
            for arm in (0, 1)
            for i in range(n)
            for j in range(made[k, arm, i])
        ]
        model = smf.mixedlm("y ~ arm", pd.DataFrame(rows), groups="patient").fit(reml=True)
        assert fit.difference[k] == pytest.approx(-model.params["arm"], abs=2e-4)
        # statsmodels inverts the whole information matrix, variances included: a few parts in a thousand.
        assert fit.standard_error[k] == pytest.approx(model.bse["arm"], rel=5e-3)
        design, patient = model.model.exog, pd.factorize(pd.DataFrame(rows)["patient"])[0]
        matrix = fit.between[k] * (patient[:, None] == patient) + fit.within[k] * np.eye(len(rows))
        exact = np.linalg.inv(design.T @ np.linalg.solve(matrix, design))[1, 1]
        assert fit.standard_error[k] == pytest.approx(np.sqrt(exact), rel=1e-6)
        assert fit.within[k] == pytest.approx(model.scale, rel=5e-3)
        assert fit.between[k] == pytest.approx(float(model.cov_re.iloc[0, 0]), rel=2e-2, abs=2e-3)
        assert fit.n_patients[k] == (made[k] > 0).sum()


def test_balanced_trials_are_students_t_of_averages(rng: np.random.Generator) -> None:
    values = 2 * rng.standard_normal((6, 2, 15, 1)) + rng.standard_normal((6, 2, 15, 3))
    fit = fitted(values, np.full((6, 2, 15), 3))
    means = values.mean(axis=-1)
    pooled = means.var(axis=2, ddof=1).mean(axis=1)
    assert fit.difference == pytest.approx(means[:, 0].mean(axis=1) - means[:, 1].mean(axis=1))
    assert fit.standard_error == pytest.approx(np.sqrt(pooled * 2 / 15), rel=1e-4)


def test_no_variance_between_patients_is_found_as_none(rng: np.random.Generator) -> None:
    # Visits that repel each other: the intraclass correlation wants to be below 0.
    noise = rng.standard_normal((3, 2, 20, 2))
    values = noise - 0.98 * noise.mean(axis=-1, keepdims=True)
    fit = fitted(values, np.full((3, 2, 20), 2))
    assert (fit.between == 0).all()
    assert (fit.within > 0).all()
