"""`calibrate` with its overrides and a magnitude, and `protocols` with its three uses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from tests.cli.conftest import Call


@pytest.fixture
def magnitude(phantom_map: Path, tmp_path: Path) -> Path:
    """An even magnitude on the grid of the map, with a void in one vial."""
    image = sitk.ReadImage(str(phantom_map))
    array = np.where(sitk.GetArrayFromImage(image) != 0, 1000.0, 5.0).astype(np.float32)
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    path = tmp_path / "part-mag_T2starw.nii.gz"
    sitk.WriteImage(made, str(path))
    return path


def test_overrides_are_obeyed_and_recorded(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--orient", "qsm=70", "--first-slice", 15, "--last-slice", 30, "--erosion-mm", 3)
    assert call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", out, *options).code == 0
    record = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    (place,) = record["locations"]
    assert (place["first_slice"], place["last_slice"]) == (15, 30)
    assert place["seen_on"] == "qsm"
    said = record["provenance"]["parameters"]
    assert (said["orient_qsm"], said["first_slice"], said["erosion_mm"]) == ("rotation 70, not mirrored", 15, 3.0)
    vials = pd.read_csv(out / "vials.csv")
    # 4 mm of radius is left of 7, in voxels of 1.5 mm.
    assert vials["n_voxels"].between(0.8 * 16 * np.pi * 16 / 2.25, 1.2 * 16 * np.pi * 16 / 2.25).all()
    assert (vials["n_edge_voxels"] > vials["n_voxels"]).all()
    assert (vials["n_bubble_voxels"] == 0).all()
    assert (vials["background"].abs() < 0.02).all()
    assert (vials["position_effect"] < 0.02).all()
    assert (vials["edge_effect"] < 0.02).all()


def test_a_wrong_override_is_named(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wrong in (("--orient", "70,mirrored"), ("--mirror",), ("--rotation", 160)):
        refused = call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", out, *wrong)
        assert refused.code == 2
        assert "excludes the orientation that fits best: turned 70 degrees" in refused.err
        assert refused.err.strip().endswith("--orient 70")
    assert not out.exists()


def test_a_magnitude_goes_with_its_map(call: Call, phantom_map: Path, magnitude: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    alone = call("calibrate", "simulated-gd-ca", "--magnitude", magnitude, "-o", out)
    assert alone.code == 2
    assert "no line to fit" in alone.err
    assert "--qsm" in alone.err
    assert not out.exists()
    done = call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "--magnitude", magnitude, "-o", out)
    assert done.code == 0
    record = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    assert [i["role"] for i in record["provenance"]["inputs"]] == ["protocol", "qsm", "magnitude"]


def test_a_void_in_the_magnitude_leaves_a_vial_out(
    call: Call, phantom_map: Path, magnitude: Path, tmp_path: Path
) -> None:
    call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "-o", tmp_path / "plain")
    place = pd.read_csv(tmp_path / "plain" / "vials.csv").set_index("vial_id").loc["Gd5", ["x_mm", "y_mm", "z_mm"]]
    image = sitk.ReadImage(str(magnitude))
    i, j, k = image.TransformPhysicalPointToIndex([float(v) for v in place])
    image[i - 1 : i + 2, j - 1 : j + 2, k - 3 : k + 4] = 10.0
    sitk.WriteImage(image, str(magnitude))
    out = tmp_path / "out"
    assert call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "--magnitude", magnitude, "-o", out).code == 0
    vials = pd.read_csv(out / "vials.csv").set_index("vial_id")
    assert vials.loc["Gd5", "flag"].startswith("air bubble")
    assert not vials.loc["Gd5", "used"]
    assert vials.loc["Gd5", "n_bubble_voxels"] >= 50
    assert vials.drop(index="Gd5")["flag"].isna().all()


def test_a_draft_is_written_refused_completed_and_used(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "out"
    drafted = call("protocols", "draft", "--qsm", phantom_map, "-o", path)
    assert drafted.code == 0
    assert "10 vials" in drafted.out
    refused = call("calibrate", path, "--qsm", phantom_map, "-o", out)
    assert refused.code == 2
    assert "not filled in: title; source; material of v1" in refused.err
    assert call("protocols", "draft", "--qsm", phantom_map, "-o", path).code == 2  # never overwritten
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw |= {"title": "Mine", "source": "test"}
    for k, vial in enumerate(raw["vials"]):
        vial |= {"material": "unknown", "concentration": k}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert call("calibrate", path, "--qsm", phantom_map, "-o", out).code == 0
    assert abs(json.loads((out / "calibration.json").read_text())["locations"][0]["rotation_deg"]) < 1


def test_a_draft_is_made_from_one_scan(call: Call, phantom_map: Path, tmp_path: Path) -> None:
    assert "either --ct or --qsm" in call("protocols", "draft").err
    assert "YAML" in call("protocols", "draft", "--qsm", phantom_map, "-o", tmp_path / "mine.txt").err
    assert call("protocols", "nosuch").code == 2
    assert "no protocol can be called 'draft'" in refused_name(call, phantom_map, tmp_path)


def refused_name(call: Call, phantom_map: Path, tmp_path: Path) -> str:
    path = tmp_path / "draft.yaml"
    path.write_text(call("protocols", "gd-deh-2019").out.replace("name: gd-deh-2019", "name: draft"), encoding="utf-8")
    return call("calibrate", path, "--qsm", phantom_map, "-o", tmp_path / "out").err
