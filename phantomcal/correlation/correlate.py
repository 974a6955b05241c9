"""Does CT rise or fall with susceptibility in each region, and is that sure? From a region table to a verdict."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.correlation.association import MIN_ROWS, Association, associate, is_constant
from phantomcal.correlation.inference import ADJUSTMENTS, EXACT_UP_TO, adjust_p
from phantomcal.correlation.remarks import ALPHA, Remarks, behaviour, remarks
from phantomcal.errors import InputError
from phantomcal.results import Correlation, RegionCorrelation
from phantomcal.tables import numeric_column, require_columns, require_plausible, row_in_file

DEFAULT_X, DEFAULT_Y, DEFAULT_BY, DEFAULT_SUBJECT = "ct_hu", "qsm_ppm", "roi", "subject_id"
ALL = "all"
_PPM_LIMIT = 30.0
_OPTIONS = {"x": "--x", "y": "--y", "by": "--by", "subject": "--subject", "covariate": "--covariate"}

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def correlate(
    table: pd.DataFrame,
    *,
    x: str = DEFAULT_X,
    y: str = DEFAULT_Y,
    by: str | None = DEFAULT_BY,
    subject: str | None = DEFAULT_SUBJECT,
    covariates: Sequence[str] = (),
    adjust: str = "holm",
    where: str = "the table",
) -> Correlation:
    """Correlate CT with susceptibility across subjects, region by region.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per subject and region, as `sample_regions` makes it or `read_table` reads it.
    x, y : str
        Columns of the abscissa (HU) and the ordinate (ppm).
    by : str or None
        Column that names the region; None takes all rows as one group called ``all``. When the default column is
        missing and `x` or `y` was mapped, the same is done with a warning.
    subject : str or None
        Column that names the subject, to notice rows that are not independent. The default column may be missing.
    covariates : sequence of str
        Columns taken out of both before correlating (partial correlation, line at the covariates' means). Text columns
        are coded by level.
    adjust : {"holm", "bonferroni", "fdr_bh", "none"}
        How p values are adjusted for the number of regions, Pearson's and Spearman's apart.
    where : str
        The file, for messages.

    Returns
    -------
    Correlation
        Regions in natural order of their names; a region without an answer has nulls, ``undetermined`` and a note.

    Raises
    ------
    InputError
        A column missing, text in a number column, one row, a constant column, or no region with three usable rows.

    Notes
    -----
    Intervals and tests are described in `phantomcal.correlation.inference`. The result does not depend on row order.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError(f"unknown p adjustment {adjust!r}", "the call", f"use one of {', '.join(ADJUSTMENTS)}")
    if x == y:
        raise InputError(f"{x!r} is to be correlated with itself", "the call", "name two columns with --x and --y")
    by, subject, warnings = _resolve(table, x, y, by, subject)
    wanted = {x: "x", y: "y"} | dict.fromkeys(covariates, "covariate")
    wanted |= {name: role for name, role in ((by, "by"), (subject, "subject")) if name is not None}
    require_columns(table, wanted, where, {name: _OPTIONS[role] for name, role in wanted.items()})
    data, dropped, gone = _usable_rows(table, x, y, by, subject, covariates, where)
    for words, count in gone.items():
        warnings.append(f"{_rows(count)} without {words} left out")
    if subject is not None and (data["subject"] == "").any():
        warnings.append(f"{_rows(int((data['subject'] == '').sum()))} without {subject} counted as one unknown subject")
    _check_whole(data, x, y, by, len(table), where)

    regions = sorted(dropped.index, key=_natural)
    groups = [data[data["region"] == region] for region in regions]
    answers = [_associate(group, (x, y), bool(covariates)) for group in groups]
    if all(isinstance(answer, str) for answer in answers):
        _refuse(answers, regions, groups, by, where)
    pearson_p = adjust_p(np.array([a.pearson_p if isinstance(a, Association) else np.nan for a in answers]), adjust)
    spearman_p = adjust_p(np.array([a.spearman_p if isinstance(a, Association) else np.nan for a in answers]), adjust)
    n_tested = int(np.isfinite(pearson_p).sum())
    rows: list[RegionCorrelation] = []
    found: dict[str, list[str]] = {}
    for region, group, answer, p, rank_p in zip(regions, groups, answers, pearson_p, spearman_p, strict=True):
        said = remarks(group, answer, float(p), n_tested, int(dropped[region]), has_subjects=subject is not None)
        rows.append(_region_row(region, group, answer, float(p), float(rank_p), said, subject is not None))
        for text in said.warnings:
            found.setdefault(text, []).append(region)
    for text, named in found.items():
        warnings.append(text if len(regions) == 1 else f"{', '.join(named)}: {text}")
    return Correlation(
        x=x,
        y=y,
        by=by if by is not None else "none",
        adjustment=f"{ADJUSTMENTS[adjust]} over {n_tested} region{'s' if n_tested != 1 else ''}, "
        "Pearson and Spearman apart",
        rule=_rule(covariates),
        regions=rows,
        warnings=warnings,
    )


def correlation_frame(correlation: Correlation) -> pd.DataFrame:
    """The table of correlation.csv: a row per region, columns in the order of the contract, None as missing."""
    columns = list(RegionCorrelation.model_fields)
    frame = pd.DataFrame([row.model_dump() for row in correlation.regions], columns=columns)
    for name in columns:
        if name not in ("roi", "behaviour", "note"):
            frame[name] = pd.to_numeric(frame[name]).astype("Int64" if name.startswith("n") else "float64")
    return frame


def _resolve(
    table: pd.DataFrame, x: str, y: str, by: str | None, subject: str | None
) -> tuple[str | None, str | None, list[str]]:
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


def _usable_rows(
    table: pd.DataFrame, x: str, y: str, by: str | None, subject: str | None, covariates: Sequence[str], where: str
) -> tuple[pd.DataFrame, "pd.Series[int]", dict[str, int]]:
    """Rows that can be used, in an order that depends on their values only; rows dropped by region and by reason."""
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
        texts = _keys(table[name])
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
    data = pd.DataFrame(columns, index=table.index)
    data["region"] = _keys(table[by]) if by is not None else ALL
    data["subject"] = _keys(table[subject]) if subject is not None else ""
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


def _keys(column: "pd.Series[Any]") -> "pd.Series[str]":
    """Names of groups as text: 3.0, which pandas makes of 3 beside a blank, is 3; blank when missing."""

    def text(value: object) -> str:
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value))
        return str(value).strip()

    known = column.notna()
    return column.astype(object).where(known, "").map(text)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: label-2 before label-10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _check_whole(data: pd.DataFrame, x: str, y: str, by: str | None, n_rows: int, where: str) -> None:
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


