"""One session's work, and what names it: whoever does it, wherever, the same inputs give the same files."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import phantomcal
from phantomcal.correlation.sampling import Sampling
from phantomcal.errors import PhantomcalError
from phantomcal.outputs import hash_files, write_record
from phantomcal.protocol import load_protocol
from phantomcal.results import SessionPicture, SessionResult, StepOutcome
from phantomcal.study import Session

if TYPE_CHECKING:
    from phantomcal.report.page import Figure

Kind = Literal["phantom", "person"]
STEPS = {"phantom": "calibrate", "person": "align and sample"}
RECORD = "session.json"
_VERSIONED = ("numpy", "scipy", "pandas", "SimpleITK", "numba")
_ENDINGS = {b"\x89PNG": ".png", b"RIFF": ".webp"}


@dataclass(frozen=True)
class Task:
    """A session to analyse; small, since it travels to workers.

    Attributes
    ----------
    kind : {"phantom", "person"}
    session : Session
        With absolute paths.
    work : pathlib.Path
        Folder of the run's finished sessions; every worker must see it.
    earlier : pathlib.Path or None
        Outputs of an earlier run, to take unchanged sessions from.
    reuse : bool
        Whether a finished session with the same key is taken as it is.
    picture : bool
        Draw the alignment even if it passes.
    sampling : Sampling
    threads : int
        Threads of SimpleITK; 0 leaves its default.
    derivatives : bool
        Also write the session's images and tables as BIDS derivatives.
    calibration : pathlib.Path or None
        calibration.json of the phantom session nearest in time, for lesions.
    """

    kind: Kind
    session: Session
    work: Path
    earlier: Path | None = None
    reuse: bool = False
    picture: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    threads: int = 0
    derivatives: bool = False
    calibration: Path | None = None

    @property
    def label(self) -> str:
        """Name of the session, which is also its folder's."""
        return self.session.label


def session_folder(base: Path, label: str) -> Path:
    """Where a session's record, region table and pictures lie below `base`."""
    return base / "sessions" / label


