"""Uncertainty budgets: published worked examples, simulated truth, and what is counted once only."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phantomcal.phantom.fitting.budget import combine, reading_budget, slope_budget, with_budgets
from phantomcal.phantom.fitting.uncertainty import RepeatedSlope, repeated_slopes
from phantomcal.protocol import load_protocol
from phantomcal.results import BudgetEntry, Repeatability
from phantomcal.results.repeatability import RepeatabilityRow
from tests.report.records import calibration, line, series, vial


def entry(contribution, degrees=None, source="any", sensitivity=1.0):
    return BudgetEntry(
        source=source,
        evaluation="B",
        standard_uncertainty=contribution,
        unit="mm",
        sensitivity=sensitivity,
        contribution=contribution,
        degrees_of_freedom=degrees,
    )


def sources(budget):
    return {e.source: e for e in budget.entries}


class TestPublishedExamples:
    def test_preparing_a_calibration_standard(self):
        """EURACHEM/CITAC QUAM, example A1: 1002.7 mg/L of cadmium from 100.28 mg of purity 0.9999 in 100 mL."""
        purity, mass, volume = (0.9999, 0.000058), (100.28, 0.05), (100.0, 0.07)
        value = 1000 * mass[0] * purity[0] / volume[0]
        assert value == pytest.approx(1002.7, abs=0.05)
        entries = [
            entry(value * u / x, source=name) for name, (x, u) in zip("PmV", (purity, mass, volume), strict=True)
        ]
        budget = combine("cadmium", value, "mg/L", entries)
        assert round(budget.combined, 1) == 0.9
        assert round(budget.expanded, 0) == 2
        # QUAM, table A1.3: contributions of P, m and V.
        told = {e.source: e.contribution for e in budget.entries}
        assert [round(told[name], 2) for name in "PmV"] == [0.06, 0.5, 0.7]
        assert budget.entries[0].source == "V", "largest first"

    def test_cadmium_released_from_ceramics(self):
        """QUAM, example A5: r = c V / a with the factors of acid, time and temperature: 0.036 +- 0.0033 mg/dm2."""
        relative = {"c": 0.018 / 0.26, "V": 0.0018 / 0.332, "a": 0.06 / 2.37, "acid": 0.0008, "time": 0.001, "T": 0.06}
        value = 0.26 * 0.332 / 2.37
        budget = combine("r", value, "mg/dm2", [entry(value * u, source=name) for name, u in relative.items()])
        assert budget.combined / value == pytest.approx(0.09, abs=0.01)
        assert budget.combined == pytest.approx(0.0033, abs=0.0002)

    def test_end_gauge(self):
        """GUM, H.1: u = 32 nm with 16 effective degrees of freedom; U(99 %) = 93 nm with k = 2.92."""
        entries = [entry(25, 18), entry(9.7, 25.6), entry(2.9, 50), entry(16.6, 2)]
        budget = combine("length", 50_000_838, "nm", entries)
        assert round(budget.combined) == 32
        assert budget.degrees_of_freedom == pytest.approx(16.7, abs=0.6)
        k99 = stats.t.ppf(0.995, math.floor(budget.degrees_of_freedom))
        assert k99 == pytest.approx(2.92, abs=0.005)
        assert round(k99 * budget.combined) == pytest.approx(93, abs=1)

    def test_reading_from_a_calibration_line(self):
        """QUAM, example A5.4: absorbances of five standards, three times each; c0 = 0.26 mg/L, u = 0.018 mg/L."""
        x = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 3)
        y = np.array(
            [0.028, 0.029, 0.029, 0.084, 0.083, 0.081, 0.135, 0.131, 0.133, 0.180, 0.181, 0.183, 0.215, 0.230, 0.216]
        )
        vials = [vial(f"v{i}", a, b, "cadmium", "ct", sem=None) for i, (a, b) in enumerate(zip(x, y, strict=True))]
        fitted = line(vials)
        assert fitted.slope == pytest.approx(0.2410, abs=5e-5)
        assert fitted.intercept == pytest.approx(0.0087, abs=5e-5)
        assert fitted.residual_sd == pytest.approx(0.005486, abs=1e-6)
        budget = reading_budget(fitted, 0.0087 + 0.2410 * 0.26, n=2)
        assert budget.value == pytest.approx(0.26, abs=0.002)
        assert round(budget.combined, 3) == 0.018


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8), st.floats(1, 50))
def test_combining_is_quadrature_and_its_freedom_never_less_than_the_least(contributions, degrees):
    budget = combine("x", 1.0, "", [entry(c, degrees) for c in contributions])
    assert budget.combined == pytest.approx(math.hypot(*contributions))
    assert budget.degrees_of_freedom >= degrees * (1 - 1e-9)
    assert budget.expanded == pytest.approx(2 * budget.combined)
    assert budget.expanded_95 >= 1.95 * budget.combined


class TestSlope:
    def test_scatter_is_counted_once(self, rng):
        """Noise, place and concentration are part of the scatter: the whole is the observed standard error again."""
        more = {"sem": 0.004, "position_effect": 0.002, "abscissa_sd": 0.01}
        vials = [v.model_copy(update=more) for v in series(rng, noise=0.05)]
        fitted = line(vials)
        budget = slope_budget(fitted, vials)
        assert budget.combined == pytest.approx(fitted.slope_se)
        assert sources(budget)["unexplained scatter"].contribution > 0
        assert budget.degrees_of_freedom == pytest.approx(fitted.n_vials - 2, rel=0.02)
        assert budget.coverage_factor_95 == pytest.approx(stats.t.ppf(0.975, fitted.n_vials - 2), rel=0.02)

    def test_errors_larger_than_the_scatter_are_not_hidden_by_it(self, rng):
        vials = [v.model_copy(update={"sem": 0.05}) for v in series(rng, noise=0.001)]
        fitted = line(vials)
        budget = slope_budget(fitted, vials)
        assert budget.combined > 5 * fitted.slope_se
        assert sources(budget)["unexplained scatter"].contribution == 0
        x = np.array([v.abscissa for v in vials])
        assert budget.combined == pytest.approx(0.05 / np.sqrt(np.sum((x - x.mean()) ** 2)))

    def test_concentration_errors_are_those_of_simulated_lines(self, rng):
        """A thousand lines with errors of concentration alone: the SD of their slopes is the entry of the budget."""
        x, slope = np.array([0, 0.625, 1.25, 2.5, 5, 10.0]), 0.33
        drawn = slope * (x + rng.normal(0, 0.05, (4000, len(x))))
        found = np.polyfit(x, drawn.T, 1)[0]
        vials = [vial(f"v{i}", a, slope * a, sem=1e-6, abscissa_sd=0.05) for i, a in enumerate(x)]
        fitted = line(vials)
        budget = slope_budget(fitted, vials)
        assert sources(budget)["concentration"].contribution == pytest.approx(found.std(), rel=0.05)

    @pytest.mark.parametrize(
        "method", ["weighted least squares, weights 1/SE²", "through zero, ordinary least squares"]
    )
    def test_the_noise_goes_through_the_fit_that_was_made(self, rng, method):
        """Noise as simulated, fitted as the line was: its entry is the SD of the slopes."""
        x, sem = np.array([0.5, 1, 2, 4, 8]), np.array([0.01, 0.01, 0.02, 0.05, 0.1])
        w = sem**-2.0 if method.startswith("weighted") else np.ones(5)
        drawn = 0.3 * x + rng.normal(0, sem, (4000, 5))
        if method.startswith("weighted"):
            found = np.array([np.polyfit(x, y, 1, w=np.sqrt(w))[0] for y in drawn])
        else:
            found = drawn @ x / (x @ x)
        vials = [vial(f"v{i}", a, 0.3 * a, sem=s) for i, (a, s) in enumerate(zip(x, sem, strict=True))]
        fitted = line(vials, method=method)
        assert sources(slope_budget(fitted, vials))["noise"].contribution == pytest.approx(found.std(), rel=0.05)

    def test_partial_volume_adds_up_over_vials(self):
        """Every vial 2 % short: the slope is 2 % short, which no scatter shows."""
        x = np.array([0.0, 1, 2, 4, 8])
        vials = [
            vial(f"v{i}", a, 0.3 * a, background=0.0, edge_effect=0.02 * 0.3 * a, sem=1e-4) for i, a in enumerate(x)
        ]
        budget = slope_budget(line(vials), vials)
        assert sources(budget)["partial volume"].contribution == pytest.approx(0.02 * 0.3)

    def test_temperature_acts_on_paramagnets_only(self, rng):
        protocol = load_protocol("simulated-gd-ca").model_copy(update={"temperature_sd_celsius": 2.0})
        record = calibration(
            [
                (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
                (series(rng, "gadolinium", "ct", 5.7, noise=1.0), 5.69),
                (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300)), -2.68e-4),
            ]
        )
        gadolinium, ct, calcium = with_budgets(record, protocol).lines
        assert sources(gadolinium.budget)["temperature"].contribution == pytest.approx(
            gadolinium.slope * 2.0 / 293.15, rel=1e-6
        )
        assert "temperature" not in sources(ct.budget)
        assert "temperature" not in sources(calcium.budget)
        silent = with_budgets(record, load_protocol("simulated-gd-ca")).lines[0].budget
        assert any("temperature_sd_celsius" in text for text in silent.not_included)

    def test_the_reference_is_named_and_moves_nothing(self, rng):
        record = calibration(
            [(series(rng), 0.3377)], references={"qsm": {"reference_standard_error_ppm": 0.003, "unit": "ppm"}}
        )
        found = sources(with_budgets(record).lines[0].budget)["reference"]
        assert (found.standard_uncertainty, found.contribution) == (0.003, 0.0)
        assert "intercept" in found.note

    def test_repeatability_is_added_beyond_noise_and_place(self, rng):
        vials = series(rng, noise=0.05)
        record = calibration([(vials, None)])
        plain = with_budgets(record).lines[0].budget
        assert any(text.startswith("repeatability") for text in plain.not_included)
        key = ("gadolinium", "qsm")
        small = with_budgets(record, repeatability={key: RepeatedSlope(1e-9, 3)}).lines[0].budget
        assert small.combined == pytest.approx(plain.combined)
        large = with_budgets(record, repeatability={key: RepeatedSlope(0.02, 3)}).lines[0].budget
        noise = sources(plain)["noise"].contribution
        assert large.combined**2 == pytest.approx(plain.combined**2 + 0.02**2 - noise**2)

    def test_repeated_scans_give_the_spread_of_each_slope(self):
        fields = {"modality": "qsm", "mean": 0.31, "measured": [0.30, 0.32], "n_subjects": 1, "n_runs": 2, "wcv_n": 1}
        fields |= dict.fromkeys(("wsd_ci95", "rc_ci95", "wcv_percent", "wcv_ci95"))
        rows = [
            RepeatabilityRow(level=level, name=name, unit="", degrees_of_freedom=1, wsd=wsd, rc=2.77 * wsd, **fields)
            for level, name, wsd in (("slope", "gadolinium", 0.014), ("vial", "Gd1", 0.5), ("intercept", "x", 0.1))
        ]
        record = Repeatability(protocol="p", runs=["1", "2"], agreement=[], rows=rows)
        assert repeated_slopes(record) == {("gadolinium", "qsm"): RepeatedSlope(0.014, 1.0)}

    def test_two_vials_have_only_what_is_known_of_each(self, rng):
        vials = series(rng, levels=(0, 10))
        budget = slope_budget(line(vials), vials)
        assert budget.combined == pytest.approx(0.004 * math.sqrt(2) / 10)
        assert any("two vials" in text for text in budget.not_included)
        bare = [v.model_copy(update={"sem": None}) for v in vials]
        assert slope_budget(line(bare), bare) is None

    def test_vials_left_out_do_not_count(self, rng):
        vials = series(rng, failed=(2,))
        found = slope_budget(line(vials), vials)
        kept = [v for v in vials if v.used]
        assert found.combined == pytest.approx(slope_budget(line(kept), kept).combined)

    @pytest.mark.parametrize("seed", range(3))
    def test_coverage_of_the_expanded_uncertainty(self, seed):
        """Simulated truth: vials scatter by noise and preparation; U for 95 % holds the true slope 95 times of 100."""
        rng = np.random.default_rng(seed)
        x = np.array([0, 0.625, 1.25, 2.5, 5, 10.0])
        held = 0
        runs = 300
        for _ in range(runs):
            y = 0.33 * x + rng.normal(0, 0.02, len(x)) + rng.normal(0, 0.01, len(x))
            vials = [vial(f"v{i}", a, b, sem=0.01, n_effective=30.0) for i, (a, b) in enumerate(zip(x, y, strict=True))]
            budget = slope_budget(line(vials), vials)
            held += abs(budget.value - 0.33) <= budget.expanded_95
        assert 0.91 <= held / runs <= 0.99


class TestReading:
    def test_what_all_vials_share_moves_the_reading_in_proportion(self, rng):
        vials = [v.model_copy(update={"background": 0.0, "edge_effect": 0.01 * abs(v.value)}) for v in series(rng)]
        fitted = line(vials)
        whole = fitted.model_copy(update={"budget": slope_budget(fitted, vials)})
        found = sources(reading_budget(whole, whole.intercept + whole.slope * 4.0, 0.01))
        shared = found["partial volume, of the line"].contribution
        assert shared == pytest.approx(4.0 * sources(whole.budget)["partial volume"].contribution / whole.slope)

    def test_more_readings_help_only_the_noise(self, rng):
        vials = series(rng)
        fitted = line(vials)
        once, often = (reading_budget(fitted, 1.0, 0.05, n) for n in (1, 100))
        assert sources(often)["noise of the reading"].contribution == pytest.approx(
            sources(once)["noise of the reading"].contribution / 10
        )
        assert sources(often)["calibration line"].contribution == sources(once)["calibration line"].contribution

    def test_lines_that_cannot_be_read_backwards_say_why(self, rng):
        two = line(series(rng, levels=(0, 10)))
        with pytest.raises(ValueError, match="without standard errors"):
            reading_budget(two, 1.0)
        flat = line(series(rng)).model_copy(update={"slope": 0.0})
        with pytest.raises(ValueError, match="slope 0"):
            reading_budget(flat, 1.0)
