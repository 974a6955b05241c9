"""The history's database: where it is, what its tables hold, how transactions are made. SQLite or PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from phantomcal.errors import InputError

DEFAULT_NAME = "phantomcal-history.sqlite"
VARIABLE = "PHANTOMCAL_HISTORY"
VERSION = 1
_WAIT_SECONDS = 60
_PG_LOCK = 0x70686361  # one number for everybody who makes the tables: "phca"

metadata = MetaData()

schema_version = Table(
    "phantomcal_schema",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scanner", String(200), nullable=False),
    Column("protocol", String(200), nullable=False),
    Column("session", String(200), nullable=False),
    Column("scan_date", Date, nullable=False),
    Column("added_at", DateTime, nullable=False),
    Column("status", String(20), nullable=False),
    Column("baseline", Boolean, nullable=False),
    Column("content_sha256", String(64), nullable=False, unique=True),
    Column("record", Text, nullable=False),
    Index("calibrations_by_scanner", "scanner", "protocol", "scan_date"),
)

lines = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("calibration_id", ForeignKey("calibrations.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("material", String(200), nullable=False),
    Column("modality", String(20), nullable=False),
    Column("unit", String(40), nullable=False),
    Column("slope_unit", String(80), nullable=False),
    Column("method", String(200), nullable=False),
    Column("n_vials", Integer, nullable=False),
    Column("slope", Float(53), nullable=False),
    Column("slope_se", Float(53)),
    Column("intercept", Float(53), nullable=False),
    Column("intercept_se", Float(53)),
    Column("r2", Float(53)),
    Column("residual_sd", Float(53)),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scanner", String(200), nullable=False),
    Column("event_date", Date, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("words", Text, nullable=False),
    Column("new_baseline", Boolean, nullable=False),
    Column("added_at", DateTime, nullable=False),
)


def place(given: str | Path | None = None) -> str:
    """Where the history is: what was given, else the environment variable PHANTOMCAL_HISTORY, else the default file."""
    return str(given) if given else os.environ.get(VARIABLE) or DEFAULT_NAME


def shown(where: str) -> str:
    """The place of a history for messages: a file's name, a URL without its password."""
    if "://" not in where:
        return Path(where).name
    try:
        return make_url(where).render_as_string(hide_password=True)
    except ArgumentError:
        return "the history's URL"


def open_history(where: str | Path, *, create: bool = False) -> Engine:
    """Open a history.

    Parameters
    ----------
    where : str or pathlib.Path
        A file (SQLite) or a URL: ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST/NAME``.
    create : bool
        Make file and tables when they are not there.

    Returns
    -------
    sqlalchemy.Engine

    Raises
    ------
    InputError
        No such history, a file or database of something else, a history written by a newer phantomcal, a server that
        does not answer, or a driver that is not installed.
    """
    url = _url(str(where))
    name = shown(str(where))
    if url.get_backend_name() == "sqlite":
        _check_file(url, name, create)
    try:
        engine = create_engine(url, **_arguments(url))
    except ModuleNotFoundError as error:
        raise InputError("PostgreSQL needs the package psycopg", "", "pip install 'phantomcal[postgres]'") from error
    if url.get_backend_name() == "sqlite":
        _sqlite_transactions(engine)
    with transaction(engine, name, writes=create) as connection:
        _check_tables(connection, name, create)
    return engine


@contextmanager
def transaction(engine: Engine, name: str = "", *, writes: bool = True) -> Iterator[Connection]:
    """One transaction: everything in it is kept, or nothing. Faults of the database become words.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
        The history, for messages.
    writes : bool
        Take SQLite's write lock at once. Two writers then wait for each other; a transaction that turned from reading
        to writing half-way would fail instead.
    """
    try:
        with engine.connect().execution_options(phantomcal_writes=writes) as connection, connection.begin():
            yield connection
    except DatabaseError as error:
        raise _in_words(error, name or shown(str(engine.url.database or ""))) from error


def _url(where: str) -> URL:
    if "://" not in where:
        if not where.strip():
            raise InputError("the history has no name", "", f"give a file or URL with --db, or set {VARIABLE}")
        return URL.create("sqlite+pysqlite", database=str(Path(where).expanduser()))
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise InputError("not a database URL", shown(where), "write postgresql+psycopg://USER@HOST/NAME") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(
            f"a history in {url.get_backend_name()} is not supported", "", "use an SQLite file or a PostgreSQL URL"
        )
    return url


def _arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _WAIT_SECONDS}}
    return {"connect_args": {"connect_timeout": 10}}


def _check_file(url: URL, name: str, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise InputError("a history must outlive the command", name, "name a file")
    path = Path(url.database)
    if path.is_dir():
        raise InputError("the history's name is a folder", name, "name a file with --db")
    if not path.exists() and not create:
        raise InputError("no history here", name, "add a calibration first (`phantomcal history add`), or give --db")
    if not path.parent.is_dir():
        raise InputError("no such folder for the history", name, "make the folder, or give --db")


def _sqlite_transactions(engine: Engine) -> None:
    # Python's driver begins transactions when it sees fit; here each begins and ends where the code says. The rollback
    # journal stays: the write-ahead log is faster but must not lie on a network share, where scanners' files often are.
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("phantomcal_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_tables(connection: Connection, name: str, create: bool) -> None:
    if connection.dialect.name == "postgresql" and create:
        # CREATE TABLE IF NOT EXISTS is not safe against another session that does the same.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PG_LOCK})
    present = set(inspect(connection).get_table_names())
    if schema_version.name not in present:
        clash = sorted(present & set(metadata.tables))
        foreign = present and connection.dialect.name == "sqlite"
        if clash or foreign:
            raise InputError(
                "this database holds something else, not a history of phantomcal", name, "give another with --db"
            )
        if not create:
            raise InputError(
                "no history here", name, "add a calibration first (`phantomcal history add`), or give --db"
            )
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(id=1, version=VERSION))
        return
    version = connection.execute(select(schema_version.c.version)).scalar()
    if version is None or version < 1:
        raise InputError("this history does not say its version", name, "restore it from a copy")
    if version > VERSION:
        raise InputError(
            f"this history has version {version}; this phantomcal knows versions up to {VERSION}",
            name,
            "use the newer phantomcal that wrote it",
        )


def _in_words(error: DatabaseError, name: str) -> InputError:
    detail = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    low = detail.lower()
    if "locked" in low:
        return InputError("another process keeps this history locked", name, "wait until it is done, then try again")
    if "not a database" in low or "malformed" in low:
        return InputError("not an SQLite file, or a damaged one", name, "give another with --db, or restore a copy")
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return InputError("this history cannot be written or opened", name, "check the file's permissions")
    if isinstance(error, OperationalError):
        # Servers put the user and host in here, never the password.
        return InputError(f"the database does not answer ({detail[:160]})", name, "check the URL and the server")
    return InputError(f"the database refused ({detail[:160]})", name, "check the URL and your rights in it")
