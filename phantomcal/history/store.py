"""Put calibrations and events into a history and read them back."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Select, and_, delete, insert, select
from sqlalchemy.exc import IntegrityError

from phantomcal.errors import InputError
from phantomcal.history.database import calibrations, events, lines, transaction
from phantomcal.results import Calibration
from phantomcal.results.history import History, HistoryEntry, HistoryEvent

_ENTRY = [c for c in calibrations.c if c.name != "record"]
_DATE_IN_SESSION = re.compile(r"(?:ses-)?(\d{4})-?(\d{2})-?(\d{2})")


@dataclass(frozen=True)
class Added:
    """What became of a calibration that was to be added.

    Attributes
    ----------
    entry : HistoryEntry
        As it stands in the history.
    new : bool
        False when the same calibration was there already.
    warnings : list of str
        What looks odd about it.
    """

    entry: HistoryEntry
    new: bool
    warnings: list[str]


@dataclass(frozen=True)
class LineRow:
    """One line of one calibration, as charts and comparisons need it."""

    calibration_id: int
    scanner: str
    protocol: str
    session: str
    scan_date: date
    baseline: bool
    material: str
    modality: str
    unit: str
    slope_unit: str
    n_vials: int
    slope: float
    slope_se: float | None
    intercept: float
    intercept_se: float | None


def content_hash(record: Calibration) -> str:
    """SHA-256 of a calibration without `provenance.run`, the only fields in which two equal runs differ.

    Fields at their default do not count, so a field that a later version adds leaves old hashes as they are.
    """
    content = record.model_dump(mode="json", exclude_defaults=True)
    content["provenance"].pop("run", None)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def date_of(record: Calibration) -> date | None:
    """The scan date a calibration states itself: an acquisition date among its references, or a session named by one.

    Returns
    -------
    datetime.date or None
    """
    stated = [record.references.get("acquisition_date")]
    stated += [v.get("acquisition_date") for v in record.references.values() if isinstance(v, dict)]
    for text in [str(s) for s in stated if s] + [record.session]:
        match = _DATE_IN_SESSION.fullmatch(text.strip())
        if match:
            try:
                return date(int(match[1]), int(match[2]), int(match[3]))
            except ValueError:
                continue
    return None


def add_calibration(
    engine: Engine, record: Calibration, scanner: str, when: date | None = None, *, baseline: bool = False
) -> Added:
    """Keep a calibration.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `phantomcal.history.database.open_history`.
    record : Calibration
    scanner : str
        Name of the scanner; several phantoms (protocols) of one scanner share it.
    when : datetime.date, optional
        Scan date; needed unless the record states one.
    baseline : bool
        Whether limits and drift are measured from it.

    Returns
    -------
    Added
        Adding the same calibration again changes nothing.

    Raises
    ------
    InputError
        No scanner, no date, no line, or the same calibration is there under another scanner or date.
    """
    name = _scanner(scanner)
    scanned = when or date_of(record)
    if scanned is None:
        raise InputError("the calibration does not say when it was scanned", "", "give --date YYYY-MM-DD")
    if not record.lines:
        raise InputError("the calibration has no line", record.protocol, "add one that has")
    digest = content_hash(record)
    row = {
        "scanner": name,
        "protocol": record.protocol,
        "session": record.session,
        "scan_date": scanned,
        "added_at": _now(),
        "status": record.status,
        "baseline": baseline,
        "content_sha256": digest,
        "record": record.model_dump_json(),
    }
    try:
        with transaction(engine) as connection:
            present = _by_hash(connection, digest)
            if present is None:
                key = connection.execute(insert(calibrations).returning(calibrations.c.id), row).scalar_one()
                connection.execute(insert(lines), [_line_values(key, line) for line in record.lines])
                added = _by_hash(connection, digest)
                assert added is not None
                return Added(added, True, _odd(connection, added))
    except InputError as error:
        # PostgreSQL lets two sessions look before either has written; the unique hash then decides.
        if not isinstance(error.__cause__, IntegrityError):
            raise
        with transaction(engine, writes=False) as connection:
            present = _by_hash(connection, digest)
        if present is None:
            raise
    if present.scanner != name or present.scan_date != scanned:
        raise InputError(
            f"this calibration is already there, as {present.scanner} of {present.scan_date}",
            f"number {present.id}",
            "`phantomcal history remove` takes a wrong entry out",
        )
    note = [] if present.baseline or not baseline else ["it stays without --baseline; remove it and add it again"]
    return Added(present, False, note)


def remove_calibration(engine: Engine, key: int) -> HistoryEntry:
    """Take a calibration out of the history.

    Raises
    ------
    InputError
        There is none of that number.
    """
    with transaction(engine) as connection:
        found = _entries(connection, select(*_ENTRY).where(calibrations.c.id == key))
        if not found:
            raise InputError(f"no calibration number {key}", "", "see `phantomcal history list`")
        connection.execute(delete(lines).where(lines.c.calibration_id == key))
        connection.execute(delete(calibrations).where(calibrations.c.id == key))
    return found[0]


def add_event(
    engine: Engine, scanner: str, when: date, words: str, *, kind: str = "service", new_baseline: bool = False
) -> HistoryEvent:
    """Keep what was done to a scanner.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    scanner : str
    when : datetime.date
        Scans of that day count as after it.
    words, kind : str
        What was done; service, software, hardware, phantom, ...
    new_baseline : bool
        Whether limits are set anew from the scans after it.

    Returns
    -------
    HistoryEvent

    Raises
    ------
    InputError
        No scanner, or nothing said.
    """
    name, said = _scanner(scanner), " ".join(words.split())
    if not said:
        raise InputError("the event says nothing", "", "say in words what was done")
    row = {
        "scanner": name,
        "event_date": when,
        "kind": " ".join(kind.split()) or "service",
        "words": said,
        "new_baseline": new_baseline,
        "added_at": _now(),
    }
    with transaction(engine) as connection:
        key = connection.execute(insert(events).returning(events.c.id), row).scalar_one()
    return HistoryEvent(id=key, **{k: v for k, v in row.items() if k != "added_at"})


def read_history(engine: Engine, scanner: str | None = None, protocol: str | None = None) -> History:
    """Calibrations and events in order of date.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    scanner, protocol : str, optional
        Only these.

    Returns
    -------
    History
    """
    query = select(*_ENTRY).order_by(calibrations.c.scan_date, calibrations.c.id)
    wanted = select(events).order_by(events.c.event_date, events.c.id)
    if scanner is not None:
        query, wanted = query.where(calibrations.c.scanner == scanner), wanted.where(events.c.scanner == scanner)
    if protocol is not None:
        query = query.where(calibrations.c.protocol == protocol)
    with transaction(engine, writes=False) as connection:
        found = _entries(connection, query)
        happened = [
            HistoryEvent.model_validate({k: row[k] for k in HistoryEvent.model_fields})
            for row in connection.execute(wanted).mappings()
        ]
    return History(calibrations=found, events=happened)


def read_record(engine: Engine, key: int) -> Calibration:
    """The whole calibration of that number, as it was added.

    Raises
    ------
    InputError
        There is none of that number.
    """
    with transaction(engine, writes=False) as connection:
        text = connection.execute(select(calibrations.c.record).where(calibrations.c.id == key)).scalar()
    if text is None:
        raise InputError(f"no calibration number {key}", "", "see `phantomcal history list`")
    try:
        return Calibration.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"calibration number {key} was written by another version of phantomcal", "", "use the newer version"
        ) from error


def read_lines(
    engine: Engine,
    scanners: Sequence[str] = (),
    protocol: str | None = None,
    material: str | None = None,
    modality: str | None = None,
) -> list[LineRow]:
    """Lines of the calibrations in order of date; empty filters take everything.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    scanners : sequence of str
    protocol, material, modality : str, optional

    Returns
    -------
    list of LineRow
    """
    fields = [
        (calibrations if name in calibrations.c else lines).c[name]
        for name in LineRow.__dataclass_fields__
        if name != "calibration_id"
    ]
    conditions = [
        column == value
        for column, value in (
            (calibrations.c.protocol, protocol),
            (lines.c.material, material),
            (lines.c.modality, modality),
        )
        if value is not None
    ]
    if scanners:
        conditions.append(calibrations.c.scanner.in_(list(scanners)))
    query = (
        select(lines.c.calibration_id, *fields)
        .join(calibrations, lines.c.calibration_id == calibrations.c.id)
        .where(and_(True, *conditions))
        .order_by(calibrations.c.scan_date, calibrations.c.id, lines.c.id)
    )
    with transaction(engine, writes=False) as connection:
        return [LineRow(*row) for row in connection.execute(query)]


def _scanner(name: str) -> str:
    clean = " ".join(name.split())
    if not clean:
        raise InputError("the scanner has no name", "", "give --scanner NAME")
    if len(clean) > 200:
        raise InputError("the scanner's name is longer than 200 letters", "", "shorten it")
    return clean


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _line_values(key: int, line: Any) -> dict[str, Any]:
    names = [c.name for c in lines.c if c.name not in ("id", "calibration_id")]
    return {"calibration_id": key, **{name: getattr(line, name) for name in names}}


def _by_hash(connection: Connection, digest: str) -> HistoryEntry | None:
    found = _entries(connection, select(*_ENTRY).where(calibrations.c.content_sha256 == digest))
    return found[0] if found else None


def _entries(connection: Connection, query: Select[Any]) -> list[HistoryEntry]:
    rows = [dict(row) for row in connection.execute(query).mappings()]
    named: dict[int, list[str]] = {row["id"]: [] for row in rows}
    wanted = select(lines.c.calibration_id, lines.c.material, lines.c.modality).order_by(lines.c.id)
    if len(rows) == 1:
        wanted = wanted.where(lines.c.calibration_id == rows[0]["id"])
    for key, material, modality in connection.execute(wanted):
        if key in named:
            named[key].append(f"{material} {modality}".strip())
    return [HistoryEntry(**row, lines=named[row["id"]]) for row in rows]


def _odd(connection: Connection, entry: HistoryEntry) -> list[str]:
    """What a person may have mistyped about a calibration just added."""
    warnings = []
    if entry.scan_date > _now().date():
        warnings.append(f"the scan date {entry.scan_date} lies in the future")
    others = connection.execute(
        select(calibrations.c.scanner)
        .where(calibrations.c.protocol == entry.protocol, calibrations.c.id != entry.id)
        .distinct()
    ).scalars()
    alike = [other for other in others if other != entry.scanner and _plain(other) == _plain(entry.scanner)]
    if alike:
        warnings.append(f"scanner {entry.scanner!r} is new, but there is {alike[0]!r}: the same one?")
    same_day = connection.execute(
        select(calibrations.c.id).where(
            calibrations.c.scanner == entry.scanner,
            calibrations.c.protocol == entry.protocol,
            calibrations.c.scan_date == entry.scan_date,
            calibrations.c.id != entry.id,
        )
    ).first()
    if same_day is not None:
        warnings.append(f"another calibration of that day is there (number {same_day.id}): two scans, or one twice?")
    return warnings


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
