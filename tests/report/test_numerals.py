import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.report import numerals as n


@pytest.mark.parametrize(
    ("value", "error", "unit", "text"),
    [
        (0.33123, 0.00409, "ppm/(mmol/L)", "0.3312 ± 0.0041 ppm per\u00a0mmol/L"),
        (-2.51e-4, 2.4e-5, "ppm/(mmol/L)", "(−2.51 ± 0.24) × 10⁻⁴ ppm per\u00a0mmol/L"),
        (1234.5, 120.0, "HU", "1230 ± 120 HU"),
        (0.0, 0.00996, "", "0.000 ± 0.010"),
        (5.5581, None, "HU", "5.558 HU"),
        (None, None, "HU", "–"),
        (0.0004, 0.02, "", "0.000 ± 0.020"),
    ],
)
def test_a_value_is_cut_where_its_uncertainty_is(value, error, unit, text):
    assert n.with_uncertainty(value, error, unit) == text


@given(
    st.floats(-1e5, 1e5, allow_nan=False),
    st.floats(1e-7, 1e4),
)
def test_written_numbers_read_back_within_the_rounding_of_the_uncertainty(value, error):
    text = n.with_uncertainty(value, error).replace("−", "-")
    found = re.fullmatch(r"\(?(-?[\d.]+) ± ([\d.]+)\)?(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    assert found is not None, text
    power = int((found[3] or "⁰").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    assert float(found[1]) * 10.0**power == pytest.approx(value, abs=0.051 * error)
    assert float(found[2]) * 10.0**power == pytest.approx(error, rel=0.051)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-2.51e-4, "−2.510 × 10⁻⁴"),
        (1234567.0, "1.235 × 10⁶"),
        (99999.6, "100000"),
        (0.5, "0.5000"),
        (0.0, "0"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_numbers_without_an_uncertainty_have_four_digits(value, text):
    assert n.number(value) == text


def test_a_missing_number_says_why_when_the_reason_is_known():
    assert n.number(None, reason="two vials") == "– (two vials)"
    assert n.interval(None, reason="too few vials") == "– (too few vials)"
    assert n.fixed(float("inf")) == "–"
    assert n.missing(pd.NA)
    assert n.missing(np.float64("nan"))
    assert not n.missing("text")
    assert not n.missing(0)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0.0860, 0.0963), "0.0860 to 0.0963"),
        ((-1.28e-4, -0.88e-4), "(−1.28 to −0.88) × 10⁻⁴"),
        ((-0.5, 0.25), "−0.500 to 0.250"),
        ((0.99312, 1.00748), "0.993 to 1.007"),
    ],
)
def test_an_interval_shows_its_width(bounds, text):
    assert n.interval(bounds) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1e-9, "p < 0.001"),
        (0.0123, "p = 0.012"),
        (0.04996, "p = 0.04996"),
        (0.05, "p = 0.050"),
        (0.63, "p = 0.63"),
        (0.9999, "p > 0.99"),
        (None, "p –"),
    ],
)
def test_p_values(p, text):
    assert n.p_value(p) == text


@given(st.floats(0, 1))
def test_a_written_p_value_stays_on_its_side_of_five_per_cent(p):
    text = n.p_number(p)
    written = float(text.strip("<> "))
    assert (written < 0.05) == (p < 0.05)


@given(st.floats(0.9, 1, exclude_max=True))
def test_a_share_below_one_is_never_written_as_one(value):
    text = n.share(value)
    assert text.startswith(">") or float(text) < 1


def test_a_narrow_ratio_gets_the_decimals_that_tell_its_bounds_apart():
    assert n.with_interval(1.0012, (0.9929, 1.0101)) == "1.001 [0.993, 1.010]"
    assert n.with_interval(1.13, (0.92, 1.35)) == "1.13 [0.92, 1.35]"
    assert n.with_interval(1.13, None) == "1.13"


def test_words():
    assert n.unit_words("HU/(mmol/L)") == "HU per\u00a0mmol/L"
    assert n.unit_words("mmol/L") == "mmol/L"
    assert n.count(1, "vial") == "1 vial"
    assert n.count(2, "analysis", "analyses") == "2 analyses"
    assert n.listed(["a", "b", "c"]) == "a, b and c"
    assert n.listed(list("abcdef"), most=3) == "a, b and 4 more"
    assert n.trimmed(4995.70) == "4995.7"
    assert n.trimmed(-1000.0) == "−1000"
    assert n.percent(-0.0234, signed=True) == "−2.3\u202f%"
    assert n.with_unit("ct_hu") == "CT number (HU)"
    assert n.with_unit("mean_chi") == "mean_chi"
