"""One page design for every report: the HTML made from the content model, which is imported from here."""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from numbers import Number
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phantomcal.report.content import (
    Block,
    Callout,
    Card,
    Cards,
    Certificate,
    Figure,
    Format,
    KeyNumber,
    Report,
    RowFlag,
    Section,
    TableBlock,
    Text,
    Tone,
    Verdict,
    Viewer,
)
from phantomcal.report.markup import anchors, data_uri, flattened, json_block, linked, paragraphs
from phantomcal.report.numerals import NONE, fixed, missing, number, unit_words
from phantomcal.shipped import shipped_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Block",
    "Callout",
    "Card",
    "Cards",
    "Certificate",
    "Figure",
    "Format",
    "KeyNumber",
    "Report",
    "RowFlag",
    "Section",
    "TableBlock",
    "Text",
    "Tone",
    "Verdict",
    "Viewer",
    "content_security_policy",
    "render",
]

# Nothing may be fetched, framed or sent, and no script run but the page's own: a report holds patients' numbers and is
# opened from anywhere.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; img-src data:; style-src 'unsafe-inline'; connect-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)

_SHOWN_OF_SECTION = 3  # warnings of one section that the top of the page repeats
_VERDICT_WORDS = {"pass": "Pass", "warn": "Review", "review": "Review", "fail": "Fail", "info": "Result"}
_SHORT, _SHORT_IN_WIDE = 24, 14
_SMALL_PX = 600


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
    warnings, n_warnings = _warnings(report, places)
    template = _environment().get_template("report.html")
    script = _script(any(isinstance(block, Viewer) for section in report.sections for block in section.blocks))
    return template.render(
        report=report,
        policy=content_security_policy(script),
        script=Markup(script),
        verdict_class="review" if report.verdict == "warn" else report.verdict,
        verdict_word=_VERDICT_WORDS[report.verdict],
        warnings=warnings,
        n_warnings=n_warnings,
        sections=sections,
        methods=paragraphs(report.methods),
        references=[linked(reference) for reference in report.references],
        inputs=report.provenance.inputs if report.provenance else [],
        versions=sorted(report.provenance.versions.items()) if report.provenance else [],
        parameters=list(flattened(report.provenance.parameters)) if report.provenance else [],
        certificate=_certificate(report.certificate),
    )


def content_security_policy(script: str) -> str:
    """What a page allows itself: the pictures and styles it holds, and this one script, known by its hash."""
    return _POLICY.format(script=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())


@lru_cache(maxsize=2)
def _script(with_volumes: bool) -> str:
    files = ["report.js", *(["volumes.js", "viewer.js"] if with_volumes else []), "start.js"]
    parts = [(shipped_folder("templates") / name).read_text(encoding="utf-8") for name in files]
    return "\n".join(['"use strict";', "(() => {", *parts, "})();", ""])


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


def _warnings(report: Report, places: Sequence[str]) -> tuple[list[dict[str, str]], int]:
    """What the top of the page lists, and how many warnings there are."""
    # A warning that concerns a section stands there, and once at the top; a section with many is cut short there.
    where: dict[str, tuple[str, str]] = {}
    for section, anchor in zip(report.sections, places, strict=True):
        for text in section.warnings:
            where.setdefault(text, (section.title, anchor))
    found: dict[str, list[dict[str, str]]] = {}
    for text in dict.fromkeys([*report.warnings, *where]):
        section_title, anchor = where.get(text, ("", ""))
        found.setdefault(anchor, []).append({"text": text, "section": section_title, "anchor": anchor})
    listed = []
    for anchor, items in found.items():
        many = bool(anchor) and len(items) > _SHOWN_OF_SECTION + 1
        shown = items[:_SHOWN_OF_SECTION] if many else items
        listed += shown
        if many:
            listed.append(shown[0] | {"text": f"and {len(items) - len(shown)} more"})
    return listed, sum(len(items) for items in found.values())


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Figure):
        return {"kind": "figure", "figure": block, "src": data_uri(block.data), "width": block.width_px}
    if isinstance(block, TableBlock):
        return {"kind": "table", "table": block, **_table(block)}
    if isinstance(block, Viewer):
        src = data_uri(block.still.data)
        return {"kind": "viewer", "viewer": block, "src": src, "data": Markup(json_block(block.volumes))}
    if isinstance(block, Cards):
        return {
            "kind": "cards",
            "cards": block,
            "pictures": [card.figure and data_uri(card.figure.data) for card in block.cards],
        }
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
    exact = {
        name: [_exact(v, text) for v, text in zip(block.exact.get(name, series[name]), texts[name], strict=True)]
        for name in names
    }
    rows = [
        {
            "flag": flag,
            "cells": [{"text": texts[name][i], "style": styles[name], "exact": exact[name][i]} for name in names],
        }
        for i, flag in enumerate(flags)
    ]
    more = {name: [_exact(v, "") for v in values] for name, values in block.exact.items() if name not in names}
    return {"columns": columns, "rows": rows, "more": json.dumps(more, ensure_ascii=False) if more else ""}


def _exact(value: Any, text: str) -> str | None:
    """A number in full, where the text of its cell does not say it already."""
    if not _is_number(value) or missing(value):
        return None
    full = repr(float(value)).removesuffix(".0")
    return None if full == text else full


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
