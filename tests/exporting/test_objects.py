"""Exported objects: values, places and names come back; they point at their source; an independent checker agrees."""

import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from phantomcal.exporting.report import read_measurements
from phantomcal.volumes import read_ct
from tests.conftest import require_in_ci
from tests.exporting.conftest import Exported, run, scanned

OBJECTS = ("segmentation", "measurements", "vials", "map-calcium_concentration")


def stored(exported: Exported, name: str) -> pydicom.Dataset:
    return pydicom.dcmread(exported.out / f"{name}.dcm")


def test_every_object_is_there_and_nothing_else(exported: Exported) -> None:
    assert sorted(p.stem for p in exported.out.iterdir()) == sorted(OBJECTS)


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_belong_to_the_source_study_and_patient(exported: Exported, name: str) -> None:
    source = pydicom.dcmread(next(exported.source.iterdir()))
    data = stored(exported, name)
    for tag in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate"):
        assert data[tag].value == source[tag].value
    assert data.SeriesInstanceUID != source.SeriesInstanceUID


def test_the_segmentation_gives_labels_names_and_place_back(exported: Exported) -> None:
    data = hd.seg.Segmentation.from_dataset(stored(exported, "segmentation"))
    found = data.get_volume(combine_segments=True).to_simpleitk()
    ct = read_ct(exported.source).image
    onto = sitk.Resample(found, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    values = sitk.GetArrayFromImage(onto)
    np.testing.assert_array_equal(np.array([0, 3, 8])[values], exported.labels)
    assert [s.segment_label for s in data.SegmentSequence or []] == exported.table["roi"].tolist()
    assert data.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "89278009"  # putamen, SNOMED CT


def test_the_map_holds_the_values_themselves(exported: Exported) -> None:
    data = hd.pm.ParametricMap.from_dataset(stored(exported, "map-calcium_concentration"))
    found = data.get_volume(apply_real_world_transform=True).to_simpleitk()
    onto = sitk.Resample(found, read_ct(exported.source).image, sitk.Transform(), sitk.sitkNearestNeighbor, -1.0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(onto).astype(np.float32), exported.concentrations)
    unit = data.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0]
    assert unit.CodeValue == "mmol/L"


def test_region_values_read_back_to_the_last_bit(exported: Exported) -> None:
    found = read_measurements(stored(exported, "measurements"))
    assert list(found) == exported.table["roi"].tolist()
    for row in exported.table.to_dict("records"):
        rows = found[row["roi"]]
        assert [value for _, value, _ in rows] == [row[c] for c in ("ct_hu", "ct_sd_hu", "qsm_ppm", "volume_mm3")]
        assert [unit for _, _, unit in rows] == ["[hnsf'U]", "[hnsf'U]", "[ppm]", "mm3"]


def test_regions_point_at_their_segments(exported: Exported) -> None:
    report = hd.sr.Comprehensive3DSR.from_dataset(stored(exported, "measurements"))
    groups = report.content.get_volumetric_roi_measurement_groups()
    segmentation = stored(exported, "segmentation")
    assert [g.referenced_segment.referenced_segment_numbers for g in groups] == [[1], [2]]
    assert {g.referenced_segment.referenced_sop_instance_uid for g in groups} == {segmentation.SOPInstanceUID}


def test_vials_of_the_sources_modality_stand_at_their_places(exported: Exported) -> None:
    data = stored(exported, "vials")
    found = read_measurements(data)
    own = exported.vials[exported.vials["modality"] == "ct"]
    assert list(found) == own["vial_id"].tolist()
    assert found["Gd2"][0][1] == 11.4
    report = hd.sr.Comprehensive3DSR.from_dataset(data)
    groups = report.content.get_planar_roi_measurement_groups()
    places = [g.roi.value for g in groups]
    np.testing.assert_allclose(np.vstack(places), own[["x_mm", "y_mm", "z_mm"]])


@pytest.mark.parametrize("name", OBJECTS)
def test_an_independent_checker_finds_no_error(exported: Exported, name: str) -> None:
    checker = shutil.which("dciodvfy")
    require_in_ci(checker is not None, "dciodvfy is not installed (Debian package dicom3tools)")
    assert checker is not None
    done = subprocess.run([checker, exported.out / f"{name}.dcm"], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


@pytest.mark.realdata
def test_a_real_de_identified_head_can_be_the_source(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "ct-head-tilted-dicom" / "dicom"
    ct = read_ct(source).image
    labels = np.zeros(ct.GetSize()[::-1], np.uint8)
    labels[10:14, 200:260, 200:240] = 1
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(ct)
    sitk.WriteImage(image, str(tmp_path / "labels.nii.gz"))
    call = ["export", "--source", str(source), "--labels", str(tmp_path / "labels.nii.gz"), "-o", str(tmp_path / "out")]
    assert run(call) == 0
    data = hd.seg.Segmentation.from_dataset(pydicom.dcmread(tmp_path / "out" / "segmentation.dcm"))
    found = data.get_volume(combine_segments=True).to_simpleitk()
    onto = sitk.Resample(found, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(onto), labels)


BAD = {
    "nothing to export": [],
    "unknown unit 'furlong'": ["--map", "{root}/calcium_concentration.nii.gz=furlong"],
    "no such map": ["--map", "{root}/missing.nii.gz=ppm"],
    "a table without the label map": ["--table", "{root}/regions.csv"],
    "unknown kind 'tumour'": ["--labels", "{root}/labels.nii.gz", "--kind", "tumour"],
}


@pytest.mark.parametrize("said", BAD)
def test_bad_calls_say_what_is_wrong_and_leave_nothing(
    exported: Exported, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [a.format(root=exported.out.parent) for a in BAD[said]]
    assert run(["export", "--source", str(exported.source), "-o", str(tmp_path / "out"), *given]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_volume_of_another_place_is_refused(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = sitk.ReadImage(str(exported.out.parent / "labels.nii.gz"))
    image.SetOrigin([o + 500 for o in image.GetOrigin()])
    sitk.WriteImage(image, str(tmp_path / "far.nii.gz"))
    call = ["export", "--source", str(exported.source), "--labels", str(tmp_path / "far.nii.gz")]
    assert run([*call, "-o", str(tmp_path / "out")]) == 2
    assert "lies outside the source series" in capsys.readouterr().err


def test_messages_never_quote_the_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = scanned(tmp_path / "ct")
    run(["export", "--source", str(source), "-o", str(tmp_path / "out"), "--map", "missing.nii.gz=ppm"])
    said = capsys.readouterr()
    assert "Secret" not in said.out + said.err


def test_without_highdicom_one_line_says_how_to_get_it(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    labels = str(exported.out.parent / "labels.nii.gz")
    assert run(["export", "--source", str(exported.source), "--labels", labels, "-o", str(tmp_path / "out")]) == 2
    assert "pip install 'phantomcal[dicom]'" in capsys.readouterr().err
