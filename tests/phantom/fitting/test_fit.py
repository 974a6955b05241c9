"""Lines: exact cases and laws. Published examples are in tests/validation/test_line_examples.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.phantom.fitting.fit import fit_line, fit_through_zero


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


def test_through_zero_is_exact_and_has_no_intercept() -> None:
    x, y = np.array([0.0, 1, 2, 3]), np.array([0.1, 2.0, 4.1, 5.9])
    fit = fit_through_zero(x, y)
    assert fit.slope == pytest.approx(x @ y / (x @ x))
    assert (fit.intercept, fit.error(1), fit.degrees_of_freedom) == (0, 0, 3)
    residual = y - fit.slope * x
    assert fit.error(0) == pytest.approx(np.sqrt(residual @ residual / 3 / (x @ x)))
    assert fit_through_zero(x, y, np.full(4, 10.0)).error(0) == pytest.approx(10 / np.sqrt(x @ x))
    with pytest.raises(ValueError, match="away from zero"):
        fit_through_zero(np.zeros(3), y[:3])


def test_known_errors_give_normal_intervals_and_unknown_ones_students() -> None:
    x = np.arange(6.0)
    y = 2 * x + np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1])
    known = fit_line(x, y, np.full(6, 1.0))
    low, high = known.interval(0) or (0, 0)
    assert known.errors_known
    assert (high - low) / 2 == pytest.approx(1.959964 * (known.error(0) or 0), rel=1e-6)
    plain = fit_line(x, y)
    low, high = plain.interval(0) or (0, 0)
    assert (high - low) / 2 == pytest.approx(2.776445 * (plain.error(0) or 0), rel=1e-6)
