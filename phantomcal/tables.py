"""Read tables users bring (CSV, TSV, Parquet) and check their columns by name and row."""

import csv
import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError

SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")

# BIDS writes n/a; the others are what R, pandas, SPSS and Excel leave behind.
_MISSING = frozenset({"", "n/a", "na", "nan", "null", "none", ".", "#n/a", "-nan"})
_HEADER_LINES = 1
_LARGEST = 1e12  # beyond any quantity measured here, and still safe to square
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")
# 007 and numbers beyond 15 digits are codes: as numbers they would lose characters.
_CODE = re.compile(r"[+-]?(?:0\d|\d{16})")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table whose format its suffix tells.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.csv`` (comma or semicolon, found from the header), ``.tsv``, ``.parquet`` or ``.pq``. Text is UTF-8, with or
        without a byte order mark, or UTF-16 with one.

    Returns
    -------
    pandas.DataFrame
        Column names and cells stripped of blanks. In text formats, columns in which every entry is a number are numbers
        and the others text; codes such as ``007`` stay text; empty cells and ``n/a`` are missing. The index counts the
        lines of the file below the header from 0, so errors can name the line also when blank lines were skipped.

    Raises
    ------
    InputError
        Missing, empty or unreadable file, unknown suffix, rows of unequal length, repeated column names.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError("a table was expected but this is a folder", path.name, f"give a {_listed(SUFFIXES)} file")
    if not path.is_file():
        raise InputError("the table does not exist", path.name, "check the path")
    if suffix not in SUFFIXES:
        raise InputError(
            f"unknown table format {suffix or 'without a suffix'!r}", path.name, f"save it as {_listed(SUFFIXES)}"
        )
    if path.stat().st_size == 0:
        raise InputError("the table is empty", path.name, "export it again")
    frame = _read_parquet(path) if suffix in (".parquet", ".pq") else _read_text(path, suffix)
    if frame.empty:
        raise InputError("the table has a header but no rows", path.name, "export it again")
    return frame


def require_columns(
    frame: pd.DataFrame, names: Iterable[str], where: str = "the table", options: Mapping[str, str] | None = None
) -> None:
    """Check that columns are there.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    names : iterable of str
        Columns that must be there.
    where : str
        The file, for the message.
    options : mapping of str to str, optional
        Column name -> the option that names another one, e.g. ``{"ct_hu": "--x"}``.

    Raises
    ------
    InputError
        Names every missing column, the columns there are, and the option that maps it.
    """
    missing = [name for name in dict.fromkeys(names) if name not in frame.columns]
    if not missing:
        return
    what = "no column " + " and no column ".join(repr(name) for name in missing)
    fix = "the table has " + _listed([repr(str(name)) for name in frame.columns], "and")
    hints = [options[name] for name in missing if options and name in options]
    if hints:
        fix += f"; name the right one with {_listed(list(dict.fromkeys(hints)), 'and')}"
    raise InputError(what, where, fix)


def numeric_column(frame: pd.DataFrame, name: str, where: str = "the table") -> "pd.Series[float]":
    """A column as float64 numbers; empty cells are NaN, for the caller to count and tell.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; its index plus 2 is taken as the row in the file when it is an integer one, as `read_table` makes it.
    name : str
        The column.
    where : str
        The file, for the message.

    Returns
    -------
    pandas.Series
        float64, the index of `frame`. Blanks, ``n/a``, ``NA`` and ``NaN`` are NaN.

    Raises
    ------
    InputError
        No such column; or text, an infinity, a truth value or a decimal comma in it: column, row and text are named.
    """
    require_columns(frame, [name], where)
    column = frame[name]
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise InputError(f"column {name!r} holds {column.dtype} values, not numbers", where, "choose a number column")
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.flatnonzero(np.isinf(values))
        if bad.size:
            raise _not_a_number(frame, name, where, bad, str(values[bad[0]]))
        return pd.Series(values, index=frame.index, name=name)
    text = _stripped(column)
    missing = text.str.lower().isin(_MISSING).to_numpy()
    number = text.str.fullmatch(_PLAIN_NUMBER).to_numpy(dtype=bool)
    bad = np.flatnonzero(~(number | missing))
    if bad.size:
        raise _not_a_number(frame, name, where, bad, str(text.iloc[bad[0]]))
    values = np.full(len(frame), np.nan)
    values[number] = text[number].to_numpy(dtype=str).astype(np.float64)
    overflow = np.flatnonzero(np.isinf(values))
    if overflow.size:
        raise _not_a_number(frame, name, where, overflow, str(text.iloc[overflow[0]]))
    return pd.Series(values, index=frame.index, name=name)


def require_plausible(values: "pd.Series[float]", where: str = "the table") -> None:
    """Refuse numbers no scanner gives: their squares would overflow and every statistic with them.

    Raises
    ------
    InputError
        A value beyond 1e12 in size; column, row and value are named.
    """
    wild = np.flatnonzero(values.abs().to_numpy() > _LARGEST)
    if wild.size:
        row = row_in_file(values.index[wild[0]], int(wild[0]))
        raise InputError(
            f"column {values.name!r} holds {values.iloc[wild[0]]:g} in row {row}",
            where,
            "correct the cell or leave it empty",
        )


