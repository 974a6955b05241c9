"""Samples among the materials' lines in the plane of HU and ppm, and amounts with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from phantomcal.report.numerals import trimmed
from phantomcal.report.style import HAIR, INK, MARKERS, MUTED, PALETTE, house_style, new_canvas
from phantomcal.results import ConcentrationReading, Concentrations, Line, Modality

MOST_ROWS = 40


def colours_of(materials: Sequence[str]) -> dict[str, str]:
    """A colour for each material, in their order."""
    return {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(materials)}


def material_plane(record: Concentrations, lines: Mapping[tuple[str, Modality], Line]) -> Canvas:
    """Every material as a ray through HU and ppm, its amounts marked, and the samples by verdict.

    Parameters
    ----------
    record : Concentrations
        With samples that have both readings.
    lines : mapping of (material, modality) to Line
        HU and ppm per mmol/L.

    Returns
    -------
    matplotlib.figure.Figure
    """
    colours = colours_of(record.materials)
    verdicts = {v.id: v.verdict for v in record.verdicts}
    points = {r.id: (r.ct_hu, r.qsm_ppm) for r in record.readings if r.modality == "joint"}
    with house_style():
        canvas = new_canvas(6.6, 4.4)
        axes = canvas.add_subplot()
        axes.axhline(0, color=HAIR, lw=0.8, zorder=0)
        axes.axvline(0, color=HAIR, lw=0.8, zorder=0)
        drawn = []
        farthest = max(
            [line.intercept + line.slope * line.abscissa_range[1] for (_, m), line in lines.items() if m == "ct"],
            default=0.0,
        )
        for name in record.materials:
            ct, qsm = lines.get((name, "ct")), lines.get((name, "qsm"))
            if ct is None or qsm is None:
                continue
            drawn.append(name)
            low, high = (
                max(ct.abscissa_range[0], qsm.abscissa_range[0]),
                min(ct.abscissa_range[1], qsm.abscissa_range[1]),
            )
            x = np.array([low, high])
            hu, ppm = ct.intercept + ct.slope * x, qsm.intercept + qsm.slope * x
            axes.plot(hu, ppm, color=colours[name], lw=1.6, zorder=1)
            marks = np.linspace(low, high, 5)
            axes.plot(
                ct.intercept + ct.slope * marks,
                qsm.intercept + qsm.slope * marks,
                ls="none",
                marker="o",
                ms=3.5,
                mfc="white",
                mec=colours[name],
                zorder=1,
            )
            label = f"{name}, {trimmed(float(f'{high:.3g}'))} mmol/L"
            left = hu[1] > 0.6 * farthest  # the label goes where there is room
            axes.annotate(
                label,
                (hu[1], ppm[1]),
                xytext=(-5 if left else 5, 6 if ppm[1] > ppm[0] else -12),
                textcoords="offset points",
                ha="right" if left else "left",
                color=colours[name],
            )
        shown = [*drawn, *sorted({v for v in verdicts.values() if v not in drawn})]
        handles = []
        for k, verdict in enumerate(shown):
            chosen = np.array([points[i] for i, v in verdicts.items() if v == verdict and i in points], float)
            if not chosen.size:
                continue
            colour = colours.get(verdict, MUTED)
            style: dict[str, Any] = {
                "ls": "none",
                "marker": MARKERS[k % len(MARKERS)],
                "ms": 5,
                "mec": "white",
                "mew": 0.6,
            }
            axes.plot(*chosen.T, color=colour, zorder=3, **style)
            handles.append(Line2D([], [], color=colour, label=f"{verdict} ({len(chosen)})", **style))
        axes.set_xlabel("CT number (HU)")
        axes.set_ylabel("Susceptibility (ppm)")
        axes.margins(0.08)
        if handles:
            canvas.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)))
    return canvas


def amount_forest(readings: Sequence[ConcentrationReading], materials: Sequence[str]) -> Canvas:
    """Amounts with their 95 % intervals, a row per sample and way of reading; those read beyond the range are hollow.

    Parameters
    ----------
    readings : sequence of ConcentrationReading
        Of one material's unit; the first 40 are drawn.
    materials : sequence of str
        All materials of the report, for their colours.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = list(readings)[:MOST_ROWS]
    if not rows:
        raise ValueError("nothing to draw")
    colours = colours_of(materials)
    with house_style():
        canvas = new_canvas(6.8, 0.9 + 0.24 * len(rows))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.8, zorder=1)
        for k, row in enumerate(rows):
            colour = colours.get(row.material, MUTED)
            if row.ci95_low is not None and row.ci95_high is not None:
                axes.plot([row.ci95_low, row.ci95_high], [k, k], color=colour, lw=1.4, zorder=2)
            axes.plot(
                row.concentration_mmol_per_l,
                k,
                marker={"ct": "s", "qsm": "^", "joint": "o"}[row.modality],
                ms=5,
                color=colour if row.in_range else "white",
                mec=colour,
                zorder=3,
            )
        axes.set_yticks(range(len(rows)), [row.id for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("Concentration (mmol/L)")
        for k in range(len(rows)):
            axes.axhline(k, color=HAIR, lw=0.4, zorder=0)
    return canvas
