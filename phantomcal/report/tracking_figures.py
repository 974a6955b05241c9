"""Lesions over visits drawn: courses, total changes, patients' visits and events, time to the threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from phantomcal.report.style import (
    BLUE,
    HAIR,
    INK,
    MUTED,
    PALETTE,
    SKY,
    VERMILION,
    heading,
    house_style,
    new_canvas,
)
from phantomcal.results.tracking import Survival

MOST_LINES, MOST_BARS, MOST_SWIMMERS, MOST_CURVES = 80, 120, 40, 6
_KEYS = ["subject_id", "lesion_id"]
_WIDTH_IN = 8.9


def courses(visits: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """A row per lesion with two visits and a positive first value: total change, events; largest change first.

    Parameters
    ----------
    visits, intervals : pandas.DataFrame
        From `phantomcal.followup.intervals`.

    Returns
    -------
    pandas.DataFrame
        Indexed by subject and lesion: `first_ppm, total_percent, years, passed, clinical, whole`.
    """
    groups = visits.groupby(_KEYS, sort=True)
    table = pd.DataFrame({"first_ppm": groups["qsm_ppm"].first(), "last_ppm": groups["qsm_ppm"].last()})
    table["years"] = groups["years"].last() - groups["years"].first()
    table = table[(table["years"] > 0) & (table["first_ppm"] > 0)]
    table["total_percent"] = 100 * (table["last_ppm"] / table["first_ppm"] - 1)
    marks = intervals.assign(
        passed=intervals["threshold_event"].fillna(False).astype(bool),
        clinical=intervals["event"].fillna(False).astype(bool),
        whole=intervals["comparable"],
    )
    flags = marks.groupby(_KEYS)[["passed", "clinical"]].any()
    table = table.join(flags).join(marks.groupby(_KEYS)["whole"].all())
    return table.sort_values("total_percent", ascending=False, kind="stable")


def spaghetti(table: pd.DataFrame, visits: pd.DataFrame, intervals: pd.DataFrame, threshold_percent: float) -> Canvas:
    """Change of every lesion from its first visit, with the visits at which the threshold was found passed.

    Parameters
    ----------
    table : pandas.DataFrame
        From `courses`.
    visits, intervals : pandas.DataFrame
    threshold_percent : float

    Returns
    -------
    matplotlib.figure.Figure
        At most `MOST_LINES` lesions, those of the largest rises and falls.
    """
    if len(table) > MOST_LINES:
        order = table["total_percent"].abs().sort_values(ascending=False, kind="stable").index[:MOST_LINES]
        table = table.loc[table.index.isin(order)]
    rows = visits.set_index(_KEYS)
    rows = rows[rows.index.isin(table.index)].join(table[["first_ppm", "passed"]])
    rows["percent"] = 100 * (rows["qsm_ppm"] / rows["first_ppm"] - 1)
    crossings = intervals[intervals["threshold_event"].fillna(False).astype(bool)]
    bleeds = intervals[intervals["event"].fillna(False).astype(bool)]
    with house_style():
        canvas = new_canvas(_WIDTH_IN, 4.2)
        axes = canvas.add_subplot()
        axes.axhline(0, color=HAIR, lw=0.8, zorder=0)
        for passed, colour, width in ((False, MUTED, 0.8), (True, BLUE, 1.1)):
            mine = rows[rows["passed"].astype(bool) == passed]
            lines = [g[["years", "percent"]].to_numpy() for _, g in mine.groupby(level=[0, 1], sort=True)]
            axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, alpha=0.75, zorder=1 + passed))
            axes.plot(mine["years"], mine["percent"], ls="none", marker="o", ms=2.6, color=colour, zorder=1 + passed)
        for found, marker, colour, size, level in ((crossings, "D", VERMILION, 5.5, 4), (bleeds, "o", INK, 10.0, 5)):
            at = _at(rows, found)
            axes.plot(
                at["years"], at["percent"], ls="none", marker=marker, ms=size,
                mfc="none" if marker == "o" else colour, zorder=level,
                mew=1.3 if marker == "o" else 0.4, mec=colour if marker == "o" else "white",
            )  # fmt: skip
        axes.set_xlabel("Years since the patient's first visit")
        axes.set_ylabel("Change from the lesion's first visit (%)")
        axes.margins(0.03)
        canvas.legend(handles=_legend(threshold_percent, not bleeds.empty), loc="outside upper center", ncols=4)
    return canvas


def _at(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The visits at which these intervals end."""
    ends = found.assign(_when=found["to_years"].round(5)).set_index([*_KEYS, "_when"]).index
    here = rows.assign(_when=rows["years"].round(5)).set_index("_when", append=True)
    return here[here.index.isin(ends)]


