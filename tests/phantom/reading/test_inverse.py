"""Lines read backwards: exact intervals, what they say at the edges, coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.phantom.fitting.fit import Curve, fit_line
from phantomcal.phantom.fitting.lines import build_line
from phantomcal.phantom.reading.inverse import critical_amount, curve_of, fieller, read_back

X = np.array([0, 0.625, 1.25, 2.5, 5, 10])
LABELS = {"material": "gadolinium", "modality": "ct", "unit": "HU", "abscissa_unit": "mmol/L"}


def curve(rng: np.random.Generator, slope: float = 5.69, sd: float = 0.5) -> Curve:
    found = fit_line(X, slope * X + rng.normal(0, sd, 6)).curve
    assert found is not None
    return found


def test_both_bounds_lie_on_the_edge_of_what_the_reading_allows(rng: np.random.Generator) -> None:
    from scipy import stats

    c = curve(rng)
    kind, bounds = fieller(c, 20.0, c.residual_sd**2)
    assert kind == "bounded"
    t = stats.t.ppf(0.975, 4)
    for x in bounds:
        miss = 20.0 - c.intercept - c.slope * x
        assert miss**2 == pytest.approx(t**2 * (c.residual_sd**2 + c.line_variance(x)), rel=1e-9)


def test_intervals_cover(rng: np.random.Generator) -> None:
    inside = 0
    for _ in range(600):
        amount = rng.uniform(0, 10)
        low, high = read_back(curve(rng), 5.69 * amount + rng.normal(0, 0.5)).interval or (0, 0)
        inside += low <= amount <= high
    assert 0.92 <= inside / 600 <= 0.98


def test_a_slope_that_is_not_established_gives_no_interval(rng: np.random.Generator) -> None:
    kinds = set()
    for seed in range(40):
        c = curve(np.random.default_rng(seed), slope=0.05, sd=1.0)
        for value in (0.0, 30.0):
            reading = read_back(c, value)
            kinds.add(reading.set_kind)
            if reading.set_kind != "bounded":
                assert reading.interval is None
                assert reading.note.startswith("undetermined: the slope is not established")
    assert kinds == {"bounded", "two rays", "everything"}


def test_outside_the_range_and_near_nothing_the_answer_says_so(rng: np.random.Generator) -> None:
    line, _ = build_line(list("abcdef"), X, 5.69 * X + rng.normal(0, 0.5, 6), **LABELS)
    assert read_back(line, 30.0).note == ""
    beyond = read_back(line, 80.0)
    assert not beyond.in_range
    assert beyond.note == "extrapolated: outside the calibrated range 0 to 10"
    assert read_back(line, 0.3).note == "below the critical value: not told from nothing"
    assert "less than nothing" in read_back(line, -40.0).note


def test_noise_of_the_reading_is_added_to_the_scatter_of_vials_not_counted_twice() -> None:
    c = Curve(2.0, 0.0, 0.0, 0.0, 0.0, residual_sd=5.0, degrees_of_freedom=10, vial_noise=3.0)
    assert c.reading_variance() == 25
    assert c.reading_variance(replicates=4) == 6.25
    assert c.reading_variance(3.0) == 25
    assert c.reading_variance(0.0) == 16
    assert c.reading_variance(12.0) == 160
    assert read_back(c, 8.0, standard_error=12.0).standard_error == pytest.approx(np.sqrt(160) / 2)
    with pytest.raises(ValueError, match="negative"):
        read_back(c, 8.0, standard_error=-1.0)


def test_a_record_reads_like_the_fit_it_came_from(rng: np.random.Generator) -> None:
    y = 5.69 * X + rng.normal(0, 0.5, 6)
    line, _ = build_line(list("abcdef"), X, y, sd_y=np.full(6, 0.2), **LABELS)
    c = curve_of(line)
    assert c.vial_noise == pytest.approx(0.2)
    plain = fit_line(X, y).curve
    assert plain is not None
    assert read_back(line, 20.0).interval == pytest.approx(read_back(plain, 20.0).interval)


def test_two_vials_cannot_be_read_backwards() -> None:
    line, _ = build_line(["a", "b"], np.array([0.0, 1]), np.array([0.0, 5]), **LABELS)
    with pytest.raises(ValueError, match="two vials"):
        curve_of(line)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(0.01, 100), st.booleans(), st.floats(-20, 20))
def test_units_of_either_axis_the_sign_and_a_shift_only_rescale(
    seed: int, a: float, b: float, falling: bool, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    y = 3 * X + rng.normal(0, 0.5, 6)
    b = -b if falling else b
    one, other = fit_line(X, y).curve, fit_line(a * X, b * (y + shift)).curve
    assert one is not None
    assert other is not None
    first, second = read_back(one, 12.0), read_back(other, b * (12.0 + shift))
    assert second.amount == pytest.approx(a * first.amount, rel=1e-6, abs=1e-6 * a)
    assert second.interval == pytest.approx([a * v for v in first.interval or ()], rel=1e-6, abs=1e-6 * a)
    assert critical_amount(other) == pytest.approx(a * critical_amount(one), rel=1e-6)
