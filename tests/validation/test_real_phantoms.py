"""The real phantom scans, through the command line, against what their makers published."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.measuring.absent import name_missing
from phantomcal.phantom.measuring.sample import measure
from phantomcal.protocol import Protocol, load_protocol
from phantomcal.results import Modality
from tests.cli.conftest import Call, call  # noqa: F401  (a fixture used by name)
from tests.validation.conftest import Published

pytestmark = pytest.mark.realdata

HOOPER = ("Hooper et al. 2024", "10.1101/2024.02.18.580843")
CATPHAN = ("CatPhan 504 cone-beam scan, inserts measured by hand",)
KIM = ("Kim et al., PLoS One 2019", "10.1371/journal.pone.0220639")
# Hooper et al.: means of the CaCO3 vials at 24 months, ppm.
CACO3_24_MONTHS = {"Ca10": 0.0762, "Ca20": -0.0753, "Ca30": -0.1120, "Ca40": -0.2668, "Ca50": -0.4459}
# Ferritin: the authors' baseline means regressed on concentration.
FERRITIN_SLOPE = 0.0985
# CatPhan: measured by hand in small discs, HU.
CATPHAN_HU = {
    "Air-top": -997.3,
    "PMP": -199.7,
    "LDPE": -102.6,
    "Polystyrene": -45.1,
    "Acrylic": 116.4,
    "Delrin": 340.2,
    "Teflon": 996.6,
    "Air-bottom": -997.1,
}


def turned(image: sitk.Image, quarter_turns: int, mirrored: bool) -> sitk.Image:
    """The voxels turned in plane under an unchanged header, as a wrongly stored or repositioned scan has them."""
    array = np.rot90(sitk.GetArrayFromImage(image), quarter_turns, (1, 2))
    array = array[:, :, ::-1] if mirrored else array
    result = sitk.GetImageFromArray(np.ascontiguousarray(array))
    result.SetSpacing(image.GetSpacing())
    result.SetOrigin(image.GetOrigin())
    result.SetDirection(image.GetDirection())
    return result


def vials_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "vials.csv").set_index("vial_id")


@pytest.mark.source(*HOOPER)
def test_twenty_vial_phantom(
    call: Call,  # noqa: F811
    published: Published,
    real_data: Path,
    tmp_path: Path,
) -> None:
    folder = real_data / "qsm-phantom-20-vial"
    scan = folder / "sub-phantom_ses-month24_run-1_Chimap.nii.gz"
    out = tmp_path / "out"
    assert call("calibrate", "qsm-20-vial", "--qsm", scan, "-o", out).code == 0
    vials = vials_of(out)

    image = sitk.ReadImage(str(scan))
    with (folder / "vials.csv").open(encoding="utf-8-sig") as stream:
        layout = {row["vial_id"]: (float(row["x_mm"]), float(row["y_mm"])) for row in csv.DictReader(stream)}
    assert set(vials.index) == set(layout)
    found = np.array(
        [image.TransformPhysicalPointToContinuousIndex(vials.loc[k, ["x_mm", "y_mm", "z_mm"]].tolist()) for k in layout]
    )
    plane = found[:, :2] * image.GetSpacing()[:2]
    # The layout's origin is the cylinder's axis, which is nowhere printed: the mean position stands for it.
    expected = np.array(list(layout.values()))
    away = (plane - plane.mean(axis=0)) - (expected - expected.mean(axis=0))
    published("largest distance of a vial from its place, mm", np.linalg.norm(away, axis=1).max(), between=(0, 1.5))

    for vial, value in CACO3_24_MONTHS.items():
        published(f"CaCO3 vial {vial} at 24 months, ppm", vials.loc[vial, "value"], value, abs=0.03)
    flagged = set(vials.index[vials["flag"].notna()])
    published("vials said to have failed", sorted(flagged), ["Cl10", "Cl20"])
    assert not vials.loc[["Cl10", "Cl20"], "used"].any()

    lines = {
        line["material"]: line for line in json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
    }
    assert set(lines) == {"CaCO3", "CaCl2", "ferritin", "USPIO"}
    published("ferritin slope, ppm/(mmol/L)", lines["ferritin"]["slope"], FERRITIN_SLOPE, rel=0.15)
    assert set(lines["CaCl2"]["excluded"]) == {"Cl10", "Cl20"}
    assert lines["CaCl2"]["all_vials"]["n_vials"] == 5


EIGHT = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def measured(image: sitk.Image, protocol: Protocol, modality: Modality) -> pd.DataFrame:
    """Vials of a scan as `calibrate` measures them, before any line is fitted."""
    rows = name_missing(measure(image, locate(image, protocol, modality), protocol, modality))
    return pd.DataFrame([row.model_dump() for row in rows]).set_index("vial_id")


@pytest.mark.source(*HOOPER)
@pytest.mark.slow
def test_twenty_vial_phantom_in_every_orientation_and_again(real_data: Path) -> None:
    protocol = load_protocol("qsm-20-vial")
    plain = {}
    for run in ("run-1", "run-2"):
        path = real_data / "qsm-phantom-20-vial" / f"sub-phantom_ses-month24_{run}_Chimap.nii.gz"
        image = sitk.ReadImage(str(path), sitk.sitkFloat32)
        values = {
            (turns, mirrored): measured(turned(image, turns, mirrored), protocol, "qsm") for turns, mirrored in EIGHT
        }
        plain[run] = values[0, False]["value"]
        for pose, vials in values.items():
            # The same names: every arm falls in value from vial to vial, so a wrong name is off by far more.
            assert (vials["value"] - plain[run]).abs().max() < 0.01, pose
            assert not vials["flag"].any(), pose
    change = plain["run-2"] - plain["run-1"]
    assert change.abs().max() < 0.02
    assert change.std() < 0.005


@pytest.mark.source(*HOOPER)
def test_twenty_vial_phantom_in_ppb(call: Call, real_data: Path, tmp_path: Path) -> None:  # noqa: F811
    image = sitk.ReadImage(str(real_data / "qsm-phantom-20-vial" / "sub-phantom_ses-month24_run-1_Chimap.nii.gz"))
    values = {}
    for name, (scan, options) in {"ppm": (image, ()), "ppb": (image * 1000.0, ("--qsm-unit", "ppb"))}.items():
        path, out = tmp_path / "scan_Chimap.nii", tmp_path / name
        sitk.WriteImage(scan, str(path))
        assert call("calibrate", "qsm-20-vial", "--qsm", path, "-o", out, *options).code == 0
        values[name] = vials_of(out)["value"]
    assert (values["ppb"] - values["ppm"]).abs().max() < 1e-5


@pytest.fixture(scope="module")
def catphan(real_data: Path) -> sitk.Image:
    return sitk.ReadImage(str(real_data / "ct-phantom-catphan504" / "ct.nii.gz"), sitk.sitkFloat32)


@pytest.mark.source(*CATPHAN)
def test_catphan(
    call: Call,  # noqa: F811
    published: Published,
    catphan: sitk.Image,
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "ct.nii", tmp_path / "out"
    sitk.WriteImage(turned(catphan, 3, True), str(path))
    assert call("calibrate", "catphan-504", "--ct", path, "-o", out).code == 0
    vials = vials_of(out)
    for name, value in CATPHAN_HU.items():
        published(f"{name}, HU", vials.loc[name, "value"], value, abs=8)
    assert vials["concentration_mmol_per_l"].isna().all()
    record = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    (line,) = record["lines"]
    published("slope of HU on nominal HU", line["slope"], 1.0, abs=0.01)
    assert line["abscissa_unit"] == "HU"
    (place,) = record["locations"]
    assert 27 <= place["first_slice"] <= place["last_slice"] <= 36


@pytest.mark.source(*CATPHAN)
@pytest.mark.slow
def test_catphan_in_every_orientation_and_cropped_to_its_inserts(catphan: sitk.Image) -> None:
    protocol = load_protocol("catphan-504")
    scans = {f"{turns} quarter turns, mirrored {m}": turned(catphan, turns, m) for turns, m in EIGHT}
    scans["20 slices around the inserts"] = catphan[:, :, 22:42]
    for name, scan in scans.items():
        vials = measured(scan, protocol, "ct")
        for vial, value in CATPHAN_HU.items():
            assert vials.loc[vial, "value"] == pytest.approx(value, abs=8), name
        assert not vials["flag"].any(), name  # its air inserts are meant to be air


@pytest.mark.source(*CATPHAN)
def test_catphan_cropped_away_from_its_inserts_is_refused_by_name(
    call: Call,  # noqa: F811
    catphan: sitk.Image,
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "ct.nii", tmp_path / "out"
    sitk.WriteImage(catphan[:, :, :24], str(path))
    refused = call("calibrate", "catphan-504", "--ct", path, "-o", out)
    assert refused.code == 2
    assert "catphan-504" in refused.err
    assert not out.exists()


@pytest.mark.source(*KIM)
def test_three_spheres_are_not_called_established(
    call: Call,  # noqa: F811
    published: Published,
    real_data: Path,
    tmp_path: Path,
) -> None:
    table = real_data / "spio-spheres" / "spheres.csv"
    slopes = {}
    for column in ("chi_MEDI_ppm_day75", "chi_STARQSM_ppm"):
        out = tmp_path / column
        assert call("fit", table, "--x", "Fe_mM", "--y", column, "--by", "none", "-o", out).code == 0
        (line,) = json.loads((out / "calibration.json").read_text(encoding="utf-8"))["lines"]
        slopes[column] = line["slope"]
        assert not line["established"]
        assert "not established" in (out / "report.html").read_text(encoding="utf-8")
    # The MEDI slope over both days was 2.273.
    published("slope of three SPIO spheres, MEDI, ppm/(mmol/L)", slopes["chi_MEDI_ppm_day75"], 2.273, rel=0.01)
    published("slope of three SPIO spheres, STAR-QSM, ppm/(mmol/L)", slopes["chi_STARQSM_ppm"], 0.758, abs=5e-4)
