"""What a report says: the content model that every page is made from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from phantomcal.report.markup import media_type
from phantomcal.results import Provenance

if TYPE_CHECKING:
    import pandas as pd

Verdict: TypeAlias = Literal["pass", "warn", "review", "fail", "info"]
RowFlag: TypeAlias = Literal["", "warn", "fail", "muted"]
Tone: TypeAlias = Literal["iron", "calcium", "mixed", "undetermined", "info"]
Format: TypeAlias = str | Callable[[Any], str]


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
    exact : mapping of str to sequence
        Numbers in full behind columns that are already written as text: the table is sorted by them and its CSV holds
        them. Names that are no columns become further columns of the CSV.
    """

    frame: "pd.DataFrame"
    caption: str
    labels: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, Format] = field(default_factory=dict)
    numbers: Collection[str] = ()
    flags: Sequence[RowFlag] = ()
    note: str = ""
    exact: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        uneven = [name for name, values in self.exact.items() if len(values) != len(self.frame)]
        if uneven:
            raise ValueError(f"{len(self.exact[uneven[0]])} exact values of {uneven[0]!r} for {len(self.frame)} rows")
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


@dataclass(frozen=True)
class Card:
    """One lesion, vial or subject at a glance: picture, verdict, facts.

    Attributes
    ----------
    title : str
        Which one.
    verdict : str
        What was found, in one or two words; set large.
    tone : {"iron", "calcium", "mixed", "undetermined", "info"}
        Colour and mark of the verdict; never the only carrier of its meaning.
    figure : Figure or None
        A small picture; its caption is not shown.
    facts : sequence of (str, str)
        Names and values, the values with uncertainty and unit.
    note : str
        What speaks against trusting it.
    """

    title: str
    verdict: str
    tone: Tone
    figure: Figure | None
    facts: Sequence[tuple[str, str]]
    note: str = ""

    def __post_init__(self) -> None:
        if self.tone not in get_args(Tone):
            raise ValueError(f"tone {self.tone!r} is none of {', '.join(get_args(Tone))}")


@dataclass(frozen=True)
class Cards:
    """Cards side by side, with a line above them that says what they are."""

    cards: Sequence[Card]
    caption: str = ""


@dataclass(frozen=True)
class Viewer:
    """Volumes to scroll through; `phantomcal.report.viewer.viewer` makes them.

    Attributes
    ----------
    title, caption : str
        What is shown, and what to see in it.
    still : Figure
        Middle slices: what stands here in print and where no script runs.
    volumes : mapping
        Grid, layers and outlines as the page's script reads them.
    legend : sequence of (str, str, bool)
        Meaning, colour and whether dashed, of each kind of outline.
    """

    title: str
    still: Figure
    volumes: Mapping[str, Any]
    caption: str = ""
    legend: Sequence[tuple[str, str, bool]] = ()


Block: TypeAlias = Figure | TableBlock | Text | Callout | Cards | Viewer


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    title, intro : str
        Heading, and one or two sentences on what is shown and how to read it.
    blocks : sequence of Figure, TableBlock, Text, Callout, Cards, Viewer
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
