"""Lines and limits against published worked examples, through public functions and the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from phantomcal.materials import curie_molar_susceptibility, expected_ct_slope
from phantomcal.phantom.fitting.choice import choose_fit
from phantomcal.phantom.fitting.fit import fit_line
from phantomcal.phantom.fitting.influence import studentised_outlier
from phantomcal.phantom.fitting.robust import robust_line, theil_sen
from phantomcal.phantom.reading.detection import din_32645
from phantomcal.phantom.reading.inverse import read_back
from tests.cli.conftest import Call, call  # noqa: F401  (a fixture used by name)

# Pearson's data with York's weights: York 1966, Can J Phys 44:1079; York et al. 2004, Am J Phys 72:367.
YORK_X = np.array([0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
YORK_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_SD_X = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1]) ** -0.5
YORK_SD_Y = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500]) ** -0.5
# DIN 32645:2008, worked example.
DIN_X = np.arange(1, 11) * 0.05
DIN_Y = np.array([3060, 3522, 3707, 4280, 5058, 5510, 5703, 6205, 7156, 7178.0])
# Anscombe 1973, Am Stat 27:17, third set.
ANSCOMBE_X = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5.0])
ANSCOMBE_Y = np.array([7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73])


def line_of(out: Path) -> dict:
    (line,) = json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
    return line


def test_errors_in_both_axes_reproduce_york() -> None:
    fit = fit_line(YORK_X, YORK_Y, YORK_SD_Y, YORK_SD_X)
    assert fit.slope == pytest.approx(-0.480533, abs=1e-6)
    assert fit.intercept == pytest.approx(5.479910, abs=1e-6)
    assert fit.reduced_chi2 == pytest.approx(1.4833, abs=1e-4)
    # Known errors 0.05799 and 0.29497, widened by 1.2179.
    widened = np.sqrt(fit.reduced_chi2)
    assert widened == pytest.approx(1.2179, abs=1e-4)
    assert fit.error(0) / widened == pytest.approx(0.05799, abs=5e-6)
    assert fit.error(1) / widened == pytest.approx(0.29497, abs=5e-6)
    assert "widened by 1.22" in fit.method


@pytest.mark.parametrize("method", ["auto", "york"])
def test_fit_command_reproduces_york(call: Call, tmp_path: Path, method: str) -> None:  # noqa: F811
    table, out = tmp_path / "york.csv", tmp_path / "out"
    pd.DataFrame({"x": YORK_X, "y": YORK_Y, "sx": YORK_SD_X, "sy": YORK_SD_Y}).to_csv(table, index=False)
    asked = ("--x", "x", "--y", "y", "--by", "none", "--sd", "sy", "--x-sd", "sx", "--method", method)
    assert call("fit", table, *asked, "-o", out).code == 0
    line = line_of(out)
    assert line["slope"] == pytest.approx(-0.480533, abs=1e-6)
    assert line["intercept"] == pytest.approx(5.479910, abs=1e-6)
    assert line["slope_se"] == pytest.approx(0.05799 * 1.2179, rel=1e-3)
    assert line["default_rule"].startswith("errors in both axes")
    assert {a["method"].split(",")[0] for a in line["alternatives"]} >= {
        "ordinary least squares",
        "weighted least squares",
        "robust (MM",
    }


def test_limits_reproduce_din_32645() -> None:
    fit = fit_line(DIN_X, DIN_Y)
    assert fit.slope == pytest.approx(9661.939, abs=5e-4)
    assert fit.intercept == pytest.approx(2480.867, abs=5e-4)
    assert fit.residual_sd == pytest.approx(192.294, abs=5e-4)
    limits = din_32645(fit.curve, alpha=0.01)
    assert limits.critical_value == pytest.approx(0.0698, abs=5e-5)
    assert limits.lod == pytest.approx(0.1396, abs=5e-5)
    assert limits.loq == pytest.approx(0.212, abs=5e-4)
    reading = read_back(fit.curve, 3500.0, confidence=0.99)
    assert reading.amount == pytest.approx(0.10548, abs=5e-6)
    assert reading.standard_error * stats.t.ppf(0.995, 8) == pytest.approx(0.07434, abs=5e-6)


def test_fit_command_reproduces_din_32645_and_reads_it_back(call: Call, tmp_path: Path) -> None:  # noqa: F811
    table, out = tmp_path / "din.csv", tmp_path / "out"
    pd.DataFrame({"concentration_mmol_per_l": DIN_X, "hu": DIN_Y}).to_csv(table, index=False)
    assert call("fit", table, "--y", "hu", "--by", "none", "-o", out).code == 0
    line = line_of(out)
    assert line["slope"] == pytest.approx(9661.939, abs=5e-4)
    assert line["residual_sd"] == pytest.approx(192.294, abs=5e-4)
    din = next(d for d in line["detection"] if d["standard"] == "DIN 32645")
    # The example's alpha is 0.01; at 0.05 only the quantile changes.
    ratio = stats.t.ppf(0.95, 8) / stats.t.ppf(0.99, 8)
    assert din["critical_value"] == pytest.approx(0.0698 * ratio, rel=1e-3)
    ich = next(d for d in line["detection"] if d["standard"] == "ICH Q2")
    assert ich["lod"] == line["lod"] == pytest.approx(3.3 * 192.294 / 9661.939, rel=1e-5)
    read = call("concentration", "--hu", 3500, "--calibration", out / "calibration.json", "-o", tmp_path / "read")
    assert read.code == 0
    (row,) = pd.read_csv(tmp_path / "read" / "concentrations.csv").to_dict("records")
    assert row["concentration_mmol_per_l"] == pytest.approx(0.10548, abs=5e-6)
    assert row["standard_error"] * stats.t.ppf(0.995, 8) == pytest.approx(0.07434, abs=5e-6)


def test_a_robust_fit_is_not_bent_by_anscombes_outlier() -> None:
    assert fit_line(ANSCOMBE_X, ANSCOMBE_Y).slope == pytest.approx(0.4997, abs=5e-5)
    assert 0.345 <= robust_line(ANSCOMBE_X, ANSCOMBE_Y).slope <= 0.347
    assert 0.345 <= theil_sen(ANSCOMBE_X, ANSCOMBE_Y)[0] <= 0.347
    index, p = studentised_outlier(ANSCOMBE_X, ANSCOMBE_Y) or (-1, 1.0)
    assert index == 2
    assert p < 1e-6


def test_fit_command_names_anscombes_third_point(call: Call, tmp_path: Path) -> None:  # noqa: F811
    table = tmp_path / "anscombe.csv"
    frame = pd.DataFrame({"vial_id": [f"P{k}" for k in range(1, 12)], "x": ANSCOMBE_X, "y": ANSCOMBE_Y})
    frame.to_csv(table, index=False)
    for method, low, high in (("auto", 0.4996, 0.4998), ("robust", 0.345, 0.347)):
        out = tmp_path / method
        done = call("fit", table, "--x", "x", "--y", "y", "--by", "none", "--method", method, "-o", out)
        assert done.code == 0
        line = line_of(out)
        assert low <= line["slope"] <= high
        assert "P3: suspect" in done.out
        assert "P3" in (out / "report.html").read_text(encoding="utf-8")
    influence = {v["vial_id"]: v for v in line_of(tmp_path / "auto")["influence"]}
    assert max(influence, key=lambda k: abs(influence[k]["studentised_residual"])) == "P3"
    assert influence["P3"]["slope_without"] == pytest.approx(0.3454, abs=5e-4)
    robust = next(a for a in line_of(tmp_path / "auto")["alternatives"] if a["method"].startswith("robust"))
    assert 0.345 <= robust["slope"] <= 0.347


def test_three_vials_are_not_called_established_by_any_fit() -> None:
    # Kim et al. 2019, 10.1371/journal.pone.0220639: MEDI, R2 0.984 and yet p 0.081.
    x, y = np.array([0.0429, 0.0858, 0.1287]), np.array([0.0921, 0.2114, 0.2876])
    sd = np.array([0.0048, 0.0045, 0.0038])
    chosen = choose_fit(x, y, sd)
    assert chosen.kind == "ols"
    assert "scatter about the line more than their standard errors say" in chosen.rule
    assert chosen.fit.p_value == pytest.approx(0.081, abs=5e-4)
    assert all(a.p_value is None or a.p_value > 0.05 for a in chosen.alternatives)


@pytest.mark.realdata
def test_three_spheres_cannot_be_read_backwards(call: Call, real_data: Path, tmp_path: Path) -> None:  # noqa: F811
    table, out = real_data / "spio-spheres" / "spheres.csv", tmp_path / "out"
    frame = pd.read_csv(table).rename(columns={"Fe_mM": "concentration_mmol_per_l"})
    renamed = tmp_path / "spheres.csv"
    frame.to_csv(renamed, index=False)
    asked = ("--y", "chi_MEDI_ppm_day75", "--by", "none")
    assert call("fit", renamed, *asked, "-o", out).code == 0
    assert line_of(out)["slope"] == pytest.approx(2.273, rel=0.01)
    read = call("concentration", "--ppm", 0.15, "--calibration", out / "calibration.json", "-o", tmp_path / "read")
    assert read.code == 0
    (row,) = json.loads((tmp_path / "read" / "concentrations.json").read_text(encoding="utf-8"))["readings"]
    assert row["ci95_low"] is None
    assert "undetermined: the slope is not established" in row["note"]


@pytest.mark.parametrize(("celsius", "ppm"), [(20, 0.3377), (25, 0.3320), (37, 0.3192)])
def test_curie_law_of_gadolinium(celsius: float, ppm: float) -> None:
    assert curie_molar_susceptibility(3.5, celsius) == pytest.approx(ppm, abs=5e-5)


@pytest.mark.parametrize(
    ("substance", "kvp", "hu"),
    [
        ("gadolinium", 80, 7.50),
        ("gadolinium", 120, 5.69),
        ("gadolinium", 140, 4.96),
        ("iron", 120, 0.247),
        ("CaCl2", 80, 0.294),
        ("CaCl2", 120, 0.208),
        ("CaCO3", 120, 0.119),
    ],
)
def test_ct_slopes(substance: str, kvp: float, hu: float) -> None:
    found = expected_ct_slope(substance, kvp)
    assert found is not None
    assert found.value == pytest.approx(hu, rel=0.10)
