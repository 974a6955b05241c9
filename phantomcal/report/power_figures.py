"""Power against patients per arm, and the formula beside simulated trials."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from phantomcal.report.style import (
    HAIR,
    INK,
    MARKERS,
    MUTED,
    PALETTE,
    above_columns,
    beside,
    house_style,
    new_canvas,
)
from phantomcal.results.trials import PowerCurve, PowerRow

MOST_CURVES = 7
_WIDE = 6.0  # largest over smallest size from which the axis is logarithmic
_TICKS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000)


def power_curves(rows: Sequence[PowerRow], curves: Sequence[PowerCurve], target: float) -> Canvas:
    """Power of every assumed effect against patients per arm, with the size of each row marked.

    Parameters
    ----------
    rows : sequence of PowerRow
    curves : sequence of PowerCurve
        One per row, in the same order; the first 7 are drawn.
    target : float
        The power that was asked for.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawn = list(zip(rows, curves, strict=True))[:MOST_CURVES]
    sizes = [row.n_control for row, _ in drawn]
    wide = max(sizes) / min(sizes) > _WIDE
    with house_style():
        canvas = new_canvas(6.8, 4.0)
        axes = canvas.add_subplot()
        axes.axhline(target, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"asked for: {100 * target:.3g} %",
            (1, target),
            xycoords=("axes fraction", "data"),
            xytext=(0, -10),
            textcoords="offset points",
            ha="right",
            color=MUTED,
            size=7.5,
        )
        for k, (row, curve) in enumerate(drawn):
            colour = PALETTE[k % len(PALETTE)]
            marker = MARKERS[k % len(MARKERS)]
            axes.plot(curve.n_per_arm, curve.power, color=colour, lw=1.6, zorder=2)
            axes.plot([row.n_control] * 2, [0, row.power], color=colour, lw=0.7, ls=":", zorder=1)
            label = f"{curve.label}: {row.n_control}"
            axes.plot(
                row.n_control,
                row.power,
                marker=marker,
                ms=6,
                color=colour,
                mec="white",
                mew=0.7,
                ls="none",
                label=label,
                zorder=4,
            )
            if row.simulation is not None:
                # The curve is that of complete patients, so their simulated power belongs on it.
                low, high = row.simulation.completers_power_ci95 or row.simulation.power_ci95
                axes.plot([row.n_control] * 2, [low, high], color=colour, lw=3.5, alpha=0.35, zorder=3)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.set_ylabel("Power (%)")
        axes.set_xlabel(
            "Patients randomised per arm"
            if all(r.n_control == r.n_treated for r in rows)
            else "Patients randomised to the control arm"
        )
        if wide:
            axes.set_xscale("log")
            low_n, high_n = axes.get_xlim()
            axes.xaxis.set_major_locator(FixedLocator([t for t in _TICKS if low_n <= t <= high_n]))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            axes.set_xlim(left=0)
        axes.grid(axis="y", color=HAIR, lw=0.5)
        canvas.legend(loc="outside upper center", ncols=2 if len(drawn) > 1 else 1, title="assumed: patients per arm")
    return canvas


def simulated_against_formula(rows: Sequence[PowerRow], labels: Sequence[str]) -> Canvas:
    """Simulated power with its interval beside the formula's, and the errors of the first kind.

    Parameters
    ----------
    rows : sequence of PowerRow
        With simulations.
    labels : sequence of str
        Names of the rows.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with house_style():
        canvas = new_canvas(6.8, 1.1 + 0.34 * len(rows))
        axes = canvas.add_subplot()
        for k, row in enumerate(rows):
            found = row.simulation
            if found is None:
                continue
            axes.axhline(k, color=HAIR, lw=0.4, zorder=0)
            # The band within which formula and simulation are taken to agree.
            axes.plot(
                [100 * found.expected_power - 2, 100 * found.expected_power + 2],
                [k, k],
                color=HAIR,
                lw=7,
                solid_capstyle="butt",
                zorder=1,
            )
            axes.plot(100 * found.expected_power, k, marker="|", ms=12, mew=1.6, color=INK, zorder=3)
            low, high = (100 * end for end in found.power_ci95)
            axes.plot([low, high], [k, k], color=PALETTE[0], lw=1.6, zorder=2)
            axes.plot(100 * found.power, k, marker="o", ms=5.5, color=PALETTE[0], mec="white", mew=0.6, zorder=4)
            if found.completers_power is not None:
                axes.plot(
                    100 * found.completers_power, k, marker="D", ms=5, color="white", mec=PALETTE[1], mew=1.2, zorder=3
                )
            low, high = found.type_one_error_ci95
            beside(
                axes,
                k,
                [
                    (8, f"{row.n_control}"),
                    (46, f"{100 * found.type_one_error:.1f} ({100 * low:.1f} to {100 * high:.1f})"),
                ],
            )
        axes.set_yticks(range(len(rows)), list(labels))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("Power (%)")
        low, high = axes.get_xlim()
        axes.set_xlim(low - 0.5, min(100.5, high + 0.5) if high <= 100.5 else high)
        above_columns(axes, [(8, "per arm"), (46, "type I error, %")])
    return canvas


def largest_gap(rows: Sequence[PowerRow]) -> float | None:
    """Largest distance of simulated from expected power, percentage points; None without simulations."""
    gaps = [abs(row.simulation.points_off) for row in rows if row.simulation is not None]
    return float(np.max(gaps)) if gaps else None
