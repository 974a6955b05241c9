"""Budgets, other fits, influence, limits and explained vials as they stand in the report."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.report.budget_figures import budget_bars
from phantomcal.report.budget_tables import budget_remarks, budget_table, diagnosis_callouts, diagnosis_table
from phantomcal.report.compose_calibration import calibration_report
from phantomcal.report.fit_figures import slope_alternatives
from phantomcal.report.fit_tables import (
    alternatives_table,
    detection_table,
    fit_remarks,
    goodness,
    influence_table,
    linearity_table,
)
from phantomcal.report.page import render
from phantomcal.report.style import as_svg
from phantomcal.results import Detection, LineAlternative, VialInfluence
from tests.report.drawn import outside, overlapping, words
from tests.report.records import calibration, line, series
from tests.report.test_page import Page


def questioned(fitted):
    """A line with another fit, influence and limits, as the fitting step fills them."""
    fields = {name: getattr(fitted, name) for name in ("n_vials", "intercept", "r2", "p_value", "residual_sd")}
    other = LineAlternative(
        method="robust (MM, Tukey's biweight)",
        slope=fitted.slope * 1.3,
        slope_se=fitted.slope_se,
        slope_ci95=None if fitted.slope_ci95 is None else tuple(sorted(1.3 * b for b in fitted.slope_ci95)),
        note="a vial pulls the main line",
        **fields,
    )
    return fitted.model_copy(
        update={
            "alternatives": [other],
            "default_rule": "ordinary: no standard errors were given",
            "influence": [
                VialInfluence(
                    vial_id="A", leverage=0.8, studentised_residual=-4.2, cooks_distance=2.0, slope_without=fitted.slope
                ),
                VialInfluence(vial_id="B", leverage=0.2, studentised_residual=0.1, cooks_distance=0.01),
            ],
            "detection": [
                Detection(standard="DIN 32645", alpha=0.05, critical_value=0.1, lod=0.2, loq=0.3),
                Detection(standard="CLSI EP17", alpha=0.05, lod=0.15, note="blanks are not replicated"),
            ],
            "lack_of_fit_p": 0.4,
            "linear_range": (0.0, 5.0),
        }
    )


def whole(rng, **more):
    record = calibration(
        [
            (series(rng, "gadolinium", "ct", 5.69, noise=1.0), 5.69),
            (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
            (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300), failed=(1, 2)), -2.68e-4),
        ],
        **more,
    )
    vials = [
        v.model_copy(update={"position_effect": 0.001, "edge_effect": 0.002, "background": 0.0}) for v in record.vials
    ]
    lines = [questioned(fitted) for fitted in record.lines]
    return appraised(record.model_copy(update={"vials": vials, "lines": lines}))


def test_the_complete_report_has_every_part_and_a_study_leaves_some_to_it(rng):
    record = whole(rng)
    titles = [section.title for section in calibration_report(record).sections]
    assert titles == [
        "The phantom and its vials",
        "Calibration lines",
        "Flagged vials explained",
        "How far the fit decides",
        "Slopes against expectation",
        "Uncertainty of the slopes",
        "Vials",
    ]
    page = Page(render(calibration_report(record)))
    for expected in ("Welch-Satterthwaite", "What to do:", "Not included", "DIN 32645", "GUM", "agrees"):
        assert expected in page.text


@pytest.mark.parametrize("draw", [budget_bars, slope_alternatives])
def test_new_figures_are_readable_and_repeat(rng, draw):
    record = whole(rng)
    canvas = draw(record)
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    assert as_svg(draw(record)) == as_svg(draw(record))


def test_bars_show_every_source_and_the_whole(rng):
    record = whole(rng)
    told = words(budget_bars(record))
    for source in ("noise", "position", "partial volume", "combined", "gadolinium · CT", "calcium · QSM"):
        assert source in told
    budget = record.lines[0].budget
    assert f"{100 * budget.combined / budget.value:.2g} %" in told


def test_figures_say_when_there_is_nothing_to_draw(rng):
    bare = calibration([(series(rng), None)])
    with pytest.raises(ValueError, match="budget"):
        budget_bars(bare)
    with pytest.raises(ValueError, match="more than one way"):
        slope_alternatives(bare)


def test_the_shares_of_a_budget_make_the_whole(rng):
    fitted = whole(rng).lines[0]
    table = budget_table(fitted)
    shares = [float(text.split("\N{NARROW NO-BREAK SPACE}")[0]) for text in table.frame["share"][:-1]]
    assert sum(shares) == pytest.approx(100, abs=len(shares))
    assert list(table.frame["source"])[-1] == "combined"
    assert "k = 2" in table.caption
    with pytest.raises(ValueError, match="no budget"):
        budget_table(line(series(rng)))


def test_what_no_budget_includes_is_said_once_with_the_lines_it_concerns(rng):
    callout = budget_remarks(whole(rng).lines)[-1]
    assert callout.text.count("repeatability") == 1
    assert "beam hardening" in callout.text
    assert "(gadolinium, CT)" in callout.text


def test_a_fit_that_disagrees_is_marked_and_explained(rng):
    fitted = questioned(line(series(rng)))
    table = alternatives_table([fitted])
    assert list(table.flags) == ["", "warn"]
    assert table.frame["change"][1] == "+30.0\N{NARROW NO-BREAK SPACE}%"
    remarks = fit_remarks([fitted])
    assert "a vial pulls the main line" in remarks.text
    assert "no standard errors were given" in remarks.text
    assert fit_remarks([line(series(rng))]) is None


def test_vials_that_decide_about_their_line_are_marked(rng):
    table = influence_table([questioned(line(series(rng)))])
    assert list(table.flags) == ["warn", ""]
    assert list(table.frame["change"])[1] == "–"


def test_limits_by_standard_and_by_the_line_alone(rng):
    plain = line(series(rng))
    assert list(detection_table([plain]).frame["standard"]) == ["ICH Q2"]
    table = detection_table([questioned(plain)])
    assert list(table.frame["standard"]) == ["DIN 32645", "CLSI EP17"]
    assert "CLSI EP17: blanks are not replicated." in table.note


def test_columns_nobody_filled_are_left_away(rng):
    plain = line(series(rng))
    assert set(linearity_table([plain]).labels) == {"line", "range", "unit", "linearity"}
    assert {"linear", "fit"} <= set(linearity_table([questioned(plain)]).labels)


def test_r2_never_stands_alone(rng):
    assert "residual SD" in goodness(line(series(rng)))


def test_explained_vials_share_what_to_do(rng):
    record = whole(rng)
    assert list(diagnosis_table(record.diagnoses).frame["vial"]) == ["Caq300", "Caq600"]
    boxes = diagnosis_callouts(record.diagnoses)
    assert len(boxes) == 1
    assert boxes[0].kind == "warn"
    assert boxes[0].text.count("What to do") == 1
    assert "Caq300 and Caq600" in boxes[0].text
    assert np.isfinite(record.diagnoses[0].deviation_sd)
