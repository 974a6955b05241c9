"""What read_study finds in a folder: sessions, phantoms, tables, and where it looks for a lookup table."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from phantomcal.errors import InputError
from phantomcal.study import Session, Study, nearest_phantom, read_study

PEOPLE = (
    "participant_id\tage\tsex\tprotocol\nsub-phantom\tn/a\tn/a\tsimulated-gd-ca\nsub-01\t61\tF\t\nsub-02\tn/a\tM\tn/a\n"
)


def touch(root: Path, *names: str) -> None:
    """Empty files: nothing but tables is read here."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def scans(session: str) -> list[str]:
    """CT, map and magnitude of ``sub-X`` or ``sub-X/ses-Y``."""
    stem = session.replace("/", "_")
    names = (f"ct/{stem}_ct", f"anat/{stem}_Chimap", f"anat/{stem}_part-mag_T2starw")
    return [f"{session}/{name}.nii.gz" for name in names]


def labels(session: str, kind: str = "dseg", pipeline: str = "regions") -> str:
    return f"derivatives/{pipeline}/{session}/anat/{session.replace('/', '_')}_space-Chimap_{kind}.nii.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A phantom and two people, one of them with labels."""
    folder = tmp_path / "mystudy"
    touch(folder, *scans("sub-phantom"), *scans("sub-01"), *scans("sub-02"), labels("sub-01"))
    write(folder, "participants.tsv", PEOPLE)
    write(folder, "derivatives/regions/dseg.tsv", "index\tname\n1\tpallidum\n")
    return folder


def person(study: Study, label: str) -> Session:
    return next(s for s in (*study.people, *study.phantoms) if s.label == label)


def test_people_and_phantoms_are_told_apart_by_their_protocol(root: Path) -> None:
    study = read_study(root)
    assert [s.label for s in study.phantoms] == ["sub-phantom"]
    assert [s.label for s in study.people] == ["sub-01", "sub-02"]
    assert study.phantoms[0].protocol == "simulated-gd-ca"
    assert study.warnings == []


def test_every_file_has_its_place(root: Path) -> None:
    touch(root, labels("sub-01", "label-lesion_dseg"))
    found = person(read_study(root), "sub-01")
    assert found.ct == root / "sub-01/ct/sub-01_ct.nii.gz"
    assert found.chimap == root / "sub-01/anat/sub-01_Chimap.nii.gz"
    assert found.magnitude == root / "sub-01/anat/sub-01_part-mag_T2starw.nii.gz"
    assert found.labels == root / labels("sub-01")
    assert found.lesions == root / labels("sub-01", "label-lesion_dseg")
    assert found.lookup == root / "derivatives/regions/dseg.tsv"
    assert found.acquired is None


def test_what_is_missing_is_none(root: Path) -> None:
    (root / "sub-02/ct/sub-02_ct.nii.gz").unlink()
    found = person(read_study(root), "sub-02")
    assert found.ct is None
    assert found.labels is None
    assert found.lookup is None
    assert found.lesions is None


def test_empty_and_na_cells_are_no_covariates(root: Path) -> None:
    study = read_study(root)
    assert person(study, "sub-01").covariates == {"age": 61, "sex": "F"}
    assert person(study, "sub-02").covariates == {"sex": "M"}
    assert person(study, "sub-phantom").covariates == {}


@pytest.mark.parametrize("suffix", [".nii", ".mha", ".nrrd"])
def test_other_formats_are_found_too(root: Path, suffix: str) -> None:
    path = root / "sub-01/ct/sub-01_ct.nii.gz"
    path.rename(path.with_name(f"sub-01_ct{suffix}"))
    found = person(read_study(root), "sub-01").ct
    assert found is not None
    assert found.name == f"sub-01_ct{suffix}"


def test_other_entities_may_stand_in_a_name(root: Path) -> None:
    path = root / "sub-01/anat/sub-01_Chimap.nii.gz"
    path.rename(path.with_name("sub-01_acq-fast_run-2_Chimap.nii.gz"))
    found = person(read_study(root), "sub-01").chimap
    assert found is not None
    assert found.name == "sub-01_acq-fast_run-2_Chimap.nii.gz"


@pytest.mark.parametrize("other", ["sub-01_ct.mha", "sub-01_run-1_ct.nii.gz,sub-01_run-2_ct.nii.gz"])
def test_two_files_for_one_place_are_refused(root: Path, other: str) -> None:
    names = other.split(",")
    if len(names) > 1:
        (root / "sub-01/ct/sub-01_ct.nii.gz").unlink()
    touch(root, *(f"sub-01/ct/{name}" for name in names))
    with pytest.raises(InputError, match="2 files where one ct is expected") as refused:
        read_study(root)
    assert names[0] in str(refused.value)
    assert refused.value.where == "sub-01"


