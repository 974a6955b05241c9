"""Flow of patients, courses of the arms, and every analysis of the difference in one view."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from phantomcal.report.numerals import fixed, p_number
from phantomcal.report.style import (
    HAIR,
    INK,
    MARKERS,
    MUTED,
    PALETTE,
    above_columns,
    beside,
    fixed_canvas,
    house_style,
    new_canvas,
)
from phantomcal.results.trial_analysis import ArmFlow, ReasonCount, Trial, TrialContrast

_LINE_IN = 0.165
_PAD_IN = 0.16
_GAP_IN = 0.28
_LETTERS_PER_INCH = 15.5
_MOST_REASONS = 4
_MOST_COURSES = 400


def flow_boxes(flow: ArmFlow, planned: int, has_protocol: bool) -> list[list[str]]:
    """What the boxes of one arm say, line by line: allocation, follow-up, analysis."""
    allocation = [f"{flow.arm}: {flow.randomised} randomised"]
    if flow.other_treatment:
        allocation.append(f"{flow.other_treatment} received another treatment")
    no_value = flow.randomised - flow.with_baseline
    if no_value:
        allocation.append(f"{no_value} without any value")
    follow = [f"{flow.without_follow_up} lost before a second value"]
    follow.append(f"{flow.discontinued} left before follow-up visit {planned}")
    follow += _reason_lines(flow.discontinued_reasons, "left early")
    analysis = [f"{flow.analysed} analysed as randomised", f"{flow.complete} of them with every visit"]
    if flow.not_usable:
        analysis.append(f"{flow.not_usable} not usable")
    analysis += _reason_lines(flow.reasons, "not analysed")
    if has_protocol:
        analysis.append(f"{flow.per_protocol} analysed per protocol")
        analysis += _reason_lines(flow.protocol_reasons, "off protocol")
    return [allocation, follow, analysis]


def _reason_lines(reasons: Sequence[ReasonCount], words: str) -> list[str]:
    lines = [f"  {words}: {row.reason} ({row.n})" for row in reasons[:_MOST_REASONS]]
    rest = sum(row.n for row in reasons[_MOST_REASONS:])
    return [*lines, f"  {words}: other reasons ({rest})"] if rest else lines


def flow_diagram(trial: Trial) -> Canvas:
    """Patients from randomisation to analysis, an arm a column, as in CONSORT.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    matplotlib.figure.Figure
    """
    has_protocol = any(row.population == "per protocol" for row in trial.means)
    columns = [flow_boxes(flow, trial.planned_visits, has_protocol) for flow in trial.flow]
    width = max(6.8, 2.5 * len(columns))
    box_width = width / len(columns) - 0.3
    letters = int(box_width * _LETTERS_PER_INCH)
    wrapped = [[_wrapped(box, letters) for box in column] for column in columns]
    stages = ["Allocation", "Follow-up", "Analysis"]
    heights = [max(len(column[k]) for column in wrapped) * _LINE_IN + _PAD_IN for k in range(len(stages))]
    top = _LINE_IN + _PAD_IN
    total = top + sum(heights) + (len(stages) + 0.5) * _GAP_IN + 0.15
    with house_style():
        canvas = fixed_canvas(width, total)
        axes = canvas.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(0, total)
        axes.axis("off")
        centres = [(k + 0.5) * width / len(columns) for k in range(len(columns))]
        y = total - 0.1 - top
        _box(axes, width / 2, y, 2.6, top, [f"{sum(f.randomised for f in trial.flow)} patients randomised"], INK)
        fork = y - _GAP_IN / 2
        axes.plot([width / 2] * 2, [y, fork], color=MUTED, lw=1)
        axes.plot([centres[0], centres[-1]], [fork, fork], color=MUTED, lw=1)
        for k, column in enumerate(wrapped):
            colour = PALETTE[k % len(PALETTE)]
            upper = fork
            bottom = y - _GAP_IN - heights[0]
            for stage, lines in enumerate(column):
                axes.annotate(
                    "",
                    (centres[k], bottom + heights[stage]),
                    (centres[k], upper),
                    arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1, "shrinkA": 0, "shrinkB": 0},
                )
                _box(axes, centres[k], bottom, box_width, heights[stage], lines, colour)
                upper = bottom
                if stage + 1 < len(heights):
                    bottom -= _GAP_IN + heights[stage + 1]
    return canvas


def _wrapped(lines: Sequence[str], letters: int) -> list[str]:
    out: list[str] = []
    for line in lines:
        indent = "   " if line.startswith(" ") else ""
        out += textwrap.wrap(line.strip(), letters, initial_indent=indent, subsequent_indent=indent + "  ") or [""]
    return out


def _box(axes: Any, centre: float, bottom: float, width: float, height: float, lines: list[str], colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (centre - width / 2, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.05",
            fc="white",
            ec=colour,
            lw=1.1,
        )
    )
    for k, line in enumerate(lines):
        axes.text(
            centre - width / 2 + 0.1,
            bottom + height - _PAD_IN / 2 - (k + 0.5) * _LINE_IN,
            line,
            va="center",
            size=8,
            weight="bold" if k == 0 else "normal",
        )


def arm_courses(trial: Trial) -> Canvas:
    """Every patient's course since baseline, a panel an arm, with the arm's mean and 95 % interval at each visit.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(trial.arms)
    with house_style():
        canvas = new_canvas(max(6.8, 2.3 * n), 3.4)
        panels = np.atleast_1d(canvas.subplots(1, n, sharex=True, sharey=True))
        for k, (arm, axes) in enumerate(zip(trial.arms, panels, strict=True)):
            colour = PALETTE[k % len(PALETTE)]
            axes.axhline(0, color=MUTED, lw=0.7, zorder=1)
            mine = [p for p in trial.patients if p.arm == arm and len(p.visit_years) > 1]
            for patient in mine[:_MOST_COURSES]:
                axes.plot(patient.visit_years, patient.visit_percent, color=colour, lw=0.6, alpha=0.3, zorder=2)
            means = [row for row in trial.visit_means if row.arm == arm]
            years, values = [0.0, *(r.years for r in means)], [0.0, *(r.mean for r in means)]
            axes.plot(years, values, color=INK, lw=1.8, zorder=4)
            for row in means:
                if row.ci95 is not None:
                    axes.plot([row.years] * 2, row.ci95, color=INK, lw=1.4, zorder=4)
                axes.plot(row.years, row.mean, marker=MARKERS[k % len(MARKERS)], ms=6, color=colour, mec=INK, zorder=5)
                axes.annotate(
                    str(row.n_patients),
                    (row.years, 0),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    size=7.5,
                    color=MUTED,
                )
            axes.set_title(f"{arm} ({len(mine)} patients)", loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panels[0].set_ylabel("Change since baseline (%)")
        canvas.supxlabel("Years since the first visit", size=8.5)
    return canvas


def analyses_forest(rows: Sequence[TrialContrast], labels: Sequence[str]) -> Canvas:
    """The difference between the arms by every analysis, with 95 % intervals; the primary one on top and bold.

    Parameters
    ----------
    rows : sequence of TrialContrast
        Of one unit.
    labels : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
    """
    with house_style():
        canvas = new_canvas(7.4, 1.0 + 0.3 * len(rows))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.8, zorder=1)
        for k, row in enumerate(rows):
            axes.axhline(k, color=HAIR, lw=0.4, zorder=0)
            colour = PALETTE[0] if row.role == "primary" else MUTED
            if row.estimate is None:
                beside(axes, k, [(8, "not done")])
                continue
            if row.ci95 is not None:
                axes.plot(row.ci95, [k, k], color=colour, lw=2.2 if row.role == "primary" else 1.4, zorder=2)
            axes.plot(
                row.estimate,
                k,
                marker="D" if row.role == "primary" else "o",
                ms=6.5 if row.role == "primary" else 5,
                color=colour,
                mec="white",
                mew=0.6,
                zorder=3,
            )
            words = fixed(row.estimate, 2)
            if row.ci95 is not None:
                words += f" [{fixed(row.ci95[0], 2)}, {fixed(row.ci95[1], 2)}]"
            beside(axes, k, [(8, words), (114, p_number(row.p_value)), (154, f"{row.n_control} / {row.n_treated}")])
        axes.set_yticks(range(len(rows)), list(labels))
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            if row.role == "primary":
                label.set_fontweight("bold")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("Treated minus control (% per year)")
        above_columns(axes, [(8, "difference"), (114, "p"), (154, "patients")])
    return canvas
