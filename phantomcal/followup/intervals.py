"""From visits to intervals: the change of every lesion between consecutive visits, and what it means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.followup.uncertainty import FloatArray, change_between, probability_above, reaches
from phantomcal.followup.visits import MAKING, Visits, counted, named

THRESHOLD_PERCENT = 6.0
_KEYS = ["subject_id", "lesion_id"]
_SHORT_YEARS = 0.25
_FAINT_PPM = 0.02  # two to four times the scan-rescan SD of deep grey matter: per cent of less is mostly noise
_UNIT_RATIO = 200.0
# A new field strength or algorithm is another measurement; a new scanner is corrected or at least said.
_INCOMPARABLE = tuple(name for name in MAKING if name != "scanner")


@dataclass(frozen=True)
class Intervals:
    """Intervals between consecutive visits, and the visits they are made of.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per lesion and pair of consecutive visits, as intervals.csv holds them.
    visits : pandas.DataFrame
        The visits with a value, those of one day averaged.
    warnings : list of str
    single : list of str
        Lesions of one visit only, ``subject lesion``.
    """

    frame: pd.DataFrame
    visits: pd.DataFrame
    warnings: list[str]
    single: list[str]


def intervals(
    visits: Visits,
    *,
    threshold_percent: float = THRESHOLD_PERCENT,
    repeatability_ppm: float | None = None,
) -> Intervals:
    """Change of every lesion between consecutive visits.

    Parameters
    ----------
    visits : Visits
        From `phantomcal.followup.visits.read_visits`, corrected by `phantomcal.followup.correction.corrected` or not.
    threshold_percent : float
        A rise of this or more is a threshold event.
    repeatability_ppm : float, optional
        Repeatability coefficient of the scanner; a rise of this or more is an event by repeatability. The standard
        error of a value is at least the within-scanner SD that belongs to it.

    Returns
    -------
    Intervals

    Raises
    ------
    InputError
        A threshold that is not positive, or no lesion with two visits.
    """
    _require_positive(threshold_percent, "--threshold", "per cent")
    if repeatability_ppm is not None:
        _require_positive(repeatability_ppm, "--repeatability", "ppm")
    warnings: list[str] = []
    merged = _one_a_day(visits, threshold_percent, warnings)
    valued = _with_carried_events(merged, visits.has_events, warnings)
    pairs = _pairs(valued)
    counts = valued.groupby(_KEYS, sort=False).size()
    single = [f"{s} {lesion}" for s, lesion in counts.index[counts == 1]]
    if single:
        warnings.append(f"{counted(len(single), 'lesion')} with a single value and so no interval: {named(single)}")
    if pairs.empty:
        raise InputError("no lesion has two visits with a value", "", "a change needs two visits")
    frame = _changes(pairs, threshold_percent, repeatability_ppm)
    _events_of(frame, pairs, visits.has_events)
    _remarks(frame, pairs, visits, warnings)
    order = _columns(visits, frame)
    return Intervals(frame[order], valued, warnings, single)


def _require_positive(value: float, option: str, unit: str) -> None:
    if not np.isfinite(value) or value <= 0:
        raise InputError(f"a threshold of {value:g} {unit}", option, "give a number above 0")


def _one_a_day(visits: Visits, threshold_percent: float, warnings: list[str]) -> pd.DataFrame:
    """Rows of one lesion and day as one: values and volumes averaged, any event counts."""
    frame = visits.frame.copy()
    frame["n_rows"] = 1
    frame["_time"] = frame["years"].round(5)
    keys = [*_KEYS, "_time"]
    double = frame.duplicated(keys, keep=False)
    if not double.any():
        return frame.drop(columns="_time")
    rows = frame[double].copy()
    rows["_variance"] = rows["qsm_se_ppm"] ** 2
    groups = rows.groupby(keys, sort=False)
    how = {name: "first" for name in rows.columns if name not in (*keys, "_variance")}
    numbers = ("qsm_ppm", "qsm_uncorrected_ppm", "volume_mm3", "scale_se", "scanner_se")
    how |= {name: "mean" for name in numbers if name in rows.columns}
    how |= {"event": "max", "n_rows": "sum"}
    # What was made in two ways on one day is named as both, so that a change of it shows.
    labels = [name for name in (*visits.making, "scale_key", "note") if name in rows.columns]
    one = groups.agg({**{n: h for n, h in how.items() if n not in labels}, **dict.fromkeys(labels, _both)})
    # SE of the mean of the day's values; unknown when one of them is.
    known = groups["_variance"].agg(lambda v: np.sqrt(v.sum(skipna=False)) / len(v))
    one["qsm_se_ppm"] = known
    spread = groups["qsm_ppm"].agg(lambda v: v.max() - v.min())
    wide = spread > threshold_percent / 100 * one["qsm_ppm"].abs()
    one["note"] = [
        "; ".join(filter(None, [note, f"{n} rows of one day averaged" + (f", {gap:.3g} ppm apart" if w else "")]))
        for note, n, gap, w in zip(one["note"], one["n_rows"], spread, wide, strict=True)
    ]
    said = f"{int(double.sum())} rows share lesion and day with another: averaged to {counted(len(one), 'visit')}"
    if wide.any():
        said += f"; rows of {int(wide.sum())} of them lie more than {threshold_percent:g} % apart"
    warnings.append(said)
    whole = pd.concat([frame[~double], one.reset_index()[frame.columns]], ignore_index=True)
    return whole.drop(columns="_time").sort_values([*_KEYS, "years"], kind="stable").reset_index(drop=True)


def _both(texts: "pd.Series[str]") -> str:
    return " + ".join(dict.fromkeys(str(t) for t in texts if t))


def _with_carried_events(frame: pd.DataFrame, has_events: bool, warnings: list[str]) -> pd.DataFrame:
    """Visits with a value; events of visits without one belong to the interval that ends next."""
    frame = frame.copy()
    valued = frame["qsm_ppm"].notna()
    frame["_order"] = frame["years"].round(5).groupby(frame["subject_id"]).rank(method="dense")
    if has_events:
        happened = frame["event"].fillna(0.0)
        frame["_events"] = happened.groupby([frame[k] for k in _KEYS]).cumsum()
        blank = int((frame["event"].isna() & frame.duplicated(_KEYS)).sum())
        if blank:
            warnings.append(f"{counted(blank, 'follow-up visit')} with an empty `event`: taken as no event")
        first = ~frame[valued].duplicated(_KEYS)
        early = int(frame.loc[first.index[first], "_events"].gt(0).sum())
        if early:
            warnings.append(
                f"{counted(early, 'lesion')} with a clinical event at or before the first value: not in any interval"
            )
        last = frame[valued].drop_duplicates(_KEYS, keep="last").set_index(_KEYS)["_events"]
        total = frame.drop_duplicates(_KEYS, keep="last").set_index(_KEYS)["_events"]
        late = int((total.reindex(last.index) > last).sum())
        if late:
            warnings.append(
                f"{counted(late, 'lesion')} with a clinical event after the last value: not in any interval"
            )
    if (~valued).any():
        warnings.append(
            f"{counted(int((~valued).sum()), 'visit')} without a value (subjects "
            f"{named(frame.loc[~valued, 'subject_id'])}): the interval reaches from the visit before to the one after"
        )
    return frame[valued].reset_index(drop=True)


def _pairs(frame: pd.DataFrame) -> pd.DataFrame:
    before = frame.groupby(_KEYS, sort=False).shift()
    kept = frame.duplicated(_KEYS).to_numpy()
    earlier = before[kept].add_suffix("_from")
    return pd.concat([frame[kept], earlier], axis=1).reset_index(drop=True)


def _array(column: "pd.Series[float]") -> FloatArray:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def total_errors(pairs: pd.DataFrame, repeatability_ppm: float | None) -> tuple[FloatArray, FloatArray]:
    """Standard errors of the earlier and the later value, the scale's included where it does not cancel."""
    least = None if repeatability_ppm is None else repeatability_ppm / (1.959963984540054 * np.sqrt(2))
    errors = []
    for end in ("_from", ""):
        se = _array(pairs[f"qsm_se_ppm{end}"])
        if least is not None:
            se = np.fmax(se, least / np.sqrt(_array(pairs[f"n_rows{end}"])))
        if "scale_se" in pairs.columns:
            value = _array(pairs[f"qsm_ppm{end}"])
            other_scale = (pairs["scale_key"] != pairs["scale_key_from"]).to_numpy()
            other_scanner = (pairs["scanner"] != pairs["scanner_from"]).to_numpy()
            relative = np.where(other_scale, np.nan_to_num(_array(pairs[f"scale_se{end}"])) ** 2, 0.0)
            relative += np.where(other_scanner, np.nan_to_num(_array(pairs[f"scanner_se{end}"])) ** 2, 0.0)
            se = np.sqrt(se**2 + relative * value**2)
        errors.append(se)
    return errors[0], errors[1]


