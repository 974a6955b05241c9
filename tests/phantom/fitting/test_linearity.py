"""Bend, lack of fit, straight range."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.linearity import curvature, is_bent, lack_of_fit, linear_range

NOISE = np.array([1, -1, 0.4, -0.7, 0.9, -0.2, -0.8, 0.4])


def test_curvature_is_seen_and_measured() -> None:
    x = np.linspace(0, 10, 8)
    wiggle = 0.01 * np.cos(7 * x)
    p, share = curvature(x, x + 0.02 * x**2 + wiggle) or (1, 0)
    assert p < 1e-3
    # The parabola 0.02 x^2 over 0-10 departs from its best line by 0.02 (10^2) / 6 to / 8, of a span near 12.
    assert 0.02 < share < 0.05
    assert (curvature(x, x + wiggle) or (0, 0))[0] > 0.05
    assert curvature(np.array([0.0, 1, 1, 2]), np.arange(4.0)) is None


def test_weights_that_are_equal_change_nothing() -> None:
    x = np.linspace(0, 10, 8)
    y = x + 0.01 * x**2 + 0.05 * NOISE
    assert curvature(x, y, np.full(8, 7.0)) == pytest.approx(curvature(x, y))


def test_lack_of_fit_equals_the_textbook_table() -> None:
    # Draper and Smith's decomposition by hand: levels 1, 2, 3 in pairs, means 1, 4, 5.
    x = np.array([1.0, 1, 2, 2, 3, 3])
    y = np.array([0.9, 1.1, 3.8, 4.2, 4.9, 5.1])
    pure = 2 * 0.1**2 + 2 * 0.2**2 + 2 * 0.1**2
    straight = 10 / 3 + 2 * (x - 2)
    lack = float(np.sum((y - straight) ** 2)) - pure
    from scipy import stats

    assert lack_of_fit(x, y) == pytest.approx(stats.f.sf(lack / 1 / (pure / 3), 1, 3))
    assert lack_of_fit(np.arange(5.0), np.arange(5.0)) is None


def test_a_straight_line_keeps_its_whole_range() -> None:
    x = np.linspace(0, 7, 8)
    assert linear_range(x, 2 * x + 0.05 * NOISE) == (0, 7)
    assert linear_range(x[:3], x[:3]) is None


def test_saturation_shortens_the_range() -> None:
    x = np.linspace(0, 7, 8)
    y = np.minimum(x, 5.0) + 0.01 * NOISE
    assert is_bent(curvature(x, y))
    low, high = linear_range(x, y) or (np.nan, np.nan)
    assert (low, high) == (0, 5)