def work_on(task: Task) -> Literal["done", "reused"]:
    """Analyse one session and put its files under ``task.work / label``, whole or not at all; runs on a worker.

    Faults become outcomes of the session's record: one broken subject must not lose a night's cohort.
    """
    final = task.work / task.label
    try:
        key = session_key(task)
    except OSError:
        key = ""  # a file vanished or cannot be read: the analysis says which
    if task.reuse and key and (_finished(final, task.label, key) or _taken_over(task, final, key)):
        return "reused"
    task.work.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{task.label}.", dir=task.work))
    try:
        result, pictures = _analysed(task, scratch)
        folder = session_folder(scratch, task.label)
        folder.mkdir(parents=True, exist_ok=True)
        kept = [_kept_picture(figure, folder, k) for k, figure in enumerate(pictures)]
        files = sorted(str(p.relative_to(scratch)) for p in scratch.rglob("*") if p.is_file())
        write_record(result.model_copy(update={"key": key, "pictures": kept, "files": files}), folder / RECORD)
        _put(scratch, final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return "done"


def failed(task: Task, message: str) -> None:
    """Record that a session could not be analysed at all."""
    outcome = _outcome(task, message)
    result = SessionResult(kind=task.kind, subject=task.session.subject, session=task.session.name, outcomes=[outcome])
    scratch = Path(tempfile.mkdtemp(prefix=f".{task.label}.", dir=task.work))
    folder = session_folder(scratch, task.label)
    folder.mkdir(parents=True)
    write_record(result, folder / RECORD)
    _put(scratch, task.work / task.label)


def load_result(base: Path, label: str) -> SessionResult:
    """The record of a finished session below `base`."""
    return SessionResult.model_validate_json((session_folder(base, label) / RECORD).read_text(encoding="utf-8"))


def load_pictures(base: Path, result: SessionResult, label: str) -> "list[Figure]":
    """A session's pictures, for a report."""
    from phantomcal.report.page import Figure

    folder = session_folder(base, label)
    return [Figure((folder / p.file).read_bytes(), p.alt, p.caption, p.width_px) for p in result.pictures]


def session_key(task: Task) -> str:
    """What a session's results depend on, as one hash: contents of its files, choices, code and libraries.

    Ages and other columns of the table of participants are not in it: they join the results afterwards.
    """
    digest = hashlib.sha256()
    session = task.session
    facts: dict[str, Any] = {
        "kind": task.kind,
        "label": task.label,
        "picture": task.picture,
        "sampling": task.sampling.parameters() if task.kind == "person" else None,
        "derivatives": task.derivatives,
        "code": _code(),
    }
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for role, path in sorted(session.files.items()):
        for file in (path, _sidecar(path)):
            if file.is_file():
                digest.update(f"{role} {file.name} {hash_files([file])}\n".encode())
    if task.calibration is not None:
        digest.update(_calibration_content(task.calibration).encode())
    if session.protocol:
        digest.update(_protocol_content(session.protocol).encode())
    return digest.hexdigest()


def _calibration_content(path: Path) -> str:
    """A stored calibration without what differs between two equal runs."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["provenance"].pop("run", None)
    return json.dumps(content, sort_keys=True)


def _protocol_content(name: str) -> str:
    try:
        return load_protocol(name).model_dump_json()
    except PhantomcalError as error:
        return str(error)


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash of this package's own code and the versions of what the numbers come from."""
    folder = Path(phantomcal.__file__).parent
    versions = json.dumps({name: metadata.version(name) for name in _VERSIONED}, sort_keys=True)
    return hashlib.sha256((hash_files(sorted(folder.rglob("*.py"))) + versions).encode()).hexdigest()


def _sidecar(path: Path) -> Path:
    name = path.name
    for ending in (".nii.gz", ".nii", ".mha", ".nrrd"):
        name = name.removesuffix(ending)
    return path.with_name(f"{name}.json")


def _analysed(task: Task, scratch: Path) -> "tuple[SessionResult, list[Figure]]":
    from phantomcal.pipeline.person import analyse_person
    from phantomcal.pipeline.phantom import analyse_phantom

    if task.threads:
        import SimpleITK as sitk

        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(task.threads)
    result = SessionResult(kind=task.kind, subject=task.session.subject, session=task.session.name)
    analyse: Callable[..., tuple[SessionResult, list[Figure]]] = (
        analyse_phantom if task.kind == "phantom" else analyse_person
    )
    try:
        return analyse(task, scratch, result)
    except PhantomcalError as error:
        message = str(error)
    except Exception as error:  # the kind of fault is kept for the report
        message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    for folder in scratch.iterdir():
        shutil.rmtree(folder)  # nothing half-made
    return result.model_copy(update={"outcomes": [*result.outcomes, _outcome(task, message)]}), []


def _outcome(task: Task, message: str) -> StepOutcome:
    return StepOutcome(
        step=STEPS[task.kind],
        subject=task.session.subject,
        session=task.session.name,
        status="failed",
        message=message,
    )


def _kept_picture(figure: "Figure", folder: Path, number: int) -> SessionPicture:
    ending = _ENDINGS.get(figure.data[:4], ".svg")
    name = f"picture-{number + 1}{ending}"
    (folder / name).write_bytes(figure.data)
    return SessionPicture(file=name, alt=figure.alt, caption=figure.caption, width_px=figure.width_px)


def _finished(base: Path, label: str, key: str) -> bool:
    """Whether a session was analysed to its end from the same inputs, and its files are still there."""
    try:
        result = load_result(base, label)
    except (OSError, ValueError):
        return False
    return result.complete and result.key == key and all((base / name).is_file() for name in result.files)


def _taken_over(task: Task, final: Path, key: str) -> bool:
    """Take an unchanged session from the outputs of an earlier run."""
    if task.earlier is None or not _finished(task.earlier, task.label, key):
        return False
    names = [*load_result(task.earlier, task.label).files, str(session_folder(Path(), task.label) / RECORD)]
    scratch = Path(tempfile.mkdtemp(prefix=f".{task.label}.", dir=task.work))
    try:
        for name in names:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(task.earlier / name, scratch / name)
        _put(scratch, final)
    except OSError:
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def _put(scratch: Path, final: Path) -> None:
    """Move a finished session to its place; when two workers did the same, one of the two equal results stays."""
    if final.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        with contextlib.suppress(FileNotFoundError):  # another worker was quicker
            os.replace(final, aside / "old")
        shutil.rmtree(aside, ignore_errors=True)
    try:
        os.replace(scratch, final)
    except OSError:
        if not final.is_dir():
            raise
