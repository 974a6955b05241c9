"""Which fit is the main line: the stated rule, its reasons, and what stands beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.phantom.fitting.choice import choose_fit

X = np.arange(6) * 300.0


def test_without_errors_the_line_is_ordinary(rng: np.random.Generator) -> None:
    chosen = choose_fit(X, 0.2 * X + rng.normal(0, 2, 6), zero_known=True)
    assert chosen.kind == "ols"
    assert chosen.rule == "ordinary: no standard errors of the vials are known"
    told = [a.method for a in chosen.alternatives]
    assert told == [
        "robust (MM, Tukey's biweight)",
        "through zero, ordinary least squares",
        "Theil-Sen (median of all slopes)",
    ]
    assert all(a.n_vials == 6 and a.slope == pytest.approx(0.2, rel=0.1) for a in chosen.alternatives)


def test_errors_that_explain_the_scatter_and_differ_weight_the_line(rng: np.random.Generator) -> None:
    sd = np.geomspace(0.5, 5, 6)
    chosen = choose_fit(X, 0.2 * X + 0.8 * sd * np.array([1, -1, 1, -1, 1, -1]), sd)
    assert chosen.kind == "wls"
    assert "the largest is 10 times the smallest" in chosen.rule
    np.testing.assert_allclose(chosen.weights, 1 / sd**2)


def test_alike_errors_change_nothing_and_say_so() -> None:
    chosen = choose_fit(X, 0.2 * X + np.array([1, -1, 1, -1, 1, -1]), np.full(6, 1.0))
    assert chosen.kind == "ols"
    assert "alike" in chosen.rule


def test_errors_far_below_the_scatter_do_not_weight_the_line() -> None:
    sd = np.geomspace(0.01, 0.1, 6)
    chosen = choose_fit(X, 0.2 * X + 3 * np.array([1, -1, 1, -1, 1, -1]), sd)
    assert chosen.kind == "ols"
    assert "scatter about the line more than their standard errors say" in chosen.rule
    weighted = next(a for a in chosen.alternatives if a.method.startswith("weighted"))
    assert "widened" in weighted.note


def test_errors_of_the_abscissa_count_when_they_matter() -> None:
    y = 0.2 * X + np.array([1, -1, 1, -1, 1, -1])
    assert choose_fit(X, y, np.full(6, 1.0), np.full(6, 0.1)).kind == "ols"
    chosen = choose_fit(X, y, np.full(6, 1.0), np.full(6, 10.0))
    assert chosen.kind == "york"
    assert "up to 80 % of a vial's variance" in chosen.rule


def test_a_line_through_zero_says_whether_that_is_allowed() -> None:
    noise = np.array([1, -1, 0.5, -1, 1, -0.5])
    for offset, told in ((0.0, "does not differ from 0"), (20.0, "differs from 0 (p < 0.001)")):
        chosen = choose_fit(X, 0.2 * X + offset + noise, method="through-zero")
        assert chosen.kind == "through-zero"
        assert told in chosen.rule
        assert chosen.fit.intercept == 0


def test_methods_that_the_data_do_not_allow_are_refused() -> None:
    with pytest.raises(ValueError, match="weights need standard errors"):
        choose_fit(X, X, method="wls")
    with pytest.raises(ValueError, match="standard errors of both"):
        choose_fit(X, X, np.ones(6), method="york")
    with pytest.raises(ValueError, match="needs 5 points"):
        choose_fit(X[:4], X[:4], method="robust")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-50, 50), st.booleans())
def test_units_shift_and_order_change_no_choice(seed: int, a: float, c: float, shift: float, known: bool) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, 7))
    sd = rng.uniform(0.1, 0.6, 7)
    y = 2 * x + 1 + rng.normal(0, sd)
    order = rng.permutation(7)
    one = choose_fit(x, y, sd if known else None)
    other = choose_fit((a * x + shift)[order], c * y[order], c * sd[order] if known else None)
    assert other.kind == one.kind
    assert other.fit.slope == pytest.approx(one.fit.slope * c / a, rel=1e-6)
    assert other.fit.error(0) == pytest.approx((one.fit.error(0) or 0) * c / a, rel=1e-5)
    robust = [next(r.slope for r in k.alternatives if r.method.startswith("robust")) for k in (one, other)]
    assert robust[1] == pytest.approx(robust[0] * c / a, rel=1e-4)