def test_sessions_are_listed_one_by_one_with_their_dates(root: Path) -> None:
    touch(root, *scans("sub-03/ses-a"), *scans("sub-03/ses-b"), labels("sub-03/ses-b"))
    write(root, "sub-03/sub-03_sessions.tsv", "session_id\tacq_time\nses-a\t2024-02-29\nses-b\t2025-03-01T08:30:00\n")
    write(root, "participants.tsv", PEOPLE + "sub-03\t70\tF\t\n")
    study = read_study(root)
    first, second = person(study, "sub-03_ses-a"), person(study, "sub-03_ses-b")
    assert (first.subject, first.name, first.acquired) == ("sub-03", "ses-a", date(2024, 2, 29))
    assert (second.name, second.acquired) == ("ses-b", date(2025, 3, 1))
    assert first.labels is None
    assert second.labels == root / labels("sub-03/ses-b")
    assert second.ct == root / "sub-03/ses-b/ct/sub-03_ses-b_ct.nii.gz"
    assert second.covariates == first.covariates != {}


def test_missing_dates_are_no_fault_but_wrong_ones_are(root: Path) -> None:
    touch(root, *scans("sub-03/ses-a"))
    write(root, "participants.tsv", PEOPLE + "sub-03\t70\tF\t\n")
    write(root, "sub-03/sub-03_sessions.tsv", "session_id\tacq_time\nses-a\tn/a\n")
    assert person(read_study(root), "sub-03_ses-a").acquired is None
    write(root, "sub-03/sub-03_sessions.tsv", "session_id\tacq_time\nses-a\tlast spring\n")
    with pytest.raises(InputError, match=r"'last spring' of ses-a is not a date.*sub-03_sessions.tsv"):
        read_study(root)
    write(root, "sub-03/sub-03_sessions.tsv", "session_id\tscanner\nses-a\tone\n")
    assert person(read_study(root), "sub-03_ses-a").acquired is None


def test_without_participants_everybody_is_a_person_and_it_is_said(root: Path) -> None:
    (root / "participants.tsv").unlink()
    study = read_study(root)
    assert study.phantoms == []
    assert len(study.people) == 3
    assert len(study.warnings) == 1
    assert "no participants.tsv" in study.warnings[0]


def test_people_in_only_one_of_table_and_folders_are_named(root: Path) -> None:
    write(root, "participants.tsv", PEOPLE.replace("sub-02", "sub-99"))
    study = read_study(root)
    assert [s.label for s in study.people] == ["sub-01", "sub-02"]
    assert person(study, "sub-02").covariates == {}
    assert any("sub-02 is not in participants.tsv" in w for w in study.warnings)
    assert any(w.endswith("without a folder: sub-99") for w in study.warnings)


def test_a_participant_twice_is_refused(root: Path) -> None:
    write(root, "participants.tsv", PEOPLE + "sub-01\t62\tF\t\n")
    with pytest.raises(InputError, match=r"'sub-01' stands twice, in participants.tsv"):
        read_study(root)


def test_a_table_of_participants_needs_their_names(root: Path) -> None:
    write(root, "participants.tsv", "subject\tage\nsub-01\t61\n")
    with pytest.raises(InputError, match=r"no column 'participant_id', in participants.tsv"):
        read_study(root)


def test_a_given_alignment_is_found_beside_the_labels(root: Path) -> None:
    name = "derivatives/manual/sub-01/anat/sub-01_from-Chimap_to-ct_xfm.tfm"
    touch(root, name)
    assert person(read_study(root), "sub-01").transform == root / name
    assert person(read_study(root), "sub-02").transform is None
    assert person(read_study(root), "sub-01").files["transform"] == root / name
    touch(root, name.replace("manual", "other"))
    with pytest.raises(InputError, match=r"transforms of 2 pipelines \(manual, other\)"):
        read_study(root)


@pytest.mark.parametrize("kind", ["dseg", "label-lesion_dseg"])
def test_labels_of_two_pipelines_are_refused(root: Path, kind: str) -> None:
    touch(root, labels("sub-01", kind, "regions"), labels("sub-01", kind, "atlas"))
    with pytest.raises(InputError, match=r"2 pipelines \(atlas, regions\)") as refused:
        read_study(root)
    assert f"sub-01_space-Chimap_{kind}" in str(refused.value)


