"""Tables for the page without pandas, which takes a quarter of a second to load."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd


class _Columns:
    """What `TableBlock` asks of a data frame: its columns' names, each column, the number of rows."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = {name: list(values) for name, values in columns.items()}
        lengths = {len(values) for values in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError("columns of unequal length")
        self._rows = lengths.pop() if lengths else 0

    @property
    def columns(self) -> list[str]:
        """Names in order."""
        return list(self._columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def __len__(self) -> int:
        return self._rows


def table_of(columns: Mapping[str, Sequence[Any]]) -> "pd.DataFrame":
    """Columns as a table for `phantomcal.report.page.TableBlock`; it stands in for a data frame there and nowhere else.

    Parameters
    ----------
    columns : mapping of str to sequence
        All of one length.

    Raises
    ------
    ValueError
        Columns of unequal length.
    """
    return cast("pd.DataFrame", _Columns(columns))
