"""`plaque` as a user calls it: files, bytes, words, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused
from tests.lesions.plaque.made import plaque_table


@pytest.fixture
def sections(tmp_path: Path) -> Path:
    path = tmp_path / "sections.csv"
    plaque_table(np.random.default_rng(4), n_patients=10).to_csv(path, index=False)
    return path


def test_outputs_and_what_is_printed(call: Call, sections: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("plaque", sections, "-o", out, "--bootstrap", 200)
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["plaque.csv", "plaque.json", "report.html"]
    assert "haemorrhage against the rest" in done.out
    assert "calcification" in done.out
    record = json.loads((out / "plaque.json").read_text())
    frame = pd.read_csv(out / "plaque.csv")
    stated = {c["component"]: c["mean"] for c in record["measures"][0]["components"]}
    assert dict(zip(frame["component"], frame["qsm_mean_ppm"], strict=True)) == pytest.approx(stated, rel=1e-6)
    html = (out / "report.html").read_text()
    for words in ("Carotid plaque components", "Glycophorin A", "Mixed model", "10.3174/ajnr.A6374", "Kruskal"):
        assert words in html
    again = tmp_path / "again"
    assert call("plaque", sections, "-o", again, "--bootstrap", 200).code == 0
    assert (again / "report.html").read_bytes() == (out / "report.html").read_bytes()
    assert (again / "plaque.csv").read_bytes() == (out / "plaque.csv").read_bytes()


def test_other_names(call: Call, sections: Path, tmp_path: Path) -> None:
    data = pd.read_csv(sections)
    data["chi_ppb"] = data.pop("qsm_ppm") * 1000
    data = data.rename(
        columns={"component": "Tissue", "patient_id": "case", "ct_hu": "HU", "von Kossa": "calcium stain"}
    )
    data.to_csv(sections, index=False)
    out = tmp_path / "out"
    options = ["--component", "Tissue", "--subject", "case", "--qsm-column", "chi_ppb", "--ct-column", "HU"]
    done = call("plaque", sections, "-o", out, *options, "--grade", "calcium stain", "--bootstrap", 200)
    assert done.code == 0, done.err
    record = json.loads((out / "plaque.json").read_text())
    assert record["patient_column"] == "case"
    assert [g["grade"] for g in record["measures"][0]["grades"]] == ["Glycophorin A", "calcium stain"]
    assert abs(record["measures"][0]["components"][1]["mean"] + 0.6) < 0.1
    assert "ppb to ppm" in done.out


def test_ct_only_and_no_patients(call: Call, sections: Path, tmp_path: Path) -> None:
    pd.read_csv(sections).drop(columns=["qsm_ppm", "patient_id"]).to_csv(sections, index=False)
    done = call("plaque", sections, "-o", tmp_path / "out", "--bootstrap", 200)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "out" / "plaque.json").read_text())
    assert [m["measure"] for m in record["measures"]] == ["ct_hu"]
    assert record["n_patients"] is None
    assert "independent" in done.out


def test_text_of_the_table_is_escaped(call: Call, sections: Path, tmp_path: Path) -> None:
    data = pd.read_csv(sections).drop(columns=["ct_hu", "Glycophorin A", "von Kossa"])
    data.loc[data["component"] == "LRNC", "component"] = "<script>alert(1)</script>"
    data.to_csv(sections, index=False)
    assert call("plaque", sections, "-o", tmp_path / "out", "--bootstrap", 200).code == 0
    assert "<script>alert" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"component": "IPH"}, [], "one component only"),
        ({"qsm_ppm": 400.0}, [], "cannot be ppm"),
        ({"qsm_ppm": "high"}, [], "'high'"),
        ({}, ["--component", "tissue"], "--component"),
        ({}, ["--grade", "SMA"], "--grade"),
        ({}, ["--adjust", "sidak"], "sidak"),
        ({}, ["--bootstrap", "3"], "3 bootstrap draws"),
    ],
)
def test_refused(
    call: Call, sections: Path, tmp_path: Path, change: dict[str, object], options: list[str], words: str
) -> None:
    pd.read_csv(sections).assign(**change).to_csv(sections, index=False)  # type: ignore[arg-type]
    out = tmp_path / "out"
    assert_refused(call("plaque", sections, "-o", out, *options), out, words)
