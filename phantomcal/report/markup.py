"""Small pieces of HTML made from text and bytes: data addresses, anchors, paragraphs, links."""

import base64
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from phantomcal.report.numerals import NONE

_DOI = re.compile(r"(?:doi[: ]\s*)?\b(10\.\d{4,9}/[^\s,;)]*[^\s,;).])", re.IGNORECASE)


def data_uri(data: bytes) -> str:
    """A picture as an address that holds it."""
    kind = media_type(data)
    if kind == "image/svg+xml":
        # Percent-encoding what needs it keeps line drawings a third smaller than base64 does.
        return f"data:{kind}," + quote(data.decode(), safe="/:;=,+@!$*()'?&- ")
    return f"data:{kind};base64," + base64.b64encode(data).decode()


def media_type(data: bytes) -> str:
    """Media type of SVG, PNG or WebP bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.lstrip().startswith((b"<svg", b"<?xml")):
        return "image/svg+xml"
    raise ValueError("a figure is SVG, PNG or WebP")


def json_block(value: Any) -> str:
    """JSON for a script block: no text in it can end the block or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # U+2028 and U+2029 are line ends to some readers.
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def anchors(titles: Sequence[str]) -> list[str]:
    """An address in the page for each title, none twice."""
    taken = {"warnings", "methods", "references", "provenance", "certificate", "top"}
    given = []
    for title in titles:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"
        anchor, repeat = stem, 2
        while anchor in taken:
            anchor, repeat = f"{stem}-{repeat}", repeat + 1
        taken.add(anchor)
        given.append(anchor)
    return given


def paragraphs(text: str) -> list[str]:
    """Paragraphs of a text, parted by blank lines."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def linked(reference: str) -> list[tuple[str, str]]:
    """Pieces of a text, each with the address it points to or nothing: DOIs become links."""
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in _DOI.finditer(reference):
        pieces.append((reference[end : match.start(1)], ""))
        pieces.append((match[1], f"https://doi.org/{match[1]}"))
        end = match.end(1)
    pieces.append((reference[end:], ""))
    return [piece for piece in pieces if piece[0]]


def flattened(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of nested parameters, names joined by points."""
    for key in sorted(parameters, key=str):
        value, name = parameters[key], f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(str(item) for item in value) or NONE
        else:
            yield name, NONE if value is None or value == "" else str(value)
