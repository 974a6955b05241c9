"""The commands on good input: outputs, columns, exit codes, equal bytes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal import __version__
from phantomcal.protocol import builtin_protocols
from tests.cli.conftest import Call

VIAL_COLUMNS = [
    "vial_id",
    "material",
    "concentration_mmol_per_l",
    "modality",
    "value",
    "unit",
    "sd",
    "sem",
    "n_voxels",
    "x_mm",
    "y_mm",
    "z_mm",
    "used",
    "flag",
]
LINE_FIELDS = {
    "material",
    "modality",
    "unit",
    "method",
    "n_vials",
    "slope",
    "slope_se",
    "slope_ci95",
    "intercept",
    "intercept_se",
    "intercept_ci95",
    "r2",
    "p_value",
    "residual_sd",
    "lod",
    "loq",
    "linearity",
    "expected_slope",
    "excluded",
}


def test_calibrate_writes_what_the_contract_promises(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    done = call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", out, "--session", "week 3")
    assert done.code == 0
    assert sorted(p.name for p in out.iterdir()) == ["calibration.json", "report.html", "vials.csv"]
    vials = pd.read_csv(out / "vials.csv")
    assert list(vials.columns[: len(VIAL_COLUMNS)]) == VIAL_COLUMNS
    assert len(vials) == 12
    record = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    assert record["protocol"] == "simulated-gd-ca"
    assert record["session"] == "week 3"
    assert {"lines", "references", "provenance"} <= set(record)
    for line in record["lines"]:
        assert set(line) >= LINE_FIELDS
        # Drawn without physics, the map holds the expected values themselves.
        assert line["slope"] == pytest.approx(line["expected_slope"], rel=0.02)
    assert str(phantom_map.parent) not in (out / "calibration.json").read_text(encoding="utf-8")


def test_equal_inputs_give_equal_bytes_except_the_run(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", tmp_path / name).code == 0
    for name in ("vials.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    records = [json.loads((tmp_path / k / "calibration.json").read_text(encoding="utf-8")) for k in "ab"]
    for record in records:
        assert record["provenance"].pop("run")["date_utc"]
    assert records[0] == records[1]


def test_fit_reads_back_what_calibrate_wrote(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", tmp_path / "a")
    assert call("fit", tmp_path / "a" / "vials.csv", "-o", tmp_path / "b").code == 0
    first, second = (json.loads((tmp_path / k / "calibration.json").read_text(encoding="utf-8"))["lines"] for k in "ab")
    for one, other in zip(first, second, strict=True):
        assert (one["material"], one["modality"]) == (other["material"], other["modality"])
        for field in ("slope", "slope_se", "intercept", "r2", "p_value"):
            assert other[field] == pytest.approx(one[field], rel=1e-3)


def test_fit_with_errors_in_both_axes(call: Call, tmp_path: Path) -> None:
    # Pearson's data with York's weights.
    x = [0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
    y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
    wx = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1])
    wy = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])
    table = tmp_path / "york.csv"
    pd.DataFrame({"x": x, "y": y, "sx": wx**-0.5, "sy": wy**-0.5}).to_csv(table, index=False)
    out = tmp_path / "out"
    assert call("fit", table, "--x", "x", "--y", "y", "--by", "none", "--sd", "sy", "--x-sd", "sx", "-o", out).code == 0
    (line,) = json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
    assert line["slope"] == pytest.approx(-0.480533, abs=1e-6)
    assert line["intercept"] == pytest.approx(5.479910, abs=1e-6)


def test_sample_then_correlate(call: Call, tmp_path: Path, rng: np.random.Generator) -> None:
    tables = []
    for subject in range(6):
        labels = np.zeros((12, 12, 12), np.uint8)
        labels[2:6, 2:6, 2:6], labels[7:11, 7:11, 7:11] = 1, 2
        ct, qsm = rng.normal(30, 1, labels.shape), rng.normal(0, 0.001, labels.shape)
        ct[0] = -1000
        ct[labels == 1] += 5 * subject
        qsm[labels == 1] += 0.02 * subject
        paths = {}
        for name, array in (("dseg", labels), ("ct", ct), ("Chimap", qsm)):
            paths[name] = tmp_path / f"{subject}_{name}.nii.gz"
            sitk.WriteImage(sitk.GetImageFromArray(array), str(paths[name]))
        out = tmp_path / f"{subject}.csv"
        lookup = tmp_path / "dseg.tsv"
        lookup.write_text("index\tname\n1\tpallidum\n2\tthalamus\n")
        done = call(
            "sample",
            "--labels",
            paths["dseg"],
            "--lookup",
            lookup,
            "--ct",
            paths["ct"],
            "--qsm",
            paths["Chimap"],
            "--subject",
            f"sub-{subject}",
            "-o",
            out,
        )
        assert done.code == 0
        tables.append(pd.read_csv(out))
    contract = ["subject_id", "session", "roi", "hemisphere", "n_voxels", "ct_hu", "ct_sd_hu", "qsm_ppm", "qsm_sd_ppm"]
    assert set(contract) <= set(tables[0].columns)
    cohort = tmp_path / "cohort.csv"
    pd.concat(tables).to_csv(cohort, index=False)
    out = tmp_path / "result"
    assert call("correlate", cohort, "-o", out).code == 0
    tables = [f"correlation_table.{suffix}" for suffix in ("csv", "html", "tex")]
    assert sorted(p.name for p in out.iterdir()) == ["correlation.csv", "correlation.json", *tables, "report.html"]
    rows = pd.read_csv(out / "correlation.csv").set_index("roi")
    assert rows.loc["pallidum", "behaviour"] == "paramagnetic"
    assert rows.loc["pallidum", "slope"] == pytest.approx(0.02 / 5, rel=0.05)
    assert rows.loc["thalamus", "behaviour"] == "undetermined"


def test_protocols_and_schemas_are_listed_and_shown(call: Call) -> None:
    listed = call("protocols")
    assert listed.code == 0
    assert {line.split()[0] for line in listed.out.splitlines()} == set(builtin_protocols())
    assert call("protocols", "gd-deh-2019").out == builtin_protocols()["gd-deh-2019"].read_text(encoding="utf-8")
    assert json.loads(call("schema", "calibration").out)["title"] == "Calibration"
    assert call("schema", "nosuch").code == 2


def test_version_and_help(call: Call) -> None:
    assert __version__ in call("--version").out
    shown = call("--help")
    assert shown.code == 0
    for command in ("demo", "run", "calibrate", "fit", "register", "sample", "correlate", "protocols", "schema"):
        assert command in shown.out


def test_help_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['phantomcal', '--help']\n"
        "from phantomcal.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'SimpleITK', 'matplotlib', 'pingouin', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
