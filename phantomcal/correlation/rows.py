"""Which rows of a table can be correlated, under which region, subject and covariates?"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.correlation.association import MIN_ROWS, is_constant
from phantomcal.errors import InputError
from phantomcal.tables import numeric_column, require_plausible, row_in_file

DEFAULT_X, DEFAULT_Y, DEFAULT_BY, DEFAULT_SUBJECT = "ct_hu", "qsm_ppm", "roi", "subject_id"
ALL = "all"
COVARIATE = "covariate "
_PPM_LIMIT = 30.0


def resolve(
    table: pd.DataFrame, x: str, y: str, by: str | None, subject: str | None
) -> tuple[str | None, str | None, list[str]]:
    """Columns of region and subject that are there, with warnings about those that are not."""
    warnings = []
    mapped = x != DEFAULT_X or y != DEFAULT_Y
    if by == DEFAULT_BY and mapped and by not in table.columns:
        close = [str(name) for name in table.columns if str(name).lower() == DEFAULT_BY]
        hint = f" (there is {close[0]!r}: --by {close[0]} takes it)" if close else ""
        warnings.append(f"no column {by!r}: all rows taken as one group{hint}")
        by = None
    if subject == DEFAULT_SUBJECT and subject not in table.columns:
        warnings.append(f"no column {subject!r}: rows are taken as independent (--subject names the column)")
        subject = None
    return by, subject, warnings


def usable_rows(
    table: pd.DataFrame,
    x: str,
    y: str,
    by: str | None,
    subject: str | None,
    covariates: Sequence[str],
    where: str,
    sds: tuple[str, str] | None = None,
) -> tuple[pd.DataFrame, "pd.Series[int]", dict[str, int]]:
    """Rows that can be used, and how many cannot.

    Parameters
    ----------
    table, x, y, by, subject, covariates, where
        As `correlate` takes them.
    sds : tuple of str, optional
        Columns of the standard errors of x and y; a row without a positive one is not left out, its SD is NaN.

    Returns
    -------
    rows : pandas.DataFrame
        Columns ``x, y, region, subject, row`` (line in the file), ``covariate NAME``, and ``x_sd, y_sd`` if asked for,
        in an order that depends on their values only.
    dropped : pandas.Series
        Rows left out by region.
    reasons : dict of str to int
        Rows left out by reason.
    """
    columns: dict[str, pd.Series[float]] = {"x": numeric_column(table, x, where), "y": numeric_column(table, y, where)}
    for values in columns.values():
        require_plausible(values, where)
    typical_ppm = float(columns["y"].abs().median())
    if "ppm" in y.lower() and typical_ppm > _PPM_LIMIT:
        raise InputError(
            f"column {y!r} cannot be ppm (typically {typical_ppm:.3g})", where, "divide by 1000 if it is in ppb"
        )
    present = pd.Series(True, index=table.index)
    for name in covariates:
        if name in (x, y):
            raise InputError(f"covariate {name!r} is one of the two columns to correlate", where, "leave it out")
        texts = keys_of(table[name])
        if len(set(texts) - {""}) < 2:
            raise InputError(f"covariate {name!r} is constant", where, "leave it out")
        # One number among the entries makes it a number column, so that stray text is an error and not a level.
        if texts.str.fullmatch(r"[+-]?\d*[.,]?\d+").any():
            numbers = numeric_column(table, name, where)
            columns[f"covariate {name}"] = numbers
            present &= numbers.notna()
            continue
        # The first level is the base the others are told from.
        for level in sorted(set(texts) - {""})[1:]:
            columns[f"covariate {name}={level}"] = (texts == level).astype(np.float64)
        present &= texts != ""
    for role, name in zip(("x_sd", "y_sd"), sds or (), strict=False):
        sd = numeric_column(table, name, where)
        columns[role] = sd.where(sd > 0)
    data = pd.DataFrame(columns, index=table.index)
    data["region"] = keys_of(table[by]) if by is not None else ALL
    data["subject"] = keys_of(table[subject]) if subject is not None else ""
    data["row"] = [row_in_file(label, position) for position, label in enumerate(table.index)]
    named = data["region"] != ""
    has_x, has_y = data["x"].notna(), data["y"].notna()
    complete = has_x & has_y & present
    gone = {f"a {by}": int((~named).sum())}
    dropped = (~complete)[named].astype(np.int64).groupby(data["region"][named]).sum()
    gone |= {f"{x} or {y}": int((named & ~(has_x & has_y)).sum())}
    gone |= {f"{' or '.join(covariates)}": int((named & has_x & has_y & ~present).sum())}
    data = data[named & complete]
    order = np.lexsort((data["row"], data["subject"], data["y"], data["x"]))
    return data.iloc[order], dropped, {words: count for words, count in gone.items() if count}


def keys_of(column: "pd.Series[Any]") -> "pd.Series[str]":
    """Names of groups as text: 3.0, which pandas makes of 3 beside a blank, is 3; blank when missing."""

    def text(value: object) -> str:
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value))
        return str(value).strip()

    known = column.notna()
    return column.astype(object).where(known, "").map(text)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: label-2 before label-10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def check_whole(data: pd.DataFrame, x: str, y: str, by: str | None, n_rows: int, where: str) -> None:
    """Refuse a table with too few usable rows, or whose x or y never varies."""
    if n_rows < MIN_ROWS or len(data) < MIN_ROWS:
        had = f" with both {x!r} and {y!r} (of {n_rows})" if n_rows != len(data) else ""
        raise InputError(
            f"{'one row' if len(data) == 1 else f'{len(data)} rows'}{had}, which is too few to correlate",
            where,
            f"at least {MIN_ROWS} rows {'of a region ' if by is not None else ''}are needed",
        )
    for role, name in (("x", x), ("y", y)):
        if is_constant(data[role].to_numpy()):
            raise InputError(
                f"column {name!r} is constant ({data[role].iloc[0]:g} in all {len(data)} rows)",
                where,
                f"a correlation needs values that differ; is it the right column (--{role})?",
            )


def covariates_of(group: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]] | None":
    """Covariates of a region's rows, shape (n, k); None when there are none."""
    names = [name for name in group.columns if name.startswith(COVARIATE)]
    return group[names].to_numpy(dtype=np.float64) if names else None
