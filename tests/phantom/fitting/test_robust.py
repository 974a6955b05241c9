"""Robust lines: exact cases, resistance, coverage."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.robust import robust_line, theil_sen


def test_an_exact_line_is_returned_whatever_one_point_does() -> None:
    x = np.arange(8.0)
    y = 3 * x - 2
    y[7] = 500
    fit = robust_line(x, y)
    assert fit.slope == pytest.approx(3, abs=1e-9)
    assert fit.intercept == pytest.approx(-2, abs=1e-9)


@pytest.mark.parametrize("bad", [(0, 1), (5, 11), (3, 4, 8)])
def test_a_quarter_of_bad_vials_moves_nothing(bad: tuple[int, ...], rng: np.random.Generator) -> None:
    x = np.arange(12.0)
    y = 2 * x + 1 + rng.normal(0, 0.05, 12)
    y[list(bad)] += 30
    assert robust_line(x, y).slope == pytest.approx(2, abs=0.03)
    assert abs(np.polyfit(x, y, 1)[0] - 2) > 0.03


def test_a_tiny_molar_slope_loses_no_digits(rng: np.random.Generator) -> None:
    x = np.arange(8) * 600.0
    y = -2.68e-4 * x + rng.normal(0, 0.01, 8)
    assert robust_line(x, y).slope * 1e6 == pytest.approx(robust_line(x, y * 1e6).slope, rel=1e-6)


def test_intervals_of_sound_short_series_cover(rng: np.random.Generator) -> None:
    x = np.arange(6.0)
    inside = 0
    for _ in range(400):
        low, high = robust_line(x, 2 * x + rng.normal(0, 1, 6)).interval(0) or (0, 0)
        inside += low <= 2 <= high
    assert 0.92 <= inside / 400 <= 0.98


def test_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="5 points"):
        robust_line(np.arange(4.0), np.arange(4.0))


def test_theil_sen_is_the_median_of_slopes() -> None:
    x, y = np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 30])
    slope, _, (low, high) = theil_sen(x, y)
    assert slope == pytest.approx(np.median([1, 1, 10, 1, 14.5, 28]))
    assert low <= slope <= high
