"""What lies where in a study folder (BIDS, as the contract lays it out)."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from phantomcal.errors import InputError
from phantomcal.study.names import session_files
from phantomcal.tables import read_table


@dataclass(frozen=True)
class Session:
    """The files of one participant at one session; what is missing is None.

    Attributes
    ----------
    subject, name : str
        ``sub-01`` and ``ses-02`` (empty without sessions).
    acquired : datetime.date or None
        From ``sub-X_sessions.tsv``, else the session's ``_scans.tsv``.
    ct, chimap, magnitude, labels, lookup, lesions, lesion_lookup : pathlib.Path or None
    transform : pathlib.Path or None
        A given alignment (ITK, MR points to CT points), which is then not looked for.
    protocol : str
        Built-in name or file of the phantom's protocol; empty for people.
    covariates : dict
        The participant's further columns.
    """

    subject: str
    name: str = ""
    acquired: date | None = None
    ct: Path | None = None
    chimap: Path | None = None
    magnitude: Path | None = None
    labels: Path | None = None
    lookup: Path | None = None
    lesions: Path | None = None
    lesion_lookup: Path | None = None
    transform: Path | None = None
    protocol: str = ""
    covariates: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Folder and display name: ``sub-01`` or ``sub-01_ses-02``."""
        return f"{self.subject}_{self.name}" if self.name else self.subject

    @property
    def files(self) -> dict[str, Path]:
        """The files there are, by role."""
        roles = ("ct", "chimap", "magnitude", "labels", "lookup", "lesions", "lesion_lookup", "transform")
        return {role: path for role in roles if (path := getattr(self, role)) is not None}


@dataclass(frozen=True)
class Study:
    """A study: phantom sessions, people's sessions, and what was odd about the folder."""

    folder: Path
    name: str
    phantoms: list[Session]
    people: list[Session]
    warnings: list[str]


def read_study(folder: str | Path) -> Study:
    """Find the files of a study.

    Parameters
    ----------
    folder : str or pathlib.Path
        With ``dataset_description.json``, ``participants.tsv``, ``sub-*`` and ``derivatives``.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        No such folder, no ``sub-*`` folder, unreadable tables, or two files where one is expected.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError("no such study folder", str(folder), "give the folder that holds the sub-* folders")
    subjects = sorted(p for p in root.glob("sub-*") if p.is_dir())
    if not subjects:
        raise InputError("no sub-* folders", root.name, "lay the study out as BIDS: sub-01/ct, sub-01/anat")
    warnings: list[str] = []
    people_table = _participants(root, warnings)
    phantoms: list[Session] = []
    people: list[Session] = []
    for subject in subjects:
        row = people_table.get(subject.name)
        if row is None and people_table:
            warnings.append(f"{subject.name} is not in participants.tsv: used without age, sex and group")
        row = dict(row or {})
        protocol = str(row.pop("protocol", "") or "")
        for session in _sessions(root, subject, protocol, row):
            (phantoms if protocol else people).append(session)
    known = {s.name for s in subjects}
    absent = [s for s in people_table if s not in known]
    if absent:
        warnings.append(f"in participants.tsv but without a folder: {', '.join(absent)}")
    return Study(root, _name(root), phantoms, people, warnings)


def nearest_phantom(person: Session, phantoms: list[Session]) -> Session | None:
    """The phantom session nearest in time to a person's; without dates the one of the same name, else the first."""
    if not phantoms:
        return None
    own = person.acquired
    dated = [(abs((p.acquired - own).days), p.label, p) for p in phantoms if p.acquired] if own is not None else []
    if dated:
        return min(dated, key=lambda item: item[:2])[2]
    same = [p for p in phantoms if p.name == person.name]
    return (same or phantoms)[0]


def _name(root: Path) -> str:
    description = root / "dataset_description.json"
    if not description.is_file():
        return root.resolve().name
    try:
        name = json.loads(description.read_text(encoding="utf-8")).get("Name", "")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise InputError("not valid JSON", description.name, "correct the file or remove it") from error
    return str(name) or root.resolve().name


def _participants(root: Path, warnings: list[str]) -> dict[str, dict[str, Any]]:
    path = root / "participants.tsv"
    if not path.is_file():
        warnings.append("no participants.tsv: no covariates, and no phantom can be told from a person")
        return {}
    table = read_table(path)
    if "participant_id" not in table.columns:
        raise InputError("no column 'participant_id'", path.name, "name the first column participant_id")
    repeated = table["participant_id"][table["participant_id"].duplicated()]
    if len(repeated):
        raise InputError(f"participant {repeated.iloc[0]!r} stands twice", path.name, "keep one row per participant")
    rows: dict[str, dict[str, Any]] = {}
    for record in table.to_dict("records"):
        values = {str(k): v for k, v in record.items() if k != "participant_id" and not _blank(v)}
        name = str(record["participant_id"])
        rows[name if name.startswith("sub-") else f"sub-{name}"] = values
    if not table["participant_id"].astype(str).str.startswith("sub-").all():
        warnings.append("participants.tsv: participant_id without 'sub-' read as if it had it")
    return rows


def _blank(value: Any) -> bool:
    return bool(pd.isna(value)) or str(value).strip().lower() in ("", "n/a", "nan")


def _sessions(root: Path, subject: Path, protocol: str, row: dict[str, Any]) -> list[Session]:
    folders = sorted(p for p in subject.glob("ses-*") if p.is_dir()) or [subject]
    dates = _dates(subject)
    sessions = []
    for folder in folders:
        name = folder.name if folder != subject else ""
        stem = f"{subject.name}_{name}" if name else subject.name
        sessions.append(
            Session(
                subject=subject.name,
                name=name,
                acquired=dates.get(name) or _scan_date(folder, stem),
                **session_files(root, folder, stem),
                protocol=_protocol_path(root, protocol),
                covariates=row,
            )
        )
    return sessions


def _protocol_path(root: Path, protocol: str) -> str:
    """A protocol file may lie in the study itself."""
    return str(root / protocol) if protocol.endswith((".yaml", ".yml")) and (root / protocol).is_file() else protocol


def _dates(subject: Path) -> dict[str, date]:
    """Dates of the sessions from ``sub-X_sessions.tsv``."""
    path = subject / f"{subject.name}_sessions.tsv"
    return dict(_acquired(path, "session_id"))


def _scan_date(folder: Path, stem: str) -> date | None:
    """Date of a session from its ``_scans.tsv``: that of the map, else of the first scan with a date."""
    scans = _acquired(folder / f"{stem}_scans.tsv", "filename")
    return next((day for name, day in scans if "_Chimap" in name), scans[0][1] if scans else None)


def _acquired(path: Path, key: str) -> list[tuple[str, date]]:
    if not path.is_file():
        return []
    table = read_table(path)
    if not {key, "acq_time"} <= set(table.columns):
        return []
    dates = []
    for name, when in zip(table[key], table["acq_time"], strict=True):
        if _blank(when):
            continue
        try:
            dates.append((str(name), datetime.fromisoformat(str(when)).date()))
        except ValueError as error:
            raise InputError(
                f"acq_time {str(when)!r} of {name} is not a date",
                path.name,
                "write it as 2026-03-31 or 2026-03-31T10:00:00",
            ) from error
    return dates
