"""Many sessions on Dask: workers that die, sessions that kill them, a scheduler somewhere else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phantomcal.errors import InputError
from phantomcal.pipeline import cluster, run_study
from phantomcal.pipeline.tasks import Task
from phantomcal.pipeline.work import work_folder
from phantomcal.results import StudyRun
from phantomcal.study import read_study
from tests.pipeline.tiny import tiny_study

pytestmark = pytest.mark.slow  # processes are started


def deadly_or_done(task: Task) -> str:
    """Stands for a session that needs more memory than there is: its worker is killed."""
    if task.session.subject == "sub-002":
        os.kill(os.getpid(), signal.SIGKILL)
    from phantomcal.pipeline.tasks import work_on

    return work_on(task)


def failures(record: StudyRun) -> list[tuple[str, str]]:
    return [(s.subject, s.message) for s in record.steps if s.status == "failed"]


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, 5)
    (study / "sub-004" / "ct" / "sub-004_ct.nii.gz").write_bytes(b"no volume")
    records = [run_study(study, tmp_path / f"out{jobs}", jobs=jobs) for jobs in (1, 2)]
    assert records[0].steps == records[1].steps
    assert [subject for subject, _ in failures(records[1])] == ["sub-004"]
    one, two = ((tmp_path / f"out{jobs}" / "regions" / "regions.csv").read_bytes() for jobs in (1, 2))
    assert one == two


def test_a_session_that_kills_its_worker_is_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(tmp_path, 5)
    monkeypatch.setattr(cluster, "work_on", deadly_or_done)
    record = run_study(study, tmp_path / "out", jobs=2)
    ((subject, message),) = failures(record)
    assert subject == "sub-002"
    assert "killed, twice" in message
    assert "memory" in message
    assert sum(s.step == "sample" and s.status == "done" for s in record.steps) == 4
    assert record.provenance.run["sessions"] == {"done": 4, "lost": 1}


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real `dask scheduler` and two `dask worker` processes without nannies, as a cluster would run them."""
    file = tmp_path / "scheduler.json"
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    common = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    dask = [sys.executable, "-m", "dask"]
    head = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    hand = [*dask, "worker", "--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(file)]
    started: list[subprocess.Popen[bytes]] = [subprocess.Popen(head, **common)]  # type: ignore[call-overload]
    try:
        for _ in range(600):
            if file.is_file() and file.stat().st_size:
                break
            time.sleep(0.1)
        started += [subprocess.Popen(hand, **common) for _ in range(2)]  # type: ignore[call-overload]
        import json

        yield json.loads(file.read_text())["address"], started[1:]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def test_a_worker_killed_midway_loses_nothing(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """Two workers of a scheduler of their own; one is killed after a third of the sessions.

    Every session is there at the end, and no more sessions are done than there are, but for the one in its hands.
    """
    address, workers = scheduler
    study = tiny_study(tmp_path, 24)
    times: dict[str, list[int]] = {}

    def look(done: int) -> None:
        for folder in work_folder(tmp_path / "out").glob("sub-*"):
            times.setdefault(folder.name, [])
            inode = folder.stat().st_ino
            if inode not in times[folder.name]:
                times[folder.name].append(inode)

    def tell(what: str, done: int, total: int) -> None:
        if what == "align and sample":
            look(done)
            if done == 8:
                workers[0].send_signal(signal.SIGKILL)

    record = run_study(study, tmp_path / "out", scheduler=address, progress=tell)
    assert workers[0].wait() == -signal.SIGKILL
    assert failures(record) == []
    assert sum(s.step == "sample" and s.status == "done" for s in record.steps) == 24
    assert record.provenance.run["sessions"] == {"done": 24}
    assert len(times) == 24
    # A session that is done again gets a folder of its own in place of the first.
    assert sum(len(seen) - 1 for seen in times.values()) <= 1
    alone = run_study(study, tmp_path / "alone", jobs=1)
    assert alone.steps == record.steps
    one, two = ((tmp_path / name / "regions" / "regions.csv").read_bytes() for name in ("out", "alone"))
    assert one == two


def test_no_scheduler_is_said_and_an_interrupted_runs_work_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_WAIT_FOR_WORKERS_S", 1)
    study = tiny_study(tmp_path, 2)
    kept = work_folder(tmp_path / "out") / "sub-001"
    kept.mkdir(parents=True)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        run_study(study, tmp_path / "out", scheduler="tcp://127.0.0.1:9", resume=True)
    assert kept.is_dir()
    assert not (tmp_path / "out").exists()


def test_workers_that_see_other_folders_are_refused(tmp_path: Path) -> None:
    study = read_study(tiny_study(tmp_path, 1))

    class Elsewhere:
        """A client whose workers run on a machine without the folders."""

        @staticmethod
        def run(function: object, folders: tuple[str, ...]) -> dict[str, tuple[str, list[str]]]:
            return {"tcp://far:1": (cluster.phantomcal.__version__, list(folders))}

    with pytest.raises(InputError, match="a worker does not see"):
        cluster._require_same_world(Elsewhere(), [Task("person", study.people[0], tmp_path / "work")])
