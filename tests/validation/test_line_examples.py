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
from tests.validation.conftest import Published

# Pearson's data with York's weights: York 1966, Can J Phys 44:1079; York et al. 2004, Am J Phys 72:367.
YORK_X = np.array([0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
YORK_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_SD_X = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1]) ** -0.5
YORK_SD_Y = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500]) ** -0.5
# DIN 32645:2008, worked example.
YORK = ("Pearson's data with York's weights, York et al., Am J Phys 2004", "10.1119/1.1632486")
DIN = ("DIN 32645:2008, worked example",)
ANSCOMBE = ("Anscombe, Am Stat 1973, third set", "10.1080/00031305.1973.10478966")
KIM = ("Kim et al., PLoS One 2019", "10.1371/journal.pone.0220639")
DIN_X = np.arange(1, 11) * 0.05
DIN_Y = np.array([3060, 3522, 3707, 4280, 5058, 5510, 5703, 6205, 7156, 7178.0])
# Anscombe 1973, Am Stat 27:17, third set.
ANSCOMBE_X = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5.0])
ANSCOMBE_Y = np.array([7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73])


def line_of(out: Path) -> dict:
    (line,) = json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
    return line


@pytest.mark.source(*YORK)
def test_errors_in_both_axes_reproduce_york(published: Published) -> None:
    fit = fit_line(YORK_X, YORK_Y, YORK_SD_Y, YORK_SD_X)
    published("errors in both axes: slope", fit.slope, -0.480533, abs=1e-6)
    published("its intercept", fit.intercept, 5.479910, abs=1e-6)
    published("its reduced chi-squared", fit.reduced_chi2, 1.4833, abs=1e-4)
    # Known errors 0.05799 and 0.29497, widened by 1.2179.
    widened = np.sqrt(fit.reduced_chi2)
    assert widened == pytest.approx(1.2179, abs=1e-4)
    published("SE of the slope, errors taken as known", fit.error(0) / widened, 0.05799, abs=5e-6)
    published("SE of the intercept, errors taken as known", fit.error(1) / widened, 0.29497, abs=5e-6)
    assert "widened by 1.22" in fit.method


@pytest.mark.source(*YORK)
@pytest.mark.parametrize("method", ["auto", "york"])
def test_fit_command_reproduces_york(
    call: Call,  # noqa: F811
    published: Published,
    tmp_path: Path,
    method: str,
) -> None:
    table, out = tmp_path / "york.csv", tmp_path / "out"
    pd.DataFrame({"x": YORK_X, "y": YORK_Y, "sx": YORK_SD_X, "sy": YORK_SD_Y}).to_csv(table, index=False)
    asked = ("--x", "x", "--y", "y", "--by", "none", "--sd", "sy", "--x-sd", "sx", "--method", method)
    assert call("fit", table, *asked, "-o", out).code == 0
    line = line_of(out)
    published(f"fit --method {method}: slope", line["slope"], -0.480533, abs=1e-6)
    published(f"fit --method {method}: intercept", line["intercept"], 5.479910, abs=1e-6)
    published(f"fit --method {method}: SE of the slope, widened", line["slope_se"], 0.05799 * 1.2179, rel=1e-3)
    assert line["default_rule"].startswith("errors in both axes")
    assert {a["method"].split(",")[0] for a in line["alternatives"]} >= {
        "ordinary least squares",
        "weighted least squares",
        "robust (MM",
    }


@pytest.mark.source(*DIN)
def test_limits_reproduce_din_32645(published: Published) -> None:
    fit = fit_line(DIN_X, DIN_Y)
    published("calibration slope", fit.slope, 9661.939, abs=5e-4)
    published("its intercept", fit.intercept, 2480.867, abs=5e-4)
    published("residual SD", fit.residual_sd, 192.294, abs=5e-4)
    limits = din_32645(fit.curve, alpha=0.01)
    published("critical value, alpha 0.01", limits.critical_value, 0.0698, abs=5e-5)
    published("limit of detection", limits.lod, 0.1396, abs=5e-5)
    published("limit of quantification, k = 3", limits.loq, 0.212, abs=5e-4)
    reading = read_back(fit.curve, 3500.0, confidence=0.99)
    published("3500 read backwards", reading.amount, 0.10548, abs=5e-6)
    published("half its 99 % interval", reading.standard_error * stats.t.ppf(0.995, 8), 0.07434, abs=5e-6)


@pytest.mark.source(*DIN)
def test_fit_command_reproduces_din_32645_and_reads_it_back(
    call: Call,  # noqa: F811
    published: Published,
    tmp_path: Path,
) -> None:
    table, out = tmp_path / "din.csv", tmp_path / "out"
    pd.DataFrame({"concentration_mmol_per_l": DIN_X, "hu": DIN_Y}).to_csv(table, index=False)
    assert call("fit", table, "--y", "hu", "--by", "none", "-o", out).code == 0
    line = line_of(out)
    published("fit: calibration slope", line["slope"], 9661.939, abs=5e-4)
    published("fit: residual SD", line["residual_sd"], 192.294, abs=5e-4)
    din = next(d for d in line["detection"] if d["standard"] == "DIN 32645")
    # The example's alpha is 0.01; at 0.05 only the quantile changes.
    ratio = stats.t.ppf(0.95, 8) / stats.t.ppf(0.99, 8)
    assert din["critical_value"] == pytest.approx(0.0698 * ratio, rel=1e-3)
    ich = next(d for d in line["detection"] if d["standard"] == "ICH Q2")
    assert ich["lod"] == line["lod"] == pytest.approx(3.3 * 192.294 / 9661.939, rel=1e-5)
    read = call("concentration", "--hu", 3500, "--calibration", out / "calibration.json", "-o", tmp_path / "read")
    assert read.code == 0
    (row,) = pd.read_csv(tmp_path / "read" / "concentrations.csv").to_dict("records")
    half = row["standard_error"] * stats.t.ppf(0.995, 8)
    published("concentration: 3500 read backwards", row["concentration_mmol_per_l"], 0.10548, abs=5e-6)
    published("concentration: half its 99 % interval", half, 0.07434, abs=5e-6)


