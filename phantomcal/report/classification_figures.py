"""Lesions in the plane of HU and ppm among the classes' regions, and what each modality alone would say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from phantomcal.lesions.assumptions import CLASSES, Assumptions
from phantomcal.lesions.likelihood import MISFIT, posterior_plane
from phantomcal.lesions.rules import CALCIUM_HU, CHOROID
from phantomcal.report.style import BLUE, HAIR, INK, MUTED, PURPLE, VERMILION, house_style, new_canvas
from phantomcal.results import Classification, LesionVerdict

Array = NDArray[np.float64]

VERDICT_COLOURS = {"haemorrhage": VERMILION, "calcification": BLUE, "mixed": PURPLE, "undetermined": MUTED}
VERDICT_MARKERS = {"haemorrhage": "^", "calcification": "v", "mixed": "D", "undetermined": "o"}
_NODES = 160
_MOST_BARS = 400


def lesion_plane(record: Classification) -> Canvas:
    """Lesions with both readings, over the regions in which a class reaches the threshold.

    Regions are those of the median error and surroundings of the lesions, so that a lesion with another error may be
    judged otherwise than the region it stands in.

    Parameters
    ----------
    record : Classification

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        No lesion has both readings.
    """
    lesions = [v for v in record.lesions if v.evidence == "both"]
    if not lesions:
        raise ValueError("no lesion has both readings")
    hu = np.array([v.ct_hu for v in lesions], dtype=np.float64)
    ppm = np.array([v.qsm_ppm for v in lesions], dtype=np.float64)
    hu_se = np.array([v.ct_se_hu for v in lesions], dtype=np.float64)
    ppm_se = np.array([v.qsm_se_ppm for v in lesions], dtype=np.float64)
    x = np.linspace(*_reach(hu, 0.0, 160.0), _NODES)
    y = np.linspace(*_reach(ppm, -0.35, 0.5), _NODES)
    with house_style():
        canvas = new_canvas(7.2, 4.8)
        axes = canvas.add_subplot()
        _regions(axes, record, x, y, float(np.median(hu_se)), float(np.median(ppm_se)))
        axes.axhline(0, color=HAIR, lw=0.8, zorder=1)
        axes.axvline(CALCIUM_HU, color=MUTED, lw=0.8, ls=":", zorder=1)
        axes.plot(*np.array(CHOROID).T, color=INK, lw=1.2, ls="--", zorder=2)
        bars = 1.96 if len(lesions) <= _MOST_BARS else 0.0
        for verdict, colour in VERDICT_COLOURS.items():
            own = np.array([v.verdict == verdict for v in lesions])
            if not own.any():
                continue
            if bars:
                axes.errorbar(
                    hu[own], ppm[own], xerr=bars * hu_se[own], yerr=bars * ppm_se[own], fmt="none", ecolor=colour,
                    elinewidth=0.6, alpha=0.7, zorder=3,
                )  # fmt: skip
            axes.plot(hu[own], ppm[own], ls="none", zorder=4, **_mark(verdict))
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
        axes.set_xlabel("CT number (HU)")
        axes.set_ylabel("Susceptibility (ppm)")
        handles: list[Any] = [
            Line2D([], [], ls="none", label=f"{name} ({n})", **_mark(name))
            for name in VERDICT_COLOURS
            if (n := sum(v.verdict == name for v in lesions))
        ]
        handles += [
            Patch(facecolor=MUTED, alpha=0.25, label=f"region of a class from {record.threshold:g}"),
            Line2D([], [], color=MUTED, lw=0.8, ls=":", label=f"{CALCIUM_HU:g} HU"),
            Line2D([], [], color=INK, lw=1.2, ls="--", label="calcified choroid plexus"),
        ]
        canvas.legend(handles=handles, loc="outside upper center", ncols=4)
    return canvas


def lesion_strip(record: Classification, evidence: str) -> Canvas:
    """Lesions read by one modality only, along its axis, with the probability of haemorrhage.

    Parameters
    ----------
    record : Classification
    evidence : {"qsm", "ct"}

    Returns
    -------
    matplotlib.figure.Figure
    """
    lesions = [v for v in record.lesions if v.evidence == evidence]
    if not lesions:
        raise ValueError(f"no lesion is read by {evidence} only")
    name, label = ("qsm_ppm", "Susceptibility (ppm)") if evidence == "qsm" else ("ct_hu", "CT number (HU)")
    with house_style():
        canvas = new_canvas(6.6, 3.0)
        axes = canvas.add_subplot()
        for level in (record.threshold, 1 - record.threshold):
            axes.axhline(level, color=HAIR, lw=0.8, zorder=0)
        for verdict in VERDICT_COLOURS:
            own = [v for v in lesions if v.verdict == verdict]
            if own:
                axes.plot(
                    [getattr(v, name) for v in own], [v.probability_haemorrhage or 0.0 for v in own], ls="none",
                    label=f"{verdict} ({len(own)})", **_mark(verdict),
                )  # fmt: skip
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlabel(label)
        axes.set_ylabel("Probability of haemorrhage")
        canvas.legend(loc="outside upper center", ncols=4)
    return canvas


def modality_bars(record: Classification) -> Canvas:
    """Bits of the question that QSM alone, CT alone and both answer, with 95 % intervals."""
    names = {"qsm": "QSM alone", "ct": "CT alone", "both": "QSM and CT"}
    with house_style():
        canvas = new_canvas(6.0, 1.7)
        axes = canvas.add_subplot()
        for k, gain in enumerate(record.information):
            if gain.ci95_low is not None and gain.ci95_high is not None:
                axes.plot([gain.ci95_low, gain.ci95_high], [k, k], color=INK, lw=1.4)
            axes.plot(gain.gained_bits, k, marker="o", ms=6, color=INK)
            axes.annotate(
                f"{gain.decided} of {gain.n} decided", (1.0, k), xycoords=("axes fraction", "data"),
                xytext=(6, 0), textcoords="offset points", va="center", color=MUTED,
            )  # fmt: skip
        axes.set_yticks(range(len(record.information)), [names[g.evidence] for g in record.information])
        axes.set_ylim(len(record.information) - 0.5, -0.5)
        axes.set_xlim(left=min(0.0, *(g.gained_bits for g in record.information)))
        axes.set_xlabel("Information gained (bits a lesion)")
    return canvas


def _regions(axes: Any, record: Classification, x: Array, y: Array, hu_se: float, ppm_se: float) -> None:
    known = Assumptions(**record.assumptions)
    p, misfit_p = posterior_plane(x, y, known, hu_se=hu_se, ppm_se=ppm_se)
    # One smooth surface that passes the threshold where the class does and the readings do not contradict it.
    believed = record.threshold * misfit_p / MISFIT
    for name in ("haemorrhage", "calcification", "mixed"):
        level = np.minimum(p[..., CLASSES.index(name)], believed)
        inside = np.ma.masked_less(level, record.threshold)
        colour = VERDICT_COLOURS[name]
        axes.pcolormesh(
            x, y, np.where(inside.mask, np.nan, 1.0), cmap=ListedColormap([colour]), alpha=0.16, shading="nearest",
            rasterized=True, linewidth=0, zorder=0,
        )  # fmt: skip
        if (level >= record.threshold).any():
            axes.contour(x, y, level, levels=[record.threshold], colors=[colour], linewidths=0.8, zorder=1)


def _reach(values: Array, low: float, high: float) -> tuple[float, float]:
    """Ends of an axis: the usual values and all lesions but the farthest two per cent, with a margin."""
    ends = np.percentile(values, [1, 99]) if values.size > 50 else np.array([values.min(), values.max()])
    low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _mark(verdict: str) -> dict[str, Any]:
    return {
        "marker": VERDICT_MARKERS[verdict],
        "ms": 5.5,
        "mfc": VERDICT_COLOURS[verdict] if verdict != "undetermined" else "white",
        "mec": "white" if verdict != "undetermined" else MUTED,
        "mew": 0.6 if verdict != "undetermined" else 1.2,
    }


def verdict_counts(lesions: Sequence[LesionVerdict]) -> dict[str, int]:
    """How many lesions have each verdict, in the order of the report; those without any left out."""
    counts = {name: sum(v.verdict == name for v in lesions) for name in VERDICT_COLOURS}
    return {name: n for name, n in counts.items() if n}
