"""Landmark files of 3D Slicer and tables, and the target error measured with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.registration.landmarks import Landmarks, landmark_error, read_landmarks
from phantomcal.registration.quality import moved_mm

POINTS = np.array([[10.0, -20.0, 30.0], [-42.5, 7.25, 11.0], [3.0, 60.0, -8.0], [25.0, 33.0, 70.0], [-9.0, -50.0, 5.0]])
NAMES = ("nasion", "left, deep", "apex", "vertex", "basion")


def _fcsv(path: Path, system: str, points: np.ndarray, version: str = "4.11") -> Path:
    columns = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
    lines = [
        f"# Markups fiducial file version = {version}",
        f"# CoordinateSystem = {system}",
        f"# columns = {columns}",
    ]
    for k, (name, p) in enumerate(zip(NAMES, points, strict=False)):
        quoted = f'"{name}"' if "," in name else name
        lines.append(f"vtkMRMLMarkupsFiducialNode_{k},{p[0]},{p[1]},{p[2]},0,0,0,1,1,1,0,{quoted},,")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("system", "version"), [("0", "4.6"), ("RAS", "4.11"), ("LPS", "5.2"), ("1", "4.10")])
def test_fcsv_of_slicer_4_and_5(tmp_path: Path, system: str, version: str) -> None:
    stored = POINTS * (-1, -1, 1) if system in ("0", "RAS") else POINTS
    marks = read_landmarks(_fcsv(tmp_path / "F.fcsv", system, stored, version))
    assert marks.labels == NAMES
    np.testing.assert_allclose(marks.points_mm, POINTS)


def _markups(path: Path, system: str, points: np.ndarray, status: str = "defined", **more: str) -> Path:
    control = [
        {"id": str(k + 1), "label": name, "position": list(p), "positionStatus": status if k == 2 else "defined"}
        for k, (name, p) in enumerate(zip(NAMES, points, strict=True))
    ]
    markup = {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": control} | more
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3.json", "markups": [markup]}))
    return path


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_markups_json(tmp_path: Path, system: str) -> None:
    stored = POINTS * (-1, -1, 1) if system == "RAS" else POINTS
    marks = read_landmarks(_markups(tmp_path / "F.mrk.json", system, stored))
    np.testing.assert_allclose(marks.points_mm, POINTS)


def test_points_named_but_never_placed_are_left_out(tmp_path: Path) -> None:
    marks = read_landmarks(_markups(tmp_path / "F.mrk.json", "LPS", POINTS, status="undefined"))
    assert marks.labels == (NAMES[0], NAMES[1], NAMES[3], NAMES[4])


@pytest.mark.parametrize(
    ("header", "sign"),
    [
        ("label,x,y,z", (1, 1, 1)),
        ("Name,x_mm,y_mm,z_mm", (1, 1, 1)),
        ("label,r,a,s,defined", (-1, -1, 1)),
        ("label,l,p,s", (1, 1, 1)),
    ],
)
def test_tables(tmp_path: Path, header: str, sign: tuple[int, int, int]) -> None:
    rows = [f'"{n}",{p[0]},{p[1]},{p[2]}' for n, p in zip(NAMES, POINTS * sign, strict=True)]
    if "defined" in header:
        rows = [row + ",1" for row in rows]
    (tmp_path / "points.csv").write_text("\n".join([header, *rows]) + "\n")
    marks = read_landmarks(tmp_path / "points.csv")
    assert marks.labels == NAMES
    np.testing.assert_allclose(marks.points_mm, POINTS)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.fcsv", "# columns = id,x,y,z,label\n1,2,3,4,a\n", "does not say its CoordinateSystem"),
        ("a.fcsv", "# CoordinateSystem = IJK\n", "coordinates in IJK"),
        ("a.fcsv", "# CoordinateSystem = LPS\n1,2,x,4\n", "line 2 holds no point"),
        ("a.fcsv", "# CoordinateSystem = LPS\n", "no landmark is placed"),
        ("a.mrk.json", "{", "cannot be read"),
        ("a.mrk.json", '{"markups": [{"controlPoints": []}]}', "no coordinate system"),
        ("a.mrk.json", '{"points": []}', "not a markups file"),
        ("a.mrk.json", '{"markups": [{"coordinateSystem": "LPS", "coordinateUnits": "cm"}]}', "in cm"),
        ("a.csv", "label,x,y\na,1,2\n", "no columns x, y, z"),
        ("a.csv", "x,y,z\n1,2,3\n", "no column label"),
        ("a.csv", "label,x,y,z\na,1,2,b\n", "not a number"),
        ("a.csv", "label,x,y,z\na,1,2,3\na,1,2,4\n", "'a' comes twice"),
        ("a.csv", "label,x,y,z\na,1,2,3\nb,1,2,99999\n", "'b' is no point of a head"),
        ("a.csv", "label,x,y,z\n,1,2,3\nb,1,2,4\n", "without a label"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words) as stop:
        read_landmarks(tmp_path / name)
    assert name in str(stop.value)


def test_a_missing_file() -> None:
    with pytest.raises(InputError, match="no such landmark file"):
        read_landmarks("none.fcsv")


def _turned() -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0.1, 0.2, -0.3)
    transform.SetTranslation((4.0, 5.0, 6.0))
    return transform


def test_the_error_is_that_of_the_transform() -> None:
    truth = _turned()
    ct = Landmarks(NAMES, moved_mm(truth, POINTS))
    mr = Landmarks(NAMES[::-1], POINTS[::-1])
    right = landmark_error(ct, mr, truth)
    assert right.rms_mm == pytest.approx(0.0, abs=1e-9)
    off = _turned()
    off.SetTranslation((4.0, 8.0, 10.0))
    wrong = landmark_error(ct, mr, off)
    assert wrong.mean_mm == pytest.approx(5.0)
    assert wrong.sd_mm == pytest.approx(0.0, abs=1e-9)
    assert wrong.bias_mm == pytest.approx((0.0, 3.0, 4.0))
    # The landmarks fit each other, so nothing of the error is put down to picking.
    assert wrong.localisation_rms_mm == pytest.approx(0.0, abs=1e-6)
    assert wrong.corrected_rms_mm == pytest.approx(5.0)
    assert wrong.rms_ci95_mm[0] < 5.0 < wrong.rms_ci95_mm[1]


def test_pairs_are_made_by_label_and_the_others_named() -> None:
    ct = Landmarks(("b", "a", "c"), np.array([[0.0, 0, 0], [1, 0, 0], [9, 9, 9]]))
    mr = Landmarks(("a", "b", "d"), np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 1]]))
    found = landmark_error(ct, mr, sitk.Transform())
    assert (found.n, found.only_in_ct, found.only_in_mr) == (2, ["c"], ["d"])
    assert {mark.label: mark.distance_mm for mark in found.landmarks} == pytest.approx({"a": 1.0, "b": 5.0})
    assert (found.worst_label, found.worst_mm) == ("b", pytest.approx(5.0))
    assert found.rms_mm == pytest.approx(np.sqrt(13))
    assert found.corrected_rms_mm is None


def test_without_a_common_label_it_says_what_there_is() -> None:
    with pytest.raises(InputError, match=r"CT \(a\) and MR \(b\)"):
        landmark_error(Landmarks(("a",), np.zeros((1, 3))), Landmarks(("b",), np.zeros((1, 3))), sitk.Transform())


def test_picking_error_is_told_from_alignment_error() -> None:
    """Landmarks picked with 1 mm per axis on both sides, an alignment off by 3 mm: over many draws both come back."""
    rng = np.random.default_rng(5)
    truth, off = _turned(), _turned()
    off.SetTranslation((4.0, 5.0, 9.0))
    labels = tuple(str(k) for k in range(12))
    picking, corrected, inside = [], [], 0
    for _ in range(300):
        places = rng.uniform(-70, 70, (12, 3))
        ct = Landmarks(labels, moved_mm(truth, places) + rng.normal(0, 1, (12, 3)))
        found = landmark_error(ct, Landmarks(labels, places + rng.normal(0, 1, (12, 3))), off)
        assert found.localisation_rms_mm is not None
        assert found.corrected_rms_mm is not None
        picking.append(found.localisation_rms_mm**2)
        corrected.append(found.corrected_rms_mm**2)
    assert np.sqrt(np.mean(picking)) == pytest.approx(np.sqrt(6), rel=0.04)
    assert np.sqrt(np.mean(corrected)) == pytest.approx(3.0, rel=0.06)
    for _ in range(300):
        places = rng.uniform(-70, 70, (8, 3))
        mr = Landmarks(labels[:8], places)
        found = landmark_error(Landmarks(labels[:8], places + rng.normal(0, 1, (8, 3))), mr, sitk.Transform())
        inside += found.rms_ci95_mm[0] < np.sqrt(3) < found.rms_ci95_mm[1]
    assert 0.90 < inside / 300 < 0.99