@pytest.mark.source(*ANSCOMBE)
def test_a_robust_fit_is_not_bent_by_anscombes_outlier(published: Published) -> None:
    published("slope by least squares", fit_line(ANSCOMBE_X, ANSCOMBE_Y).slope, 0.4997, abs=5e-5)
    published("slope by MM-estimation", robust_line(ANSCOMBE_X, ANSCOMBE_Y).slope, between=(0.345, 0.347))
    published("slope by Theil-Sen", theil_sen(ANSCOMBE_X, ANSCOMBE_Y)[0], between=(0.345, 0.347))
    index, p = studentised_outlier(ANSCOMBE_X, ANSCOMBE_Y) or (-1, 1.0)
    assert index == 2
    assert p < 1e-6


@pytest.mark.source(*ANSCOMBE)
def test_fit_command_names_anscombes_third_point(
    call: Call,  # noqa: F811
    published: Published,
    tmp_path: Path,
) -> None:
    table = tmp_path / "anscombe.csv"
    frame = pd.DataFrame({"vial_id": [f"P{k}" for k in range(1, 12)], "x": ANSCOMBE_X, "y": ANSCOMBE_Y})
    frame.to_csv(table, index=False)
    for method, low, high in (("auto", 0.4996, 0.4998), ("robust", 0.345, 0.347)):
        out = tmp_path / method
        done = call("fit", table, "--x", "x", "--y", "y", "--by", "none", "--method", method, "-o", out)
        assert done.code == 0
        line = line_of(out)
        published(f"fit --method {method}: slope", line["slope"], between=(low, high))
        assert "P3: suspect" in done.out
        assert "P3" in (out / "report.html").read_text(encoding="utf-8")
    influence = {v["vial_id"]: v for v in line_of(tmp_path / "auto")["influence"]}
    worst = max(influence, key=lambda k: abs(influence[k]["studentised_residual"]))
    published("fit: the point that does not fit", worst, "P3")
    published("fit: slope without it", influence["P3"]["slope_without"], 0.3454, abs=5e-4)
    robust = next(a for a in line_of(tmp_path / "auto")["alternatives"] if a["method"].startswith("robust"))
    assert 0.345 <= robust["slope"] <= 0.347


@pytest.mark.source(*KIM)
def test_three_vials_are_not_called_established_by_any_fit(published: Published) -> None:
    # Kim et al. 2019, 10.1371/journal.pone.0220639: MEDI, R2 0.984 and yet p 0.081.
    x, y = np.array([0.0429, 0.0858, 0.1287]), np.array([0.0921, 0.2114, 0.2876])
    sd = np.array([0.0048, 0.0045, 0.0038])
    chosen = choose_fit(x, y, sd)
    assert chosen.kind == "ols"
    assert "scatter about the line more than their standard errors say" in chosen.rule
    published("p of a line through three vials", chosen.fit.p_value, 0.081, abs=5e-4)
    assert all(a.p_value is None or a.p_value > 0.05 for a in chosen.alternatives)


@pytest.mark.source(*KIM)
@pytest.mark.realdata
def test_three_spheres_cannot_be_read_backwards(
    call: Call,  # noqa: F811
    published: Published,
    real_data: Path,
    tmp_path: Path,
) -> None:
    table, out = real_data / "spio-spheres" / "spheres.csv", tmp_path / "out"
    frame = pd.read_csv(table).rename(columns={"Fe_mM": "concentration_mmol_per_l"})
    renamed = tmp_path / "spheres.csv"
    frame.to_csv(renamed, index=False)
    asked = ("--y", "chi_MEDI_ppm_day75", "--by", "none")
    assert call("fit", renamed, *asked, "-o", out).code == 0
    published("slope of three SPIO spheres, ppm/(mmol/L)", line_of(out)["slope"], 2.273, rel=0.01)
    read = call("concentration", "--ppm", 0.15, "--calibration", out / "calibration.json", "-o", tmp_path / "read")
    assert read.code == 0
    (row,) = json.loads((tmp_path / "read" / "concentrations.json").read_text(encoding="utf-8"))["readings"]
    assert row["ci95_low"] is None
    assert "undetermined: the slope is not established" in row["note"]


@pytest.mark.source("Curie law, Gd3+ (S = 7/2, g = 2)")
@pytest.mark.parametrize(("celsius", "ppm"), [(20, 0.3377), (25, 0.3320), (37, 0.3192)])
def test_curie_law_of_gadolinium(published: Published, celsius: float, ppm: float) -> None:
    published(f"gadolinium at {celsius} °C, ppm/(mmol/L)", curie_molar_susceptibility(3.5, celsius), ppm, abs=5e-5)


@pytest.mark.source("Computed from tungsten spectra and attenuation coefficients, behind 20 cm of water")
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
def test_ct_slopes(published: Published, substance: str, kvp: float, hu: float) -> None:
    found = expected_ct_slope(substance, kvp)
    assert found is not None
    published(f"{substance} at {kvp} kVp, HU/(mmol/L)", found.value, hu, rel=0.10)
