"""A run's BIDS derivatives: read by the validator without an error, and by the next run's eyes not as a source."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.pipeline import run_study
from phantomcal.study import read_study
from tests.pipeline.tiny import tiny_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study of three tiny people, and its derivatives."""
    root = tmp_path_factory.mktemp("derivatives")
    study = tiny_study(root, 3)
    run_study(study, root / "out", jobs=1, derivatives=True)
    return study, root / "out" / "derivatives" / "phantomcal"


def errors_of(dataset: Path) -> list[str]:
    """What the BIDS validator calls an error."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run(
        [validator, dataset, "--format", "json", "--ignoreWarnings"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [f"{i['code']} {i.get('subCode', '')} {i.get('location', '')}" for i in issues if i["severity"] == "error"]


def test_the_validator_finds_no_error(made: tuple[Path, Path]) -> None:
    assert errors_of(made[1]) == []


def test_the_validator_can_find_one(made: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "sub-1" / "anat").mkdir(parents=True)
    (tmp_path / "sub-1" / "anat" / "sub-1_space-Chimap_label-lesion_dseg.nii.gz").write_bytes(b"")
    (tmp_path / "dataset_description.json").write_text((made[1] / "dataset_description.json").read_text())
    assert errors_of(tmp_path)


def test_images_and_values_are_those_of_the_run(made: tuple[Path, Path]) -> None:
    study, dataset = made
    anat = dataset / "sub-001" / "anat"
    chimap = sitk.ReadImage(str(anat / "sub-001_desc-ppm_Chimap.nii.gz"))
    source = sitk.ReadImage(str(study / "sub-001" / "anat" / "sub-001_Chimap.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(chimap), sitk.GetArrayFromImage(source))
    values = pd.read_csv(anat / "sub-001_space-Chimap_seg-regions_measurements.tsv", sep="\t")
    table = pd.read_csv(dataset.parents[1] / "regions" / "regions.csv")
    own = table[table["subject_id"] == "sub-001"]
    np.testing.assert_array_equal(values["qsm_ppm"], own["qsm_ppm"])
    labels = pd.read_csv(anat / "sub-001_space-Chimap_seg-regions_dseg.tsv", sep="\t")
    assert labels["name"].tolist() == ["pallidum", "putamen", "caudate", "thalamus"]
    ct = sitk.ReadImage(str(dataset / "sub-001" / "ct" / "sub-001_space-Chimap_ct.nii.gz"))
    assert ct.GetSize() == chimap.GetSize()


def test_sidecars_say_unit_and_space(made: tuple[Path, Path]) -> None:
    anat = made[1] / "sub-002" / "anat"
    assert json.loads((anat / "sub-002_desc-ppm_Chimap.json").read_text())["Units"] == "ppm"
    sidecar = json.loads((made[1] / "sub-002" / "ct" / "sub-002_space-Chimap_ct.json").read_text())
    assert sidecar["Units"] == "HU"
    assert sidecar["SpatialReference"].endswith("sub-002/anat/sub-002_desc-ppm_Chimap.nii.gz")
    columns = json.loads((anat / "sub-002_space-Chimap_seg-regions_measurements.json").read_text())
    assert columns["qsm_ppm"]["Units"] == "ppm"


def test_the_description_names_who_made_it(made: tuple[Path, Path]) -> None:
    described = json.loads((made[1] / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "phantomcal"


def test_results_put_into_the_study_do_not_become_its_source(made: tuple[Path, Path]) -> None:
    study, dataset = made
    before = read_study(study).people
    (study / "derivatives" / "phantomcal").symlink_to(dataset, target_is_directory=True)
    try:
        assert read_study(study).people == before
    finally:
        (study / "derivatives" / "phantomcal").unlink()