def test_two_pipelines_may_share_the_work(root: Path) -> None:
    touch(root, labels("sub-02", "dseg", "atlas"), labels("sub-01", "label-lesion_dseg", "reader"))
    study = read_study(root)
    assert person(study, "sub-01").lesions == root / labels("sub-01", "label-lesion_dseg", "reader")
    assert person(study, "sub-02").labels == root / labels("sub-02", "dseg", "atlas")


def test_the_nearest_lookup_table_is_taken(root: Path) -> None:
    """Own name first, then dseg.tsv beside the map, then upwards to the root of the study and no further."""
    anat = "derivatives/regions/sub-01/anat"
    places = [
        f"{anat}/sub-01_space-Chimap_dseg.tsv",
        f"{anat}/dseg.tsv",
        "derivatives/regions/sub-01/dseg.tsv",
        "derivatives/regions/dseg.tsv",
        "derivatives/dseg.tsv",
        "dseg.tsv",
    ]
    touch(root, *places)
    touch(root.parent, "dseg.tsv")
    for place in places:
        assert person(read_study(root), "sub-01").lookup == root / place
        (root / place).unlink()
    assert person(read_study(root), "sub-01").lookup is None


def test_lesions_prefer_a_lookup_of_their_own(root: Path) -> None:
    touch(root, labels("sub-01", "label-lesion_dseg"))
    assert person(read_study(root), "sub-01").lesion_lookup == root / "derivatives/regions/dseg.tsv"
    touch(root, "derivatives/regions/label-lesion_dseg.tsv")
    found = person(read_study(root), "sub-01")
    assert found.lesion_lookup == root / "derivatives/regions/label-lesion_dseg.tsv"
    assert found.lookup == root / "derivatives/regions/dseg.tsv"


def test_a_protocol_file_may_lie_in_the_study(root: Path) -> None:
    write(root, "participants.tsv", PEOPLE.replace("simulated-gd-ca", "phantoms/mine.yaml"))
    assert read_study(root).phantoms[0].protocol == "phantoms/mine.yaml"  # not there: said when it is loaded
    touch(root, "phantoms/mine.yaml")
    assert read_study(root).phantoms[0].protocol == str(root / "phantoms/mine.yaml")


def test_the_study_has_the_name_of_its_description(root: Path) -> None:
    assert read_study(root).name == "mystudy"
    write(root, "dataset_description.json", json.dumps({"Name": "Iron and calcium"}))
    assert read_study(root).name == "Iron and calcium"
    write(root, "dataset_description.json", json.dumps({"BIDSVersion": "1.10.0"}))
    assert read_study(root).name == "mystudy"


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_description_is_refused(root: Path, text: str) -> None:
    write(root, "dataset_description.json", text)
    with pytest.raises(InputError, match=r"not valid JSON, in dataset_description.json"):
        read_study(root)


def test_folders_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such study folder"):
        read_study(tmp_path / "nowhere")
    touch(tmp_path, "sub-01")  # a file
    with pytest.raises(InputError, match=r"no sub-\* folders"):
        read_study(tmp_path)


def test_the_order_of_the_table_does_not_matter(root: Path) -> None:
    before = read_study(root)
    header, *rows = PEOPLE.splitlines()
    write(root, "participants.tsv", "\n".join([header, *reversed(rows)]) + "\n")
    assert read_study(root) == before


def test_the_phantom_nearest_in_time_is_chosen() -> None:
    subject = Session("sub-01", "ses-1", date(2025, 6, 15))
    early, late = (Session("sub-p", f"ses-{d.month}", d) for d in (date(2025, 1, 1), date(2025, 7, 1)))
    assert nearest_phantom(subject, [early, late]) is late
    assert nearest_phantom(replace(subject, acquired=date(2024, 6, 1)), [early, late]) is early
    undated = Session("sub-p", "ses-1")
    assert nearest_phantom(subject, [undated, early]) is early


def test_equally_near_phantoms_are_chosen_by_name_whatever_their_order() -> None:
    subject = Session("sub-01", acquired=date(2025, 6, 15))
    before, after = Session("sub-a", acquired=date(2025, 6, 10)), Session("sub-b", acquired=date(2025, 6, 20))
    assert nearest_phantom(subject, [before, after]) is nearest_phantom(subject, [after, before]) is before


def test_without_dates_the_session_of_the_same_name_is_chosen() -> None:
    first, second = Session("sub-p", "ses-1"), Session("sub-p", "ses-2")
    assert nearest_phantom(Session("sub-01", "ses-2"), [first, second]) is second
    assert nearest_phantom(Session("sub-01", "ses-9"), [first, second]) is first
    assert nearest_phantom(Session("sub-01", "ses-2", date(2025, 1, 1)), [first, second]) is second
    assert nearest_phantom(Session("sub-01"), []) is None