def _changes(pairs: pd.DataFrame, threshold_percent: float, repeatability_ppm: float | None) -> pd.DataFrame:
    a, b = _array(pairs["qsm_ppm_from"]), _array(pairs["qsm_ppm"])
    a_se, b_se = total_errors(pairs, repeatability_ppm)
    years = _array(pairs["years"]) - _array(pairs["years_from"])
    change = change_between(a, b, a_se, b_se)
    frame = pairs[[*_KEYS]].copy()
    frame["years"] = years
    frame["change_percent"] = change.percent
    frame["change_percent_per_year"] = change.percent / years
    frame["threshold_event"] = _flag(reaches(change.percent, threshold_percent), change.percent)
    frame["from_years"], frame["to_years"] = pairs["years_from"], pairs["years"]
    frame["from_date"], frame["to_date"] = pairs["date_from"], pairs["date"]
    frame["from_ppm"], frame["to_ppm"] = a, b
    frame["change_ppm"] = b - a
    frame["change_ppm_per_year"] = (b - a) / years
    frame["change_ppm_se"] = change.ppm_se
    frame["change_percent_se"] = change.percent_se
    frame["change_percent_ci95_low"], frame["change_percent_ci95_high"] = change.percent_low, change.percent_high
    frame["probability_above_threshold"] = probability_above(a, b, a_se, b_se, threshold_percent)
    if repeatability_ppm is not None:
        frame["repeatability_event"] = _flag(reaches(b - a, repeatability_ppm), b - a)
    else:
        frame["repeatability_event"] = pd.array([pd.NA] * len(frame), dtype="boolean")
    before, after = _array(pairs["volume_mm3_from"]), _array(pairs["volume_mm3"])
    frame["volume_change_mm3"] = after - before
    frame["volume_change_percent"] = 100 * (after - before) / np.where(before > 0, before, np.nan)
    if "qsm_uncorrected_ppm" in pairs.columns:
        a, b = _array(pairs["qsm_uncorrected_ppm_from"]), _array(pairs["qsm_uncorrected_ppm"])
        raw = 100 * (b - a) / np.where(a > 0, a, np.nan)
        frame["change_percent_uncorrected"] = raw
        frame["threshold_event_uncorrected"] = _flag(reaches(raw, threshold_percent), raw)
        for name in ("scanner", "scale_key", "scale_se", "scanner_se"):
            frame[f"{name}_from"], frame[f"{name}_to"] = pairs[f"{name}_from"], pairs[name]
    return frame


