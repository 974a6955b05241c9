"""Bad input: one line that says what, where and how to fix it; exit code 2; nothing left behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from phantomcal.protocol import builtin_protocols
from tests.cli.conftest import Call, Outcome

Write = Callable[..., Path]


def assert_refused(outcome: Outcome, out: Path, *words: str) -> None:
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert "internal fault" not in outcome.err
    for word in words:
        assert word in outcome.err, outcome.err
    assert not out.exists()
    assert not list(out.parent.glob(".*partial*"))


def test_missing_file(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(call("calibrate", "qsm-20-vial", "--qsm", tmp_path / "no.nii.gz", "-o", out), out, "no.nii.gz")


def test_truncated_file(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    short = tmp_path / "short_Chimap.nii.gz"
    short.write_bytes(phantom_map.read_bytes()[:20_000])
    out = tmp_path / "out"
    assert_refused(call("calibrate", "simulated-gd-ca", "--qsm", short, "-o", out), out, "short_Chimap.nii.gz")


@pytest.mark.parametrize("shape", [(40, 40), (3, 20, 20, 20)])
def test_volumes_that_are_not_three_dimensional(
    call: Call, tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "flat.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(rng.normal(0, 0.1, shape), isVector=False), str(path))
    out = tmp_path / "out"
    refused = call("calibrate", "simulated-gd-ca", "--qsm", path, "-o", out)
    assert_refused(refused, out, "flat.nii.gz", f"{len(shape)}-D")


def test_nan_map(call: Call, tmp_path: Path, volume: Write, rng: np.random.Generator) -> None:
    array = rng.normal(0, 0.1, (20, 30, 30))
    array[5, 5, :3] = np.nan
    out = tmp_path / "out"
    assert_refused(call("calibrate", "simulated-gd-ca", "--qsm", volume(array), "-o", out), out, "3", "volume.nii.gz")


def test_ppb_map_read_as_ppm(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    path = tmp_path / "ppb_Chimap.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(phantom_map)) * 1000.0, str(path))
    out = tmp_path / "out"
    refused = call("calibrate", "simulated-gd-ca", "--qsm", path, "-o", out)
    assert_refused(refused, out, "ppb", "--qsm-unit ppb", "ppb_Chimap.nii.gz")


def test_ppm_map_read_as_ppb(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    out = tmp_path / "out"
    refused = call("calibrate", "simulated-gd-ca", "--qsm", phantom_map, "--qsm-unit", "ppb", "-o", out)
    assert_refused(refused, out, "ppm")


def broken_protocol(folder: Path, change: Callable[[dict], None]) -> Path:
    raw = yaml.safe_load(builtin_protocols()["simulated-gd-ca"].read_text(encoding="utf-8"))
    change(raw)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw["abscissa"].update(unit="bushels"), ("bushels", "mmol/L")),
        (lambda raw: raw["abscissa"].update(unit="kelvin"), ("kelvin",)),
        (lambda raw: raw["vials"][1].update(id=raw["vials"][0]["id"]), ("duplicate vial id", "Ca0")),
        (lambda raw: raw["vials"][3].pop("concentration"), ("no concentration", "Gd2.5")),
        (lambda raw: raw["vials"][3].update(concentration="much"), ("Gd2.5",)),
        (lambda raw: raw["vials"][3].pop("x_mm"), ("x_mm", "Gd2.5")),
        (lambda raw: raw["geometry"].update(vial_radius_mm=-1), ("vial_radius_mm",)),
        (lambda raw: raw.update(vails=[]), ("vails",)),
        (lambda raw: raw["materials"]["calcium"].update(substance="unobtainium"), ("unobtainium", "CaCl2")),
    ],
)
def test_broken_protocols(
    call: Call, tmp_path: Path, phantom_map: Path, change: Callable[[dict], None], words: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    protocol = broken_protocol(tmp_path, change)
    assert_refused(call("calibrate", protocol, "--qsm", phantom_map, "-o", out), out, "mine.yaml", *words)


def test_unknown_protocol_and_yaml_that_is_none(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    out = tmp_path / "out"
    assert_refused(call("calibrate", "nosuch", "--qsm", phantom_map, "-o", out), out, "nosuch", "qsm-20-vial")
    bad = tmp_path / "bad.yaml"
    bad.write_text("vials: [", encoding="utf-8")
    assert_refused(call("calibrate", bad, "--qsm", phantom_map, "-o", out), out, "bad.yaml", "YAML")


def test_layout_that_is_not_in_the_image(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    out = tmp_path / "out"
    refused = call("calibrate", "qsm-20-vial", "--qsm", phantom_map, "-o", out)
    assert_refused(refused, out, "qsm-20-vial", "scan_Chimap.nii.gz", "not there")


def test_protocol_for_another_modality(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    out = tmp_path / "out"
    refused = call("calibrate", "catphan-504", "--qsm", phantom_map, "-o", out)
    assert_refused(refused, out, "catphan-504", "ct")


def test_ct_and_qsm_that_do_not_overlap(call: Call, tmp_path: Path, volume: Write, rng: np.random.Generator) -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:9, 5:9, 5:9] = 1
    ct = volume(rng.normal(0, 400, (20, 20, 20)).astype(np.float32), "ct.nii.gz", (500.0, 0.0, 0.0))
    qsm = volume(rng.normal(0, 0.1, (20, 20, 20)), "Chimap.nii.gz")
    out = tmp_path / "table.csv"
    refused = call("sample", "--labels", volume(labels, "dseg.nii.gz"), "--ct", ct, "--qsm", qsm, "-o", out)
    assert_refused(refused, out, "overlap", "--transform")
    out = tmp_path / "aligned"
    assert_refused(call("register", "--ct", ct, "--mr", qsm, "-o", out), out)


def test_labels_on_another_grid(call: Call, tmp_path: Path, volume: Write, rng: np.random.Generator) -> None:
    labels = np.ones((10, 20, 20), np.uint8)
    qsm = volume(rng.normal(0, 0.1, (20, 20, 20)), "Chimap.nii.gz")
    out = tmp_path / "table.csv"
    refused = call("sample", "--labels", volume(labels, "dseg.nii.gz"), "--qsm", qsm, "-o", out)
    assert_refused(refused, out, "grid")


ROWS = "subject_id,roi,ct_hu,qsm_ppm\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject_id,roi,ct_hu\na,x,1\nb,x,2\nc,x,3\n", ("qsm_ppm", "--y")),
        (ROWS + "a,x,1,0.1\n", ("one row", "table.csv")),
        (ROWS + "a,x,5,0.1\nb,x,5,0.2\nc,x,5,0.3\n", ("ct_hu", "constant")),
        (ROWS + "a,x,1,0.1\nb,x,2,high\nc,x,3,0.3\n", ("qsm_ppm", "high", "3")),
        (ROWS, ("table.csv",)),
        ("", ("table.csv",)),
    ],
)
def test_tables_that_cannot_be_correlated(call: Call, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    assert_refused(call("correlate", table, "-o", out), out, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("material,modality,value\nGd,ct,1\n", ("concentration_mmol_per_l", "--x")),
        ("material,modality,concentration_mmol_per_l,value\nGd,ct,1,5\n", ("1 row", "Gd")),
        ("material,modality,concentration_mmol_per_l,value\nGd,ct,1,5\nGd,ct,1,6\n", ("at one value",)),
        ("material,modality,concentration_mmol_per_l,value\nGd,ct,1,5\nGd,ct,some,6\n", ("some", "3")),
    ],
)
def test_tables_that_cannot_be_fitted(call: Call, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    table = tmp_path / "vials.csv"
    table.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    assert_refused(call("fit", table, "-o", out), out, "vials.csv", *words)


def test_wrong_calls(call: Call, tmp_path: Path, phantom_map: Path) -> None:
    out = tmp_path / "out"
    assert_refused(call("calibrate", "qsm-20-vial", "-o", out), out, "--ct", "--qsm")
    assert_refused(call("calibrate", "qsm-20-vial"), out, "-o")
    assert_refused(call("calibrat"), out, "calibrat")
    refused = call("calibrate", "qsm-20-vial", "--qsm", phantom_map, "-o", phantom_map)
    assert refused.code == 2
    assert phantom_map.is_file()


def test_study_folder_that_is_none(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(call("run", tmp_path / "nowhere", "-o", out), out, "nowhere")
    (tmp_path / "empty").mkdir()
    assert_refused(call("run", tmp_path / "empty", "-o", out), out, "sub-")
    (tmp_path / "bare" / "sub-01" / "ct").mkdir(parents=True)
    assert_refused(call("run", tmp_path / "bare", "-o", out), out, "bare")
