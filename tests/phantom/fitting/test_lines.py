"""Lines are judged in words, and failed vials found through physics."""

import numpy as np
import pytest

from phantomcal.materials import ExpectedSlope
from phantomcal.phantom.fitting.failed import failed_vials
from phantomcal.phantom.fitting.lines import build_line

X = np.array([901.1, 1802.1, 2703.2, 3604.3, 4505.3])
NAMES = ["Cl10", "Cl20", "Cl30", "Cl40", "Cl50"]
LABELS = {"material": "CaCl2", "modality": "qsm", "unit": "ppm", "abscissa_unit": "mmol/L"}
EXPECTED = ExpectedSlope(-2.68e-4, 0.24e-4, "ppm/(mmol/L)", "test")


def test_two_failed_vials_of_five_are_left_out_and_the_line_shown_both_ways() -> None:
    y = np.array([0.143, 0.156, -0.943, -1.121, -1.351])
    line, flags = build_line(NAMES, X, y, expected=EXPECTED, scatter=0.15, **LABELS)
    assert line.excluded == ["Cl10", "Cl20"]
    assert set(flags) == {"Cl10", "Cl20"}
    assert "left out" in flags["Cl10"]
    assert line.slope == pytest.approx(np.polyfit(X[2:], y[2:], 1)[0])
    assert line.all_vials is not None
    assert line.all_vials.n_vials == 5
    assert line.all_vials.slope == pytest.approx(np.polyfit(X, y, 1)[0])
    assert any("3 levels" in note for note in line.notes)


def test_a_sound_series_keeps_all_its_vials() -> None:
    line, flags = build_line(NAMES, X, -2.5e-4 * X + 0.1, expected=EXPECTED, scatter=0.15, **LABELS)
    assert line.excluded == []
    assert flags == {}
    assert line.all_vials is None
    assert line.slope_ratio == pytest.approx(2.5 / 2.68)


def test_a_series_of_the_wrong_sign_is_not_bent_into_shape() -> None:
    line, flags = build_line(NAMES, X, 2.5e-4 * X, expected=EXPECTED, scatter=0.15, **LABELS)
    assert line.excluded == []
    assert flags == {}
    assert any("contradicts its protocol" in note for note in line.notes)
    assert any("times the expected one" in note for note in line.notes)


def test_fewest_vials_are_given_up() -> None:
    x = np.arange(6.0)
    y = x.copy()
    y[4] += 3
    assert failed_vials(x, y, 1.0, (0.5, 1.5), 0.3) == [4]
    assert failed_vials(x, x, 1.0, (0.5, 1.5), 0.3) == []
    assert failed_vials(x, -x, 1.0, (0.5, 1.5), 0.3) is None


def test_three_vials_with_a_high_r2_are_not_called_established() -> None:
    # Kim et al. 2019, 10.1371/journal.pone.0220639: R2 0.984 and yet p 0.081.
    x, y = np.array([0.0429, 0.0858, 0.1287]), np.array([0.0921, 0.2114, 0.2876])
    line, _ = build_line(["1", "2", "3"], x, y, material="SPIO", modality="qsm", unit="ppm", abscissa_unit="mmol/L")
    assert line.slope == pytest.approx(2.273, abs=6e-3)
    assert line.r2 == pytest.approx(0.984, abs=5e-4)
    assert line.p_value == pytest.approx(0.081, abs=5e-4)
    assert not line.established
    assert any("not established" in note for note in line.notes)


def test_detection_limits_follow_ich_q2() -> None:
    x = np.array([0.0, 1, 2, 3, 4, 5])
    y = 2 * x + np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1])
    line, _ = build_line(list("abcdef"), x, y, material="m", modality="ct", unit="HU", abscissa_unit="mmol/L")
    assert line.residual_sd is not None
    assert line.lod == pytest.approx(3.3 * line.residual_sd / line.slope)
    assert line.loq == pytest.approx(10 * line.residual_sd / line.slope)


def test_an_outlier_without_physics_is_flagged_and_kept() -> None:
    x = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5.0])
    y = np.array([7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73])
    names = [f"v{k}" for k in range(11)]
    line, flags = build_line(names, x, y, material="m", modality="", unit="", abscissa_unit="x")
    assert line.slope == pytest.approx(0.4997, abs=1e-4)
    assert list(flags) == ["v2"]
    assert "kept" in flags["v2"]
    assert any("without v2 the slope would be 0.345" in note for note in line.notes)


def test_two_vials_that_changed_places_are_both_left_out_and_named_as_a_pair() -> None:
    x = np.array([0.0, 300, 600, 900, 1200, 1500])
    y = 0.208 * x
    y[[3, 5]] = y[[5, 3]]
    names = [f"Ca{v:.0f}" for v in x]
    expected = ExpectedSlope(0.208, 0.026, "HU/(mmol/L)", "test")
    labels = {"material": "calcium", "modality": "ct", "unit": "HU", "abscissa_unit": "mmol/L"}
    line, flags = build_line(names, x, y, expected=expected, scatter=47.0, **labels)
    assert set(flags) == {"Ca900", "Ca1500"}
    assert line.slope == pytest.approx(0.208)
    assert any("Ca900 and Ca1500 fit the line with their values exchanged" in note for note in line.notes)


def test_small_departures_are_no_failures(rng: np.random.Generator) -> None:
    x = np.array([0.0, 300, 600, 900, 1200, 1500])
    for _ in range(50):
        assert failed_vials(x, 0.2 * x + rng.normal(0, 3, 6), 0.2, (0.5, 1.5), 45.0) == []


def test_a_constant_series_is_not_established() -> None:
    line, _ = build_line(list("abc"), np.array([1.0, 2, 3]), np.full(3, 5.0), **LABELS)
    assert line.p_value is None
    assert not line.established
