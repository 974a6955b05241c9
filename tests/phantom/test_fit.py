"""Lines: published examples, exact cases and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.phantom.fit import curvature, fit_line, studentised_outlier

# Pearson's data with York's weights: York 1966, Can J Phys 44:1079; York et al. 2004, Am J Phys 72:367.
YORK_X = np.array([0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
YORK_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_SD_X = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1]) ** -0.5
YORK_SD_Y = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500]) ** -0.5
# DIN 32645:2008, worked example.
DIN_X = np.arange(1, 11) * 0.05
DIN_Y = np.array([3060, 3522, 3707, 4280, 5058, 5510, 5703, 6205, 7156, 7178.0])


def test_errors_in_both_axes_reproduce_york() -> None:
    fit = fit_line(YORK_X, YORK_Y, YORK_SD_Y, YORK_SD_X)
    assert fit.slope == pytest.approx(-0.480533, abs=1e-6)
    assert fit.intercept == pytest.approx(5.479910, abs=1e-6)
    assert fit.reduced_chi2 == pytest.approx(1.4833, abs=1e-4)
    # Known errors 0.05799 and 0.29497, widened by 1.2179.
    assert fit.error(0) == pytest.approx(0.05799 * 1.2179, rel=1e-3)
    assert fit.error(1) == pytest.approx(0.29497 * 1.2179, rel=1e-3)
    assert "widened by 1.22" in fit.method


def test_ordinary_line_reproduces_din_32645() -> None:
    fit = fit_line(DIN_X, DIN_Y)
    assert fit.slope == pytest.approx(9661.939, abs=5e-4)
    assert fit.intercept == pytest.approx(2480.867, abs=5e-4)
    assert fit.residual_sd == pytest.approx(192.294, abs=5e-4)


def test_weights_are_known_errors_and_only_ever_widened() -> None:
    x = np.array([0.0, 1, 2, 3, 4])
    exact = 2 * x + 1
    sd = np.array([0.1, 0.1, 0.2, 0.2, 0.5])
    fit = fit_line(x, exact, sd)
    w = 1 / sd**2
    mean = w @ x / w.sum()
    assert fit.error(0) == pytest.approx((w @ (x - mean) ** 2) ** -0.5)
    assert fit.slope == pytest.approx(2)


def test_two_points_have_a_line_and_no_error() -> None:
    fit = fit_line(np.array([0.0, 2]), np.array([1.0, 5]))
    assert (fit.slope, fit.intercept) == (2, 1)
    assert fit.error(0) is None
    assert fit.interval(0) is None
    assert fit.r2 is None
    assert fit.p_value is None


@pytest.mark.parametrize(("x", "sd"), [([1.0, 1.0, 1.0], None), ([1.0], None), ([1.0, 2.0, 3.0], [0.1, 0.0, 0.1])])
def test_impossible_lines_are_refused(x: list[float], sd: list[float] | None) -> None:
    with pytest.raises(ValueError, match=r"abscissae|positive"):
        fit_line(np.array(x), np.arange(len(x), dtype=float), None if sd is None else np.array(sd))


values = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=4, max_size=12)


@given(values, st.floats(0.01, 100), st.floats(-20, 20), st.floats(0.01, 100), st.randoms())
def test_units_and_order_of_rows_do_not_matter(
    points: list[tuple[float, float]], a: float, b: float, c: float, random: object
) -> None:
    x, y = np.array(points).T
    if np.ptp(x) < 1:
        return
    fit = fit_line(x, y)
    order = list(range(len(x)))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = fit_line(a * x[order] + b, c * y[order])
    assert other.slope == pytest.approx(fit.slope * c / a, rel=1e-6, abs=1e-9 * c / a)
    assert other.error(0) == pytest.approx((fit.error(0) or 0) * c / a, rel=1e-5, abs=1e-8 * c / a)


def test_intervals_cover_the_true_slope(rng: np.random.Generator) -> None:
    x = np.array([0.0, 1, 2, 4, 6, 10])
    covered = 0
    for _ in range(1000):
        low, high = fit_line(x, 3 * x + rng.normal(0, 1, 6)).interval(0) or (0, 0)
        covered += low <= 3 <= high
    assert 0.93 <= covered / 1000 <= 0.97


def test_curvature_is_seen_and_measured() -> None:
    x = np.linspace(0, 10, 8)
    wiggle = 0.01 * np.cos(7 * x)
    p, share = curvature(x, x + 0.02 * x**2 + wiggle) or (1, 0)
    assert p < 1e-3
    # The parabola 0.02 x^2 over 0-10 departs from its best line by 0.02 (10^2) / 6 to / 8, of a span near 12.
    assert 0.02 < share < 0.05
    assert (curvature(x, x + wiggle) or (0, 0))[0] > 0.05
    assert curvature(np.array([0.0, 1, 1, 2]), np.arange(4.0)) is None


def test_anscombes_third_point_is_named() -> None:
    # Anscombe 1973, Am Stat 27:17, third set.
    x = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5.0])
    y = np.array([7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73])
    index, p = studentised_outlier(x, y) or (-1, 1)
    assert index == 2
    assert p < 1e-6
