"""Published figures of agreement, and the real phantom scanned twice."""

import json
from pathlib import Path

import pandas as pd
import pytest

from phantomcal.phantom.repeating.agreement import bland_altman, intraclass
from tests.cli.conftest import Call, call  # noqa: F401  (a fixture used by name)
from tests.validation.conftest import Published

# Bland and Altman 1986, Lancet 327:307: first measurements by the Wright and the mini Wright peak flow meter, l/min.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
# Shrout and Fleiss 1979, Psychol Bull 86:420: six targets, four judges.
RATINGS = [(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)]
SHROUT_FLEISS = {
    "ICC(1,1)": 0.17,
    "ICC(2,1)": 0.29,
    "ICC(3,1)": 0.71,
    "ICC(1,k)": 0.44,
    "ICC(2,k)": 0.62,
    "ICC(3,k)": 0.91,
}


@pytest.mark.source("Bland and Altman, Lancet 1986", "10.1016/S0140-6736(86)90837-8")
def test_bland_and_altman_1986(published: Published) -> None:
    found = bland_altman(MINI, WRIGHT)
    assert found.bias_ci95 is not None
    published("pairs", found.n, 17)
    published("bias, l/min", found.bias, -2.118, abs=5e-4)
    published("SD of the differences, l/min", found.sd, 38.765, abs=5e-4)
    published("lower limit of agreement, l/min", found.lower, -78.10, abs=5e-3)
    published("upper limit of agreement, l/min", found.upper, 73.86, abs=5e-3)
    # The paper prints -22.0 to 17.8 with the rounded SE of 9.4.
    published("95 % interval of the bias, l/min", found.bias_ci95, (-22.0, 17.8), abs=0.1)
    assert found.lower_ci95 is not None
    # The paper's interval of a limit is approximate and as wide on both sides; the exact one reaches further out.
    half = 2.12 * (3 * 38.765**2 / 17) ** 0.5
    assert found.lower_ci95[0] < found.lower - half
    assert found.lower_ci95[1] == pytest.approx(found.lower + half, abs=10)


@pytest.mark.source("Shrout and Fleiss, Psychol Bull 1979", "10.1037/0033-2909.86.2.420")
def test_shrout_and_fleiss_1979(published: Published) -> None:
    found = {i.form: i for i in intraclass(RATINGS)}
    assert set(found) == set(SHROUT_FLEISS)
    for form, value in SHROUT_FLEISS.items():
        published(f"{form}, to two decimals", round(found[form].value, 2), value)
    assert all(i.ci95 is not None and i.ci95[0] < i.value < i.ci95[1] for i in found.values())
    # Not rounded by the library: McGraw and Wong's interval of ICC(3,1) in full.
    assert found["ICC(3,1)"].ci95 == pytest.approx((0.34247, 0.94586), abs=1e-5)


@pytest.mark.source("Hooper et al. 2024, scans of one phantom repeated in one visit", "10.1101/2024.02.18.580843")
@pytest.mark.realdata
def test_the_real_phantom_scanned_twice(
    call: Call,  # noqa: F811
    published: Published,
    real_data: Path,
    tmp_path: Path,
) -> None:
    for run in ("run-1", "run-2"):
        scan = real_data / "qsm-phantom-20-vial" / f"sub-phantom_ses-month24_{run}_Chimap.nii.gz"
        assert call("calibrate", "qsm-20-vial", "--qsm", scan, "-o", tmp_path / run).code == 0
    out = tmp_path / "out"
    done = call("repeatability", tmp_path / "run-1", tmp_path / "run-2", "-o", out)
    assert done.code == 0
    assert "two runs only" in " ".join(done.out.split())
    record = json.loads((out / "repeatability.json").read_text(encoding="utf-8"))
    (group,) = record["agreement"]
    published("vials pooled: the two failed CaCl2 vials are not", len(group["vials"]), 18)
    assert not {"Cl10", "Cl20"} & set(group["vials"])
    # Two scans in one visit: a few parts per billion, against a tenth to two ppm in the vials.
    published("within-vial SD of two scans, ppm", group["within"]["wsd"], between=(0.001, 0.004))
    assert group["within"]["wsd_ci95"][0] < group["within"]["wsd"] < group["within"]["wsd_ci95"][1]
    (pair,) = group["bland_altman"]
    published("bias between the scans, ppm", pair["bias"], between=(-0.003, 0.003))
    assert -0.012 < pair["lower"] < 0 < pair["upper"] < 0.012
    assert min(i["value"] for i in group["icc"]) > 0.999
    slopes = {r["name"]: r for r in record["rows"] if r["level"] == "slope"}
    assert set(slopes) == {"CaCO3", "CaCl2", "ferritin", "USPIO"}
    assert slopes["ferritin"]["wcv_percent"] < 0.5
    assert all(r["wcv_percent"] < 3 for r in slopes.values())
    table = pd.read_csv(out / "repeatability.csv")
    assert len(table) == 20 + 8 + 1
    assert {"value run-1", "value run-2"} <= set(table.columns)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Bland-Altman plot of run-2 against run-1" in page

    same = call("history", "compare", tmp_path / "run-1", tmp_path / "run-2")
    assert same.code == 0
    assert "differ" not in same.out.replace("difference", "")
