import sqlite3
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update

from phantomcal.errors import InputError
from phantomcal.history.database import open_history, place, schema_version, shown, transaction
from phantomcal.history.store import add_calibration, read_history
from tests.history.made import made


def test_the_place_is_what_was_given_else_the_variable_else_a_file_here(monkeypatch):
    monkeypatch.delenv("PHANTOMCAL_HISTORY", raising=False)
    assert place(None) == "phantomcal-history.sqlite"
    monkeypatch.setenv("PHANTOMCAL_HISTORY", "/somewhere/h.sqlite")
    assert place(None) == "/somewhere/h.sqlite"
    assert place("mine.sqlite") == "mine.sqlite"


def test_passwords_and_folders_stay_out_of_messages():
    assert "secret" not in shown("postgresql+psycopg://me:secret@host/db")
    assert shown("/home/jane/h.sqlite") == "h.sqlite"


def test_reading_a_history_that_is_not_there_makes_none(tmp_path):
    with pytest.raises(InputError, match="no history here"):
        open_history(tmp_path / "h.sqlite")
    assert not (tmp_path / "h.sqlite").exists()


def test_a_file_of_something_else_is_refused_and_kept(tmp_path):
    text = tmp_path / "notes.sqlite"
    text.write_text("not a database, but long enough to be looked at as one" * 50)
    with pytest.raises(InputError, match="not an SQLite file"):
        open_history(text, create=True)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE patients (name TEXT)")
    with pytest.raises(InputError, match="something else"):
        open_history(other, create=True)
    with sqlite3.connect(other) as connection:
        assert [r[0] for r in connection.execute("SELECT name FROM sqlite_master")] == ["patients"]


def test_a_newer_history_is_refused_in_words(tmp_path):
    path = tmp_path / "h.sqlite"
    engine = open_history(path, create=True)
    with transaction(engine) as connection:
        connection.execute(update(schema_version).values(version=99))
    engine.dispose()
    for create in (True, False):
        with pytest.raises(InputError, match=r"version 99.*up to 1"):
            open_history(path, create=create)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("mysql://me@host/db", "not supported"),
        ("sqlite://", "outlive"),
        ("::://", "not a database URL"),
        ("", "no name"),
        ("/no/such/folder/h.sqlite", "no such folder"),
    ],
)
def test_places_that_cannot_be(where, said):
    with pytest.raises(InputError, match=said):
        open_history(where, create=True)


def test_a_folder_is_no_history(tmp_path):
    with pytest.raises(InputError, match="folder"):
        open_history(tmp_path, create=True)


def test_a_transaction_that_fails_leaves_nothing(history):
    add_calibration(history, made(), "A", date(2024, 1, 1))

    def half_done():
        with transaction(history) as connection:
            connection.execute(update(schema_version).values(version=7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert len(read_history(history).calibrations) == 1
    assert Path(str(history.url.database)).stat().st_size > 0
    open_history(str(history.url.database)).dispose()  # would refuse version 7


def test_a_server_that_does_not_answer_is_said_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="does not answer"):
        open_history(f"postgresql://me:secret@/db?host={tmp_path}", create=True)
