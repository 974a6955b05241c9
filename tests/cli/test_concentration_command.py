"""`concentration` and the methods of `fit`, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phantomcal.outputs import provenance, write_record
from phantomcal.phantom.fitting.table import fit_table
from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused

COLUMNS = [
    "id",
    "modality",
    "material",
    "concentration_mmol_per_l",
    "standard_error",
    "ci95_low",
    "ci95_high",
    "below_critical",
    "in_range",
    "probability",
    "note",
]
LEVELS = {"gadolinium": [0, 0.625, 1.25, 2.5, 5, 10], "calcium": [0, 300, 600, 900, 1200, 1500]}
SLOPES = {"gadolinium": (5.69, 0.338), "calcium": (0.208, -2.68e-4)}


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    rows = [
        {
            "vial_id": f"{name[:2]}{x}",
            "material": name,
            "modality": modality,
            "concentration_mmol_per_l": x,
            "value": slope * x + rng.normal(0, noise),
        }
        for name, levels in LEVELS.items()
        for modality, slope, noise in zip(("ct", "qsm"), SLOPES[name], (0.4, 0.01), strict=True)
        for x in levels
    ]
    record = fit_table(pd.DataFrame(rows), provenance("fit", [], {}, 0.0), where="vials.csv")
    path = tmp_path_factory.mktemp("cal") / "calibration.json"
    write_record(record, path)
    return path


@pytest.fixture
def lesions(tmp_path: Path) -> Path:
    rows = [
        {"subject_id": "s1", "lesion_id": "a", "ct_hu": 5.69 * 4, "qsm_ppm": 0.338 * 4, "n_voxels": 64},
        {"subject_id": "s1", "lesion_id": "b", "ct_hu": 0.208 * 900, "qsm_ppm": -2.68e-4 * 900, "n_voxels": 64},
        {"subject_id": "s2", "lesion_id": "a", "ct_hu": None, "qsm_ppm": 1.0, "n_voxels": 64},
        {"subject_id": "s2", "lesion_id": "b", "ct_hu": None, "qsm_ppm": None, "n_voxels": 64},
    ]
    path = tmp_path / "lesions.csv"
    frame = pd.DataFrame(rows).assign(ct_sd_hu=8.0, qsm_sd_ppm=0.08)
    frame.to_csv(path, index=False)
    return path


def test_a_table_gives_rows_records_and_a_report(call: Call, calibration: Path, lesions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call("concentration", lesions, "--calibration", calibration, "-o", out).code == 0
    assert sorted(p.name for p in out.iterdir()) == ["concentrations.csv", "concentrations.json", "report.html"]
    rows = pd.read_csv(out / "concentrations.csv")
    assert list(rows.columns[: len(COLUMNS)]) == COLUMNS
    # Two readings by two materials, and both together: 6 rows a lesion; 2 with QSM alone.
    assert list(rows.groupby("id").size()) == [6, 6, 2]
    joint = rows[rows["modality"] == "joint"].set_index(["id", "material"])
    for lesion, material, amount in (("s1 a", "gadolinium", 4.0), ("s1 b", "calcium", 900.0)):
        row = joint.loc[(lesion, material)]
        assert row["verdict"] == material
        assert row["probability"] > 0.99
        assert row["ci95_low"] < amount < row["ci95_high"]
    record = json.loads((out / "concentrations.json").read_text(encoding="utf-8"))
    assert record["materials"] == ["gadolinium", "calcium"]
    assert any("1 of 4 rows have no value" in w for w in record["warnings"])
    assert "Student's t" in record["model"]
    assert {i["role"] for i in record["provenance"]["inputs"]} == {"calibration", "table"}
    assert str(tmp_path) not in (out / "concentrations.json").read_text(encoding="utf-8")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Concentrations from CT and QSM" in page
    assert "Which material" in page


def test_equal_inputs_give_equal_bytes(call: Call, calibration: Path, lesions: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("concentration", lesions, "--calibration", calibration, "-o", tmp_path / name).code == 0
    for name in ("concentrations.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_spread_of_voxels_widens_the_interval(call: Call, calibration: Path, lesions: Path, tmp_path: Path) -> None:
    widths = []
    frame = pd.read_csv(lesions)
    for k, n in enumerate((64, 4)):
        table, out = tmp_path / f"{k}.csv", tmp_path / f"out{k}"
        frame.assign(n_voxels=n).to_csv(table, index=False)
        assert call("concentration", table, "--calibration", calibration, "-o", out).code == 0
        row = pd.read_csv(out / "concentrations.csv").iloc[0]
        widths.append(row["ci95_high"] - row["ci95_low"])
    # 8 HU over the root of 4 is 4 HU: 0.7 mmol/L of gadolinium, times the t quantile of 2.8, both sides.
    assert widths[1] == pytest.approx(2 * 2.776 * 4 / 5.69, rel=0.1)
    assert widths[0] < widths[1] / 3


def test_a_single_reading_needs_no_folder(call: Call, calibration: Path) -> None:
    done = call("concentration", "--hu", 22.76, "--calibration", calibration, "--material", "gadolinium")
    assert done.code == 0
    assert "gadolinium" in done.out
    assert "calcium" not in done.out
    both = call("concentration", "--hu", 22.76, "--ppm", 1.352, "--calibration", calibration)
    assert "both" in both.out


def test_columns_can_be_named_and_ppb_is_converted(call: Call, calibration: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "out"
    pd.DataFrame({"tube": ["x"], "chi_ppb": [1352.0]}).to_csv(table, index=False)
    asked = ("--qsm-column", "chi_ppb", "--id-column", "tube", "--material", "gadolinium")
    assert call("concentration", table, "--calibration", calibration, *asked, "-o", out).code == 0
    (row,) = pd.read_csv(out / "concentrations.csv").to_dict("records")
    assert row["id"] == "x"
    assert row["concentration_mmol_per_l"] == pytest.approx(4.0, abs=0.2)
    assert not (out / "concentrations.csv").read_text().startswith("Unnamed")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--material", "lead"], ["no line of 'lead'", "gadolinium, calcium"]),
        (["--ct-column", "hounsfield"], ["'hounsfield'", "--ct-column"]),
        (["--hu", "3"], ["both a table and a single reading"]),
    ],
)
def test_bad_calls_are_refused(
    call: Call, calibration: Path, lesions: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert_refused(call("concentration", lesions, "--calibration", calibration, "-o", out, *arguments), out, *words)


def test_ppb_without_its_name_and_broken_calibrations_are_refused(
    call: Call, calibration: Path, lesions: Path, tmp_path: Path
) -> None:
    out, table = tmp_path / "out", tmp_path / "t.csv"
    pd.DataFrame({"qsm_ppm": [300.0]}).to_csv(table, index=False)
    assert_refused(call("concentration", table, "--calibration", calibration, "-o", out), out, "300", "row 2", "ppm")
    assert_refused(call("concentration", lesions, "--calibration", lesions, "-o", out), out, "not JSON")
    missing = tmp_path / "no.json"
    assert_refused(call("concentration", lesions, "--calibration", missing, "-o", out), out, "no.json")
    assert_refused(call("concentration", "--calibration", calibration), out, "--hu and --ppm")
    assert_refused(call("concentration", lesions, "--calibration", calibration), out, "-o")
    refused = call("concentration", "--hu", 3, "--hu-se", -1, "--calibration", calibration)
    assert_refused(refused, out, "--hu-se")


def test_a_calibration_without_concentrations_is_refused(call: Call, tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "cal"
    pd.DataFrame({"nominal": [0, 1, 2, 3], "hu": [0, 1.1, 2, 3.1]}).to_csv(table, index=False)
    assert call("fit", table, "--x", "nominal", "--y", "hu", "--by", "none", "-o", out).code == 0
    refused = call("concentration", "--hu", 2, "--calibration", out / "calibration.json")
    assert_refused(refused, tmp_path / "none", "nominal", "not a concentration")


@pytest.mark.parametrize(
    ("method", "words"),
    [("wls", "needs standard errors"), ("york", "needs standard errors"), ("magic", "auto, ols, wls")],
)
def test_methods_of_fit_that_cannot_be_done_are_refused(call: Call, tmp_path: Path, method: str, words: str) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "out"
    pd.DataFrame({"concentration_mmol_per_l": [0, 1, 2, 3.0], "hu": [0, 1.1, 2, 3.1]}).to_csv(table, index=False)
    refused = call("fit", table, "--y", "hu", "--by", "none", "--method", method, "-o", out)
    assert_refused(refused, out, words)


def test_fit_through_zero(call: Call, tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "out"
    pd.DataFrame({"concentration_mmol_per_l": [0, 1, 2, 3.0, 4], "hu": [0.1, 2, 4.1, 5.9, 8]}).to_csv(
        table, index=False
    )
    asked = ("--y", "hu", "--by", "none", "--method", "through-zero")
    assert call("fit", table, *asked, "-o", out).code == 0
    (line,) = json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
    assert line["intercept"] == 0
    assert line["degrees_of_freedom"] == 4
    assert "does not differ from 0" in line["default_rule"]
