"""`classify` as a user calls it: tables, volumes, models, bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.outputs import write_record
from phantomcal.results import Classification
from phantomcal.simulate.lesions import simulated_calibration
from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused
from tests.lesions.drawn import drawn_head
from tests.lesions.test_classify import drawn_labels

CONTRACT = ["verdict", "probability_haemorrhage", "probability_calcification", "note"]


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("head")
    paths = {}
    for name, image in drawn_head().items():
        paths[name] = folder / f"{name}.nii.gz"
        sitk.WriteImage(image, str(paths[name]))
    return paths


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "lesions.csv"
    pd.DataFrame(
        {
            "subject_id": ["s1", "s1", "s2", "s3"],
            "lesion_id": ["a", "b", "a", "a"],
            "ct_hu": [65.0, 180.0, None, 210.0],
            "qsm_ppm": [0.4, -0.3, 0.2, 0.5],
            "ct_sd_hu": 8.0,
            "qsm_sd_ppm": 0.05,
            "n_voxels": 60,
            "age": [60, 60, 71, 55],
        }
    ).to_csv(path, index=False)
    return path


def test_a_table_gives_the_three_files_of_the_contract(call: Call, tmp_path: Path, table: Path) -> None:
    out = tmp_path / "out"
    outcome = call("classify", table, "-o", out)
    assert outcome.code == 0, outcome.err
    assert {p.name for p in out.iterdir()} == {"lesions.csv", "classification.json", "report.html"}
    frame = pd.read_csv(out / "lesions.csv")
    assert list(frame["verdict"]) == ["haemorrhage", "calcification", "haemorrhage", "mixed"]
    start = list(frame.columns).index("verdict")
    assert list(frame.columns[start : start + 4]) == CONTRACT
    assert list(frame["age"]) == [60, 60, 71, 55]
    record = Classification.model_validate_json((out / "classification.json").read_text())
    assert record.provenance is not None
    assert record.provenance.inputs[0].name == "lesions.csv"
    assert str(tmp_path) not in (out / "classification.json").read_text()
    assert "1 calcification" in outcome.out


def test_the_same_call_gives_the_same_bytes(call: Call, tmp_path: Path, table: Path) -> None:
    for name in ("a", "b"):
        call("classify", table, "-o", tmp_path / name)
    for file in ("lesions.csv", "report.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    records = [json.loads((tmp_path / name / "classification.json").read_text()) for name in ("a", "b")]
    for record in records:
        record["provenance"].pop("run")
    assert records[0] == records[1]


def test_a_calibration_prior_and_assumptions_are_used_and_kept(call: Call, tmp_path: Path, table: Path) -> None:
    write_record(simulated_calibration(1), tmp_path / "calibration.json")
    out = tmp_path / "out"
    outcome = call(
        "classify", table, "--calibration", tmp_path / "calibration.json", "--prior", "mixed=0", "--threshold", 0.8,
        "--assume", "registration_mm=1", "-o", out,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    record = json.loads((out / "classification.json").read_text())
    assert record["calibration"] == "Simulated calibration"
    assert record["prior"]["mixed"] == 0
    assert record["threshold"] == 0.8
    assert record["assumptions"]["registration_mm"] == 1
    assert "scaled" in record["assumptions"]["source"]
    assert {i["role"] for i in record["provenance"]["inputs"]} == {"table", "calibration"}
    assert pd.read_csv(out / "lesions.csv")["verdict"].iloc[3] != "mixed"


def test_a_model_fitted_to_labels_is_saved_and_used_elsewhere(call: Call, tmp_path: Path, table: Path) -> None:
    labelled = tmp_path / "labelled.csv"
    drawn_labels().to_csv(labelled, index=False)
    assert call("classify", labelled, "--fit", "-o", tmp_path / "fit").code == 0
    first = json.loads((tmp_path / "fit" / "classification.json").read_text())
    assert {m["evidence"] for m in first["logistic"]} == {"qsm", "ct", "both"}
    assert first["judgement"]["callers"][0]["roc"]["auc"] > 0.6
    assert call("classify", table, "--model", tmp_path / "fit", "-o", tmp_path / "use").code == 0
    second = json.loads((tmp_path / "use" / "classification.json").read_text())
    assert {v["method"] for v in second["lesions"]} == {"logistic model"}
    assert second["logistic"] == first["logistic"]


def test_volumes_without_a_label_map_are_searched(call: Call, tmp_path: Path, volumes: dict[str, Path]) -> None:
    out = tmp_path / "out"
    outcome = call("classify", "--ct", volumes["ct"], "--qsm", volumes["qsm"], "--subject", "s9", "-o", out)
    assert outcome.code == 0, outcome.err
    frame = pd.read_csv(out / "lesions.csv")
    assert sorted(frame["verdict"]) == ["calcification", "haemorrhage", "mixed"]
    assert set(frame["subject_id"]) == {"s9"}
    assert "calcified rim around blood" in set(frame["pattern"])
    labels = sitk.ReadImage(str(out / "lesions.nii.gz"))
    assert int(sitk.GetArrayViewFromImage(labels).max()) == 3
    kinds = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "lesion_voxels.nii.gz")))
    assert set(np.unique(kinds)) == {0, 1, 2}
    assert "searched for" in (out / "report.html").read_text()


def test_a_label_map_names_the_lesions_and_a_table_adds_the_truth(
    call: Call, tmp_path: Path, volumes: dict[str, Path]
) -> None:
    (tmp_path / "names.tsv").write_text("index\tname\n1\tone\n2\ttwo\n3\tthree\n")
    truth = tmp_path / "truth.csv"
    truth.write_text("lesion_id,truth,grade,ct_hu\ntwo,calcification,2,999\none,blood,1,999\nfour,mixed,1,999\n")
    out = tmp_path / "out"
    outcome = call(
        "classify", truth, "--ct", volumes["ct"], "--qsm", volumes["qsm"], "--lesions", volumes["labels"],
        "--lookup", tmp_path / "names.tsv", "-o", out,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    frame = pd.read_csv(out / "lesions.csv").set_index("lesion_id")
    assert list(frame["verdict"][["one", "two", "three"]]) == ["haemorrhage", "calcification", "mixed"]
    assert list(frame["grade"][["one", "two"]]) == [1, 2]
    assert (frame["ct_hu"] < 300).all()
    record = json.loads((out / "classification.json").read_text())
    assert [v["truth"] for v in record["lesions"]] == ["haemorrhage", "calcification", ""]
    assert any("1 lesions of the table are not in the volumes" in w for w in record["warnings"])
    assert not (out / "lesions.nii.gz").exists()


def test_a_map_alone_names_no_pattern(call: Call, tmp_path: Path, volumes: dict[str, Path]) -> None:
    out = tmp_path / "out"
    assert call("classify", "--qsm", volumes["qsm"], "--lesions", volumes["labels"], "-o", out).code == 0
    record = json.loads((out / "classification.json").read_text())
    assert all(v["evidence"] == "qsm" and v["composition"]["pattern"] == "" for v in record["lesions"])
    assert record["information"] == []


def test_bad_calls_are_refused(call: Call, tmp_path: Path, table: Path, volumes: dict[str, Path]) -> None:
    out = tmp_path / "out"
    (tmp_path / "empty.csv").write_text("lesion_id,size\na,3\n")
    (tmp_path / "words.csv").write_text("lesion_id,ct_hu\na,dense\n")
    (tmp_path / "no.json").write_text("{}")
    truth = tmp_path / "other.csv"
    truth.write_text("lesion_id,truth\nx,blood\n")
    for arguments, words in (
        ((), ("nothing to classify",)),
        ((tmp_path / "empty.csv",), ("ct_hu", "--ct-column")),
        ((tmp_path / "words.csv",), ("'dense'", "row 2")),
        ((table, "--prior", "blood=1"), ("blood", "--prior")),
        ((table, "--prior", "mixed"), ("mixed", "NAME=NUMBER")),
        ((table, "--assume", "luck=1"), ("luck", "--assume")),
        ((table, "--threshold", 0.2), ("--threshold",)),
        ((table, "--fit"), ("truth", "--truth")),
        ((table, "--reader", "second"), ("second",)),
        ((table, "--model", tmp_path / "no.json"), ("no.json", "--fit")),
        ((table, "--calibration", tmp_path / "none.json"), ("none.json",)),
        ((table, "--qsm-column", "chi"), ("chi", "--qsm-column")),
        ((table, "--lesions", volumes["labels"]), ("--lesions",)),
        (("--ct", volumes["ct"]), ("--qsm", "--lesions")),
        ((truth, "--qsm", volumes["qsm"], "--lesions", volumes["labels"]), ("no lesion_id", "other.csv")),
        (("--qsm", volumes["qsm"], "--least-ppm", 5), ("no lesion", "--lesions")),
    ):
        assert_refused(call("classify", *arguments, "-o", out), out, *words)
