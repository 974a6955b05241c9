"""Simulated lesions on disk are what the other commands read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from phantomcal.cli import app
from phantomcal.results import Calibration
from phantomcal.simulate.lesions import simulate_lesions


def simulate(out: Path, *more: str) -> int:
    return CliRunner().invoke(app, ["simulate", "lesions", "-n", "3", "--seed", "4", "-o", str(out), *more]).exit_code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lesions") / "out"
    assert simulate(out, "--kind", "mixed", "--diameter", "4", "6", "--misregistration", "0.5", "0.5") == 0
    return out


def test_truth_table_and_volumes_belong_together(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())["lesions"]
    table = pd.read_csv(folder / "lesions.csv")
    assert list(table["truth"]) == ["mixed"] * 3
    assert not [c for c in table.columns if c.startswith("true_")]
    for row, known in zip(table.itertuples(), truth, strict=True):
        assert (row.subject_id, row.lesion_id) == (known["subject_id"], known["lesion_id"])
        assert 4.0 <= known["diameter_mm"] <= 6.0
        assert np.linalg.norm(known["misregistration_mm"]) == pytest.approx(0.5)
        place = folder / row.subject_id / row.lesion_id
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(place / "label-lesion_dseg.nii.gz")))
        assert labels.sum() == row.n_voxels
        ppm = sitk.GetArrayFromImage(sitk.ReadImage(str(place / "Chimap.nii.gz")))
        assert ppm[labels > 0].mean() == pytest.approx(row.qsm_ppm, abs=1e-6)
        assert json.loads((place / "Chimap.json").read_text())["Units"] == "ppm"


def test_the_transform_on_disk_is_the_believed_one(folder: Path) -> None:
    lesion = simulate_lesions(4, 1, kind="mixed", diameter_mm=(4.0, 6.0), misregistration_mm=0.5)[0]
    read = sitk.ReadTransform(str(folder / lesion.subject_id / lesion.lesion_id / "ct_to_mr.tfm"))
    point = (10.0, -20.0, 30.0)
    assert read.TransformPoint(point) == pytest.approx(lesion.ct_from_mr.TransformPoint(point), abs=1e-6)


def test_the_calibration_is_a_record_of_this_version(folder: Path) -> None:
    record = Calibration.model_validate_json((folder / "calibration.json").read_text())
    assert {line.material for line in record.lines} == {"gadolinium", "calcium"}


def test_a_second_run_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert simulate(again, "--kind", "mixed", "--diameter", "4", "6", "--misregistration", "0.5", "0.5") == 0
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in files:
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name


@pytest.mark.parametrize(
    "wrong", [("--kind", "tumour"), ("--diameter", "9", "3"), ("--ct-slice-mm", "40"), ("-n", "0")]
)
def test_what_cannot_be_simulated_leaves_nothing(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    from phantomcal.errors import InputError

    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["simulate", "lesions", "-o", str(out), *wrong])
    assert isinstance(result.exception, InputError)
    assert not out.exists()