def _legend(threshold_percent: float, clinical: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], color=BLUE, marker="o", ms=2.6, label="passed the threshold"),
        Line2D([], [], color=MUTED, marker="o", ms=2.6, label="did not"),
        Line2D(
            [],
            [],
            ls="none",
            marker="D",
            ms=5.5,
            mec="white",
            mfc=VERMILION,
            label=f"rise of {threshold_percent:g} % or more",
        ),
    ]
    if clinical:
        handles.append(
            Line2D([], [], ls="none", marker="o", ms=8, mew=1.3, mfc="none", mec=INK, label="clinical event")
        )
    return handles


def waterfall(table: pd.DataFrame, threshold_percent: float) -> Canvas:
    """Total change of every lesion from its first to its last visit, largest first.

    Parameters
    ----------
    table : pandas.DataFrame
        From `courses`.
    threshold_percent : float

    Returns
    -------
    matplotlib.figure.Figure
        At most `MOST_BARS` lesions, spread evenly over the ranks.
    """
    if len(table) > MOST_BARS:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, MOST_BARS).round().astype(int))]
    x = np.arange(len(table))
    passed, clinical = table["passed"].to_numpy(dtype=bool), table["clinical"].to_numpy(dtype=bool)
    values = table["total_percent"].to_numpy()
    with house_style():
        canvas = new_canvas(_WIDTH_IN, 3.4)
        axes = canvas.add_subplot()
        axes.bar(x, values, width=0.82, color=np.where(passed, BLUE, "#b9c0c7"), linewidth=0)
        axes.plot(
            x[clinical], values[clinical], ls="none", marker="o", ms=6.5, mew=1.3, mfc="white", mec=INK, clip_on=False
        )
        axes.axhline(0, color=INK, lw=0.7)
        axes.axhline(threshold_percent, color=VERMILION, lw=1.0, ls=(0, (4, 2)))
        axes.annotate(
            f"{threshold_percent:g} %", (1, threshold_percent), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", color=VERMILION, size=8,
        )  # fmt: skip
        axes.set_ylabel("Change, first to last visit (%)")
        axes.set_xlim(-0.7, len(table) - 0.3)
        if len(table) <= 40:
            people = [s for s, _ in table.index]
            names = [s if people.count(s) == 1 else f"{s} {lesion}" for s, lesion in table.index]
            tilt = 90 if len(table) > 20 or max(map(len, names)) > 5 else 0
            axes.set_xticks(x, names, rotation=tilt, size=7.5)
            axes.tick_params(axis="x", length=0)
        else:
            axes.set_xticks([])
            axes.set_xlabel("Lesions, largest rise first")
        handles: list[Patch | Line2D] = [
            Patch(color=BLUE, label="passed the threshold in some interval"),
            Patch(color="#b9c0c7", label="did not"),
        ]
        if clinical.any():
            handles.append(
                Line2D([], [], ls="none", marker="o", ms=6.5, mew=1.3, mfc="white", mec=INK, label="clinical event")
            )
        canvas.legend(handles=handles, loc="outside upper center", ncols=3)
    return canvas


def swimmers(visits: pd.DataFrame, intervals: pd.DataFrame, threshold_percent: float) -> Canvas:
    """Every patient's visits on a line, with threshold and clinical events at the visits that found them.

    Parameters
    ----------
    visits, intervals : pandas.DataFrame
    threshold_percent : float

    Returns
    -------
    matplotlib.figure.Figure
        At most `MOST_SWIMMERS` patients, those with clinical and threshold events first.
    """
    marks = intervals.assign(
        passed=intervals["threshold_event"].fillna(False).astype(bool),
        clinical=intervals["event"].fillna(False).astype(bool),
    )
    people = marks.groupby("subject_id", sort=True)[["passed", "clinical"]].any()
    people = people.join(visits.groupby("subject_id")["years"].agg(["min", "max"]))
    people = people.sort_values(["clinical", "passed", "max"], ascending=False, kind="stable").head(MOST_SWIMMERS)
    row = {name: k for k, name in enumerate(people.index)}
    with house_style():
        canvas = new_canvas(_WIDTH_IN, 1.1 + 0.2 * max(len(people), 4))
        axes = canvas.add_subplot()
        axes.hlines(list(row.values()), people["min"], people["max"], color=SKY, lw=5, alpha=0.45, zorder=1)
        days = visits[visits["subject_id"].isin(row)].drop_duplicates(["subject_id", "years"])
        axes.plot(
            days["years"], days["subject_id"].map(row), ls="none", marker="|", ms=7, mew=1.2, color=MUTED, zorder=2
        )
        for flag, marker, colour, size in (("passed", "D", VERMILION, 6.0), ("clinical", "o", INK, 10.5)):
            at = marks[marks[flag] & marks["subject_id"].isin(row)].drop_duplicates(["subject_id", "to_years"])
            axes.plot(
                at["to_years"], at["subject_id"].map(row), ls="none", marker=marker, ms=size,
                mfc="none" if marker == "o" else colour, zorder=3,
                mew=1.4 if marker == "o" else 0.4, mec=colour if marker == "o" else "white",
            )  # fmt: skip
        axes.set_yticks(list(row.values()), list(row), size=7.5)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(row) - 0.4, -0.6)
        axes.set_xlabel("Years since the first visit")
        handles = [
            Line2D([], [], ls="none", marker="|", ms=7, mew=1.2, color=MUTED, label="visit"),
            *_legend(threshold_percent, bool(marks["clinical"].any()))[2:],
        ]
        canvas.legend(handles=handles, loc="outside upper center", ncols=4)
    return canvas


