"""`history add`, `list`, `event`, `chart`, `compare`, `remove`."""

import csv
import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import InputFile
from phantomcal.results.history import Comparison, History, HistoryChart, HistoryEntry, HistoryEvent
from phantomcal.steps.saved import calibration_file, read_calibration, run_names

if TYPE_CHECKING:
    from phantomcal.history.charts import Tolerance
    from phantomcal.history.store import Added

POINT_COLUMNS = (
    "scanner", "protocol", "material", "modality", "quantity", "unit", "scan_date", "session", "calibration_id",
    "phase", "baseline", "value", "standard_error", "drift_percent", "centre", "lower", "upper", "moving_range",
    "moving_range_upper", "ewma", "ewma_lower", "ewma_upper", "rules",
)  # fmt: skip


def parse_date(text: str) -> date:
    """A date written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is not a date", "", "write it as YYYY-MM-DD") from error


def add_step(path: Path, scanner: str, when: str | None, db: str | None, *, baseline: bool = False) -> "Added":
    """`phantomcal history add`."""
    from phantomcal.history.database import open_history, place
    from phantomcal.history.store import add_calibration, date_of

    record = read_calibration(path)
    scanned = parse_date(when) if when else date_of(record)
    # Everything that can be wrong with the call is asked before a database is made.
    if scanned is None:
        raise InputError(
            "the calibration does not say when it was scanned", calibration_file(path).name, "give --date YYYY-MM-DD"
        )
    if not scanner.strip():
        raise InputError("the scanner has no name", "", "give --scanner NAME")
    engine = open_history(place(db), create=True)
    try:
        return add_calibration(engine, record, scanner, scanned, baseline=baseline)
    finally:
        engine.dispose()


def event_step(
    words: str, scanner: str, when: str, db: str | None, *, kind: str = "service", new_baseline: bool = False
) -> HistoryEvent:
    """`phantomcal history event`."""
    from phantomcal.history.database import open_history, place
    from phantomcal.history.store import add_event

    day = parse_date(when)
    if not words.strip():
        raise InputError("the event says nothing", "", "say in words what was done")
    engine = open_history(place(db), create=True)
    try:
        return add_event(engine, scanner, day, words, kind=kind, new_baseline=new_baseline)
    finally:
        engine.dispose()


def remove_step(key: int, db: str | None) -> HistoryEntry:
    """`phantomcal history remove`."""
    from phantomcal.history.database import open_history, place
    from phantomcal.history.store import remove_calibration

    engine = open_history(place(db))
    try:
        return remove_calibration(engine, key)
    finally:
        engine.dispose()


def list_step(scanner: str | None, protocol: str | None, db: str | None) -> History:
    """`phantomcal history list`."""
    from phantomcal.history.database import open_history, place
    from phantomcal.history.store import read_history

    engine = open_history(place(db))
    try:
        return read_history(engine, scanner, protocol)
    finally:
        engine.dispose()


def chart_step(
    out: Path,
    db: str | None,
    *,
    scanners: Sequence[str] = (),
    protocol: str | None = None,
    material: str | None = None,
    modality: str | None = None,
    quantity: str = "slope",
    baseline_points: int | None = None,
    tolerances: Sequence[str] = (),
) -> HistoryChart:
    """`phantomcal history chart`: writes history.csv, history.json and report.html into `out`."""
    from phantomcal.history.charts import BASELINE_POINTS, control_charts
    from phantomcal.history.database import open_history, place
    from phantomcal.history.store import read_history, read_lines

    started = time.perf_counter()
    charted = _quantity(quantity)
    given = _given_tolerances(tolerances)
    name = _protocol_name(protocol)
    points = BASELINE_POINTS if baseline_points is None else baseline_points
    engine = open_history(place(db))
    try:
        rows = read_lines(engine, scanners, name, material, modality)
        history = read_history(engine, protocol=name)
    finally:
        engine.dispose()
    for scanner in scanners:
        if not any(row.scanner == scanner for row in rows):
            known = sorted({e.scanner for e in history.calibrations})
            raise InputError(
                f"nothing to chart of scanner {scanner!r}", "", f"there are {', '.join(known) or 'no calibrations'}"
            )
    allowed = _tolerances({(r.protocol, r.modality) for r in rows}, given, protocol)
    record = control_charts(rows, history.events, quantity=charted, baseline_points=points, tolerances=allowed)
    parameters = {
        "scanner": list(scanners),
        "protocol": name,
        "material": material,
        "modality": modality,
        "quantity": charted,
        "baseline_points": points,
        "tolerance": list(tolerances),
    }
    inputs = [_history_input(place(db), history)]
    record = record.model_copy(update={"provenance": provenance("history chart", inputs, parameters, started)})
    write_chart(record, out)
    return record


def write_chart(record: HistoryChart, out: Path) -> None:
    """history.csv, history.json and report.html of one chart."""
    from phantomcal.report.compose_history import history_report
    from phantomcal.report.page import render

    with output_folder(out) as folder:
        _write_points(record, folder / "history.csv")
        write_record(record, folder / "history.json")
        (folder / "report.html").write_text(render(history_report(record)), encoding="utf-8")


def compare_step(
    files: Sequence[Path],
    scanners: Sequence[str],
    db: str | None,
    out: Path | None = None,
    *,
    protocol: str | None = None,
    tolerances: Sequence[str] = (),
) -> Comparison:
    """`phantomcal history compare`: two files, or two and more scanners of the history."""
    from phantomcal.history.compare import DEFAULT_TOLERANCE_PERCENT, compare_calibrations, compare_scanners

    started = time.perf_counter()
    limits = dict(DEFAULT_TOLERANCE_PERCENT) | {m: t.percent[0] for m, t in _given_tolerances(tolerances).items()}
    if files and scanners:
        raise InputError("files and scanners were given", "", "compare either two files or several --scanner")
    if files:
        if len(files) != 2:
            raise InputError(f"{len(files)} files were given", "", "compare two calibrations")
        records = [read_calibration(path) for path in files]
        names = run_names(list(files))
        found = compare_calibrations(records[0], records[1], (names[0], names[1]), limits)
        inputs = [input_file("calibration", calibration_file(path)) for path in files]
    else:
        from phantomcal.history.database import open_history, place
        from phantomcal.history.store import read_history, read_lines

        if len(scanners) < 2:
            raise InputError("nothing to compare", "", "give two calibration files, or --scanner twice")
        engine = open_history(place(db))
        try:
            rows = read_lines(engine, scanners, _protocol_name(protocol))
            history = read_history(engine, protocol=_protocol_name(protocol))
        finally:
            engine.dispose()
        found, inputs = compare_scanners(rows, scanners, limits), [_history_input(place(db), history)]
    parameters = {"scanner": list(scanners), "protocol": _protocol_name(protocol), "tolerance_percent": limits}
    found = found.model_copy(update={"provenance": provenance("history compare", inputs, parameters, started)})
    if out is not None:
        from phantomcal.report.compose_scanners import scanners_report
        from phantomcal.report.page import render

        with output_folder(out) as folder:
            _write_comparison(found, folder / "comparison.csv")
            write_record(found, folder / "comparison.json")
            (folder / "report.html").write_text(render(scanners_report(found)), encoding="utf-8")
    return found


def _history_input(where: str, history: History) -> InputFile:
    """A history named without its folder or server, and the hash of what was read from it."""
    name = where.split("?")[0].rstrip("/").rsplit("/", 1)[-1] if "://" in where else Path(where).name
    content = "".join(e.content_sha256 for e in history.calibrations)
    return InputFile(role="history", name=name, sha256=hashlib.sha256(content.encode()).hexdigest())


def _quantity(text: str) -> Literal["slope", "intercept"]:
    if text == "slope":
        return "slope"
    if text == "intercept":
        return "intercept"
    raise InputError(f"unknown --quantity {text!r}", "", "use slope or intercept")


def _protocol_name(given: str | None) -> str | None:
    if given is None or not given.lower().endswith((".yaml", ".yml")):
        return given
    from phantomcal.protocol import load_protocol

    return load_protocol(given).name


def _given_tolerances(texts: Sequence[str]) -> "dict[str, Tolerance]":
    from phantomcal.history.charts import Tolerance

    found = {}
    for text in texts:
        modality, _, numbers = text.partition("=")
        try:
            warn, fail = (float(n) for n in numbers.split(","))
        except ValueError as error:
            raise InputError(f"--tolerance {text!r}", "", "write it as ct=2,5: warn and fail in percent") from error
        if modality not in ("ct", "qsm") or not 0 < warn <= fail < 1e6:
            raise InputError(
                f"--tolerance {text!r}", "", "write it as ct=2,5: warn and fail in percent, 0 < warn <= fail"
            )
        found[modality] = Tolerance((warn, fail), "given with --tolerance")
    return found


def _tolerances(
    wanted: set[tuple[str, str]], given: "Mapping[str, Tolerance]", protocol: str | None
) -> "dict[tuple[str, str], Tolerance]":
    """What was given, else what the protocol states; a protocol that is no longer to be found states nothing."""
    from phantomcal.history.charts import Tolerance
    from phantomcal.protocol import builtin_protocols, load_protocol

    found: dict[tuple[str, str], Tolerance] = {}
    known = builtin_protocols()
    for name in sorted({protocol for protocol, _ in wanted}):
        source = protocol if protocol and protocol.lower().endswith((".yaml", ".yml")) else name
        stated = load_protocol(source).tolerances.slope_drift_percent if source != name or name in known else {}
        for modality in sorted({m for p, m in wanted if p == name}):
            if modality in given:
                found[name, modality] = given[modality]
            elif modality in stated:
                found[name, modality] = Tolerance(stated[modality], f"protocol {name}")
    return found


def _write_points(record: HistoryChart, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(POINT_COLUMNS)
        for chart in record.charts:
            phases = {phase.phase: phase for phase in chart.phases}
            shared = {name: getattr(chart, name) for name in POINT_COLUMNS[:6]}
            for point in chart.points:
                phase = phases[point.phase]
                cells = shared | point.model_dump() | {"rules": "; ".join(point.rules), "centre": phase.reference}
                cells |= {name: getattr(phase, name) for name in ("lower", "upper", "moving_range_upper")}
                table.writerow([_cell(cells[name]) for name in POINT_COLUMNS])


def _write_comparison(found: Comparison, path: Path) -> None:
    columns = [
        "material", "modality", "unit", *(f"slope {name}" for name in found.names),
        *(f"slope_se {name}" for name in found.names), "difference_percent", "difference_ci95_low",
        "difference_ci95_high", "test", "statistic", "p_value", "p_adjusted", "verdict", "words",
    ]  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        for line in found.lines:
            low, high = line.difference_ci95 or (None, None)
            cells = [line.material, line.modality, line.unit, *(s.slope for s in line.slopes)]
            cells += [*(s.slope_se for s in line.slopes), line.difference_percent, low, high, line.main_test.name]
            cells += [line.main_test.statistic, line.main_test.p_value, line.p_adjusted, line.verdict, line.words]
            table.writerow([_cell(c) for c in cells])


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.8g}"
    return "" if value is None else value
