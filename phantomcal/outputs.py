"""Outputs appear whole or not at all; equal inputs give equal bytes except under provenance.run."""

import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from phantomcal import __version__
from phantomcal.errors import InputError
from phantomcal.results import InputFile, Provenance

_VERSIONED = ("numpy", "scipy", "pandas", "SimpleITK", "pydicom", "pingouin")


Finish = Callable[[Path], None]
_FINISHING: ContextVar[tuple[Finish, ...]] = ContextVar("finishing", default=())


@contextmanager
def before_appearing(finish: Finish) -> Iterator[None]:
    """Inside the block every output folder is handed to `finish`, complete, before it appears under its name."""
    token = _FINISHING.set((*_FINISHING.get(), finish))
    try:
        yield
    finally:
        _FINISHING.reset(token)


@contextmanager
def output_folder(path: str | Path, replaces: Sequence[str] = ()) -> Iterator[Path]:
    """A folder that appears under its name only when the block ends without an error.

    Parameters
    ----------
    path : str or pathlib.Path
        The final folder. Other files already in it are kept.
    replaces : sequence of str
        Subfolders of earlier results that must not outlive this one.

    Yields
    ------
    pathlib.Path
        A scratch folder beside the final one to write into.

    Raises
    ------
    InputError
        If the name is taken by a file or the folder cannot be made.
    """
    if not str(path).strip() or Path(path).resolve().name == "":
        raise InputError("no usable output folder", repr(str(path)), "name a folder with -o")
    final = Path(path).resolve()
    if final.exists() and not final.is_dir():
        raise InputError("the output name is taken by a file", str(final), "give a folder with -o")
    made = [p for p in (final.parent, *final.parent.parents) if not p.exists()]
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".partial", dir=final.parent))
        scratch.chmod(0o777 & ~_umask())
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror})", str(path), "choose a writable folder with -o") from error
    try:
        yield scratch
        for finish in _FINISHING.get():
            finish(scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in made:  # innermost first
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    if final.exists():
        for name in replaces:
            shutil.rmtree(final / name, ignore_errors=True)
        _merge(scratch, final)
    else:
        scratch.rename(final)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _merge(scratch: Path, final: Path) -> None:
    for item in sorted(scratch.rglob("*")):
        target = final / item.relative_to(scratch)
        if item.is_dir():
            target.mkdir(exist_ok=True)
        else:
            item.replace(target)
    shutil.rmtree(scratch)


@contextmanager
def output_file(path: str | Path) -> Iterator[Path]:
    """A file that appears under its name only when the block ends without an error."""
    final = Path(path)
    if final.is_dir():
        raise InputError("the output name is a folder", str(final), "give a file name with -o")
    made = [p for p in (final.parent, *final.parent.parents) if not p.exists()]
    scratch = final.with_name(f".{final.stem}.partial{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror})", str(path), "choose a writable place with -o") from error
    try:
        yield scratch
        scratch.replace(final)
    except BaseException:
        scratch.unlink(missing_ok=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def write_record(record: BaseModel, path: str | Path) -> None:
    """Write a result record as indented JSON; numbers that do not exist become null."""
    Path(path).write_text(to_json(record.model_dump(mode="json")), encoding="utf-8")


def to_json(value: Any) -> str:
    """JSON text with stable key order, real Unicode, and null for NaN and infinity."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def hash_files(paths: list[Path]) -> str:
    """SHA-256 over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def input_file(role: str, path: str | Path) -> InputFile:
    """Provenance entry of a single file."""
    return InputFile(role=role, name=Path(path).name, sha256=hash_files([Path(path)]))


def provenance(command: str, inputs: list[InputFile], parameters: dict[str, Any], started: float) -> Provenance:
    """Provenance of a result.

    Parameters
    ----------
    command : str
        The phantomcal command or function.
    inputs : list of InputFile
        What was read.
    parameters : dict
        Options in force, defaults included; no paths.
    started : float
        ``time.perf_counter()`` at the start.
    """
    versions = {"phantomcal": __version__, "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in _VERSIONED}
    run = {
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.perf_counter() - started, 3),
    }
    return Provenance(command=command, inputs=inputs, versions=versions, parameters=parameters, run=run)
