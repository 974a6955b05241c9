"""Bayes factor and power against pingouin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.correlation.evidence import achieved_power, bayes_factor, rows_needed


@pytest.mark.parametrize(("r", "n"), [(0.5, 20), (-0.62, 17), (0.0, 50), (0.8, 300), (0.3, 5), (0.05, 104)])
def test_bayes_factor_and_power_equal_pingouins(r: float, n: int) -> None:
    import pingouin

    assert bayes_factor(r, n) == pytest.approx(float(pingouin.bayesfactor_pearson(r, n)), rel=1e-6)
    assert achieved_power(r, n) == pytest.approx(pingouin.power_corr(r=r, n=n), abs=1e-9)


@pytest.mark.parametrize("r", [0.1, -0.3, 0.62, 0.9])
def test_rows_needed_equal_pingouins_rounded_up(r: float) -> None:
    import pingouin

    assert rows_needed(r) == int(np.ceil(pingouin.power_corr(r=r, power=0.8)))


@given(r=st.floats(0.02, 0.99), power=st.floats(0.3, 0.99))
def test_rows_needed_are_the_fewest(r: float, power: float) -> None:
    n = rows_needed(r, power)
    assert n is not None
    assert achieved_power(r, n) >= power
    assert n == 4 or achieved_power(r, n - 1) < power


def test_extremes_have_answers() -> None:
    assert rows_needed(0.0) is None
    assert np.isnan(achieved_power(0.5, 3))
    assert bayes_factor(1.0, 50) > 1e100
    assert np.isfinite(bayes_factor(0.9, 100_000))
    assert bayes_factor(0.0, 100_000) < 0.01
