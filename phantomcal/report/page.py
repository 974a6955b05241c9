"""One page design for every report: a small content model and the HTML made from it."""

import base64
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from phantomcal.report.numerals import NONE, fixed, missing, number, unit_words
from phantomcal.results import Provenance
from phantomcal.shipped import shipped_folder

if TYPE_CHECKING:
    import pandas as pd

Verdict: TypeAlias = Literal["pass", "warn", "review", "fail", "info"]
RowFlag: TypeAlias = Literal["", "warn", "fail", "muted"]
Format: TypeAlias = str | Callable[[Any], str]

# Nothing may be fetched, run, framed or sent: a report holds patients' numbers and is opened from anywhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

_VERDICT_WORDS = {"pass": "Pass", "warn": "Review", "review": "Review", "fail": "Fail", "info": "Result"}
_SHORT, _SHORT_IN_WIDE = 24, 14
_SMALL_PX = 600
_DOI = re.compile(r"(?:doi[: ]\s*)?\b(10\.\d{4,9}/[^\s,;)]*[^\s,;).])", re.IGNORECASE)


@dataclass(frozen=True)
class KeyNumber:
    """One of the numbers that matter most.

    Attributes
    ----------
    label : str
        What it is.
    value : str
        The number with uncertainty and unit, already in words.
    detail : str
        One line beneath: interval, n, comparison.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture for the page.

    Attributes
    ----------
    data : bytes
        SVG, PNG or WebP.
    alt : str
        What the picture shows, for those who cannot see it.
    caption : str
        What the reader should see in it.
    width_px : int or None
        Natural width on screen; pictures without one are shown no wider than the text.
    """

    data: bytes
    alt: str
    caption: str = ""
    width_px: int | None = None

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("a figure needs alternative text")
        _media_type(self.data)


@dataclass(frozen=True, eq=False)
class TableBlock:
    """A table for the page.

    Attributes
    ----------
    frame : pandas.DataFrame
        Rows in the order they are shown.
    caption : str
        What the table holds.
    labels : mapping of str to str
        Heading of each column to show, in this order; empty shows every column under its own name.
    units : mapping of str to str
        Unit shown beneath a heading.
    formats : mapping of str to (format specification or function)
        How a column's values are written; numbers otherwise get four significant digits.
    numbers : collection of str
        Columns of numbers that are already written as text; they are set like numbers.
    flags : sequence of {"", "warn", "fail", "muted"}
        One per row, or empty.
    note : str
        A line beneath the table.
    """

    frame: "pd.DataFrame"
    caption: str
    labels: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, Format] = field(default_factory=dict)
    numbers: Collection[str] = ()
    flags: Sequence[RowFlag] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if self.flags and len(self.flags) != len(self.frame):
            raise ValueError(f"{len(self.flags)} row flags for {len(self.frame)} rows")
        absent = [name for name in self.labels if name not in self.frame.columns]
        if absent:
            raise ValueError(f"no column {absent[0]!r} in the table {self.caption!r}")


@dataclass(frozen=True)
class Text:
    """Plain paragraphs, parted by blank lines."""

    text: str


@dataclass(frozen=True)
class Callout:
    """A remark that must not be missed."""

    text: str
    kind: Literal["info", "warn", "fail", "pass"] = "info"
    title: str = ""


