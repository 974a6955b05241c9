"""The verdict of a slope against its expectation."""

import pytest

from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.phantom.fitting.budget import with_budgets
from phantomcal.phantom.fitting.expected import physics_verdict, ratio_interval, with_verdicts
from phantomcal.protocol import load_protocol
from phantomcal.report.compose_calibration import calibration_report
from phantomcal.report.page import render
from tests.report.records import calibration, series


@pytest.mark.parametrize(
    ("ratio", "interval", "tolerance", "starts", "says"),
    [
        (1.02, (0.9, 1.14), (0.5, 1.5), "agrees", "0.90 to 1.14"),
        (0.92, (0.89, 0.95), (0.5, 1.5), "deviates", "8 % below"),
        (0.92, (0.89, 0.95), (0.97, 1.03), "deviates", "outside the accepted 0.97 to 1.03"),
        (-1.1, (-1.3, -0.9), (0.5, 1.5), "deviates", "wrong sign"),
        (1.3, (0.59, 2.04), (0.5, 1.5), "undetermined", "reaches beyond"),
        (1.0, None, (0.5, 1.5), "undetermined", "no standard error"),
    ],
)
def test_verdicts(ratio, interval, tolerance, starts, says):
    words = physics_verdict(ratio, interval, tolerance)
    assert words.startswith(f"{starts}:")
    assert says in words


def test_nothing_to_compare_is_no_verdict():
    assert physics_verdict(None, None) == ""


def test_the_interval_holds_the_uncertainty_of_both_slopes(rng):
    vials = series(rng, noise=0.02)
    record = with_budgets(calibration([(vials, 0.3377)]))
    fitted = record.lines[0]
    exact = ratio_interval(fitted.model_copy(update={"expected_slope_se": 0.0}))
    vague = ratio_interval(fitted)
    assert vague[1] - vague[0] > exact[1] - exact[0]
    assert sum(vague) / 2 == pytest.approx(fitted.slope_ratio)
    # Ten percent of the expected slope on a line known far better: two standard errors either way, not t(4) = 2.8.
    assert (vague[1] - vague[0]) / 2 == pytest.approx(1.96 * 0.1 * fitted.slope_ratio, rel=0.1)


def test_agreement_that_rests_on_leaving_vials_out_is_not_called_one(rng):
    levels = range(0, 1600, 300)
    sound = series(rng, "calcium", "qsm", -2.5e-4, levels=levels, noise=0.002)
    failed = series(rng, "calcium", "qsm", -2.5e-4, levels=levels, noise=0.002, failed=(4, 5))
    for vials, starts in ((sound, "agrees"), (failed, "undetermined")):
        record = with_budgets(calibration([(vials, -2.68e-4)]))
        verdict = with_verdicts(record).lines[0].slope_verdict
        assert verdict.startswith(starts), verdict
    assert "Caq1200, Caq1500" in verdict


def test_a_voltage_beyond_the_table_is_said_to_be_the_reason(rng):
    protocol = load_protocol("simulated-gd-ca").model_copy(update={"tube_voltage_kvp": 150.0})
    record = appraised(calibration([(series(rng, "gadolinium", "ct", 4.7), None)]), protocol)
    assert "150 kVp is outside the shipped table" in record.lines[0].slope_verdict
    assert "150 kVp is outside the shipped table" in render(calibration_report(record))


def test_conditions_are_recorded_for_the_certificate(rng):
    protocol = load_protocol("simulated-gd-ca").model_copy(update={"batch": "2026-A", "temperature_sd_celsius": 0.5})
    record = appraised(calibration([(series(rng), 0.3377)]), protocol)
    assert record.references["conditions"] == {
        "batch": "2026-A",
        "temperature_celsius": 20.0,
        "temperature_sd_celsius": 0.5,
        "field_tesla": 3.0,
        "susceptibility_reference": "none",
    }
    assert record.references["reference_region"] == "water", "what was known stays"
    assert record.lines[0].budget is not None


def test_without_a_protocol_the_lines_still_get_budgets(rng):
    record = appraised(calibration([(series(rng), 0.3377)]))
    assert record.lines[0].budget is not None
    assert record.lines[0].slope_verdict
    assert "conditions" not in record.references


def test_expected_slopes_carry_the_temperature():
    protocol = load_protocol("simulated-gd-ca").model_copy(update={"temperature_sd_celsius": 2.0})
    slope = protocol.expected_slope("gadolinium", "qsm")
    assert slope.standard_error == pytest.approx(slope.value * 2.0 / 293.15)
    assert "20 ± 2 C" in slope.source
