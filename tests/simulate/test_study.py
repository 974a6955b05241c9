"""Simulated studies on disk."""

import json

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from phantomcal.errors import InputError
from phantomcal.simulate.brain import LABELS, LESIONS
from phantomcal.simulate.phantom import CtSession, MrSession, simulate_phantom
from phantomcal.simulate.study import simulate_study
from phantomcal.simulate.targets import OSHIMA_TARGETS
from phantomcal.simulate.write import write_head, write_phantom
from tests.simulate.drawn import COARSE, small_protocol


@pytest.fixture(scope="module")
def protocol_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("protocol") / "small.yaml"
    path.write_text(yaml.safe_dump(small_protocol().model_dump(exclude_none=True)), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory, protocol_file):
    folder = tmp_path_factory.mktemp("study") / "study"
    told = []
    simulate_study(
        folder,
        3,
        n_subjects=3,
        protocol=protocol_file,
        slice_thickness_mm=(1.25, 5.0),
        head_options=COARSE,
        progress=lambda name, share: told.append((name, share)),
    )
    return folder, told


def test_a_study_has_the_promised_files(study, protocol_file):
    folder, _ = study
    people = pd.read_csv(folder / "participants.tsv", sep="\t", keep_default_na=False, dtype=str)
    assert list(people.columns) == ["participant_id", "age", "sex", "group", "protocol"]
    assert list(people["participant_id"]) == ["sub-phantom", "sub-01", "sub-02", "sub-03"]
    assert list(people["protocol"]) == [protocol_file, "", "", ""]
    for name in people["participant_id"]:
        assert (folder / name / "ct" / f"{name}_ct.nii.gz").is_file()
        sidecar = json.loads((folder / name / "anat" / f"{name}_Chimap.json").read_text())
        assert sidecar["Units"] == "ppm"
        assert {"ReferenceRegion", "ReconstructionAlgorithm"} <= set(sidecar)
        chi = sitk.ReadImage(str(folder / name / "anat" / f"{name}_Chimap.nii.gz"))
        magnitude = sitk.ReadImage(str(folder / name / "anat" / f"{name}_part-mag_T2starw.nii.gz"))
        assert chi.GetSize() == magnitude.GetSize()
    lookup = pd.read_csv(folder / "derivatives" / "regions" / "dseg.tsv", sep="\t")
    assert dict(zip(lookup["name"], lookup["index"], strict=True)) == LABELS
    assert json.loads((folder / "dataset_description.json").read_text())["BIDSVersion"]


def test_truth_lies_beside_the_study_and_nowhere_in_it(study):
    folder, _ = study
    truth = json.loads((folder.parent / "study_truth.json").read_text())
    assert set(truth["subjects"]) == {"sub-01", "sub-02", "sub-03"}
    assert truth["phantom"]["protocol"] == "small"
    assert not [p for p in folder.rglob("*") if "truth" in p.name]
    spacings = [truth["subjects"][s]["ct"]["grid"]["spacing_mm"][2] for s in sorted(truth["subjects"])]
    assert spacings == [1.25, 5.0, 1.25]


def test_progress_is_told_to_the_end(study):
    _, told = study
    assert [name for name, _ in told] == ["sub-phantom", "sub-01", "sub-02", "sub-03"]
    assert [share for _, share in told] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_label_means_recover_the_sign_of_every_strong_correlation(study):
    folder, _ = study
    truth = json.loads((folder.parent / "study_truth.json").read_text())
    measured = {name: [] for name in LABELS}
    for subject, known in truth["subjects"].items():
        anat = folder / "derivatives" / "regions" / subject / "anat" / f"{subject}_space-Chimap_"
        chi = sitk.ReadImage(str(folder / subject / "anat" / f"{subject}_Chimap.nii.gz"))
        ct = sitk.ReadImage(str(folder / subject / "ct" / f"{subject}_ct.nii.gz"))
        transform = sitk.Euler3DTransform()
        transform.SetCenter(known["ct_from_mr"]["centre_mm"])
        transform.SetRotation(*np.radians(known["ct_from_mr"]["rotation_deg"]).tolist())
        transform.SetTranslation(known["ct_from_mr"]["translation_mm"])
        hu = sitk.GetArrayFromImage(sitk.Resample(ct, chi, transform, sitk.sitkLinear, -1000.0))
        ppm = sitk.GetArrayFromImage(chi)
        for name, number in LABELS.items():
            kind = "label-lesion_dseg" if name in LESIONS else "dseg"
            inside = sitk.GetArrayFromImage(sitk.ReadImage(f"{anat}{kind}.nii.gz")) == number
            measured[name].append((hu[inside].mean(), ppm[inside].mean()))
    strong = {name: t.pearson_r for name, t in OSHIMA_TARGETS.items() if abs(t.pearson_r) > 0.6}
    assert len(strong) == 4
    for name, r in strong.items():
        assert np.corrcoef(np.array(measured[name]).T)[0, 1] * np.sign(r) > 0.2, name


def test_processes_and_repeats_give_the_same_bytes(tmp_path, protocol_file):
    for name, jobs in (("one", 1), ("two", 2)):
        simulate_study(
            tmp_path / name, 8, n_subjects=1, exact=False, protocol=protocol_file, head_options=COARSE, jobs=jobs
        )
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    assert (tmp_path / "one_truth.json").read_bytes() == (tmp_path / "two_truth.json").read_bytes()


def test_a_used_folder_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        simulate_study(tmp_path, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "positive"),
        ({"slice_thickness_mm": ()}, "positive"),
        ({"n_subjects": 2}, "at least three"),
        ({"protocol": "no-such"}, "no protocol"),
    ],
)
def test_impossible_studies_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        simulate_study(tmp_path / "study", 1, **options)
    assert list(tmp_path.iterdir()) == []


def test_single_scans_are_written_under_bids_names(tmp_path):
    scan = simulate_phantom(
        small_protocol(),
        2,
        ct=CtSession(spacing_mm=(1, 1, 3)),
        mr=MrSession(spacing_mm=(1.5, 1.5, 2)),
        workers=1,
    )
    write_phantom(scan, tmp_path / "a")
    write_phantom(scan, tmp_path / "b")
    names = {"ct.nii.gz", "Chimap.nii.gz", "Chimap.json", "part-mag_T2starw.nii.gz", "truth.json"}
    assert {p.name for p in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / "Chimap.json").read_text())["ReferenceRegion"] == "bulk water of the phantom"
    back = sitk.ReadImage(str(tmp_path / "a" / "ct.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(scan.ct))
    assert back.GetDirection() == pytest.approx(scan.ct.GetDirection(), abs=1e-6)
    only = simulate_phantom(small_protocol(), 2, ct=CtSession(spacing_mm=(1, 1, 3)), modalities=["ct"])
    write_phantom(only, tmp_path / "c")
    assert {p.name for p in (tmp_path / "c").iterdir()} == {"ct.nii.gz", "truth.json"}


def test_a_head_is_written_with_labels_and_lookup(tmp_path, coarse):
    write_head(coarse, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "ct.nii.gz",
        "Chimap.nii.gz",
        "Chimap.json",
        "part-mag_T2starw.nii.gz",
        "dseg.nii.gz",
        "label-lesion_dseg.nii.gz",
        "dseg.tsv",
        "truth.json",
    }
    lookup = pd.read_csv(tmp_path / "dseg.tsv", sep="\t")
    assert list(lookup.columns) == ["index", "name"]
    numbers = np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "dseg.nii.gz"))))
    assert set(numbers) == {0, *range(1, 8)}
