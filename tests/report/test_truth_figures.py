import pandas as pd
import pytest

from phantomcal.report.truth_figures import relative_error, truth_comparison
from tests.report.drawn import outside, overlapping, words

TABLE = pd.DataFrame(
    [
        {
            "quantity": "Gd slope, CT",
            "estimate": 5.5,
            "truth": 5.0,
            "unit": "HU/(mmol/L)",
            "ci95_low": 5.2,
            "ci95_high": 5.8,
            "tolerance_percent": 20.0,
        },
        {
            "quantity": "Ca slope, QSM",
            "estimate": -2.0e-4,
            "truth": -2.5e-4,
            "unit": "ppm/(mmol/L)",
            "tolerance_percent": 10.0,
        },
        {"quantity": "registration error", "estimate": 0.4, "truth": 0.0, "unit": "mm"},
        {"quantity": "not estimated", "estimate": None, "truth": 0.4, "unit": ""},
    ]
)


def test_too_small_is_negative_whatever_the_sign_of_the_truth():
    assert relative_error(5.5, 5.0) == pytest.approx(0.1)
    assert relative_error(-2.0e-4, -2.5e-4) == pytest.approx(-0.2)
    assert relative_error(0.4, 0.0) is None
    assert relative_error(None, 1.0) is None


def test_each_row_has_its_dot_interval_and_numbers():
    canvas = truth_comparison(TABLE)
    axes = canvas.axes[0]
    dots = {drawn.get_marker(): drawn.get_xdata()[0] for drawn in axes.get_lines() if len(drawn.get_xdata()) == 1}
    assert dots["o"] == pytest.approx(10.0)
    assert dots["X"] == pytest.approx(-20.0), "beyond its tolerance"
    spans = [tuple(drawn.get_xdata()) for drawn in axes.get_lines() if len(drawn.get_xdata()) == 2]
    assert any(span == pytest.approx((4.0, 16.0)) for span in spans)
    told = words(canvas)
    assert {"+10.0\u202f%", "no relative error", "no estimate"} <= set(told)
    assert overlapping(canvas) == []
    assert outside(canvas) == []


def test_a_table_that_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="'truth'"):
        truth_comparison(TABLE.drop(columns="truth"))
    with pytest.raises(ValueError, match="nothing to compare"):
        truth_comparison(TABLE.iloc[:0])
