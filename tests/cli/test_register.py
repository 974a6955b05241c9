"""`phantomcal register` as a user calls it."""

import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.protocol import load_protocol
from phantomcal.registration.quality import moved_mm, target_error_mm
from phantomcal.registration.transforms import matrix_of, world_to_fsl
from tests.cli.conftest import Call
from tests.phantom.drawn import drawn_phantom
from tests.registration.drawn import Pair, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


@pytest.fixture(scope="module")
def files(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("head")
    sitk.WriteImage(sitk.Cast(pair.ct, sitk.sitkInt16), str(folder / "ct.nii.gz"))
    sitk.WriteImage(pair.magnitude, str(folder / "magnitude.nii.gz"))
    return folder / "ct.nii.gz", folder / "magnitude.nii.gz"


def _marks(path: Path, labels: list[str], points: np.ndarray) -> Path:
    rows = [f"{label},{p[0]:.4f},{p[1]:.4f},{p[2]:.4f}" for label, p in zip(labels, points, strict=True)]
    path.write_text("\n".join(["label,x,y,z", *rows]) + "\n")
    return path


def test_all_outputs_with_landmarks(call: Call, pair: Pair, files: tuple[Path, Path], tmp_path: Path) -> None:
    ct, mr = files
    places = pair.points_mm[:: len(pair.points_mm) // 6][:6]
    labels = [f"point {k}" for k in range(6)]
    in_ct = _marks(tmp_path / "ct.csv", [*labels, "extra"], np.vstack([moved_mm(pair.truth, places), np.ones(3)]))
    in_mr = _marks(tmp_path / "mr.csv", labels, places)
    out = tmp_path / "out"
    done = call("register", "--ct", ct, "--mr", mr, "--landmarks-ct", in_ct, "--landmarks-mr", in_mr, "-o", out)
    assert done.code == 0, done
    names = {"ct_to_mr.tfm", "ct_in_mr.nii.gz", "ct_field_in_mr.nii.gz", "mr_in_ct.nii.gz", "registration.json"}
    assert {p.name for p in out.iterdir()} == names | {"report.html"}
    record = json.loads((out / "registration.json").read_text(encoding="utf-8"))
    found = sitk.ReadTransform(str(out / "ct_to_mr.tfm"))
    error = target_error_mm(found, pair.truth, places)
    assert record["landmarks"]["rms_mm"] == pytest.approx(np.sqrt((error**2).mean()), abs=0.01)
    assert record["landmarks"]["only_in_ct"] == ["extra"]
    assert any("extra" in text for text in record["warnings"])
    assert record["predicted_error_ci95_mm"][0] < record["predicted_error_mm"] < record["predicted_error_ci95_mm"][1]
    assert record["interpolation"] == "linear"
    assert record["outside_hu"] == -1024.0

    aligned = sitk.ReadImage(str(out / "ct_in_mr.nii.gz"))
    field = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "ct_field_in_mr.nii.gz")))
    assert aligned.GetSize() == pair.magnitude.GetSize()
    assert record["outside_share"] == pytest.approx(1 - field.mean(), abs=1e-6)
    assert (sitk.GetArrayFromImage(aligned)[field == 0] == -1024).all()
    back = sitk.ReadImage(str(out / "mr_in_ct.nii.gz"))
    assert back.GetSize() == pair.ct.GetSize()
    there = sitk.Resample(pair.magnitude, back, found.GetInverse(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    difference = sitk.GetArrayFromImage(there) - sitk.GetArrayFromImage(back)
    assert np.abs(difference).max() < 1e-3 * sitk.GetArrayViewFromImage(pair.magnitude).max()

    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(page) < 1_500_000
    assert "script-src 'sha256-" in unescape(page)  # its own script and no other
    for words in ("Do edges run the same way?", "Landmarks", "point 3", "Does the way back lead back?"):
        assert words in page
    assert str(ct.parent) not in page + json.dumps(record)


def test_a_transform_of_flirt_is_judged_twice_with_the_same_bytes(
    call: Call, pair: Pair, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = files
    flirt = world_to_fsl(np.linalg.inv(matrix_of(pair.truth)), pair.ct, pair.magnitude)
    given = tmp_path / "ct2mr.mat"
    np.savetxt(given, flirt, fmt="%.10f")
    for name in ("a", "b"):
        done = call("register", "--ct", ct, "--mr", mr, "--transform", given, "--no-mr-in-ct", "-o", tmp_path / name)
        assert done.code == 0, done
    for name in ("ct_to_mr.tfm", "ct_in_mr.nii.gz", "ct_field_in_mr.nii.gz", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not (tmp_path / "a" / "mr_in_ct.nii.gz").exists()
    record = json.loads((tmp_path / "a" / "registration.json").read_text(encoding="utf-8"))
    assert record["method"] == "given"
    assert any("-in CT -ref MR" in text for text in record["warnings"])
    assert {entry["role"] for entry in record["provenance"]["inputs"]} == {"ct", "magnitude", "transform"}
    found = sitk.ReadTransform(str(tmp_path / "a" / "ct_to_mr.tfm"))
    assert target_error_mm(found, pair.truth, pair.points_mm).max() < 1e-4


def test_a_start_from_a_file_and_another_interpolation(
    call: Call, pair: Pair, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = files
    near = sitk.Euler3DTransform(pair.truth)
    near.SetTranslation(np.add(pair.truth.GetTranslation(), (4.0, -3.0, 3.0)).tolist())
    sitk.WriteTransform(near.GetInverse(), str(tmp_path / "mr_to_ct.tfm"))
    out = tmp_path / "out"
    options = ("--init", tmp_path / "mr_to_ct.tfm", "--invert", "--interpolation", "nearest", "--no-mr-in-ct")
    assert call("register", "--ct", ct, "--mr", mr, *options, "-o", out).code == 0
    found = sitk.ReadTransform(str(out / "ct_to_mr.tfm"))
    assert target_error_mm(found, pair.truth, pair.points_mm).max() < 1.0
    record = json.loads((out / "registration.json").read_text(encoding="utf-8"))
    assert record["interpolation"] == "nearest"
    assert record["provenance"]["parameters"]["init"] == "file"
    assert "started from mr_to_ct.tfm" in " ".join(record["warnings"])


def test_a_phantom_is_aligned_by_its_vials(call: Call, tmp_path: Path) -> None:
    protocol = load_protocol("simulated-gd-ca")
    ct, true_ct = drawn_phantom(protocol, expected_values(protocol, "ct"), angle_deg=30, noise=5, outside=-1000.0)
    qsm, true_mr = drawn_phantom(
        protocol, 1000 * expected_values(protocol, "qsm"), angle_deg=-45, mirrored=True, noise=15, seed=1
    )
    sitk.WriteImage(ct, str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(qsm, str(tmp_path / "map.nii.gz"))
    out = tmp_path / "out"
    command = ("register", "--ct", tmp_path / "ct.nii.gz", "--mr", tmp_path / "map.nii.gz", "-o", out)
    done = call(*command, "--phantom", "simulated-gd-ca", "--qsm-unit", "ppb")
    assert done.code == 0, done
    record = json.loads((out / "registration.json").read_text(encoding="utf-8"))
    assert record["method"] == "vials"
    assert record["mutual_information"] is None
    assert record["vials"]["n_vials"] >= 8
    assert "along the vials" in record["vials"]["undetermined"]
    found = sitk.ReadTransform(str(out / "ct_to_mr.tfm"))
    # The MR was drawn in the mirror: seen from its other end. Across the vials the centres come together.
    across = np.linalg.norm((moved_mm(found, true_mr) - true_ct)[:, :2], axis=1)
    assert across.max() < 0.3
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "shift along the vials" in page
    assert "left open by the vials" in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mr-kind", "t2"), "unknown --mr-kind 't2'"),
        (("--interpolation", "cubic"), "unknown --interpolation 'cubic'"),
        (("--init", "somewhere"), "unknown --init 'somewhere'"),
        (("--init", "centre", "--transform", "x.tfm"), "exclude each other"),
        (("--transform", "nothing.tfm"), "no such transform file, in nothing.tfm"),
        (("--transform-kind", "fsl"), "no transform file is given"),
        (("--invert",), "no transform file is given"),
        (("--landmarks-ct", "a.fcsv"), "landmarks of one image only"),
        (("--landmarks-ct", "a.fcsv", "--landmarks-mr", "b.fcsv"), "no such landmark file, in a.fcsv"),
        (("--qsm-unit", "ppb"), "--mr is a magnitude"),
        (("--phantom", "simulated-gd-ca", "--init", "centre"), "--phantom finds the pose by itself"),
        (("--phantom", "simulated-gd-ca", "--mr-kind", "magnitude"), "vials are found in the QSM map"),
    ],
)
def test_bad_calls_are_refused_in_one_line(
    call: Call, files: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = call("register", "--ct", files[0], "--mr", files[1], *options, "-o", tmp_path / "out")
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_matrix_of_fsl_needs_nifti(call: Call, pair: Pair, files: tuple[Path, Path], tmp_path: Path) -> None:
    sitk.WriteImage(pair.ct, str(tmp_path / "ct.mha"))
    np.savetxt(tmp_path / "x.mat", np.eye(4))
    options = ("--transform", tmp_path / "x.mat", "-o", tmp_path / "out")
    done = call("register", "--ct", tmp_path / "ct.mha", "--mr", files[1], *options)
    assert done.code == 2
    assert "NIfTI" in done.err