def _associate(group: pd.DataFrame, names: tuple[str, str], partial: bool) -> Association | str:
    z = group[[name for name in group.columns if name.startswith("covariate ")]].to_numpy(dtype=np.float64)
    return associate(group["x"].to_numpy(), group["y"].to_numpy(), z if partial else None, names)


def _refuse(
    answers: list[Association | str], regions: list[str], groups: list[pd.DataFrame], by: str | None, where: str
) -> None:
    largest = max(range(len(groups)), key=lambda i: len(groups[i]))
    raise InputError(
        f"no region can be correlated: {regions[largest]!r}, the one with most rows, says {answers[largest]}",
        where,
        f"each {by!r} needs {MIN_ROWS} rows that differ; --by none takes all rows as one group"
        if by is not None
        else "give more rows, or fewer covariates",
    )


def _region_row(
    region: str,
    group: pd.DataFrame,
    answer: Association | str,
    p: float,
    rank_p: float,
    said: Remarks,
    has_subjects: bool,
) -> RegionCorrelation:
    a = answer if isinstance(answer, Association) else None
    return RegionCorrelation(
        roi=region,
        n=len(group),
        n_subjects=int(group["subject"].nunique()) if has_subjects else None,
        pearson_r=a and a.pearson_r,
        pearson_ci95_low=a and a.pearson_ci95[0],
        pearson_ci95_high=a and a.pearson_ci95[1],
        pearson_p=a and a.pearson_p,
        pearson_p_adjusted=p if a else None,
        spearman_rho=a and a.spearman_rho,
        spearman_ci95_low=a and a.spearman_ci95[0],
        spearman_ci95_high=a and a.spearman_ci95[1],
        spearman_p=a and a.spearman_p,
        spearman_p_adjusted=rank_p if a else None,
        r2=a and a.pearson_r**2,
        slope=a and a.slope,
        slope_se=a and a.slope_se,
        intercept=a and a.intercept,
        behaviour=behaviour(a, p) if a else "undetermined",
        note="; ".join(said.note),
    )


def _rule(covariates: Sequence[str]) -> str:
    partial = f" All coefficients are partial, {', '.join(covariates)} taken out." if covariates else ""
    return (
        f"Paramagnetic (diamagnetic) when the adjusted p of Pearson's r is below {ALPHA}, its 95 % interval lies above "
        "(below) 0 and Spearman's rho has the same sign; else undetermined. Pearson: t test, interval by Fisher's z. "
        f"Spearman: exact permutation test up to {EXACT_UP_TO} rows, else t; interval by Fisher's z with Bonett and "
        f"Wright's standard error.{partial}"
    )


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
