"""Several processes that add at once: real processes, real files, a real server."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration, read_history, read_lines, read_record
from phantomcal.results import Calibration
from tests.history.made import made

# Each process opens the history anew for every calibration, as the command does; `shared` ones are added by both.
_WRITER = """
import sys, json
from datetime import date, timedelta
from pathlib import Path
from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration
from phantomcal.results import Calibration
where, mine, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
template = Calibration.model_validate_json(Path(sys.argv[4]).read_text(encoding="utf-8"))
new = 0
print("ready", flush=True)
sys.stdin.readline()
for k in range(n):
    shared = k % 3 == 0
    record = template.model_copy(update={"session": f"{'both' if shared else mine}-{k}"})
    engine = open_history(where, create=True)
    new += add_calibration(engine, record, "A", date(2024, 1, 1) + timedelta(days=k)).new
    engine.dispose()
print(new)
"""


def _race(where: str, tmp_path: Path, n: int, processes: int = 2) -> list[int]:
    script, template = tmp_path / "writer.py", tmp_path / "template.json"
    script.write_text(_WRITER, encoding="utf-8")
    template.write_text(made().model_dump_json(), encoding="utf-8")
    root = str(Path(__file__).resolve().parents[2])
    running = [
        subprocess.Popen(
            [sys.executable, script, where, str(p), str(n), template],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root,
            env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        )
        for p in range(processes)
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n", process.stderr.read() if process.stderr else ""
    for process in running:  # all are loaded: now they start together
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    added = []
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        added.append(int(out))
    return added


def _check(where: str, added: list[int], n: int) -> None:
    engine = open_history(where)
    sessions = [e.session for e in read_history(engine).calibrations]
    shared = len(range(0, n, 3))
    expected = {f"both-{k}" for k in range(0, n, 3)} | {
        f"{p}-{k}" for p in range(len(added)) for k in range(n) if k % 3
    }
    assert sorted(sessions) == sorted(expected)  # nothing lost, nothing twice
    assert sum(added) == len(expected) == shared + len(added) * (n - shared)
    assert len(read_lines(engine)) == len(expected)  # each with its line
    for entry in read_history(engine).calibrations[:3]:
        assert isinstance(read_record(engine, entry.id), Calibration)
    engine.dispose()


def test_two_processes_lose_nothing_in_an_sqlite_file_that_neither_has_made_yet(tmp_path):
    where = str(tmp_path / "history.sqlite")
    _check(where, _race(where, tmp_path, 24), 24)
    assert [p.name for p in tmp_path.glob("history*")] == ["history.sqlite"]  # no journal is left


def test_two_processes_lose_nothing_on_a_server(postgres, tmp_path):
    _check(postgres, _race(postgres, tmp_path, 24), 24)


def test_a_history_on_a_server_behaves_as_one_in_a_file(postgres):
    engine = open_history(postgres, create=True)
    record = made(0.34, session="week 1")
    added = add_calibration(engine, record, "A", date(2024, 3, 1))
    assert added.new
    assert not add_calibration(engine, record, "A", date(2024, 3, 1)).new
    assert read_record(engine, added.entry.id) == record
    assert [r.slope for r in read_lines(engine, ["A"], "simulated-gd-ca", "gadolinium", "qsm")] == [0.34]
    engine.dispose()
    open_history(postgres).dispose()


def test_a_server_without_a_history_says_so(postgres):
    from phantomcal.errors import InputError

    with pytest.raises(InputError, match="no history here"):
        open_history(postgres)
