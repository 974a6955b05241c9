"""Names of files that other tools give: found where the documented names are missing, never instead of them."""

from pathlib import Path

import pytest

from phantomcal.errors import InputError
from phantomcal.study import Session, read_study


def session(root: Path, *names: str) -> Session:
    """The one person's session of a study that holds these (empty) files."""
    for name in ("sub-01/anat/sub-01_Chimap.nii.gz", *names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return read_study(root).people[0]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("ct", "sub-01/anat/sub-01_ct.nii.gz"),
        ("ct", "sub-01/ct/sub-01_acq-thin_ct.nii.gz"),
        ("magnitude", "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz"),
        ("magnitude", "sub-01/anat/sub-01_T2starw.nii.gz"),
        ("labels", "derivatives/atlas/sub-01/anat/sub-01_desc-atlas_dseg.nii.gz"),
        ("labels", "derivatives/slicer/sub-01/anat/sub-01_space-Chimap_dseg.seg.nrrd"),
        ("lesions", "derivatives/reader/sub-01/anat/sub-01_label-lesion_mask.nii.gz"),
        ("lesions", "derivatives/reader/sub-01/anat/sub-01_space-Chimap_seg-lesions_dseg.nii.gz"),
        ("transform", "derivatives/ants/sub-01/anat/sub-01_from-Chimap_to-ct_mode-image_xfm.h5"),
    ],
)
def test_common_variants_of_a_name_are_found(tmp_path: Path, role: str, name: str) -> None:
    assert getattr(session(tmp_path, name), role) == tmp_path / name


def test_the_documented_name_comes_before_a_variant(tmp_path: Path) -> None:
    documented = "sub-01/anat/sub-01_part-mag_T2starw.nii.gz"
    found = session(tmp_path, documented, "sub-01/anat/sub-01_T2starw.nii.gz")
    assert found.magnitude == tmp_path / documented


def test_a_map_that_a_pipeline_made_is_found_in_the_derivatives(tmp_path: Path) -> None:
    for name in ("sub-01/ct/sub-01_ct.nii.gz", "derivatives/qsm/sub-01/anat/sub-01_Chimap.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert read_study(tmp_path).people[0].chimap == tmp_path / "derivatives/qsm/sub-01/anat/sub-01_Chimap.nii.gz"


def test_maps_of_two_pipelines_are_refused(tmp_path: Path) -> None:
    for pipeline in ("medi", "star"):
        name = tmp_path / f"derivatives/{pipeline}/sub-01/anat/sub-01_Chimap.nii.gz"
        name.parent.mkdir(parents=True)
        name.touch()
    (tmp_path / "sub-01").mkdir()
    with pytest.raises(InputError, match=r"2 pipelines \(medi, star\)"):
        read_study(tmp_path)


def test_results_of_an_earlier_run_are_no_second_source(tmp_path: Path) -> None:
    labels = "sub-01/anat/sub-01_space-Chimap_dseg.nii.gz"
    (tmp_path / "derivatives/phantomcal").mkdir(parents=True)
    (tmp_path / "derivatives/phantomcal/dataset_description.json").write_text(
        '{"Name": "phantomcal results"}', encoding="utf-8"
    )
    found = session(tmp_path, f"derivatives/atlas/{labels}", f"derivatives/phantomcal/{labels}")
    assert found.labels == tmp_path / "derivatives/atlas" / labels


def test_the_day_of_a_session_is_read_from_its_scans(tmp_path: Path) -> None:
    table = tmp_path / "sub-01/sub-01_scans.tsv"
    table.parent.mkdir()
    table.write_text(
        "filename\tacq_time\nct/sub-01_ct.nii.gz\t2025-03-01T08:00:00\nanat/sub-01_Chimap.nii.gz\t2025-03-04\n",
        encoding="utf-8",
    )
    assert str(session(tmp_path).acquired) == "2025-03-04"


def test_participants_named_without_their_prefix_are_matched_and_said(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n01\t61\n", encoding="utf-8")
    assert session(tmp_path).covariates == {"age": 61}
    assert any("without 'sub-'" in text for text in read_study(tmp_path).warnings)
