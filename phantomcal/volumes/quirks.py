"""Oddities of input files that can be set right, and what the user wants done about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from phantomcal.errors import InputError

Strictness = Literal["ignore", "warn", "raise"]


@dataclass(frozen=True)
class Quirk:
    """Something odd that has one right reading: what it is, and what was done about it."""

    what: str
    done: str


def settle(quirks: Iterable[Quirk], strictness: Strictness, where: str = "the DICOM series") -> tuple[str, ...]:
    """Notes on the quirks; none with ``ignore``.

    Raises
    ------
    InputError
        With ``raise``, at the first quirk; at an unknown strictness.
    """
    if strictness not in get_args(Strictness):
        raise InputError(f"unknown strictness {strictness!r}", "", "use ignore, warn or raise")
    if strictness == "ignore":
        return ()
    notes = []
    for quirk in quirks:
        if strictness == "raise":
            raise InputError(quirk.what, where, f"mend the files, or with --strictness warn: {quirk.done}")
        notes.append(f"{quirk.what}: {quirk.done}")
    return tuple(notes)
