"""Throw-away histories: SQLite files, and a PostgreSQL server that lives as long as the tests."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from phantomcal.history.database import open_history


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Engine]:
    """An empty history in an SQLite file."""
    engine = open_history(tmp_path / "history.sqlite", create=True)
    yield engine
    engine.dispose()


def _binaries() -> Path | None:
    """Newest PostgreSQL that Debian's package, or the PATH, has."""
    found = sorted(
        (p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), key=lambda p: float(p.parent.name)
    )
    if found:
        return found[-1]
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def _not_here(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real server on a Unix socket in a private folder, without the database name's own tables."""
    if importlib.util.find_spec("psycopg") is None:
        _not_here("no psycopg here: pip install 'phantomcal[postgres]'")
    binaries = _binaries()
    if binaries is None:
        _not_here("no PostgreSQL here: apt-get install postgresql")
    assert binaries is not None
    user: list[str] = []
    # Socket names are limited to about 100 letters, so not pytest's own long folder; initdb refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="pc-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        name = "postgres" if "postgres" in known else "nobody"
        user = ["runuser", "-u", name, "--"]
        shutil.chown(folder, name)
    folder.chmod(0o700)
    data = folder / "data"
    try:
        subprocess.run(
            [*user, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, cwd="/", timeout=120,
        )  # fmt: skip
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=40"
        subprocess.run(
            [*user, binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60", "-o", options, "start"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=120,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        log = (folder / "log").read_text(encoding="utf-8", errors="replace") if (folder / "log").exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        _not_here(f"PostgreSQL did not start: {error} {getattr(error, 'stderr', b'')!r} {log[-500:]}")
    try:
        yield f"postgresql+psycopg://postgres@/%s?host={folder}"
    finally:
        subprocess.run(
            [*user, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=False,
            capture_output=True,
            cwd="/",
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database on that server."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    folder = postgres_server.rpartition("=")[2]
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield postgres_server % name
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
