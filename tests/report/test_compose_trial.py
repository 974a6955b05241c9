"""The report of `trial`."""

import numpy as np
import pytest

from phantomcal.report.compose_trial import trial_report
from phantomcal.report.page import Callout, Figure, render
from phantomcal.report.trial_figures import flow_boxes, flow_diagram
from phantomcal.results.trial_analysis import Trial
from phantomcal.simulate.trial import TrialOptions, simulate_trial
from phantomcal.trials.analyse import analyse_trial


@pytest.fixture(scope="module")
def trial() -> Trial:
    return analyse_trial(simulate_trial(5, TrialOptions(treated_percent=-4.0, dropout=0.3, crossed=0.15, lesions=1)))


def test_what_the_page_says(trial: Trial) -> None:
    report = trial_report(trial)
    assert report.title == "drug against placebo: change of lesional susceptibility"
    assert "rises more slowly in drug than in placebo" in report.verdict_text
    assert "p < 0.001" in report.verdict_text
    assert [s.title for s in report.sections] == ["Who was in it", "The arms", "The difference", "Events"]
    flow = report.sections[0].blocks[0]
    assert isinstance(flow, Figure)
    assert f"placebo: 30 randomised, {trial.flow[0].without_follow_up} lost" in flow.alt
    assert "Welch's t test" in report.methods
    assert any("CONSORT" in r for r in report.references)
    page = render(report)
    assert page == render(trial_report(trial))
    assert "60 patients randomised" in page


def test_the_flow_diagram_holds_every_count(trial: Trial) -> None:
    canvas = flow_diagram(trial)
    texts = [t.get_text() for t in canvas.axes[0].texts]
    assert "60 patients randomised" in texts
    for flow in trial.flow:
        boxes = flow_boxes(flow, trial.planned_visits, True)
        assert boxes[0][0] == f"{flow.arm}: 30 randomised"
        assert f"{flow.without_follow_up} lost before a second value" in texts
        assert f"{flow.analysed} analysed as randomised" in texts
        assert f"{flow.per_protocol} analysed per protocol" in texts
    # No text leaves its box: measured on the drawn figure.
    canvas.draw_without_rendering()
    renderer = canvas.canvas.get_renderer()
    axes = canvas.axes[0]
    boxes_px = [patch.get_window_extent(renderer) for patch in axes.patches if patch.get_width() > 1]
    for text in axes.texts:
        if not text.get_text():
            continue
        extent = text.get_window_extent(renderer)
        assert any(b.x0 <= extent.x0 and extent.x1 <= b.x1 and b.y0 <= extent.y0 for b in boxes_px), text.get_text()


def test_no_difference_is_neither_shown_nor_excluded() -> None:
    trial = analyse_trial(
        simulate_trial(8, TrialOptions(per_arm=10, lesions=1)).drop(columns=["received_arm", "per_protocol"])
    )
    report = trial_report(trial)
    assert "neither shown nor excluded" in report.verdict_text
    assert "per protocol" not in report.methods


def test_analyses_that_disagree_are_told(trial: Trial) -> None:
    rows = [
        r.model_copy(update={"ci95": (-9.0, 0.5), "estimate": -4.0}) if r.analysis == "ranks" else r
        for r in trial.contrasts
    ]
    told = trial_report(trial.model_copy(update={"contrasts": rows})).sections[2].blocks
    assert any(isinstance(b, Callout) and "depends on the analysis" in b.text for b in told)
    assert np.isfinite([r.estimate for r in rows if r.estimate is not None]).all()
