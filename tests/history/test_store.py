from datetime import date

import pytest

from phantomcal.errors import InputError
from phantomcal.history.store import (
    add_calibration,
    add_event,
    content_hash,
    date_of,
    read_history,
    read_lines,
    read_record,
    remove_calibration,
)
from phantomcal.results import Calibration, Provenance
from tests.history.made import made


def test_what_was_added_comes_back(history):
    record = made(0.34, session="week 1")
    added = add_calibration(history, record, "  Scanner   A ", date(2024, 3, 1), baseline=True)
    assert added.new
    assert added.entry.scanner == "Scanner A"
    assert added.entry.baseline
    assert added.entry.lines == ["gadolinium qsm"]
    assert read_history(history).calibrations == [added.entry]
    assert read_record(history, added.entry.id) == record
    (row,) = read_lines(history)
    assert (row.slope, row.slope_se, row.intercept) == (0.34, record.lines[0].slope_se, record.lines[0].intercept)


def test_adding_again_changes_nothing_also_after_another_run(history):
    record = made()
    first = add_calibration(history, record, "A", date(2024, 1, 1))
    again = record.model_copy(update={"provenance": Provenance(command="calibrate", run={"duration_s": 9.0})})
    second = add_calibration(history, again, "A", date(2024, 1, 1))
    assert (second.new, second.entry) == (False, first.entry)
    assert len(read_history(history).calibrations) == 1
    for scanner, day in (("B", date(2024, 1, 1)), ("A", date(2024, 1, 2))):
        with pytest.raises(InputError, match="already there, as A of 2024-01-01"):
            add_calibration(history, record, scanner, day)


def test_the_hash_is_that_of_the_content():
    record = made(0.33)
    assert content_hash(record) == content_hash(Calibration.model_validate_json(record.model_dump_json()))
    assert content_hash(record) != content_hash(made(0.3300001))
    assert content_hash(record) != content_hash(record.model_copy(update={"session": "other"}))


@pytest.mark.parametrize(
    ("session", "references", "expected"),
    [
        ("2024-02-29", {}, date(2024, 2, 29)),
        ("ses-20240229", {}, date(2024, 2, 29)),
        ("2023-02-29", {}, None),
        ("week 3", {"qsm": {"acquisition_date": "2024-05-06"}}, date(2024, 5, 6)),
        ("week 3", {}, None),
    ],
)
def test_the_date_a_calibration_states(session, references, expected):
    assert date_of(made(session=session, references=references)) == expected


def test_a_date_is_asked_for_when_none_is_stated(history):
    with pytest.raises(InputError, match="--date"):
        add_calibration(history, made(), "A")
    assert add_calibration(history, made(session="2024-02-01"), "A").entry.scan_date == date(2024, 2, 1)


def test_histories_are_in_order_of_date_and_filtered(history):
    for day in (9, 3, 6):
        add_calibration(history, made(0.33 + day / 1000), "A", date(2024, 1, day))
    add_calibration(history, made(0.5, protocol="other"), "B", date(2024, 1, 1))
    add_event(history, "A", date(2024, 1, 5), "gradient coil exchanged", kind="hardware", new_baseline=True)
    assert [e.scan_date.day for e in read_history(history, "A").calibrations] == [3, 6, 9]
    assert [e.scanner for e in read_history(history, protocol="other").calibrations] == ["B"]
    assert [r.slope for r in read_lines(history, ["A"])] == [0.333, 0.336, 0.339]
    assert read_lines(history, material="calcium") == []
    (event,) = read_history(history).events
    assert (event.kind, event.words, event.new_baseline) == ("hardware", "gradient coil exchanged", True)
    assert read_history(history, "B").events == []


def test_removing_takes_the_lines_along(history):
    key = add_calibration(history, made(), "A", date(2024, 1, 1)).entry.id
    assert remove_calibration(history, key).id == key
    assert read_history(history).calibrations == []
    assert read_lines(history) == []
    with pytest.raises(InputError, match="no calibration number"):
        remove_calibration(history, key)
    with pytest.raises(InputError, match="no calibration number"):
        read_record(history, key)


def test_what_may_be_a_typing_error_is_said(history):
    add_calibration(history, made(0.33), "Scanner A", date(2024, 1, 1))
    assert any("same one?" in w for w in add_calibration(history, made(0.34), "scanner-a", date(2024, 1, 2)).warnings)
    assert any("two scans" in w for w in add_calibration(history, made(0.35), "Scanner A", date(2024, 1, 1)).warnings)
    assert any("future" in w for w in add_calibration(history, made(0.36), "Scanner A", date(9024, 1, 1)).warnings)


def test_nameless_scanners_and_wordless_events_are_refused(history):
    with pytest.raises(InputError, match="no name"):
        add_calibration(history, made(), "  ", date(2024, 1, 1))
    with pytest.raises(InputError, match="says nothing"):
        add_event(history, "A", date(2024, 1, 1), " ")
