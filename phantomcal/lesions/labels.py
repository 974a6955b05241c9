"""What tables call the classes: truth, and what readers said."""

import pandas as pd

from phantomcal.errors import InputError
from phantomcal.lesions.readings import texts
from phantomcal.tables import row_in_file

_WORDS = {
    "haemorrhage": (
        "haemorrhage", "hemorrhage", "haemorrhagic", "hemorrhagic", "blood", "bleed", "iron", "microbleed", "h",
    ),
    "calcification": ("calcification", "calcified", "calcium", "calc", "c"),
    "mixed": ("mixed", "both", "m"),
    "nothing": ("nothing", "tissue", "neither"),
    "": ("", "unknown", "undetermined", "n/a", "na", "?"),
}  # fmt: skip
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words}


def labels_of(frame: pd.DataFrame, column: str, where: str) -> list[str]:
    """Classes of a column of labels, in one spelling; empty where none is given.

    Raises
    ------
    InputError
        A word that names no class; column, row and word are named.
    """
    words = texts(frame, column)
    found = [_MEANING.get(word.lower()) for word in words]
    for k, meaning in enumerate(found):
        if meaning is None:
            raise InputError(
                f"column {column!r} holds {words[k]!r} in row {row_in_file(frame.index[k], k)}",
                where,
                "write haemorrhage, calcification, mixed or nothing, or leave the cell empty",
            )
    return [meaning or "" for meaning in found]
