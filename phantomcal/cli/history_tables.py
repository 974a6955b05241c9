"""What repeatability and history print."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results import Comparison, History, HistoryChart, HistoryEntry, Repeatability
from phantomcal.terminal import _console, _number, _p, _range, _table, _warn


def _bounds(interval: tuple[float, float] | None) -> str:
    low, high = interval or (None, None)
    return _range(low, high)


def show_repeatability(record: Repeatability, out: Path) -> None:
    """Pooled agreement, then every line's slope."""
    console = _console()
    table = _table("", "n", "runs", "wSD", "95 % interval", "RC", "wCV %", "unit")
    for group in record.agreement:
        w = group.within
        name = f"all vials {group.modality}".strip()
        table.add_row(
            escape(name),
            str(w.n_subjects),
            str(w.n_runs),
            _number(w.wsd),
            _bounds(w.wsd_ci95),
            _number(w.rc),
            _number(w.wcv_percent),
            escape(group.unit),
        )
    for row in record.rows:
        if row.level == "slope":
            name = f"slope of {row.name} {row.modality}".strip()
            table.add_row(
                escape(name),
                "1",
                str(row.n_runs),
                _number(row.wsd),
                _bounds(row.wsd_ci95),
                _number(row.rc),
                _number(row.wcv_percent),
                escape(row.unit),
            )
    console.print(table)
    for group in record.agreement:
        for pair in group.bland_altman:
            console.print(
                f"{escape(pair.second)} minus {escape(pair.first)} ({escape(group.modality)}, {pair.n} vials): "
                f"bias {_number(pair.bias)} ({_bounds(pair.bias_ci95)}), "
                f"limits of agreement {_range(pair.lower, pair.upper)} {escape(group.unit)}"
            )
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))


def show_entry(entry: HistoryEntry, *, new: bool, warnings: list[str]) -> None:
    """What became of a calibration that was added."""
    console = _console()
    _warn(console, warnings)
    verb = "added" if new else "already there, nothing changed"
    base = ", baseline" if entry.baseline else ""
    console.print(
        escape(
            f"{verb}: number {entry.id}, {entry.scanner}, {entry.protocol}, {entry.scan_date}, "
            f"{len(entry.lines)} line{'' if len(entry.lines) == 1 else 's'}{base}"
        )
    )


def show_history(record: History) -> None:
    """Calibrations and events in order of date."""
    console = _console()
    table = _table("number", "date", "scanner", "protocol", "session", "status", "lines")
    for e in record.calibrations:
        base = " baseline" if e.baseline else ""
        cells = (str(e.id), str(e.scan_date), e.scanner, e.protocol, e.session, e.status + base, ", ".join(e.lines))
        table.add_row(*(escape(cell) for cell in cells))
    if record.calibrations:
        console.print(table)
    else:
        console.print("no calibrations")
    for happened in record.events:
        new = " (new baseline)" if happened.new_baseline else ""
        console.print(escape(f"{happened.event_date} {happened.scanner}, {happened.kind}: {happened.words}{new}"))


def show_chart(record: HistoryChart, out: Path) -> None:
    """The newest calibration of every line against its limits and tolerance."""
    console = _console()
    table = _table("line", "scanner", "n", "newest", "drift %", "95 % interval", "drift per year %", "status")
    for chart in record.charts:
        t = chart.trend
        table.add_row(
            escape(f"{chart.material} {chart.modality}".strip()),
            escape(chart.scanner),
            str(len(chart.points)),
            _number(chart.points[-1].value, 5),
            _number(chart.drift_percent, 3),
            _bounds(chart.drift_ci95),
            "–" if t is None else f"{_number(t.percent_per_year, 3)} ({_bounds(t.percent_ci95)})",
            chart.status,
        )
    console.print(table)
    _warn(console, record.warnings)
    console.print(f"{record.status}: {escape(str(out / 'report.html'))}")


def show_comparison(record: Comparison, out: Path | None) -> None:
    """Every line's slopes, their difference and what follows."""
    console = _console()
    table = _table(
        "line", *(escape(name) for name in record.names), "difference %", "95 % interval", "p adj.", "test", ""
    )
    for line in record.lines:
        table.add_row(
            escape(f"{line.material} {line.modality}".strip()),
            *(f"{s.slope:.5g}" for s in line.slopes),
            _number(line.difference_percent, 3),
            _bounds(line.difference_ci95),
            _p(line.p_adjusted),
            escape(line.main_test.name),
            escape(f"{line.verdict}: {line.words}"),
        )
    console.print(table)
    _warn(console, record.warnings)
    if out is not None:
        console.print(escape(str(out / "report.html")))
