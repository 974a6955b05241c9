"""What are the labels of a map called, and on which side do they lie?"""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.tables import numeric_column, read_table, require_columns, row_in_file

_TABLES = (".tsv", ".csv", ".parquet", ".pq")
# Column names of the same two things: BIDS, 3D Slicer's CSV colour tables.
_INDEX_COLUMNS = ("index", "LabelValue")
_NAME_COLUMNS = ("name", "Name")
_SIDES = {"left": "left", "l": "left", "lh": "left", "right": "right", "r": "right", "rh": "right"}
_WORD = re.compile(r"[a-z0-9]+")
_KINDS = "a table with index and name, FreeSurfer's colour table, ITK-SNAP's label file or 3D Slicer's colour table"


def read_lookup(path: str | Path) -> pd.DataFrame:
    """Read the names of a label map's regions.

    Parameters
    ----------
    path : str or pathlib.Path
        A table with the columns ``index`` (label value) and ``name``, as BIDS writes ``dseg.tsv``, or 3D Slicer's CSV
        with ``LabelValue`` and ``Name``; or the text of FreeSurfer (``FreeSurferColorLUT.txt``), 3D Slicer (``.ctbl``)
        or ITK-SNAP (label descriptions), told apart by what stands in it. Other columns and colours are ignored.

    Returns
    -------
    pandas.DataFrame
        Columns ``index`` (int64) and ``name`` (text), background (0) left out, in the order of the file.

    Raises
    ------
    InputError
        Unreadable table, missing column, an index that is no whole number or comes twice, a blank name.
    """
    frame = _table(Path(path)) if Path(path).suffix.lower() in _TABLES else _colours(Path(path))
    where = Path(path).name
    index = numeric_column(frame, "index", where)
    names = frame["name"].astype(object).where(frame["name"].notna(), "").astype(str).str.strip()
    for bad, problem, fix in (
        (~(index >= 0) | (index % 1 != 0), "an index that is no whole number", "use the label values of the image"),
        (index.duplicated(), "an index that was there before", "give each label one row"),
        (names == "", "no name", "name every label"),
    ):
        if bad.any():
            position = int(np.flatnonzero(bad.to_numpy())[0])
            row = row_in_file(frame.index[position], position)
            raise InputError(f"the lookup table has {problem} in row {row}", where, fix)
    lookup = pd.DataFrame({"index": index.astype(np.int64), "name": names})
    return lookup[lookup["index"] != 0].reset_index(drop=True)


def lookup_of(names: Mapping[int, str]) -> pd.DataFrame | None:
    """The names a label file itself holds as a lookup table; None when it holds none."""
    if not names:
        return None
    return pd.DataFrame({"index": np.array(list(names), np.int64), "name": list(names.values())})


def hemisphere(name: str) -> str:
    """Side a region's name tells: ``left``, ``right``, or empty when it tells none or both.

    ``left putamen``, ``putamen_L``, ``L_V1``, ``ctx-lh-insula`` and ``Right-Caudate`` are understood; single letters
    only at either end of the name.
    """
    sides = {side for side, _, _ in _side_words(name)}
    return sides.pop() if len(sides) == 1 else ""


def without_side(name: str) -> str:
    """The name without the word that tells its side: ``ctx-lh-insula`` becomes ``ctx-insula``.

    A name that tells no side, or both, stays as it is.
    """
    if not hemisphere(name):
        return name
    kept = name
    for _, start, stop in reversed(list(_side_words(name))):
        before, after = kept[:start], kept[stop:]
        joint = after[:1] if before and after else ""
        kept = before.rstrip(" -_.([") + (joint if joint in "-_. " else " ") + after.lstrip(" -_.)]")
    return kept.strip(" -_.") or name


def _side_words(name: str) -> Iterator[tuple[str, int, int]]:
    words = list(_WORD.finditer(name.lower()))
    for k, word in enumerate(words):
        text = word.group()
        if text in _SIDES and (len(text) > 1 or k in (0, len(words) - 1)):
            yield _SIDES[text], word.start(), word.end()


def _table(path: Path) -> pd.DataFrame:
    frame = read_table(path)
    found = [next((c for c in known if c in frame.columns), known[0]) for known in (_INDEX_COLUMNS, _NAME_COLUMNS)]
    require_columns(frame, found, path.name)
    return frame[found].set_axis(["index", "name"], axis=1)


def _colours(path: Path) -> pd.DataFrame:
    """The three programs' text files; the index of the frame counts the lines of the file."""
    if not path.is_file():
        raise InputError("no such lookup table", path.name, f"give {_KINDS}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the lookup table is no text", path.name, f"give {_KINDS}") from error
    if text.lstrip().startswith("# Color procedural file"):
        raise InputError("a continuous colour scale, not a lookup table", path.name, "export the table of the labels")
    rows, lines = [], []
    for line, content in enumerate(text.splitlines()):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        rows.append(_colour_row(content, line + 1, path.name))
        lines.append(line - 1)  # what `row_in_file` turns back into the line, which it counts from a header
    if not rows:
        raise InputError("no label in the lookup table", path.name, f"give {_KINDS}")
    return pd.DataFrame(rows, columns=["index", "name"], index=pd.Index(lines, dtype=np.int64))


def _colour_row(content: str, line: int, where: str) -> tuple[str, str]:
    """Index and name of one line: quoted last (ITK-SNAP), or before the four colours (FreeSurfer, 3D Slicer)."""
    try:
        # Only double quotes are quotes: a name may hold an apostrophe (Ammon's horn).
        reader = shlex.shlex(content, posix=True)
        reader.whitespace_split, reader.quotes, reader.escape, reader.commenters = True, '"', "", ""
        fields = list(reader)
    except ValueError as error:
        raise InputError(f"an open quotation mark in line {line}", where, "correct the line") from error
    quoted = content.rstrip().endswith('"')
    if quoted and len(fields) == 8 and _numbers(fields[1:7]):
        return fields[0], fields[7]
    if not quoted and len(fields) >= 6 and _numbers(fields[-4:]):
        return fields[0], " ".join(fields[1:-4])
    raise InputError(f"line {line} is not understood ({content.strip()[:60]!r})", where, f"give {_KINDS}")


def _numbers(fields: list[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?", field) for field in fields)
