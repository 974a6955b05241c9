from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from phantomcal.history.trend import DAYS_PER_YEAR, drift_per_year


def days(n: int, every: int = 30) -> list[date]:
    return [date(2020, 1, 1) + timedelta(days=every * k) for k in range(n)]


def test_the_slope_and_its_interval_are_those_of_scipy_when_nothing_is_correlated(rng):
    when = days(40)
    years = np.array([(d - when[0]).days for d in when]) / DAYS_PER_YEAR
    values = 0.33 + 0.004 * years + rng.normal(0, 0.002, 40)
    found = drift_per_year(when, values, 0.33)
    theirs = stats.theilslopes(values, years)
    assert found is not None
    assert found.variance_inflation == 1.0
    assert found.per_year == pytest.approx(theirs.slope)
    assert found.ci95 is not None
    assert found.ci95 == pytest.approx((theirs.low_slope, theirs.high_slope), abs=2e-4 * abs(theirs.slope) + 2e-5)
    assert found.percent_per_year == pytest.approx(100 * theirs.slope / 0.33)


def test_autocorrelation_widens_the_interval_and_is_said(rng):
    noise = np.zeros(120)
    for k in range(1, 120):
        noise[k] = 0.7 * noise[k - 1] + rng.normal(0, 0.002)
    found = drift_per_year(days(120), 0.33 + noise, 0.33)
    assert found is not None
    assert found.lag1_autocorrelation == pytest.approx(0.7, abs=0.2)
    assert found.variance_inflation > 2
    assert "autocorrelation" in found.note


def test_one_wild_value_does_not_move_it(rng):
    values = 0.33 + rng.normal(0, 0.001, 30)
    plain, wild = drift_per_year(days(30), values, 0.33), values.copy()
    wild[-1] += 0.2
    moved = drift_per_year(days(30), wild, 0.33)
    assert plain is not None
    assert moved is not None
    assert abs(moved.per_year - plain.per_year) < 0.001


def test_percent_keeps_its_bounds_in_order_for_negative_slopes(rng):
    found = drift_per_year(days(30), -2.6e-4 * (1 + np.linspace(0, 0.1, 30)) + rng.normal(0, 1e-6, 30), -2.6e-4)
    assert found is not None
    assert found.percent_ci95 is not None
    assert found.percent_ci95[0] < found.percent_per_year < found.percent_ci95[1]
    assert found.percent_per_year > 0  # the slope grows in size


@pytest.mark.parametrize("when", [days(4), [date(2020, 1, 1)] * 6, [date(2020, 1, 1)] * 3 + [date(2020, 2, 1)] * 3])
def test_too_little_time_has_no_trend(when):
    assert drift_per_year(when, np.linspace(0.33, 0.34, len(when)), 0.33) is None


def test_the_interval_holds_the_truth_as_often_as_it_says(rng):
    when, years = days(24), np.array([30 * k for k in range(24)]) / DAYS_PER_YEAR
    inside = 0
    for _ in range(400):
        found = drift_per_year(when, 0.33 + 0.005 * years + rng.normal(0, 0.002, 24), 0.33)
        assert found is not None
        assert found.ci95 is not None
        inside += found.ci95[0] <= 0.005 <= found.ci95[1]
    assert 0.91 <= inside / 400 <= 0.98
