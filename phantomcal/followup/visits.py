"""A table of lesion visits, brought to one form: ids, time in years, ppm, events, and what was odd about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.followup.dates import DAYS_PER_YEAR, read_dates
from phantomcal.tables import numeric_column, require_columns, require_plausible, row_in_file

# Beyond this no tissue lies: the value is in ppb, or wrong.
LARGEST_PPM = 20.0
# Columns that say how a value was made; a change of one of them between visits may be read as a change of the lesion.
MAKING = ("reconstruction", "algorithm", "scanner", "field_strength_t", "sequence")
_TRUE = {"1", "1.0", "true", "yes", "y", "event", "bleed", "bled", "haemorrhage", "hemorrhage", "growth"}
_FALSE = {"0", "0.0", "false", "no", "n", "none", "stable"}
_DISAGREE_YEARS = 0.1
_MOST_NAMED = 5


@dataclass(frozen=True)
class Visits:
    """Lesion visits in one form.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per lesion and visit, sorted by subject, lesion and time: `subject_id`, `lesion_id` (text), `date`
        (NaT when unknown), `years` (from the subject's first visit), `qsm_ppm` and `qsm_se_ppm` (NaN when unknown),
        `volume_mm3`, `event` (1, 0 or NaN when the table has no such column), `arm`, the columns of `MAKING` that
        there are, `note`.
    has_events, has_dates : bool
        Whether the table has clinical events; whether every row has a date.
    making : tuple of str
        Columns of `MAKING` that there are.
    groups : tuple of str
        Columns with one value per subject that subjects may be compared by; `arm` among them.
    se_source : str
        Where `qsm_se_ppm` comes from, in words; empty when there is none.
    warnings : list of str
        What was odd.
    """

    frame: pd.DataFrame
    has_events: bool
    has_dates: bool
    making: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    se_source: str = ""
    warnings: list[str] = field(default_factory=list)


def read_visits(
    frame: pd.DataFrame,
    where: str = "the table",
    *,
    columns: Mapping[str, str] | None = None,
    group_columns: tuple[str, ...] = (),
    day_first: bool | None = None,
) -> Visits:
    """Check a visit table and bring it to one form.

    Parameters
    ----------
    frame : pandas.DataFrame
        `subject_id`, `lesion_id`, `date` or `years`, `qsm_ppm` or `qsm_ppb`; optional `event`, `arm`, `volume_mm3`,
        `qsm_se_ppm` (or `_ppb`), `qsm_sd_ppm` (or `_ppb`) with `n_effective` or `n_voxels`, `visit`, and the columns
        of `MAKING`.
    where : str
        The file, for messages.
    columns : mapping of str to str, optional
        Contract name -> the name in this table.
    group_columns : tuple of str
        Further columns by which subjects are compared.
    day_first : bool, optional
        How to read 03/04/2024; see `phantomcal.followup.dates.read_dates`.

    Returns
    -------
    Visits

    Raises
    ------
    InputError
        A column is missing, an id is empty, a date or number cannot be read, or values cannot be in their unit.
    """
    table = frame
    if columns:
        require_columns(frame, columns.values(), where)
        taken = [name for name, own in columns.items() if own != name and name in frame.columns]
        if {"qsm_ppm", "qsm_ppb"} & set(columns):  # the one that was named counts, not its sibling
            taken += [n for n in ("qsm_ppm", "qsm_ppb") if n in frame.columns and n not in (*taken, *columns.values())]
        table = frame.drop(columns=taken).rename(columns={own: name for name, own in columns.items()})
    require_columns(table, ["subject_id", "lesion_id", *group_columns], where)
    warnings: list[str] = []
    out = pd.DataFrame({"subject_id": _ids(table, "subject_id", where), "lesion_id": _ids(table, "lesion_id", where)})
    out["qsm_ppm"] = _susceptibility(table, where, warnings)
    out["date"], out["years"] = _times(table, out["subject_id"], where, day_first, warnings)
    out["qsm_se_ppm"], se_source = _standard_errors(table, out["qsm_ppm"], where, warnings)
    out["volume_mm3"] = numeric_column(table, "volume_mm3", where) if "volume_mm3" in table.columns else np.nan
    if (out["volume_mm3"] < 0).any():
        raise InputError("negative volumes in column 'volume_mm3'", where, "correct the cells or leave them empty")
    has_events = "event" in table.columns
    out["event"] = _events(table, where) if has_events else np.nan
    making = tuple(name for name in MAKING if name in table.columns)
    for name in making:
        out[name] = _words(table[name])
    groups = tuple(dict.fromkeys((*(["arm"] if "arm" in table.columns else []), *group_columns)))
    for name in groups:
        out[name] = _words(table[name])
    out["visit"] = numeric_column(table, "visit", where) if _is_numbers(table, "visit") else np.nan
    out["note"] = _words(table["note"]) if "note" in table.columns else ""
    out["row"] = [row_in_file(label, k) for k, label in enumerate(table.index)]
    out = _placed(out, warnings)
    groups = _one_per_subject(out, groups, warnings)
    sorted_frame = out.sort_values(["subject_id", "lesion_id", "years", "row"], kind="stable").reset_index(drop=True)
    dated = bool(sorted_frame["date"].notna().all())
    return Visits(sorted_frame, has_events, dated, making, groups, se_source, warnings)


def with_warnings(visits: Visits, more: list[str]) -> Visits:
    """The same visits with more warnings."""
    return replace(visits, warnings=[*visits.warnings, *more])


def counted(n: int, noun: str) -> str:
    """``1 visit``, ``2 visits``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def named(items: "pd.Series[Any] | list[str]") -> str:
    """A few of many names, and how many more there are."""
    names = list(dict.fromkeys(str(item) for item in items))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _words(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _ids(table: pd.DataFrame, name: str, where: str) -> "pd.Series[Any]":
    text = _words(table[name]).str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)
    blank = np.flatnonzero((text == "").to_numpy())
    if blank.size:
        row = row_in_file(table.index[blank[0]], int(blank[0]))
        raise InputError(f"no {name} in row {row}", where, "every row names its subject and lesion")
    return text


def _is_numbers(table: pd.DataFrame, name: str) -> bool:
    return name in table.columns and pd.api.types.is_numeric_dtype(table[name].dtype)


def _in_ppm(table: pd.DataFrame, stem: str, where: str) -> "pd.Series[float] | None":
    """`stem`_ppm or `stem`_ppb as ppm; where both are filled they must agree."""
    found = {}
    for unit, factor in (("ppm", 1.0), ("ppb", 1e-3)):
        if f"{stem}_{unit}" in table.columns:
            column = numeric_column(table, f"{stem}_{unit}", where)
            require_plausible(column, where)
            found[unit] = column * factor
    if len(found) < 2:
        return next(iter(found.values()), None)
    apart = (found["ppm"] - found["ppb"]).abs() > 0.01 * found["ppm"].abs() + 1e-4
    if apart.any():
        first = int(np.flatnonzero(apart.to_numpy())[0])
        raise InputError(
            f"{stem}_ppm and {stem}_ppb disagree in row {row_in_file(table.index[first], first)}",
            where,
            "keep one of the two columns",
        )
    return found["ppm"].fillna(found["ppb"])


def _susceptibility(table: pd.DataFrame, where: str, warnings: list[str]) -> "pd.Series[float]":
    values = _in_ppm(table, "qsm", where)
    if values is None:
        require_columns(table, ["qsm_ppm"], where, {"qsm_ppm": "--qsm-column"})
        raise AssertionError
    only_ppb = "qsm_ppm" not in table.columns
    if not only_ppb and "qsm_ppb" in table.columns:
        changed = table["qsm_ppm"].isna() & table["qsm_ppb"].notna()
        if changed.any():
            warnings.append(f"{counted(int(changed.sum()), 'row')} in ppb, the others in ppm: all were brought to ppm")
    wild = np.flatnonzero((values.abs() > LARGEST_PPM).to_numpy())
    if wild.size:
        row = row_in_file(table.index[wild[0]], int(wild[0]))
        shown = values.iloc[wild[0]] * (1e3 if only_ppb else 1)
        unit = "ppb" if only_ppb else "ppm"
        some = "" if wild.size == len(values) else f" ({wild.size} of {len(values)} rows)"
        raise InputError(
            f"a susceptibility of {shown:g} in row {row} cannot be {unit}{some}",
            where,
            "name the column qsm_ppb, or bring all rows to one unit" if not only_ppb else "correct the rows",
        )
    return values


def _times(
    table: pd.DataFrame, subject: "pd.Series[Any]", where: str, day_first: bool | None, warnings: list[str]
) -> tuple["pd.Series[Any]", "pd.Series[float]"]:
    given = numeric_column(table, "years", where) if "years" in table.columns else None
    if given is not None:
        require_plausible(given, where)
        if (given.abs() > 200).any():
            raise InputError("times beyond 200 in column 'years'", where, "give years since the first visit")
    nowhere = pd.Series(np.datetime64("NaT", "ns"), index=table.index)
    if "date" not in table.columns:
        if given is None:
            raise InputError("no column 'date' and no column 'years'", where, "give one of the two for every visit")
        return nowhere, given
    dates, said = read_dates(table["date"], where, day_first)
    warnings += [said] if said else []
    days = dates.to_numpy(dtype="datetime64[D]")
    numbers = np.where(np.isnat(days), np.nan, days.astype(np.float64))
    own = pd.Series(numbers / DAYS_PER_YEAR, index=table.index)
    own -= own.groupby(subject.to_numpy()).transform("min")
    if given is None:
        return dates, own
    if not own.notna().any():
        return dates, given
    shift = given.where(own.notna()).groupby(subject.to_numpy()).transform("min")
    apart = (given - shift - own).abs() > _DISAGREE_YEARS
    if apart.any():
        warnings.append(
            f"years and date disagree by more than {_DISAGREE_YEARS:g} years in {int(apart.sum())} rows "
            f"(subjects {named(subject[apart])}): the dates were used"
        )
    filled = own.isna() & given.notna()
    if filled.any():
        warnings.append(f"{counted(int(filled.sum()), 'row')} without a date: years were used")
    return dates, own.fillna(given - shift)


def _standard_errors(
    table: pd.DataFrame, values: "pd.Series[float]", where: str, warnings: list[str]
) -> tuple["pd.Series[float]", str]:
    known = _in_ppm(table, "qsm_se", where)
    source = "standard errors given" if known is not None else ""
    if known is None:
        spread = _in_ppm(table, "qsm_sd", where)
        count = next((n for n in ("n_effective", "n_voxels") if n in table.columns), None)
        if spread is None or count is None:
            return pd.Series(np.nan, index=values.index), ""
        voxels = numeric_column(table, count, where)
        known = spread / np.sqrt(voxels.where(voxels > 0))
        source = f"SD between voxels over the root of {count}"
        if count == "n_voxels":
            warnings.append(
                "standard errors rest on the number of voxels as if they were independent: neighbouring voxels of a "
                "susceptibility map are not, so they are too small (a column n_effective is better)"
            )
    if (known < 0).any():
        raise InputError("negative standard errors or SDs", where, "correct the cells or leave them empty")
    return known.where(known > 0), source


def _events(table: pd.DataFrame, where: str) -> "pd.Series[float]":
    text = _words(table["event"]).str.lower()
    unknown = ~text.isin(_TRUE | _FALSE | {"", "n/a", "na", "nan", "-"})
    if unknown.any():
        row = int(np.flatnonzero(unknown.to_numpy())[0])
        raise InputError(
            f"{text.iloc[row]!r} in column 'event', row {row_in_file(table.index[row], row)}, is neither yes nor no",
            where,
            "write 1 for a clinical event since the last visit and 0 for none",
        )
    blank = ~text.isin(_TRUE | _FALSE)
    return text.isin(_TRUE).astype(np.float64).where(~blank)


def _placed(out: pd.DataFrame, warnings: list[str]) -> pd.DataFrame:
    """Without rows that have no time, every subject from its first visit; what is out of order is said."""
    lost = out["years"].isna()
    if lost.any():
        warnings.append(
            f"{int(lost.sum())} of {len(out)} rows without a date or time were left out "
            f"(subjects {named(out.loc[lost, 'subject_id'])})"
        )
        out = out[~lost].copy()
    if out.empty:
        raise InputError("no row has a time", "", "fill the column date or years")
    out["years"] -= out.groupby("subject_id")["years"].transform("min")
    lesion = [out["subject_id"], out["lesion_id"]]
    back = out["years"] < out.groupby(lesion)["years"].shift()
    if back.any():
        warnings.append(
            f"{counted(int(back.groupby(lesion).any().sum()), 'lesion')} with rows not in order of time: put in order "
            f"(subjects {named(out.loc[back, 'subject_id'])})"
        )
    ordered = out.sort_values(["subject_id", "lesion_id", "years", "row"], kind="stable")
    keys = [ordered["subject_id"], ordered["lesion_id"]]
    swapped = ordered["visit"] < ordered.groupby(keys)["visit"].shift()
    if swapped.any():
        warnings.append(
            f"visit numbers and dates disagree in {int(swapped.sum())} places (subjects "
            f"{named(ordered.loc[swapped, 'subject_id'])}): the dates were used; check them"
        )
        ordered.loc[swapped, "note"] = _joined(ordered.loc[swapped, "note"], "visit number and date disagree")
    return ordered


def _one_per_subject(out: pd.DataFrame, groups: tuple[str, ...], warnings: list[str]) -> tuple[str, ...]:
    """Every subject in one group; a subject in two arms is refused, an unknown one is said."""
    for name in groups:
        blank = out[name] == ""
        first = out[name].where(~blank).groupby(out["subject_id"]).transform("first")
        several = (out[name] != first) & ~blank
        if several.any():
            raise InputError(
                f"subject {out.loc[several, 'subject_id'].iloc[0]} has several values of {name!r}",
                f"row {int(out.loc[several, 'row'].iloc[0])}",
                "a subject belongs to one group",
            )
        out[name] = first.fillna("")
        if (out[name] == "").any():
            without = out.loc[out[name] == "", "subject_id"]
            warnings.append(
                f"no {name} for {counted(int(without.nunique()), 'subject')} ({named(without)}): "
                "left out of comparisons"
            )
    return groups


def _joined(notes: "pd.Series[Any]", words: str) -> "pd.Series[Any]":
    return notes.where(notes == "", notes + "; ") + words


def safe_name(text: str) -> str:
    """An id without blanks and signs, as BIDS wants it."""
    return re.sub(r"[^A-Za-z0-9]+", "", text)
