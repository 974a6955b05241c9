"""Control charts of a line over the years: individuals, moving range, EWMA."""

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from phantomcal.report.numerals import number, unit_words
from phantomcal.report.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, SKY, VERMILION, heading, house_style
from phantomcal.results.history import ChartPhase, ChartPoint, HistoryEvent, LineChart

# Shape and colour both tell the rules apart. The first that applies is drawn; the table names all.
_LEVEL_RULES = {
    "beyond three sigma": ("D", VERMILION),
    "two of three beyond two sigma": ("^", ORANGE),
    "four of five beyond one sigma": ("s", PURPLE),
    "eight in a row on one side": ("v", GREEN),
}
_RANGE_RULES = {"moving range beyond its limit": ("P", VERMILION)}
_EWMA_RULES = {"EWMA beyond its limit": ("X", VERMILION)}
_WIDTH_IN, _HEIGHT_IN = 8.9, 6.3
_LEFT, _RIGHT = 0.085, 0.865
_PANELS = ((0.475, 0.375), (0.295, 0.125), (0.115, 0.125))  # bottom and height of each panel
_LETTER_PT = 9.0
_EVENT_ROWS = 3
_MOST_MARKERS = 120
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def control_chart(chart: LineChart, events: Sequence[HistoryEvent] = (), again: Canvas | None = None) -> Canvas:
    """Individuals, moving-range and EWMA charts of one line, one beneath the other.

    Parameters
    ----------
    chart : LineChart
    events : sequence of HistoryEvent
        Of the scanner; drawn as vertical lines with the letters of `event_letters`.
    again : matplotlib.figure.Figure, optional
        A chart that is no longer needed: it is wiped and drawn anew, which saves making its axes. The result is the
        same to the last byte.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with house_style():
        canvas = _blank() if again is None else _wiped(again)
        top, middle, low = canvas.axes
        days = _numbers([p.scan_date for p in chart.points])
        span = max(days[-1] - days[0], 1.0)
        left, right = days[0] - max(0.02 * span, 10.0), days[-1] + max(0.02 * span, 10.0)
        shown = [e for e in events if left <= _numbers([e.event_date])[0] <= right]
        drawn = [
            _individuals(top, chart, days, (left, right)),
            _ranges(middle, chart, days, (left, right)),
            _averages(low, chart, days, (left, right)),
        ]
        rows = _events([top, middle, low], shown, event_letters(events), (left, right))
        for axes in (top, middle, low):
            axes.set_xlim(left, right)
        for axes in (top, middle):
            axes.xaxis.set_major_locator(NullLocator())  # the dates stand once, at the bottom
        low.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=9))
        low.xaxis.set_major_formatter(ConciseDateFormatter(low.xaxis.get_major_locator()))
        name = f"{chart.material} {chart.modality.upper()} {chart.quantity}".strip()
        exponent = _exponent(chart)
        power = f"10{str(exponent).translate(_SUPERSCRIPT)} " if exponent else ""
        lines = [f"{chart.scanner} · {chart.protocol} · {power}{unit_words(chart.unit)}", *[""] * rows]
        heading(top, name, lines)
        for axes, label in ((top, chart.quantity.capitalize()), (middle, "Moving range"), (low, "EWMA")):
            axes.set_ylabel(label)
            axes.yaxis.set_label_coords(-0.075, 0.5)
            axes.yaxis.set_major_formatter(_scaled(exponent) if exponent else ScalarFormatter())
        canvas.legend(handles=_handles(chart, drawn), loc="lower center", ncols=4, columnspacing=1.4, handletextpad=0.5)
    return canvas


def _blank() -> Canvas:
    # Placed by hand: a layout engine draws everything several times, and these panels are always the same.
    canvas = Canvas(figsize=(_WIDTH_IN, _HEIGHT_IN))
    FigureCanvasAgg(canvas)
    for bottom, height in _PANELS:
        canvas.add_axes((_LEFT, bottom, _RIGHT - _LEFT, height))
    return canvas


def _wiped(canvas: Canvas) -> Canvas:
    canvas.legends.clear()
    for axes in canvas.axes:
        for artist in (*axes.lines, *axes.collections, *axes.texts):
            artist.remove()
        axes.relim()  # of nothing: the limits of what was there are forgotten
        axes.set_autoscale_on(True)
    return canvas


def _exponent(chart: LineChart) -> int:
    """Power of ten that is taken out of the labels; none for ordinary numbers."""
    largest = max(abs(p.value) for p in chart.points)
    power = math.floor(math.log10(largest)) if largest > 0 else 0
    return power if power < -2 or power > 4 else 0


def _scaled(exponent: int) -> Callable[[float, float], str]:
    return lambda value, _: f"{value / 10.0**exponent:.6g}".replace("-", "−")


def event_letters(events: Sequence[HistoryEvent]) -> dict[int, str]:
    """A letter for each event by its number, in order of date: A to Z, then A2, B2, ..."""
    ordered = sorted(events, key=lambda e: (e.event_date, e.id))
    return {e.id: chr(65 + k % 26) + (str(k // 26 + 1) if k >= 26 else "") for k, e in enumerate(ordered)}


def _numbers(days: Sequence[date]) -> list[float]:
    return [float(n) for n in date2num(days)]


def _stretches(
    chart: LineChart, days: Sequence[float], limits: tuple[float, float]
) -> list[tuple[ChartPhase, float, float]]:
    """Each phase with where its limits begin and end on the page."""
    begins = [limits[0], *(_numbers([p.begins])[0] for p in chart.phases[1:])]
    ends = [*begins[1:], limits[1]]
    return list(zip(chart.phases, begins, ends, strict=True))


def _individuals(axes: Any, chart: LineChart, days: list[float], limits: tuple[float, float]) -> set[str]:
    values = [p.value for p in chart.points]
    labels: list[tuple[float, str, str]] = []
    stretches = _stretches(chart, days, limits)
    for phase, begin, end in stretches:
        axes.plot([begin, end], [phase.reference] * 2, color=INK, lw=0.9, zorder=2)
        if phase.sigma is not None and phase.lower is not None and phase.upper is not None:
            axes.fill_between([begin, end], phase.lower, phase.upper, color=SKY, alpha=0.16, lw=0, zorder=0)
            for bound in (phase.lower, phase.upper):
                axes.plot([begin, end], [bound] * 2, color=BLUE, lw=0.9, ls=(0, (5, 2)), zorder=2)
    last, begin, end = stretches[-1]
    labels.append((last.reference, "baseline mean", INK))
    if last.lower is not None and last.upper is not None:
        labels += [(last.lower, "−3 sigma", BLUE), (last.upper, "+3 sigma", BLUE)]
    known = [b for p in chart.phases for b in (p.lower, p.upper, p.reference) if b is not None]
    low, high = min(values + known), max(values + known)
    room = 0.6 * (high - low) or 0.05 * abs(last.reference) or 1.0
    if chart.tolerance_percent is not None:
        for percent, colour in zip(chart.tolerance_percent, (ORANGE, VERMILION), strict=True):
            for sign in (1, -1):
                bound = last.reference * (1 + sign * percent / 100)
                if low - room <= bound <= high + room:
                    axes.plot([begin, end], [bound] * 2, color=colour, lw=1.1, ls=(0, (1, 1.6)), zorder=1)
                    labels.append((bound, f"{'+' if sign > 0 else '−'}{percent:g} %", colour))
    axes.plot(days, values, color=MUTED, lw=0.5, alpha=0.7, zorder=3)
    for baseline, face in ((True, "white"), (False, BLUE)):
        mine = [k for k, p in enumerate(chart.points) if p.baseline is baseline]
        _dots(axes, [days[k] for k in mine], [values[k] for k in mine], face, len(days))
    drawn = _signals(axes, chart.points, days, values, _LEVEL_RULES)
    axes.margins(y=0.08)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    _edge_labels(axes, labels)
    return drawn


def _ranges(axes: Any, chart: LineChart, days: list[float], limits: tuple[float, float]) -> set[str]:
    mine = [k for k, p in enumerate(chart.points) if p.moving_range is not None]
    values = [float(chart.points[k].moving_range or 0.0) for k in mine]
    at = [days[k] for k in mine]
    for phase, begin, end in _stretches(chart, days, limits):
        if phase.moving_range_upper is not None and phase.moving_range_mean is not None:
            axes.plot([begin, end], [phase.moving_range_upper] * 2, color=BLUE, lw=0.9, ls=(0, (5, 2)))
            axes.plot([begin, end], [phase.moving_range_mean] * 2, color=INK, lw=0.7)
    upper = chart.phases[-1].moving_range_upper
    axes.plot(at, values, color=MUTED, lw=0.5, alpha=0.7)
    _dots(axes, at, values, BLUE, len(days))
    drawn = _signals(axes, [chart.points[k] for k in mine], at, values, _RANGE_RULES)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    _edge_labels(axes, [] if upper is None else [(upper, "upper limit", BLUE)])
    return drawn


def _averages(axes: Any, chart: LineChart, days: list[float], limits: tuple[float, float]) -> set[str]:
    labels: list[tuple[float, str, str]] = []
    drawn: set[str] = set()
    for phase, begin, end in _stretches(chart, days, limits):
        axes.plot([begin, end], [phase.reference] * 2, color=INK, lw=0.7)
        mine = [k for k, p in enumerate(chart.points) if p.phase == phase.phase and p.ewma is not None]
        if not mine:
            continue
        at = [days[k] for k in mine]
        values = [float(chart.points[k].ewma or 0.0) for k in mine]
        lower = [float(chart.points[k].ewma_lower or 0.0) for k in mine]
        upper = [float(chart.points[k].ewma_upper or 0.0) for k in mine]
        for bound in (lower, upper):
            axes.plot(at, bound, color=BLUE, lw=0.9, ls=(0, (5, 2)))
        axes.plot(at, values, color=INK, lw=1.0)
        drawn |= _signals(axes, [chart.points[k] for k in mine], at, values, _EWMA_RULES)
        labels = [(lower[-1], "−limit", BLUE), (upper[-1], "+limit", BLUE)]
    if not labels:
        axes.text(0.5, 0.5, "no limits yet", transform=axes.transAxes, ha="center", va="bottom", color=MUTED)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    _edge_labels(axes, labels)
    return drawn


def _dots(axes: Any, x: Sequence[float], y: Sequence[float], face: str, n: int) -> None:
    if n <= _MOST_MARKERS or face == "white":
        size = 4.2 if n <= 60 else 3.2
        axes.plot(x, y, ls="none", marker="o", ms=size, mfc=face, mec=BLUE, mew=0.7, zorder=4)
        return
    # Hundreds of markers are hundreds of elements. Strokes of next to no length with round ends look the same and are
    # one element, as long as the drawing library does not simplify them away.
    short = 2e-4 * (x[-1] - x[0])
    gaps = np.full(len(x), np.nan)
    across = np.column_stack([np.asarray(x) - short, np.asarray(x) + short, gaps]).ravel()
    (dots,) = axes.plot(across, np.column_stack([y, y, gaps]).ravel(), color=face, lw=2.6, zorder=4)
    dots.get_path().should_simplify = False


def _signals(
    axes: Any,
    points: Sequence[ChartPoint],
    x: Sequence[float],
    y: Sequence[float],
    rules: dict[str, tuple[str, str]],
) -> set[str]:
    first = [next((rule for rule in rules if rule in p.rules), None) for p in points]
    for rule, (marker, colour) in rules.items():
        mine = [k for k, name in enumerate(first) if name == rule]
        if mine:
            axes.plot(
                [x[k] for k in mine], [y[k] for k in mine], ls="none", marker=marker, ms=5.2, mfc=colour, mec="white",
                mew=0.4, zorder=6,
            )  # fmt: skip
    return {rule for rule in first if rule is not None}


def _edge_labels(axes: Any, labels: Sequence[tuple[float, str, str]]) -> None:
    """Words beside the right edge, moved apart where they would cover each other."""
    low, high = axes.get_ylim()
    height_pt = axes.get_position().height * _HEIGHT_IN * 72
    least = 9.5 / height_pt * (high - low)
    placed: list[float] = []
    for value, _, _ in (ordered := sorted(labels, key=lambda item: item[0])):
        placed.append(max(value, placed[-1] + least) if placed else value)
    over = placed[-1] - high if placed else 0.0
    if over > 0:  # the topmost stays inside; those beneath make room for it
        placed[-1] -= over
        for k in range(len(placed) - 2, -1, -1):
            placed[k] = min(placed[k], placed[k + 1] - least)
    for at, (_, text, colour) in zip(placed, ordered, strict=True):
        axes.annotate(
            text, (1, at), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points", va="center",
            color=colour, size=7.8, annotation_clip=False,
        )  # fmt: skip


def _events(
    panels: Sequence[Any], events: Sequence[HistoryEvent], letters: dict[int, str], limits: tuple[float, float]
) -> int:
    """Vertical lines through all panels, letters above the first in as many rows as they need; returns the rows."""
    width_pt = (_RIGHT - _LEFT) * _WIDTH_IN * 72
    ends: list[float] = []
    for event in sorted(events, key=lambda e: (e.event_date, e.id)):
        x = _numbers([event.event_date])[0]
        for axes in panels:
            style = "-" if event.new_baseline else (0, (2, 2))
            axes.axvline(x, color=MUTED, lw=1.1 if event.new_baseline else 0.8, ls=style, zorder=1)
        at = (x - limits[0]) / (limits[1] - limits[0]) * width_pt
        half = 0.5 * _LETTER_PT * len(letters[event.id])
        row = next((k for k, end in enumerate(ends) if end <= at - half), len(ends))
        if row == _EVENT_ROWS:
            continue  # the line stays; the table has its date and words
        ends[row : row + 1] = [at + half]
        panels[0].annotate(
            letters[event.id], (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 11.5 * row),
            textcoords="offset points", ha="center", va="bottom", size=8, weight="bold", color=INK,
        )  # fmt: skip
    return len(ends)


def _handles(chart: LineChart, drawn: Sequence[set[str]]) -> list[Line2D]:
    handles = [Line2D([], [], ls="none", marker="o", ms=4, mfc="white", mec=BLUE, mew=0.7, label="baseline")]
    if any(not p.baseline for p in chart.points):
        handles.append(Line2D([], [], ls="none", marker="o", ms=4, mfc=BLUE, mec=BLUE, label="in control"))
    for rules, found in zip((_LEVEL_RULES, _RANGE_RULES, _EWMA_RULES), drawn, strict=True):
        handles += [
            Line2D([], [], ls="none", marker=marker, ms=5.2, mfc=colour, mec="white", mew=0.4, label=rule)
            for rule, (marker, colour) in rules.items()
            if rule in found
        ]
    return handles


def chart_words(chart: LineChart) -> str:
    """What the picture shows, for those who cannot see it."""
    points = chart.points
    signals = sum(bool(p.rules) for p in points)
    last = chart.phases[-1]
    text = (
        f"Control charts of the {chart.quantity} of {chart.material} {chart.modality} on {chart.scanner}: "
        f"{len(points)} calibrations from {points[0].scan_date} to {points[-1].scan_date}; "
        f"baseline mean {number(last.reference)}"
    )
    if last.lower is not None:
        text += f", limits {number(last.lower)} to {number(last.upper)}"
    return f"{text}; {signals} points break a rule; newest {number(points[-1].value)}: {chart.verdict}."
