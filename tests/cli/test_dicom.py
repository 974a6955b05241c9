"""`phantomcal dicom`, DIR::UID and --strictness as a user meets them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.volumes.dicom.made import enhanced, save, slices, stored_values

STORED = stored_values()
SECRETS = ("4711", "19700101", "20240229")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT with a copy of one slice and a map in ppb."""
    images = slices(STORED, uid="1.2.1")
    maps = slices(STORED, uid="1.2.2", modality="MR")
    for data in maps:
        data.RescaleType, data.SeriesNumber = "ppb", 4
    return save([*images, images[0], *maps], tmp_path / "scan")


def test_the_terminal_says_what_to_pass_on(call: Call, folder: Path) -> None:
    done = call("dicom", folder)
    assert done.code == 0
    lines = [line.strip() for line in done.out.splitlines()]
    assert f"use  {folder}::1.2.1" in lines
    assert f"use  {folder}::1.2.2" in lines
    assert "good for --ct" in lines
    assert "good for --qsm, --mr" in lines
    assert any(line.startswith("series 4") and "QSM map in ppb" in line and "head for Secret" in line for line in lines)
    assert "odd  1 image lies where another one lies: left out if it is the same" in lines
    assert not any(secret in done.out for secret in SECRETS)


def test_json_names_nobody_unless_asked(call: Call, folder: Path) -> None:
    done = call("dicom", folder, "--json")
    listing = json.loads(done.out)
    assert [v["kind"] for v in listing["volumes"]] == ["CT volume", "QSM map in ppb"]
    assert listing["volumes"][0]["use"] == f"{folder}::1.2.1"
    assert not any(secret in done.out for secret in ("Secret", *SECRETS))
    told = json.loads(call("dicom", folder, "--json", "--descriptions").out)
    assert told["volumes"][0]["description"] == "head for Secret"


def test_a_folder_without_dicom_is_one_line(call: Call, tmp_path: Path) -> None:
    done = call("dicom", tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: no DICOM image")
    assert done.err.count("\n") == 1


def test_several_series_are_listed_when_none_is_chosen(call: Call, folder: Path, tmp_path: Path) -> None:
    done = call("calibrate", "simulated-gd-ca", "--ct", folder, "-o", tmp_path / "out")
    assert done.code == 2
    for part in ("2 DICOM series and none chosen", "7 images, 1.2.1", "6 images, 1.2.2", "`phantomcal dicom DIR`"):
        assert part in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_calibrate_refuses_oddities_when_told_to(call: Call, folder: Path, tmp_path: Path) -> None:
    done = call(
        "calibrate", "simulated-gd-ca", "--ct", f"{folder}::1.2.1", "--strictness", "raise", "-o", tmp_path / "out"
    )
    assert done.code == 2
    assert "1 image is in the series twice" in done.err
    assert "--strictness warn" in done.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_strictness_lists_the_known_ones(call: Call, folder: Path, tmp_path: Path) -> None:
    done = call("register", "--ct", folder, "--mr", folder, "--strictness", "harsh", "-o", tmp_path / "out")
    assert done.code == 2
    for word in ("harsh", "ignore", "warn", "raise"):
        assert word in done.err


@pytest.mark.parametrize("strictness", ["ignore", "warn", "raise"])
def test_sample_obeys_the_strictness(call: Call, tmp_path: Path, strictness: str) -> None:
    import numpy as np
    import SimpleITK as sitk

    from phantomcal.volumes import read_ct

    data = enhanced(STORED)
    data.PhotometricInterpretation = "MONOCHROME1"
    scan = save([data], tmp_path / "s")
    image = read_ct(scan).image
    labels = sitk.GetImageFromArray(np.ones(STORED.shape, np.uint8))
    labels.CopyInformation(image)
    sitk.WriteImage(labels, str(tmp_path / "labels.nii.gz"))
    done = call(
        "sample", "--labels", tmp_path / "labels.nii.gz", "--ct", scan, "--transform", _identity(tmp_path),
        "--strictness", strictness, "-o", tmp_path / "table.csv",
    )  # fmt: skip
    assert done.code == (2 if strictness == "raise" else 0)
    assert ("MONOCHROME1" in done.out + done.err) == (strictness != "ignore")
    assert (tmp_path / "table.csv").exists() == (strictness != "raise")


def _identity(folder: Path) -> Path:
    import SimpleITK as sitk

    sitk.WriteTransform(sitk.Euler3DTransform(), str(folder / "identity.tfm"))
    return folder / "identity.tfm"
