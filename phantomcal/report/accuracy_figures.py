"""Pictures of accuracy: ROC curves, reliability of probabilities, proportions with intervals."""

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from phantomcal.report.numerals import fixed, with_interval
from phantomcal.report.style import (
    BLUE,
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
from phantomcal.results import Cutoff, Proportion, Reliability, RocResult

_LINES = ("-", "--", "-.", ":")


def roc_figure(results: Sequence[RocResult], cutoffs: Sequence[Cutoff] = ()) -> Canvas:
    """Curves in one square, each named with its area and interval; a mark where a cut-off was chosen.

    Parameters
    ----------
    results : sequence of RocResult
        At least one; told apart by colour and line.
    cutoffs : sequence of Cutoff
        Drawn on the curve of the same name.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no curve.
    """
    if not results:
        raise ValueError("no ROC curve to draw")
    marks = {cutoff.name: cutoff for cutoff in cutoffs}
    with house_style():
        canvas = new_canvas(4.6, 4.3 + 0.2 * len(results))
        axes = canvas.add_subplot()
        axes.plot([0, 1], [0, 1], color=HAIR, lw=1, zorder=0)
        for k, result in enumerate(results):
            colour, line = PALETTE[k % len(PALETTE)], _LINES[k % len(_LINES)]
            words = f"{result.name}, area {with_interval(result.auc, result.auc_ci95)}".removeprefix(", ")
            axes.plot(
                [point.false_positive_rate for point in result.points],
                [point.true_positive_rate for point in result.points],
                color=colour,
                ls=line,
                lw=1.8,
                label=words,
                zorder=2,
            )
            cutoff = marks.get(result.name)
            if cutoff is not None and cutoff.specificity.value is not None and cutoff.sensitivity.value is not None:
                axes.plot(
                    1 - cutoff.specificity.value,
                    cutoff.sensitivity.value,
                    marker=MARKERS[k % len(MARKERS)],
                    ms=8,
                    mfc="white",
                    mec=colour,
                    mew=1.6,
                    ls="none",
                    zorder=3,
                )
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("1 − specificity")
        axes.set_ylabel("Sensitivity")
        canvas.legend(loc="outside upper left", handlelength=3)
    return canvas


def reliability_figure(reliability: Reliability) -> Canvas:
    """Observed share against stated probability with Wilson's intervals, and how many cases stand behind each point.

    Parameters
    ----------
    reliability : Reliability

    Returns
    -------
    matplotlib.figure.Figure
    """
    with house_style():
        canvas = new_canvas(4.6, 5.0)
        axes, below = canvas.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=HAIR, lw=1, zorder=0)
        for row in reliability.bins:
            if row.observed.ci95 is not None:
                axes.plot([row.mean_probability] * 2, row.observed.ci95, color=BLUE, lw=1.6, zorder=1)
        x = [row.mean_probability for row in reliability.bins]
        y = [row.observed.value for row in reliability.bins]
        axes.plot(x, y, color=BLUE, lw=0.9, marker="o", ms=5, mec="white", mew=0.6, zorder=2)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("Observed share")
        for row in reliability.bins:
            below.bar(
                (row.low + row.high) / 2, row.observed.n, width=0.92 * (row.high - row.low), color=MUTED, alpha=0.6
            )
        below.set_xlim(-0.02, 1.02)
        below.set_ylabel("Cases")
        below.set_xlabel("Stated probability")
    return canvas


def proportion_forest(proportions: Sequence[Proportion], label: str = "Share of cases") -> Canvas:
    """Proportions with their intervals, a row each, count and cases beside.

    Raises
    ------
    ValueError
        If none has a value.
    """
    shown = [row for row in proportions if row.value is not None]
    if not shown:
        raise ValueError("no proportion to draw")
    with house_style():
        canvas = new_canvas(8.2, 0.85 + 0.3 * len(shown))
        axes = canvas.add_subplot()
        for i, row in enumerate(shown):
            if row.ci95 is not None:
                axes.plot(row.ci95, [i, i], color=BLUE, lw=1.8)
            assert row.value is not None
            axes.plot(row.value, i, marker="o", ms=5.5, color=BLUE, mec="white", mew=0.6)
            ends = "–" if row.ci95 is None else f"{fixed(row.ci95[0], 3)} to {fixed(row.ci95[1], 3)}"
            beside(axes, i, ((10, fixed(row.value, 3)), (52, ends), (140, f"{row.count} of {row.n}")))
        above_columns(axes, ((10, "value"), (52, "95 % interval"), (140, "cases")))
        axes.set_yticks(range(len(shown)), [f"{row.name[0].upper()}{row.name[1:]}" for row in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(-0.01, 1.01)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(label, color=INK)
    return canvas
