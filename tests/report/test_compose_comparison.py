"""The comparison report and its pictures."""

import numpy as np
import pytest

from phantomcal.correlation.compare import compare
from phantomcal.report.comparison_figures import age_scatter, bland_altman_grid, difference_forest, pair_matrix
from phantomcal.report.compose_comparison import comparison_report
from phantomcal.report.page import Figure, TableBlock, render
from phantomcal.simulate.targets import draw_cohort
from tests.report.drawn import outside, overlapping, words


@pytest.fixture(scope="module")
def table():
    frame = draw_cohort(np.random.default_rng(6))
    return frame.assign(second=frame["qsm_ppm"] + np.random.default_rng(7).normal(0.004, 0.005, len(frame)))


@pytest.fixture(scope="module")
def found(table):
    return compare(table, groups=["group"], age="age", second="second")


def of(found, kind):
    return [row for row in found.rows if row.kind == kind]


def test_the_matrix_shows_every_pair_and_marks_the_established(found):
    rows = of(found, "regions")
    canvas = pair_matrix(rows)
    texts = canvas.axes[0].texts
    assert len(texts) == len(rows) == 36
    decided = sum(row.p_adjusted < 0.05 for row in rows)
    assert sum(text.get_fontweight() == "bold" for text in texts) == decided > 0
    row = rows[0]
    assert any(text.get_text() == f"{-row.estimate:.2f}".replace("-", "−") for text in texts)
    assert outside(canvas) == []


def test_the_forest_draws_each_interval(found):
    rows = [row for row in of(found, "groups") if row.quantity == "mean qsm_ppm"]
    canvas = difference_forest(rows, "Difference (ppm)")
    drawn = [tuple(line.get_xdata()) for line in canvas.axes[0].get_lines() if len(line.get_xdata()) == 2]
    for row in rows:
        assert (row.ci95_low, row.ci95_high) in drawn
    assert overlapping(canvas) == []
    assert outside(canvas) == []


def test_age_panels_have_the_expected_iron_where_it_is_known(table, found):
    rows = [row for row in of(found, "age") if row.quantity.startswith("qsm_ppm")]
    canvas = age_scatter(table, rows, "qsm_ppm", "roi", "age", "subject_id", found.iron_scale_ppb)
    panels = [axes for axes in canvas.axes if axes.axison]
    assert len(panels) == 9
    assert sum(len(axes.get_lines()) == 2 for axes in panels) == 3
    assert outside(canvas) == []


def test_limits_of_agreement_are_where_the_record_says(found):
    canvas = bland_altman_grid(found.agreement, " (ppm)")
    for axes, region in zip(canvas.axes, found.agreement, strict=False):
        levels = {round(float(line.get_ydata()[0]), 9) for line in axes.get_lines()}
        plot = region.bland_altman
        assert {round(plot.bias, 9), round(plot.lower, 9), round(plot.upper, 9)} <= levels
    assert "second − qsm_ppm (ppm)" in words(canvas)
    assert overlapping(canvas) == []


def test_the_report_has_a_section_for_each_kind(table, found):
    report = comparison_report(found, table)
    assert [section.title for section in report.sections] == [
        "Regions against regions",
        "Groups",
        "Age",
        "Agreement of two readers or reconstructions",
    ]
    assert "36" in report.key_numbers[0].value
    shown = sum(len(b.frame) for s in report.sections for b in s.blocks if isinstance(b, TableBlock))
    assert shown == len(found.rows)
    assert sum(isinstance(b, Figure) for s in report.sections for b in s.blocks) == 7
    assert "Steiger" in report.methods
    assert "9 ppb" in report.methods
    assert render(report) == render(comparison_report(found, table))


def test_only_what_was_compared_is_reported(table):
    report = comparison_report(compare(table[table["roi"] == "putamen"], age="age"), table)
    assert [section.title for section in report.sections] == ["Age"]
    assert "Steiger" not in report.methods


def test_nothing_to_draw_is_refused():
    for draw in (lambda: pair_matrix([]), lambda: difference_forest([], ""), lambda: bland_altman_grid([], "")):
        with pytest.raises(ValueError, match="no "):
            draw()