Block: TypeAlias = Figure | TableBlock | Text | Callout


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    title, intro : str
        Heading, and one or two sentences on what is shown and how to read it.
    blocks : sequence of Figure, TableBlock, Text, Callout
        The content.
    warnings : sequence of str
        Warnings that concern this section; they also appear at the top of the page.
    """

    title: str
    intro: str = ""
    blocks: Sequence[Block] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """Everything one page says.

    Attributes
    ----------
    title, subtitle : str
        What was done, and on what.
    verdict : {"pass", "warn", "review", "fail", "info"}
        ``warn`` and ``review`` look the same.
    verdict_text : str
        The verdict in a sentence.
    key_numbers : sequence of KeyNumber
        The three numbers that matter.
    warnings : sequence of str
        Warnings of the whole analysis; those of sections are added.
    sections : sequence of Section
        The parts, in order.
    methods : str
        Paragraphs ready to paste into a paper, parted by blank lines.
    references : sequence of str
        Sources cited; DOIs become links.
    provenance : Provenance or None
        Inputs, versions and parameters. Its `run` (date, duration) is left out so that equal runs give equal pages.
    kind : str
        Small line above the title.
    """

    title: str
    subtitle: str
    verdict: Verdict
    verdict_text: str
    key_numbers: Sequence[KeyNumber]
    sections: Sequence[Section]
    warnings: Sequence[str] = ()
    methods: str = ""
    references: Sequence[str] = ()
    provenance: Provenance | None = None
    kind: str = "Report"


def render(report: Report) -> str:
    """The report as one HTML file that loads nothing from anywhere.

    Parameters
    ----------
    report : Report
        The content; every text in it is escaped.

    Returns
    -------
    str
        HTML, equal for equal reports: it holds no date or time.
    """
    anchors = _anchors([section.title for section in report.sections])
    sections = [
        {"anchor": anchor, "section": section, "blocks": _rows([_block(block) for block in section.blocks])}
        for anchor, section in zip(anchors, report.sections, strict=True)
    ]
    template = _environment().get_template("report.html")
    return template.render(
        report=report,
        policy=CONTENT_SECURITY_POLICY,
        verdict_class="review" if report.verdict == "warn" else report.verdict,
        verdict_word=_VERDICT_WORDS[report.verdict],
        warnings=_warnings(report, anchors),
        sections=sections,
        methods=_paragraphs(report.methods),
        references=[_linked(reference) for reference in report.references],
        inputs=report.provenance.inputs if report.provenance else [],
        versions=sorted(report.provenance.versions.items()) if report.provenance else [],
        parameters=list(_flattened(report.provenance.parameters)) if report.provenance else [],
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(shipped_folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unit_words"] = unit_words
    return environment


def _warnings(report: Report, anchors: Sequence[str]) -> list[dict[str, str]]:
    # A warning that concerns a section is listed once at the top and points there.
    where: dict[str, tuple[str, str]] = {}
    for section, anchor in zip(report.sections, anchors, strict=True):
        for text in section.warnings:
            where.setdefault(text, (section.title, anchor))
    texts = dict.fromkeys([*report.warnings, *where])
    return [
        {"text": text, "section": where.get(text, ("", ""))[0], "anchor": where.get(text, ("", ""))[1]}
        for text in texts
    ]


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Figure):
        return {"kind": "figure", "figure": block, "src": _data_uri(block.data), "width": block.width_px}
    if isinstance(block, TableBlock):
        return {"kind": "table", "table": block, **_table(block)}
    if isinstance(block, Callout):
        return {"kind": "callout", "callout": block, "paragraphs": _paragraphs(block.text)}
    return {"kind": "text", "paragraphs": _paragraphs(block.text)}


def _rows(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Small pictures that follow each other stand side by side, so that CT and QSM can be compared.
    rows: list[dict[str, Any]] = []
    for block in blocks:
        small = block["kind"] == "figure" and block["width"] is not None and block["width"] <= _SMALL_PX
        if small and rows and rows[-1]["kind"] == "row":
            rows[-1]["blocks"].append(block)
        else:
            rows.append({"kind": "row", "blocks": [block]} if small else block)
    return [row["blocks"][0] if row["kind"] == "row" and len(row["blocks"]) == 1 else row for row in rows]


def _table(block: TableBlock) -> dict[str, Any]:
    frame = block.frame
    names = list(block.labels) or [str(name) for name in frame.columns]
    series = {name: frame[name] for name in names}
    numeric = {name: name in block.numbers or _is_numeric(series[name]) for name in names}
    texts = {name: [_cell(value, block.formats.get(name)) for value in series[name]] for name in names}
    # Short entries stay on one line: a broken unit is hard to read, a broken sentence is not.
    short = _SHORT if len(names) < 8 else _SHORT_IN_WIDE
    styles = {
        name: "num" if numeric[name] else "short" if all(len(text) <= short for text in texts[name]) else "prose"
        for name in names
    }
    columns = [
        {"label": block.labels.get(name, name), "unit": block.units.get(name, ""), "style": styles[name]}
        for name in names
    ]
    flags = block.flags or [""] * len(frame)
    rows = [
        {"flag": flag, "cells": [{"text": texts[name][i], "style": styles[name]} for name in names]}
        for i, flag in enumerate(flags)
    ]
    return {"columns": columns, "rows": rows}


def _is_numeric(series: "pd.Series[Any]") -> bool:
    # A column of records' numbers may be of object type because some are None.
    values = [value for value in series if value is not None]
    return bool(values) and all(_is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _cell(value: Any, form: Format | None) -> str:
    if callable(form):
        return form(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if missing(value):
        return NONE
    if form:
        return format(value, form).replace("-", "\N{MINUS SIGN}")
    if float(value).is_integer() and abs(value) < 1e6:
        return fixed(value, 0)
    return number(value)


def _data_uri(data: bytes) -> str:
    media_type = _media_type(data)
    if media_type == "image/svg+xml":
        # Percent-encoding what needs it keeps line drawings a third smaller than base64 does.
        return f"data:{media_type}," + quote(data.decode(), safe="/:;=,+@!$*()'?&- ")
    return f"data:{media_type};base64," + base64.b64encode(data).decode()


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.lstrip().startswith((b"<svg", b"<?xml")):
        return "image/svg+xml"
    raise ValueError("a figure is SVG, PNG or WebP")


def _anchors(titles: Sequence[str]) -> list[str]:
    taken = {"warnings", "methods", "references", "provenance", "top"}
    anchors = []
    for title in titles:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"
        anchor, repeat = stem, 2
        while anchor in taken:
            anchor, repeat = f"{stem}-{repeat}", repeat + 1
        taken.add(anchor)
        anchors.append(anchor)
    return anchors


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _linked(reference: str) -> list[tuple[str, str]]:
    # Pieces of text, each with the address it points to or nothing.
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in _DOI.finditer(reference):
        pieces.append((reference[end : match.start(1)], ""))
        pieces.append((match[1], f"https://doi.org/{match[1]}"))
        end = match.end(1)
    pieces.append((reference[end:], ""))
    return [piece for piece in pieces if piece[0]]


def _flattened(parameters: Mapping[str, Any], prefix: str = "") -> Any:
    for key in sorted(parameters, key=str):
        value, name = parameters[key], f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(str(item) for item in value) or NONE
        else:
            yield name, NONE if value is None or value == "" else str(value)