def _flag(true: npt.NDArray[np.bool_], known: FloatArray) -> Any:
    return pd.arrays.BooleanArray(true, np.isnan(known))


def _events_of(frame: pd.DataFrame, pairs: pd.DataFrame, has_events: bool) -> None:
    if has_events:
        frame["event"] = _flag((pairs["_events"] > pairs["_events_from"]).to_numpy(dtype=bool), np.zeros(len(pairs)))
    else:
        frame["event"] = pd.array([pd.NA] * len(frame), dtype="boolean")


def _remarks(frame: pd.DataFrame, pairs: pd.DataFrame, visits: Visits, warnings: list[str]) -> None:
    """What makes an interval unlike others, in words; and whether it may count in the cohort."""
    a, b = frame["from_ppm"], frame["to_ppm"]
    a_se = pairs["qsm_se_ppm_from"]
    frame["n_missed_visits"] = (pairs["_order"] - pairs["_order_from"] - 1).astype(int)
    note = pd.Series("", index=frame.index)
    comparable = pd.Series(True, index=frame.index)

    def remark(where: "pd.Series[bool]", words: "str | pd.Series[str]", warn: str = "", counts: bool = True) -> None:
        nonlocal note
        if not where.any():
            return
        note = note.mask(where, (note + "; ").where(note != "", "") + words)
        if not counts:
            comparable[where] = False
        if warn:
            warnings.append(f"{counted(int(where.sum()), 'interval')}: {warn}")

    for column in ("note_from", "note"):
        said = pairs[column].fillna("")
        remark((said != "") & ((column == "note") | ~pairs.duplicated(_KEYS)), said)
    remark(
        a < 0, "negative baseline: no per cent",
        "negative baseline, of which a percentage has no meaning; only the change in ppm is given",
        counts=False,
    )  # fmt: skip
    remark(
        a == 0, "baseline of zero: no per cent", "baseline of zero, only the change in ppm is given", counts=False
    )  # fmt: skip
    noise = (a > 0) & (a < 2 * a_se)
    remark(
        noise, "baseline not told from zero", "baseline within two standard errors of zero; percentages of it "
        "are noise and are left out of rates", counts=False,
    )  # fmt: skip
    remark(
        (a > 0) & (a < _FAINT_PPM) & ~noise, f"baseline below {_FAINT_PPM:g} ppm",
        f"baseline below {_FAINT_PPM:g} ppm, of which a percentage is mostly noise",
    )  # fmt: skip
    remark((a > 0) & (b < 0), "value turned negative", "a negative value after a positive one")
    ratio = b.abs() / a.abs().where(a != 0)
    remark(
        (a > 0) & ((ratio > _UNIT_RATIO) | ((ratio < 1 / _UNIT_RATIO) & (b != 0))),
        "changes by a factor of hundreds: was the unit changed?",
        "a change by a factor of hundreds; were ppm and ppb exchanged? Left out of rates", counts=False,
    )  # fmt: skip
    for name in visits.making:
        before, after = pairs[f"{name}_from"].fillna(""), pairs[name].fillna("")
        changed = (before != after) & (before != "") & (after != "")
        counts = name not in _INCOMPARABLE
        words = f"{name} changed from " + before + " to " + after
        tail = "" if counts else "; the values are not comparable and are left out of rates"
        if name == "scanner" and "qsm_uncorrected_ppm" not in pairs.columns:
            tail = ", without a correction for it"
        remark(changed, words, f"{name} changed in between{tail}", counts=counts)
    if "scale_key" in pairs.columns:
        half = (pairs["scale_key"] == "") != (pairs["scale_key_from"] == "")
        remark(
            half, "only one of the two visits could be corrected", "one end corrected, the other not; left out "
            "of rates", counts=False,
        )  # fmt: skip
    missed = frame["n_missed_visits"]
    remark(
        missed > 0, "not measured at " + missed.astype(str) + " visits of the subject in between",
        "the lesion was not measured at a visit of the subject in between",
    )  # fmt: skip
    short = frame["years"] < _SHORT_YEARS
    remark(short, "short interval: the change per year extrapolates", "shorter than three months, so the change "
           "per year extrapolates (totals per year weigh it little)")  # fmt: skip
    frame["comparable"] = comparable
    frame["note"] = note


def _columns(visits: Visits, frame: pd.DataFrame) -> list[str]:
    for name in visits.groups:
        first = visits.frame.drop_duplicates("subject_id").set_index("subject_id")[name]
        frame[name] = frame["subject_id"].map(first)
    contract = [*_KEYS, "years", "change_percent", "change_percent_per_year", "threshold_event", "event"]
    last = ["comparable", "note"]
    return [
        *contract,
        *visits.groups,
        *[c for c in frame.columns if c not in (*contract, *visits.groups, *last)],
        *last,
    ]
