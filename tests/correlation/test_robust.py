"""Robust coefficients against pingouin and scipy, and what outliers do to them."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.correlation.robust import percentage_bend, skipped, theil_sen


def related(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, 0.7 * x + rng.normal(size=n)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_percentage_bend_equals_pingouins(seed: int) -> None:
    import pingouin

    x, y = related(seed)
    y[:3] += 20
    expected = pingouin.corr(x, y, method="percbend").iloc[0]
    found = percentage_bend(x, y)
    assert found is not None
    assert found == pytest.approx((expected["r"], next(expected[n] for n in ("p_val", "p-val") if n in expected)))


def test_skipped_finds_the_outliers_pingouin_finds() -> None:
    import pingouin
    from pingouin.correlation import skipped as reference

    x, y = related(3)
    x[[4, 9]], y[[4, 9]] = (8.0, -9.0), (-8.0, 9.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        r, _, outliers = reference(x, y)
    found = skipped(x, y)
    assert found is not None
    assert set(np.flatnonzero(found[1])) >= {4, 9}
    assert set(np.flatnonzero(outliers)) >= {4, 9}
    assert found[0] == pytest.approx(r, abs=0.08)  # its centre is another one (MCD), so may be a borderline row
    assert found[0] > 0.4 > pingouin.corr(x, y)["r"].iloc[0]


@given(seed=st.integers(0, 10_000), scale=st.floats(0.001, 1000), shift=st.floats(-1000, 1000))
def test_units_do_not_matter(seed: int, scale: float, shift: float) -> None:
    x, y = related(seed, 15)
    one, other = skipped(x, y), skipped(shift + scale * x, y)
    assert one is not None
    assert other is not None
    assert other[0] == pytest.approx(one[0])
    bent, again = percentage_bend(x, y), percentage_bend(x, -scale * y)
    assert bent is not None
    assert again is not None
    assert again[0] == pytest.approx(-bent[0], abs=1e-6)


def test_theil_sen_resists_a_fifth_of_outliers() -> None:
    x = np.arange(30.0)
    y = 2.0 * x + 1.0
    y[::6] = 500.0
    line = theil_sen(x, y)
    assert line is not None
    assert line.slope == pytest.approx(2.0, abs=0.05)
    assert line.intercept == pytest.approx(1.0, abs=1.0)
    assert line.ci95 is not None
    assert line.ci95[0] <= 2.0 <= line.ci95[1]


def test_there_is_no_answer_without_spread_or_rows() -> None:
    x = np.arange(4.0)
    assert percentage_bend(x, x) is skipped(x, x) is theil_sen(x, x) is None
    half = np.r_[np.zeros(8), 1.0, 2.0]
    assert percentage_bend(half, np.arange(10.0)) is None
    assert skipped(half, np.arange(10.0)) is None
    assert skipped(np.arange(3000.0), np.arange(3000.0)) is None
