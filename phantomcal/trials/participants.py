"""Who was randomised to what, what they received, and whether they kept to the protocol."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from phantomcal.errors import InputError
from phantomcal.followup.groups import group_names
from phantomcal.tables import require_columns, row_in_file

_YES = {"1", "1.0", "true", "yes", "y"}
_NO = {"0", "0.0", "false", "no", "n"}
_MOST_ARMS = 6


@dataclass(frozen=True)
class Participants:
    """Everyone randomised.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index `subject_id`; columns `arm`, `received_arm`, `per_protocol` (bool), `reason` (text, may be empty).
    control : str
    arms : list of str
        Control first.
    has_protocol : bool
        Whether anything was said of the treatment received or of the protocol.
    """

    frame: pd.DataFrame
    control: str
    arms: list[str]
    has_protocol: bool


def read_participants(
    visits: pd.DataFrame,
    where: str,
    *,
    listed: pd.DataFrame | None = None,
    listed_where: str = "",
    control: str | None = None,
) -> Participants:
    """Patients from the visit table, or from a list of those randomised.

    Parameters
    ----------
    visits : pandas.DataFrame
        With `subject_id` and, unless there is a list, `arm`; optional `received_arm`, `per_protocol`, `reason`. A
        patient's rows agree or are empty.
    where : str
        The file, for messages.
    listed : pandas.DataFrame, optional
        The same columns, a row a patient, also for those without any visit.
    listed_where : str
    control : str, optional
        The control arm; else an arm called control, placebo, standard or untreated, else the first by name.

    Returns
    -------
    Participants

    Raises
    ------
    InputError
        No arm, a patient in two arms or in none, one arm only, or a visit of somebody who is not listed.
    """
    table, name = (visits, where) if listed is None else (listed, listed_where)
    require_columns(table, ["subject_id", "arm"], name, {"arm": "--arm-column", "subject_id": "--subject-column"})
    subject = _text(table["subject_id"]).str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)
    if listed is not None:
        seen = set(_text(visits["subject_id"]).str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)) - set(subject) - {""}
        if seen:
            first = sorted(seen)[0]
            raise InputError(f"subject {first} has visits but was not randomised", listed_where, "add the subject")
    frame = pd.DataFrame(index=pd.Index(sorted(set(subject) - {""}), name="subject_id"))
    for column in ("arm", "received_arm", "per_protocol", "reason"):
        frame[column] = _single(table, subject, column, name).reindex(frame.index).fillna("")
    blank = frame.index[frame["arm"] == ""]
    if len(blank):
        raise InputError(f"no arm for subject {blank[0]}", name, "fill the column arm for every patient")
    arms = group_names(frame.reset_index(), "arm")
    if not 2 <= len(arms) <= _MOST_ARMS:
        raise InputError(f"{len(arms)} arm{'s' if len(arms) != 1 else ''} ({', '.join(arms[:8])})", name, "2 to 6 arms")
    if control is not None:
        if control not in arms:
            raise InputError(f"no arm {control!r}", "--control", f"one of {', '.join(arms)}")
        arms = [control, *(arm for arm in arms if arm != control)]
    has_protocol = bool((frame[["received_arm", "per_protocol"]] != "").to_numpy().any())
    received = frame["received_arm"].where(frame["received_arm"] != "", frame["arm"])
    kept = frame["per_protocol"].str.lower()
    wrong = kept[~kept.isin(_YES | _NO | {""})]
    if len(wrong):
        raise InputError(
            f"per_protocol {wrong.iloc[0]!r} of subject {wrong.index[0]} is neither yes nor no", name, "write 1 or 0"
        )
    # Who received another treatment did not follow the protocol, whatever else is said.
    frame["per_protocol"] = ~kept.isin(_NO) & (received == frame["arm"])
    frame["received_arm"] = received
    return Participants(frame, arms[0], arms, has_protocol)


def _text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    return text.where(~text.str.lower().isin({"nan", "n/a", "na"}), "")


def _single(table: pd.DataFrame, subject: "pd.Series[Any]", column: str, where: str) -> "pd.Series[Any]":
    if column not in table.columns:
        return pd.Series(dtype=object)
    said = _text(table[column])
    known = said != ""
    first = said[known].groupby(subject[known]).first()
    several = known & (said != subject.map(first))
    if several.any():
        place = int(several.to_numpy().argmax())
        raise InputError(
            f"subject {subject.iloc[place]} has several values of {column}",
            f"{where}, row {row_in_file(table.index[place], place)}",
            "a patient has one",
        )
    return first
