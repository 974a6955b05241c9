import pandas as pd
import pytest

from phantomcal.errors import InputError
from phantomcal.followup.dates import read_dates


def days(entries: list[object], day_first: bool | None = None) -> tuple[list[str], str]:
    dates, said = read_dates(pd.Series(entries, name="date"), "visits.csv", day_first)
    return ["" if pd.isna(d) else d.strftime("%Y-%m-%d") for d in dates], said


@pytest.mark.parametrize(
    "written",
    ["2024-03-31", "2024/3/31", "20240331", 20240331, "2024-03-31T10:15:00", "31.03.2024", "31 Mar 2024", "31/03/2024",
     "03/31/2024", "March 31, 2024"],
)  # fmt: skip
def test_one_day_in_many_spellings(written: object) -> None:
    assert days([written])[0] == ["2024-03-31"]


def test_empty_cells_and_timestamps() -> None:
    assert days([None, "2024-01-02", ""])[0] == ["", "2024-01-02", ""]
    dates, _ = read_dates(pd.Series(pd.to_datetime(["2024-01-02 13:00"]), name="date"), "t")
    assert dates.iloc[0] == pd.Timestamp("2024-01-02")


def test_the_column_decides_about_day_and_month() -> None:
    found, said = days(["03/04/2024", "25/04/2024"])
    assert found == ["2024-04-03", "2024-04-25"]
    assert "day/month" in said
    assert days(["03/04/2024", "04/25/2024"])[0] == ["2024-03-04", "2024-04-25"]
    assert days(["03/04/2024"], day_first=True)[0] == ["2024-04-03"]
    assert days(["03/04/2024"], day_first=False)[0] == ["2024-03-04"]
    assert days(["05/05/2024"]) == (
        ["2024-05-05"],
        "dates were read as day/month/year, the only order that fits all of them",
    )


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["03/04/2024"], "cannot be told apart"),
        (["25/04/2024", "04/25/2024"], "both day/month and month/day"),
        (["2024-02-30"], "row 2, is not a date"),
        (["2024-01-01", "soon"], "'soon' in column 'date', row 3"),
        ([44197], "not a date"),
    ],
)
def test_what_cannot_be_read_is_refused(entries: list[object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        days(entries)