def row_in_file(label: object, position: int) -> int:
    """Line of the file, header included, on which a row of a table read by `read_table` stands.

    Parameters
    ----------
    label : object
        The row's index label.
    position : int
        Its place in the frame, used when the label is no whole number.
    """
    below = int(label) if isinstance(label, (int, np.integer)) else position
    return below + _HEADER_LINES + 1


def _not_a_number(frame: pd.DataFrame, name: str, where: str, bad: np.ndarray, shown: str) -> InputError:
    row = row_in_file(frame.index[bad[0]], int(bad[0]))
    more = f" ({bad.size - 1} more rows as well)" if bad.size > 1 else ""
    if _DECIMAL_COMMA.fullmatch(shown):
        what = f"decimal comma in column {name!r}, row {row}: {shown!r}{more}"
        fix = f"write {shown.replace(',', '.')!r}, or export the table with decimal points"
    else:
        what = f"column {name!r} holds {shown!r} in row {row}, which is not a number{more}"
        fix = "correct the cell, or leave it empty when the value is missing"
    return InputError(what, where, fix)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        # pyarrow raises its own, OS and value errors for a broken file; all mean the same here.
        raise InputError("not a readable Parquet file", path.name, "export it again") from error
    frame.columns = _column_names([str(name) for name in frame.columns], path)
    return frame.reset_index(drop=True)


def _read_text(path: Path, suffix: str) -> pd.DataFrame:
    text = _decoded(path)
    header, _, _ = text.lstrip("\r\n").partition("\n")
    # csv.reader rather than read_csv: a row with too many fields must be an error with its line, not a shifted row.
    delimiter = "\t" if suffix == ".tsv" else ";" if _count(header, ";") > _count(header, ",") else ","
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
    try:
        for fields in reader:
            cells = [cell.strip() for cell in fields]
            if not names:
                if any(cells):
                    names = cells
                continue
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise InputError(
                    f"row {reader.line_num} has {len(cells)} fields, the header has {len(names)}",
                    str(path),
                    f"columns are separated by {_SEPARATOR_NAMES[delimiter]} here: put text that contains one "
                    "in quotes, and use decimal points",
                )
            rows.append(cells)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"unreadable table ({error}, row {reader.line_num})", path.name, "export it again") from error
    if not names:
        raise InputError("the table is empty", path.name, "export it again")
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    # Spreadsheets leave nameless, empty columns at the edge.
    kept = [i for i, name in enumerate(names) if name or any(columns[i])]
    shown = _column_names([names[i] or f"unnamed_{i + 1}" for i in kept], path)
    index = pd.Index(np.asarray(lines, dtype=np.int64) - (_HEADER_LINES + 1))
    if index.equals(pd.RangeIndex(len(rows))):
        index = pd.RangeIndex(len(rows))
    return pd.DataFrame({name: _typed(columns[i]) for name, i in zip(shown, kept, strict=True)}).set_axis(index, axis=0)


_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError("the table is not UTF-8 text", path.name, "save it as CSV in UTF-8") from error
    if "\0" in text:
        raise InputError("the table is not text", path.name, "save it as CSV in UTF-8")
    return text


def _count(header: str, character: str) -> int:
    return re.sub(r'"[^"]*"', "", header).count(character)


def _column_names(names: list[str], path: Path) -> list[str]:
    stripped = [name.strip() for name in names]
    for name in stripped:
        if stripped.count(name) > 1:
            raise InputError(f"column {name!r} is there twice", path.name, "rename or remove one of them")
    return stripped


def _typed(cells: tuple[str, ...]) -> "pd.Series[Any]":
    text = pd.Series(cells, dtype=object).str.replace("\u2212", "-")  # the typographic minus of office programs
    missing = text.str.lower().isin(_MISSING)
    numbers = text[~missing]
    if len(numbers) and numbers.str.fullmatch(_PLAIN_NUMBER).all() and not numbers.str.match(_CODE).any():
        # numpy's conversion is exact to the last bit; whole numbers without gaps stay whole.
        values = np.full(len(text), np.nan)
        values[~missing.to_numpy()] = numbers.to_numpy(dtype=str).astype(np.float64)
        if len(numbers) == len(text) and numbers.str.fullmatch(_WHOLE).all():
            return pd.Series(values.astype(np.int64))
        if not np.isinf(values).any():
            return pd.Series(values)
    # NA may be a name here (nucleus accumbens), so only what cannot be one is missing.
    return text.mask(text.isin(["", "n/a"]))


def _stripped(column: "pd.Series[Any]") -> "pd.Series[Any]":
    filled = column.astype(object).where(column.notna(), "")
    return filled.astype(str).str.strip().str.replace("\u2212", "-")


def _listed(names: Iterable[str], last: str = "or") -> str:
    items = list(names)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"
