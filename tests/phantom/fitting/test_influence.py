"""Influence of single vials, against statsmodels and by leaving them out."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.fit import fit_line, fit_through_zero
from phantomcal.phantom.fitting.influence import influence


@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_equal_those_of_statsmodels(rng: np.random.Generator, weighted: bool) -> None:
    from statsmodels.api import OLS

    x = np.array([0, 0.625, 1.25, 2.5, 5, 10])
    y = 3 * x + rng.normal(0, 0.3, 6)
    w = rng.uniform(0.5, 3, 6) if weighted else np.ones(6)
    root = np.sqrt(w)
    theirs = OLS(y * root, np.stack([x, np.ones(6)], axis=1) * root[:, None]).fit().get_influence()
    leverage, studentised, cook, _ = influence(x, y, w if weighted else None)
    np.testing.assert_allclose(leverage, theirs.hat_matrix_diag)
    np.testing.assert_allclose(studentised, theirs.resid_studentized_external)
    np.testing.assert_allclose(cook, theirs.cooks_distance[0])


@pytest.mark.parametrize("through_zero", [False, True])
def test_slope_without_a_vial_is_that_of_the_others(rng: np.random.Generator, through_zero: bool) -> None:
    x = np.arange(6) * 300.0
    y = -2.7e-4 * x + rng.normal(0, 0.01, 6)
    without = influence(x, y, through_zero=through_zero)[3]
    fit = fit_through_zero if through_zero else fit_line
    for k in range(6):
        assert without[k] == pytest.approx(fit(np.delete(x, k), np.delete(y, k)).slope, rel=1e-9)


def test_a_vial_that_alone_holds_the_line_has_leverage_one_and_no_residual() -> None:
    x, y = np.array([0.0, 0, 0, 5]), np.array([0.1, -0.1, 0.05, 3])
    leverage, studentised, _, without = influence(x, y)
    assert leverage[3] == pytest.approx(1)
    assert np.isnan(studentised[3])
    assert np.isnan(without[3])
