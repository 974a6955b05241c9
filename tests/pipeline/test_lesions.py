"""Lesions in a study: classified with the others, followed over dated sessions, said when they cannot be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.pipeline import run_study
from phantomcal.results import StudyRun
from tests.pipeline.tiny import save

SIZE = 24
RISES = {"sub-01": 1.10, "sub-02": 1.01}


def followed_study(root: Path, dated: bool = True) -> Path:
    """Two people at two sessions a year apart: a bleed that grows darker by RISES, and a calcification that stays."""
    rng = np.random.default_rng(3)
    study = root / "study"
    lesions = np.zeros((SIZE,) * 3, np.uint8)
    lesions[5:11, 5:11, 5:11], lesions[13:19, 13:19, 13:19] = 1, 2
    for name, rise in RISES.items():
        for k, session in enumerate(("ses-1", "ses-2")):
            ppm = np.where(lesions == 1, 0.30 * rise**k, np.where(lesions == 2, -0.20, 0.0))
            hu = np.where(lesions == 1, 70.0, np.where(lesions == 2, 160.0, 35.0))
            hu = hu + rng.normal(0, 3, hu.shape)
            hu[0] = -1000.0
            stem, base = f"{name}_{session}", study / name / session
            save(hu.astype(np.float32), base / "ct" / f"{stem}_ct.nii.gz")
            save((ppm + rng.normal(0, 0.005, ppm.shape)).astype(np.float32), base / "anat" / f"{stem}_Chimap.nii.gz")
            (base / "anat" / f"{stem}_Chimap.json").write_text('{"Units": "ppm"}')
            anat = study / "derivatives" / "reader" / name / session / "anat"
            save(lesions, anat / f"{stem}_space-Chimap_label-lesion_dseg.nii.gz")
            sitk.WriteTransform(sitk.Euler3DTransform(), str(anat / f"{stem}_from-Chimap_to-ct_xfm.tfm"))
        if dated:
            rows = "session_id\tacq_time\nses-1\t2023-05-02\nses-2\t2024-05-01\n"
            (study / name / f"{name}_sessions.tsv").write_text(rows)
    (study / "participants.tsv").write_text("participant_id\tage\nsub-01\t50\nsub-02\t61\n")
    lookup = study / "derivatives" / "reader" / "label-lesion_dseg.tsv"
    lookup.write_text("index\tname\n1\tpons\n2\tpineal\n")
    return study


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyRun]:
    root = tmp_path_factory.mktemp("lesions")
    record = run_study(followed_study(root), root / "out", jobs=1)
    return root / "out", record


def test_every_lesion_of_every_session_has_its_class(ran: tuple[Path, StudyRun]) -> None:
    table = pd.read_csv(ran[0] / "classification" / "lesions.csv")
    assert len(table) == 8
    expected = {"pons": "haemorrhage", "pineal": "calcification"}
    assert table["verdict"].tolist() == [expected[name] for name in table["lesion_id"]]
    assert ran[1].classification is not None
    assert len(ran[1].classification.lesions) == 8


def test_the_rise_between_dated_sessions_is_an_event_and_the_small_one_is_not(ran: tuple[Path, StudyRun]) -> None:
    table = pd.read_csv(ran[0] / "tracking" / "intervals.csv").set_index(["subject_id", "lesion_id"])
    for name, rise in RISES.items():
        row = table.loc[(name, "pons")]
        assert row["change_percent"] == pytest.approx(100 * (rise - 1), abs=0.5)
        assert row["threshold_event"] == (rise >= 1.06)
        assert row["years"] == pytest.approx(1.0, abs=0.01)


def test_the_report_and_results_hold_both(ran: tuple[Path, StudyRun]) -> None:
    page = (ran[0] / "report.html").read_text(encoding="utf-8")
    assert "Lesions: blood or calcium" in page
    assert "Lesions over time" in page
    results = json.loads((ran[0] / "results.json").read_text(encoding="utf-8"))
    assert results["tracking"]["n_lesions"] == 4
    assert [s["status"] for s in results["steps"] if s["step"] in ("classify", "track")] == ["done", "done"]


def test_sessions_without_dates_are_not_followed_and_that_is_said(tmp_path: Path) -> None:
    record = run_study(followed_study(tmp_path, dated=False), tmp_path / "out", jobs=1)
    assert record.tracking is None
    assert any(s.step == "track" and s.status == "skipped" and "without a date" in s.message for s in record.steps)
    assert not (tmp_path / "out" / "tracking").exists()


def test_a_calibrated_phantom_gives_masses_with_the_estimate_inside_its_interval(tmp_path: Path) -> None:
    """A stored calibration stands for the phantom's scan: the session's task is given it directly."""
    from phantomcal.outputs import write_record
    from phantomcal.pipeline.tasks import Task, load_result, work_on
    from phantomcal.results import Decomposition
    from phantomcal.simulate.lesions import simulated_calibration
    from phantomcal.study import read_study

    study = read_study(followed_study(tmp_path))
    path = tmp_path / "calibration.json"
    write_record(simulated_calibration(1), path)
    task = Task("person", study.people[0], tmp_path / "work", calibration=path, derivatives=True)
    assert work_on(task) == "done"
    base = task.work / task.label
    steps = {s.step: s for s in load_result(base, task.label).outcomes}
    assert steps["decompose"].status == "done", steps["decompose"].message
    folder = base / "decomposition" / task.label
    record = Decomposition.model_validate_json((folder / "decomposition.json").read_text())
    masses = {(lesion.lesion_id, m.material): m for lesion in record.lesions for m in lesion.masses}
    assert masses["pineal", "calcium"].detected
    assert all(m.ci95[0] <= m.mass_mg <= m.ci95[1] for m in masses.values())
    derived = base / "derivatives" / "phantomcal" / "sub-01" / "ses-1" / "anat"
    assert (derived / "sub-01_ses-1_space-Chimap_desc-calcium_concentration.nii.gz").is_file()
