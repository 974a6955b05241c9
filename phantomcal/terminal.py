"""What a person sees in the terminal: short tables, warnings, where the report is."""

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from phantomcal.results import Alignment, Calibration, Correlation, RegionComparison, StudyRun

if TYPE_CHECKING:
    import pandas as pd

_MOST_WARNINGS = 8
_MOST_OUTCOMES = 20
_LONG = 50  # parts of a step that is worth a line now and then in a log


class Progress:
    """Progress bar on stderr; called with what is being done and how far along it is."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description:<38}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        # A log file or a script gets no bar; of a long step it gets a line for every tenth.
        self._shown = console.is_terminal
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` parts of the step `what` are finished."""
        if not self._shown:
            if total >= _LONG and done and (10 * done) // total > (10 * (done - 1)) // total:
                print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)  # noqa: T201
            return
        self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._tasks[what], completed=done, total=total)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 132  # a pipe has no width; tables must not be cut there
    return console


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _range(low: float | None, high: float | None, digits: int = 3) -> str:
    return "–" if low is None or high is None else f"{low:.{digits}g} to {high:.{digits}g}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _warn(console: Console, warnings: list[str]) -> None:
    for text in warnings[:_MOST_WARNINGS]:
        console.print(f"[yellow]warning:[/] {escape(text)}")
    if len(warnings) > _MOST_WARNINGS:
        console.print(f"[yellow]and {len(warnings) - _MOST_WARNINGS} more in the report[/]")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right", no_wrap=k == 0, overflow="fold")
    return table


def show_calibration(record: Calibration, out: Path) -> None:
    """Lines of a calibration."""
    console = _console()
    table = _table("line", "slope", "95 % interval", "R²", "n", "p", "expected", "left out")
    for line in record.lines:
        interval = line.slope_ci95 or (None, None)
        name = f"{line.material} {line.modality}".strip()
        table.add_row(
            escape(name),
            f"{line.slope:.6g}",
            _range(*interval),
            _number(line.r2),
            str(line.n_vials),
            _p(line.p_value),
            _number(line.expected_slope),
            escape(", ".join(line.excluded)),
        )
    console.print(table)
    _warn(console, record.warnings)
    console.print(f"{record.status}: {escape(str(out / 'report.html'))}")


def show_alignment(record: Alignment, out: Path) -> None:
    """Verdict of an alignment."""
    console = _console()
    turn = ", ".join(f"{a:.2f}" for a in record.rotation_deg)
    shift = ", ".join(f"{t:.2f}" for t in record.translation_mm)
    console.print(
        f"rotation {turn} degrees; translation {shift} mm; predicted error {record.predicted_error_mm:.2f} mm"
    )
    _warn(console, record.warnings)
    console.print(f"{record.verdict}: {escape('; '.join(record.reasons))}")
    console.print(escape(str(out / "report.html")))


def show_regions(frame: "pd.DataFrame", out: Path) -> None:
    """Region table in short."""
    console = _console()
    table = _table("region", "voxels", "HU", "ppm")
    for row in frame.to_dict("records"):
        cells = [f"{row[c]:.4g}" if c in row and row[c] == row[c] else "–" for c in ("ct_hu", "qsm_ppm")]
        table.add_row(escape(str(row["roi"])), str(row["n_voxels"]), *cells)
    console.print(table)
    _warn(console, frame.attrs.get("warnings", []))
    console.print(escape(str(out)))


def show_correlation(record: Correlation, out: Path | None) -> None:
    """Correlations per region."""
    console = _console()
    table = _table("region", "n", "r", "95 % interval", "p adj.", "rho", "slope", "behaviour")
    for row in record.regions:
        table.add_row(
            escape(row.roi),
            str(row.n),
            "–" if row.pearson_r is None else f"{row.pearson_r:.4f}",
            _range(row.pearson_ci95_low, row.pearson_ci95_high, 2),
            _p(row.pearson_p_adjusted),
            "–" if row.spearman_rho is None else f"{row.spearman_rho:.4f}",
            "–" if row.slope is None else f"{row.slope:.6g}",
            row.behaviour,
        )
    console.print(table)
    for words in dict.fromkeys(row.method for row in record.regions if row.method not in ("", "independent rows")):
        names = ", ".join(row.roi for row in record.regions if row.method == words)
        console.print(escape(f"{names}: {words}"))
    _warn(console, record.warnings)
    if out is not None:
        console.print(escape(str(out / "report.html")))


def show_comparison(record: RegionComparison, out: Path) -> None:
    """Comparisons in short: those that stand out after adjustment, of how many."""
    console = _console()
    for kind in dict.fromkeys(row.kind for row in record.rows):
        rows = [row for row in record.rows if row.kind == kind]
        # Agreement is read from its size, not from a p value.
        shown = [row for row in rows if row.p_adjusted is not None and row.p_adjusted < 0.05]
        if kind == "agreement":
            shown = [row for row in rows if "limit" not in row.quantity and row.quantity != "ICC(3,1)"]
        limit = "" if kind == "agreement" else " (adjusted p < 0.05)"
        console.print(f"{kind}: {len(rows)} comparisons, {len(shown)} shown{limit}")
        if not shown:
            continue
        table = _table("region", "against", "quantity", "estimate", "95 % interval", "p adj.")
        for row in shown:
            estimate = "–" if row.estimate is None else f"{row.estimate:.4g}"
            ends = _range(row.ci95_low, row.ci95_high, 4)
            table.add_row(escape(row.roi), escape(row.other), escape(row.quantity), estimate, ends, _p(row.p_adjusted))
        console.print(table)
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))


def show_run(record: StudyRun, out: Path) -> None:
    """A study run: what was done, what was left out, the result."""
    console = _console()
    order = {"failed": 0, "review": 1, "skipped": 2}
    rest = [step for step in record.steps if step.status != "done"]
    if len(rest) > _MOST_OUTCOMES:
        rest = sorted(rest, key=lambda step: order[step.status])
    for step in rest[:_MOST_OUTCOMES]:
        console.print(f"[yellow]{step.step} {escape(step.subject)} {step.status}:[/] {escape(step.message)}")
    if len(rest) > _MOST_OUTCOMES:
        console.print(f"[yellow]and {len(rest) - _MOST_OUTCOMES} more in the report[/]")
    if record.correlation is not None:
        show_correlation(record.correlation, None)
    console.print(escape(str(out / "report.html")))


def show_truth(result: Any) -> None:
    """Estimates of the demo against the truth they were simulated from."""
    console = _console()
    table = _table("quantity", "truth", "estimate", "error", "allowed", "")
    for row in result.rows.to_dict("records"):
        table.add_row(
            escape(str(row["quantity"])),
            escape(str(row["truth_words"])),
            escape(str(row["estimate_words"])),
            escape(str(row["error_words"])),
            escape(str(row["allowed_words"])),
            "ok" if row["passed"] else "[red]off[/]",
        )
    console.print(table)
    console.print(escape(str(result.report)))
