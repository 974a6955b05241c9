"""What a run keeps, takes over, does again and refuses."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phantomcal.correlation.sampling import Sampling
from phantomcal.errors import InputError, PhantomcalError
from phantomcal.pipeline import run_study
from phantomcal.pipeline.tasks import Task, session_key, work_on
from phantomcal.pipeline.work import kept_work, work_folder
from phantomcal.results import StudyRun
from phantomcal.study import read_study
from phantomcal.tables import read_table
from tests.pipeline.tiny import SIZE, save, tiny_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tiny_study(tmp_path, 4)


def ends(record: StudyRun) -> dict[str, int]:
    """How many sessions were done anew, and how many taken over."""
    found: dict[str, int] = record.provenance.run["sessions"]
    return found


def task(study: Path, work: Path, number: int = 0, **choices: object) -> Task:
    return Task("person", read_study(study).people[number], work, **choices)  # type: ignore[arg-type]


def interrupt_after(n: int) -> object:
    """A progress callback that interrupts once `n` people are done, as Ctrl-C would."""

    def tell(what: str, done: int, total: int) -> None:
        if what == "align and sample" and done == n:
            raise KeyboardInterrupt

    return tell


def test_a_second_run_with_resume_takes_everything_over(study: Path, tmp_path: Path) -> None:
    first = run_study(study, tmp_path / "out", jobs=1)
    before = (tmp_path / "out" / "regions" / "regions.csv").read_bytes()
    second = run_study(study, tmp_path / "out", jobs=1, resume=True)
    assert ends(first) == {"done": 4}
    assert ends(second) == {"reused": 4}
    assert second.steps == first.steps
    assert (tmp_path / "out" / "regions" / "regions.csv").read_bytes() == before
    assert not work_folder(tmp_path / "out").exists()


def test_only_what_changed_is_done_again(study: Path, tmp_path: Path) -> None:
    run_study(study, tmp_path / "out", jobs=1)
    shutil.copytree(study / "sub-001", study / "sub-005")  # new, without labels
    for path in (study / "sub-005").rglob("sub-001*"):
        path.rename(path.with_name(path.name.replace("sub-001", "sub-005")))
    save(np.full((SIZE,) * 3, 0.5, np.float32) * np.arange(SIZE), study / "sub-002" / "anat" / "sub-002_Chimap.nii.gz")
    os.utime(study / "sub-003" / "ct" / "sub-003_ct.nii.gz")  # touched, but the same
    assert ends(run_study(study, tmp_path / "out", jobs=1, resume=True)) == {"done": 2, "reused": 3}


def test_a_new_covariate_joins_without_doing_anything_again(study: Path, tmp_path: Path) -> None:
    run_study(study, tmp_path / "out", jobs=1)
    people = study / "participants.tsv"
    people.write_text(people.read_text().replace("sex", "centre"))
    record = run_study(study, tmp_path / "out", jobs=1, resume=True)
    assert ends(record) == {"reused": 4}
    assert "centre" in pd.read_csv(tmp_path / "out" / "regions" / "regions.csv").columns


@pytest.mark.parametrize("what", ["ct", "sidecar", "lookup", "transform", "sampling", "picture"])
def test_the_key_follows_everything_a_session_is_made_of(study: Path, tmp_path: Path, what: str) -> None:
    before = session_key(task(study, tmp_path))
    assert session_key(task(study, tmp_path)) == before
    anat = study / "derivatives" / "regions" / "sub-001" / "anat"
    changed = {
        "ct": study / "sub-001" / "ct" / "sub-001_ct.nii.gz",
        "sidecar": study / "sub-001" / "anat" / "sub-001_Chimap.json",
        "lookup": study / "derivatives" / "regions" / "dseg.tsv",
        "transform": anat / "sub-001_from-Chimap_to-ct_xfm.tfm",
    }
    choices = {"sampling": {"sampling": Sampling(erode_voxels=1)}, "picture": {"picture": True}}
    if what in changed:
        changed[what].write_bytes(changed[what].read_bytes() + b" ")
    assert session_key(task(study, tmp_path, **choices.get(what, {}))) != before


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(PhantomcalError, match=r"interrupted: 2 finished sessions are kept.*--resume"):
        run_study(study, out, jobs=1, progress=interrupt_after(2))  # type: ignore[arg-type]
    assert not out.exists()
    with pytest.raises(InputError, match=r"cut short after 2 sessions.*--resume"):
        run_study(study, out, jobs=1)
    record = run_study(study, out, jobs=1, resume=True)
    assert ends(record) == {"done": 2, "reused": 2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "study"]


def test_an_interruption_before_anything_is_done_leaves_nothing(study: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path / "new" / "out", jobs=1, progress=interrupt_after(0))  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_failed_session_is_tried_again_and_a_damaged_record_too(study: Path, tmp_path: Path) -> None:
    ct = study / "sub-002" / "ct" / "sub-002_ct.nii.gz"
    whole = ct.read_bytes()
    ct.write_bytes(whole[: len(whole) // 2])
    record = run_study(study, tmp_path / "out", jobs=1)
    assert [(s.subject, s.status) for s in record.steps if s.status == "failed"] == [("sub-002", "failed")]
    assert record.correlation is not None
    ct.write_bytes(whole)
    (tmp_path / "out" / "sessions" / "sub-003" / "session.json").write_text("{")
    (tmp_path / "out" / "sessions" / "sub-004" / "regions.parquet").unlink()
    again = run_study(study, tmp_path / "out", jobs=1, resume=True)
    assert ends(again) == {"done": 3, "reused": 1}
    assert {s.status for s in again.steps if s.step == "sample"} == {"done"}


def test_the_work_folder_stays_when_asked(study: Path, tmp_path: Path) -> None:
    run_study(study, tmp_path / "out", jobs=1, keep_work=True)
    assert {p.name for p in work_folder(tmp_path / "out").iterdir()} == {f"sub-00{k}" for k in range(1, 5)}


def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    work_folder(tmp_path / "out").mkdir()
    lock = work_folder(tmp_path / "out") / ".running"
    with kept_work(tmp_path / "out", resume=True, keep=True):
        mine = json.loads(lock.read_text())
    lock.write_text(json.dumps({**mine, "pid": os.getppid()}))
    with pytest.raises(InputError, match="another run is writing there"), kept_work(tmp_path / "out", resume=True):
        pass
    lock.write_text(json.dumps({**mine, "pid": 2**22 + 1}))  # no such process
    with kept_work(tmp_path / "out", resume=True):
        pass


def test_a_session_is_put_in_its_place_whole(study: Path, tmp_path: Path) -> None:
    """A worker that did the same session before is replaced, and nothing else is left in the folder."""
    one = task(study, tmp_path / "work")
    assert work_on(one) == "done"
    assert work_on(one) == "done"
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["sub-001"]
    assert work_on(task(study, tmp_path / "work", reuse=True)) == "reused"


def test_region_tables_are_the_same_to_the_last_bit(study: Path, tmp_path: Path) -> None:
    run_study(study, tmp_path / "out", jobs=1, sampling=Sampling(percentiles=(5.0, 50.0), erode_voxels=1))
    parquet = read_table(tmp_path / "out" / "regions" / "regions.parquet")
    csv = read_table(tmp_path / "out" / "regions" / "regions.csv")
    for name in ("ct_hu", "qsm_ppm", "qsm_sem_ppm", "ct_p5_hu", "qsm_median_ppm", "n_voxels", "age"):
        assert (parquet[name] == csv[name]).all(), name
    assert set(csv["sampling"]) == {"eroded 1 voxel"}
    assert len(csv) == 16


def test_a_given_alignment_is_used_and_said(study: Path, tmp_path: Path) -> None:
    record = run_study(study, tmp_path / "out", jobs=1)
    said = {s.message for s in record.steps if s.step == "register"}
    assert said == {f"taken from sub-00{k}_from-Chimap_to-ct_xfm.tfm" for k in range(1, 5)}
    assert record.alignments == {}


def test_remarks_about_many_sessions_are_made_once(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, 20)
    lookup = study / "derivatives" / "regions" / "dseg.tsv"
    lookup.write_text(lookup.read_text() + "9\tred nucleus\n")
    record = run_study(study, tmp_path / "out", jobs=1)
    told = [w for w in record.warnings if "red nucleus" in w]
    assert len(told) == 1
    assert told[0].startswith("in 20 sessions (sub-001, sub-002, sub-003, ...)")
