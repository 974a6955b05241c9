"""Where finished sessions wait for the rest of the run: a hidden folder beside the output folder."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phantomcal.errors import InputError, PhantomcalError

_LOCK = ".running"


class NothingToAnalyse(InputError):
    """A study in which no session gave anything: nothing is worth keeping either."""


def work_folder(out: Path) -> Path:
    """The work folder of a run that writes to `out`."""
    final = out.resolve()
    return final.with_name(f".{final.name}.work")


@contextmanager
def kept_work(out: Path, *, resume: bool, keep: bool = False) -> Iterator[Path]:
    """A folder for finished sessions: removed when the run ends well or is refused, kept when it is cut short.

    Parameters
    ----------
    out : pathlib.Path
        Output folder of the run.
    resume : bool
        Go on with what an earlier run left; without it such a folder is refused, since it holds somebody's work.
    keep : bool
        Keep it after a run that ended well, too.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    InputError
        A folder is there and `resume` is not given; another run uses it; it cannot be made.
    PhantomcalError
        In place of an interruption: says how many sessions are kept.
    """
    folder = work_folder(out)
    if not resume and _sessions(folder):
        raise InputError(
            f"an earlier run was cut short after {_sessions(folder)} sessions",
            str(folder),
            "add --resume to go on with it, or remove that folder to start anew",
        )
    made = [p for p in folder.parents if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror})", str(out), "choose a writable folder with -o") from error
    _lock(folder)
    try:
        yield folder
    except BaseException as error:
        (folder / _LOCK).unlink(missing_ok=True)
        finished = _sessions(folder)
        if not finished or isinstance(error, NothingToAnalyse):
            _remove(folder, made)
        elif isinstance(error, KeyboardInterrupt):
            raise PhantomcalError(
                f"interrupted: {finished} finished sessions are kept in {folder.name}; run again with --resume"
            ) from error
        raise
    if keep:
        (folder / _LOCK).unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _sessions(folder: Path) -> int:
    return sum(1 for p in folder.glob("*") if p.is_dir() and not p.name.startswith("."))


def _remove(folder: Path, made: list[Path]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for parent in made:  # innermost first
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _lock(folder: Path) -> None:
    """Two runs must not write into one folder; a lock whose process is gone is a leftover."""
    path = folder / _LOCK
    if path.is_file():
        try:
            owner = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            owner = {}
        if owner.get("host") == socket.gethostname() and _alive(owner.get("pid")):
            raise InputError("another run is writing there", str(folder), "wait for it, or give another folder with -o")
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}), encoding="utf-8")


def _alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
