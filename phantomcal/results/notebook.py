"""Records as pandas frames and as HTML, for notebooks."""

from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from phantomcal.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 30
_MOST_TEXT = 160
_HIDDEN = ("schema_version", "provenance")


def tables_of(record: BaseModel) -> list[str]:
    """Names of the fields that are lists of records, in the record's order, empty ones left out."""
    return [
        name
        for name in type(record).model_fields
        if isinstance(value := getattr(record, name), list) and value and all(isinstance(v, BaseModel) for v in value)
    ]


def record_frame(record: BaseModel, field: str | None = None) -> "pd.DataFrame":
    """A record's table as a frame.

    Parameters
    ----------
    record : BaseModel
    field : str, optional
        A field that is a list of records; the first such field when not given. A record without one is a single row.

    Returns
    -------
    pandas.DataFrame
        A row per entry; intervals as two columns (``_low``, ``_high``); longer lists and nested records stay objects.

    Raises
    ------
    InputError
        No such table in the record.
    """
    import pandas as pd

    tables = tables_of(record)
    if field is not None and field not in tables:
        fix = f"choose {', '.join(tables)}" if tables else "it has no tables: leave the name out"
        raise InputError(f"no table {field!r}", f"a {type(record).__name__}", fix)
    chosen = field or (tables[0] if tables else None)
    rows = getattr(record, chosen) if chosen is not None else [record]
    return pd.DataFrame([_row(row) for row in rows])


def record_html(record: BaseModel) -> str:
    """A record as HTML without styles of its own: its plain fields, its warnings, then its first table.

    Parameters
    ----------
    record : BaseModel

    Returns
    -------
    str
        All text escaped.
    """
    plain = [(name, _words(getattr(record, name))) for name in type(record).model_fields if name not in _HIDDEN]
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(words)}</td></tr>"
        for name, words in plain
        if words
    )
    tables = tables_of(record)
    shown = ""
    if tables:
        frame = record_frame(record, tables[0])
        more = f" (first {_MOST_ROWS} of {len(frame)})" if len(frame) > _MOST_ROWS else ""
        short = frame.head(_MOST_ROWS)
        short = short[[c for c in short.columns if not short[c].map(lambda v: isinstance(v, (list, dict))).any()]]
        body = short.to_html(index=False, border=0, na_rep="–", float_format=lambda v: f"{v:.4g}")
        shown = f"<p>{escape(tables[0])}{more}</p>{body}"
    return f"<p><b>{escape(type(record).__name__)}</b></p><table>{rows}</table>{shown}"


def _row(record: BaseModel) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, tuple) and len(value) == 2:
            row[f"{name}_low"], row[f"{name}_high"] = value
        elif isinstance(value, BaseModel):
            row[name] = value.model_dump()
        elif isinstance(value, list) and any(isinstance(v, BaseModel) for v in value):
            row[name] = [v.model_dump() if isinstance(v, BaseModel) else v for v in value]
        else:
            row[name] = value
    return row


def _words(value: Any) -> str:
    """A plain value as text; empty for what has a table of its own or is not there."""
    if value is None or value == "" or isinstance(value, (BaseModel, dict)):
        return ""
    if isinstance(value, (list, tuple)):
        plain = [v for v in value if not isinstance(v, BaseModel)]
        text = "; ".join(_words(v) for v in plain)
    elif isinstance(value, float):
        text = f"{value:.4g}"
    else:
        text = str(value)
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 3]}..."
