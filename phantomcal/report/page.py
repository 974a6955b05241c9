"""One page design for every report: a small content model and the HTML made from it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from phantomcal.report.markup import anchors, data_uri, flattened, linked, media_type, paragraphs
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
        media_type(self.data)


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
class Certificate:
    """One sheet of paper that says what was calibrated and how well, to be signed.

    Attributes
    ----------
    title, subtitle : str
        What it is, and of what.
    number : str
        Tells this certificate from others.
    verdict : {"pass", "warn", "review", "fail", "info"}
        As that of the report.
    verdict_text : str
        In a sentence.
    identity, conditions : sequence of (str, str)
        Names and values: what was measured, and under what conditions.
    tables : sequence of TableBlock
        The results.
    statements : sequence of (str, str)
        Heading and text: uncertainty, traceability, validity.
    signatures : sequence of str
        What is to be filled in by hand.
    """

    title: str
    subtitle: str
    number: str
    verdict: Verdict
    verdict_text: str
    identity: Sequence[tuple[str, str]]
    conditions: Sequence[tuple[str, str]]
    tables: Sequence[TableBlock]
    statements: Sequence[tuple[str, str]]
    signatures: Sequence[str]


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
    certificate : Certificate or None
        The last sheet; in print it has a page of its own.
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
    certificate: Certificate | None = None


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
    places = anchors([section.title for section in report.sections])
    sections = [
        {"anchor": anchor, "section": section, "blocks": _rows([_block(block) for block in section.blocks])}
        for anchor, section in zip(places, report.sections, strict=True)
    ]
    template = _environment().get_template("report.html")
    return template.render(
        report=report,
        policy=CONTENT_SECURITY_POLICY,
        verdict_class="review" if report.verdict == "warn" else report.verdict,
        verdict_word=_VERDICT_WORDS[report.verdict],
        warnings=_warnings(report, places),
        sections=sections,
        methods=paragraphs(report.methods),
        references=[linked(reference) for reference in report.references],
        inputs=report.provenance.inputs if report.provenance else [],
        versions=sorted(report.provenance.versions.items()) if report.provenance else [],
        parameters=list(flattened(report.provenance.parameters)) if report.provenance else [],
        certificate=_certificate(report.certificate),
    )


def _certificate(certificate: Certificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    rows = max((len(table.frame) for table in certificate.tables), default=0)
    return {
        "sheet": certificate,
        "tables": [_block(table) for table in certificate.tables],
        "verdict_class": "review" if certificate.verdict == "warn" else certificate.verdict,
        "verdict_word": _VERDICT_WORDS[certificate.verdict],
        # Letters shrink before the sheet grows past its page.
        "density": "dense" if rows > 8 else "close" if rows > 4 else "",
    }


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


def _warnings(report: Report, places: Sequence[str]) -> list[dict[str, str]]:
    # A warning that concerns a section is listed once at the top and points there.
    where: dict[str, tuple[str, str]] = {}
    for section, anchor in zip(report.sections, places, strict=True):
        for text in section.warnings:
            where.setdefault(text, (section.title, anchor))
    texts = dict.fromkeys([*report.warnings, *where])
    return [
        {"text": text, "section": where.get(text, ("", ""))[0], "anchor": where.get(text, ("", ""))[1]}
        for text in texts
    ]


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Figure):
        return {"kind": "figure", "figure": block, "src": data_uri(block.data), "width": block.width_px}
    if isinstance(block, TableBlock):
        return {"kind": "table", "table": block, **_table(block)}
    if isinstance(block, Callout):
        return {"kind": "callout", "callout": block, "paragraphs": paragraphs(block.text)}
    return {"kind": "text", "paragraphs": paragraphs(block.text)}


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
