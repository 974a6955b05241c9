"""Dates as people write them, read without guessing which of two numbers is the month."""

import re
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.tables import row_in_file

DAYS_PER_YEAR = 365.25

_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_COMPACT = re.compile(r"((?:18|19|20|21)\d{2})(\d{2})(\d{2})(?:\.0)?")
_SMALL_FIRST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_NAMED = ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y")
_EARLIEST, _LATEST = 1970, 2100


def read_dates(column: "pd.Series[Any]", where: str, day_first: bool | None = None) -> tuple["pd.Series[Any]", str]:
    """Dates of a column.

    Parameters
    ----------
    column : pandas.Series
        Text, whole numbers such as 20240131, or timestamps; empty cells give NaT.
    where : str
        The file, for messages.
    day_first : bool, optional
        How to read 03/04/2024. None: as the column's own entries decide, where one of them has a number above 12.

    Returns
    -------
    dates : pandas.Series of datetime64
        Days, without time.
    said : str
        What was assumed about the order of day and month; empty when nothing was.

    Raises
    ------
    InputError
        An entry that is no date, or a column in which day and month cannot be told apart.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        stamps = column.dt.tz_localize(None) if getattr(column.dt, "tz", None) is not None else column
        return stamps.dt.normalize(), ""
    blank = column.isna().to_numpy()
    text = column.astype(object).where(~blank, "").map(_written)
    kinds = {entry: _parts(entry) for entry in dict.fromkeys(text[~blank & (text != "").to_numpy()])}
    order, said = _order([k for k in kinds.values() if isinstance(k, tuple)], where, str(column.name), day_first)
    known: dict[str, Any] = {"": pd.NaT}
    for entry, kind in kinds.items():
        day = _day(kind, order)
        if day is None:
            row = int(np.flatnonzero((text == entry).to_numpy())[0])
            raise InputError(
                f"{entry!r} in column {column.name!r}, row {row_in_file(column.index[row], row)}, is not a date",
                where,
                "write dates as YYYY-MM-DD",
            )
        known[entry] = day
    return pd.to_datetime(text.map(known)), said


def _written(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.strftime("%Y-%m-%d")
    return re.sub(r"\s+", " ", str(value)).strip()


def _parts(entry: str) -> date | tuple[int, int, int] | None:
    """A date, or the two small numbers and the year whose order is open, or None."""
    match = _ISO.fullmatch(entry) or _COMPACT.fullmatch(entry)
    if match:
        return _made(int(match[1]), int(match[2]), int(match[3]))
    match = _SMALL_FIRST.fullmatch(entry)
    if match:
        if match[2] == ".":  # points are only used day first
            return _made(int(match[4]), int(match[3]), int(match[1]))
        return int(match[1]), int(match[3]), int(match[4])
    for form in _NAMED:
        try:
            named = datetime.strptime(entry, form)
        except ValueError:
            continue
        return _made(named.year, named.month, named.day)
    return None


def _order(open_ones: list[tuple[int, int, int]], where: str, name: str, day_first: bool | None) -> tuple[bool, str]:
    if not open_ones:
        return True, ""
    if day_first is not None:
        return day_first, ""
    day = any(first > 12 for first, _, _ in open_ones)
    month = any(second > 12 for _, second, _ in open_ones)
    if day == month and not all(first == second for first, second, _ in open_ones):
        first, second, year = open_ones[0]
        what = f"day and month of column {name!r} cannot be told apart ({first:02d}/{second:02d}/{year})"
        if day:
            what = f"column {name!r} has both day/month and month/day dates"
        raise InputError(what, where, "write dates as YYYY-MM-DD, or say --date-order dmy or mdy")
    words = "day/month/year" if day or not month else "month/day/year"
    return day or not month, f"dates were read as {words}, the only order that fits all of them"


def _day(kind: date | tuple[int, int, int] | None, day_first: bool) -> date | None:
    if isinstance(kind, tuple):
        first, second, year = kind
        return _made(year, second, first) if day_first else _made(year, first, second)
    return kind


def _made(year: int, month: int, day: int) -> date | None:
    if not _EARLIEST <= year <= _LATEST:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
