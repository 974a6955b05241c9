from datetime import date, timedelta

import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.history.charts import Tolerance, control_charts, drift_of
from phantomcal.results.history import HistoryEvent
from tests.history.made import FIRST, in_control, rows

TIGHT = {("phantom", "qsm"): Tolerance((2.0, 5.0), "protocol phantom")}


def event(day: date, *, new_baseline: bool, scanner: str = "A", key: int = 1) -> HistoryEvent:
    return HistoryEvent(
        id=key, scanner=scanner, event_date=day, kind="hardware", words="coil exchanged", new_baseline=new_baseline
    )


def one(values, events=(), **more):
    record = control_charts(rows(values), events, tolerances=TIGHT, **more)
    (chart,) = record.charts
    return record, chart


def test_a_scanner_in_control_passes(rng):
    record, chart = one(in_control(rng, 30))
    assert (record.status, chart.status) == ("pass", "pass")
    assert chart.phases[0].n_baseline == 10
    assert [p.baseline for p in chart.points] == [True] * 10 + [False] * 20
    assert chart.phases[0].sigma == pytest.approx(0.002, rel=0.6)
    assert chart.phases[0].sigma_ci95[0] < chart.phases[0].sigma < chart.phases[0].sigma_ci95[1]
    assert any("10 baseline calibrations" in note for note in chart.phases[0].notes)
    assert chart.drift_ci95[0] < chart.drift_percent < chart.drift_ci95[1]


@pytest.mark.parametrize(("shift", "status"), [(0.0, "pass"), (0.035, "warn"), (0.08, "fail"), (-0.08, "fail")])
def test_the_newest_calibration_is_held_to_the_tolerance(rng, shift, status):
    values = in_control(rng, 25, sigma=0.001)
    values[-1] = 0.33 * (1 + shift)
    record, chart = one(values)
    assert chart.status == record.status == status
    assert chart.drift_percent == pytest.approx(100 * shift, abs=0.5)
    if shift:
        assert chart.points[-1].rules[0] == "beyond three sigma"
        assert "%" in chart.verdict


def test_what_noise_would_explain_does_not_fail(rng):
    values = in_control(rng, 12, sigma=0.02)
    values[-1] = 0.33 * 1.08
    _, chart = one(values)
    assert chart.status == "warn"
    assert "undetermined" in chart.verdict


def test_an_earlier_excursion_is_told_but_does_not_fail_today(rng):
    values = in_control(rng, 30, sigma=0.001)
    values[20] = 0.40
    record, chart = one(values)
    assert chart.points[20].rules[0] == "beyond three sigma"
    assert chart.notes
    assert chart.status != "fail"
    assert record.status != "fail"


def test_the_newest_point_is_not_judged_by_itself():
    _, chart = one([0.330, 0.331, 0.329, 0.3305, 0.3295, 0.3302, 0.36])
    assert [p.baseline for p in chart.points] == [True] * 6 + [False]
    assert chart.status == "fail"


def test_marked_calibrations_are_the_baseline(rng):
    values = in_control(rng, 20, sigma=0.001)
    values[:5] += 0.02
    (chart,) = control_charts(rows(values, baseline=range(5, 15)), [], tolerances=TIGHT).charts
    assert chart.phases[0].n_baseline == 10
    assert chart.phases[0].reference == pytest.approx(values[5:15].mean())
    assert chart.points[0].rules[0] == "beyond three sigma"


def test_a_new_baseline_begins_a_phase_and_other_events_do_not(rng):
    values = np.concatenate([in_control(rng, 20, 0.33, 0.001), in_control(rng, 20, 0.36, 0.001)])
    change = FIRST + timedelta(days=30 * 20 - 3)
    _, quiet = one(values, [event(change, new_baseline=False)])
    assert len(quiet.phases) == 1
    assert quiet.status == "fail"
    _, chart = one(values, [event(change, new_baseline=True)])
    assert [p.n for p in chart.phases] == [20, 20]
    assert chart.phases[1].reason == "hardware: coil exchanged"
    assert chart.phases[1].begins == change
    assert chart.phases[1].reference == pytest.approx(values[20:30].mean())
    assert chart.points[20].moving_range is None  # the jump is not the scanner's noise
    assert chart.status == "pass"
    assert chart.trend.n == 20


def test_events_of_another_scanner_do_not_count(rng):
    values = in_control(rng, 20)
    record, chart = one(values, [event(FIRST + timedelta(days=100), new_baseline=True, scanner="B")])
    assert len(chart.phases) == 1
    assert record.events == []


def test_few_calibrations_have_a_drift_but_no_limits():
    _, chart = one([0.33, 0.331, 0.36])
    phase = chart.phases[0]
    assert (phase.sigma, phase.lower, phase.moving_range_upper) == (None, None, None)
    assert "no limits yet" in phase.notes[0]
    assert "standard errors of the lines" in chart.drift_uncertainty
    # t with 4 degrees of freedom times root(0.003^2 / 2 + 0.003^2), of 0.3305
    half = 2.7764 * np.sqrt(0.003**2 / 2 + 0.003**2) / 0.3305 * 100
    assert chart.drift_ci95[1] - chart.drift_percent == pytest.approx(half, rel=1e-4)


def test_a_single_calibration_is_charted_without_a_verdict_on_drift():
    record, chart = one([0.33])
    assert (chart.drift_percent, chart.drift_ci95, chart.trend) == (0.0, None, None)
    assert record.status == "pass"


def test_lines_without_a_standard_error_still_have_a_drift():
    (chart,) = control_charts(rows([0.33, 0.4], slope_se=None), [], tolerances=TIGHT).charts
    assert chart.drift_ci95 is None
    assert chart.status == "fail"


def test_without_a_tolerance_of_the_protocol_the_default_applies_and_says_so(rng):
    (chart,) = control_charts(rows(in_control(rng, 12)), []).charts
    assert chart.tolerance_percent == (5.0, 10.0)
    assert "default" in chart.tolerance_source


def test_the_intercept_has_no_tolerance(rng):
    values = in_control(rng, 12)
    (chart,) = control_charts(rows(values, intercept=0.4), [], quantity="intercept").charts
    assert chart.tolerance_percent is None
    assert chart.unit == "ppm"
    assert chart.status == "pass"


def test_scanners_and_lines_are_charted_apart(rng):
    both = rows(in_control(rng, 12)) + rows(in_control(rng, 12, 5.7, 0.01), scanner="B", modality="ct")
    record = control_charts(both, [])
    assert [(c.scanner, c.modality) for c in record.charts] == [("A", "qsm"), ("B", "ct")]


def test_two_units_of_one_line_are_refused():
    mixed = rows([0.33]) + rows([330.0], slope_unit="ppb/(mmol/L)")
    with pytest.raises(InputError, match=r"ppb.*and in ppm"):
        control_charts(mixed, [])


def test_nothing_and_a_baseline_of_one_are_refused():
    with pytest.raises(InputError, match="no calibration to chart"):
        control_charts([], [])
    with pytest.raises(InputError, match="baseline points"):
        control_charts(rows([0.33, 0.34]), [], baseline_points=1)


def test_the_drift_s_interval_holds_the_truth_as_often_as_it_says(rng):
    inside = 0
    for _ in range(800):
        values = in_control(rng, 13, sigma=0.004)
        values[-1] += 0.0165  # a true drift of 5 %
        series = rows(values)
        drift = drift_of(series, series[:12])
        inside += drift.ci95[0] <= 5.0 <= drift.ci95[1]
    assert 0.92 <= inside / 800 <= 0.98