def survival_curves(curves: Sequence[Survival], title: str = "") -> Canvas:
    """Share without a threshold event over time, with 95 % bands and the numbers at risk beneath.

    Parameters
    ----------
    curves : sequence of Survival
        At most `MOST_CURVES`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawn = list(curves)[:MOST_CURVES]
    longest = max((max(c.years, default=0.0) for c in drawn), default=1.0) or 1.0
    with house_style():
        canvas = new_canvas(_WIDTH_IN, 3.4 + 0.17 * len(drawn))
        axes = canvas.add_subplot()
        for k, curve in enumerate(drawn):
            colour = PALETTE[k % len(PALETTE)]
            years = np.array([0.0, *curve.years, max(longest * 1.02, *(curve.years or [0.0]))])
            level = np.array([1.0, *curve.survival, curve.survival[-1] if curve.survival else 1.0])
            low = _bound(curve.survival_low)
            high = _bound(curve.survival_high)
            axes.fill_between(years, low, high, step="post", color=colour, alpha=0.15, lw=0)
            label = f"{curve.group or ('all patients' if curve.unit == 'patient' else 'all lesions')} (n = {curve.n})"
            axes.step(years, level, where="post", color=colour, lw=1.5, label=label)
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlim(0, longest * 1.02)
        axes.set_ylabel("Share without a threshold event")
        axes.set_xticks(max((c.table_years for c in drawn), key=len, default=[0.0]))
        for k, curve in enumerate(drawn):
            for tick, waiting in zip(curve.table_years, curve.table_at_risk, strict=True):
                axes.annotate(
                    str(waiting), (tick, 0), xycoords=("data", "axes fraction"),
                    xytext=(0, -32 - 12 * k), textcoords="offset points", ha="center", size=7.8,
                    color=PALETTE[k % len(PALETTE)],
                )  # fmt: skip
        axes.annotate(
            "at risk", (0, 0), xycoords="axes fraction", xytext=(-34, -32), textcoords="offset points", ha="right",
            size=7.8, color=MUTED,
        )  # fmt: skip
        axes.set_xlabel("Years since the first visit", labelpad=16 + 12 * len(drawn))
        if title:
            heading(axes, title)
        canvas.legend(loc="outside upper center", ncols=min(3, len(drawn)))
    return canvas


def _bound(values: Sequence[float | None]) -> np.ndarray:
    """Bounds at the steps; where there is none, the last one before holds."""
    filled = pd.Series([1.0, *values], dtype=np.float64).ffill()
    return np.append(filled.to_numpy(), filled.iloc[-1])


def correction_plot(intervals: pd.DataFrame, threshold_percent: float) -> Canvas:
    """Change of every interval as measured and corrected; what lies in the shaded corners changed sides.

    Parameters
    ----------
    intervals : pandas.DataFrame
        With `change_percent_uncorrected`.
    threshold_percent : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    known = intervals[intervals["comparable"]].dropna(subset=["change_percent", "change_percent_uncorrected"])
    x, y = known["change_percent_uncorrected"].to_numpy(), known["change_percent"].to_numpy()
    before = known["threshold_event_uncorrected"].to_numpy(dtype=bool)
    after = known["threshold_event"].to_numpy(dtype=bool)
    low, high = np.percentile(np.concatenate([x, y, [0, 2 * threshold_percent]]), [0, 100])
    pad = 0.05 * (high - low)
    low, high = low - pad, high + pad
    with house_style():
        canvas = new_canvas(5.6, 4.4)
        axes = canvas.add_subplot()
        axes.plot([low, high], [low, high], color=HAIR, lw=0.8, zorder=0)
        axes.axhline(threshold_percent, color=VERMILION, lw=0.9, ls=(0, (4, 2)), zorder=0)
        axes.axvline(threshold_percent, color=VERMILION, lw=0.9, ls=(0, (4, 2)), zorder=0)
        for mine, colour, marker, label in (
            (before == after, MUTED, "o", "verdict unchanged"),
            (before & ~after, VERMILION, "v", "event lost"),
            (~before & after, BLUE, "^", "event gained"),
        ):
            if mine.any():
                axes.plot(
                    x[mine], y[mine], ls="none", marker=marker, ms=3.5 if marker == "o" else 5.5, color=colour,
                    alpha=0.7, mew=0, label=f"{label} ({int(mine.sum())})",
                )  # fmt: skip
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.set_xlabel("Change as measured (%)")
        axes.set_ylabel("Change corrected for the scanner (%)")
        canvas.legend(loc="outside upper center", ncols=3)
    return canvas
