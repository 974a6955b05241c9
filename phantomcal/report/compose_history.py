"""From control charts to their report."""

from phantomcal.report.columns import table_of
from phantomcal.report.history_figures import chart_words, control_chart, event_letters
from phantomcal.report.numerals import NONE, count, interval, listed, number, percent, unit_words, with_uncertainty
from phantomcal.report.page import Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.report.style import as_svg, width_px
from phantomcal.results.history import HistoryChart, LineChart

_MOST_SIGNALS = 15
_MONTGOMERY = "Montgomery DC. Introduction to Statistical Quality Control. Wiley: control charts for individuals, EWMA."
_WESTERN_ELECTRIC = "Western Electric Company. Statistical Quality Control Handbook. Indianapolis, 1956."
_LUCAS_1990 = (
    "Lucas JM, Saccucci MS. Exponentially weighted moving average control schemes: properties and enhancements. "
    "Technometrics 1990;32:1-12. doi 10.1080/00401706.1990.10484583"
)
_CHAMP_1987 = (
    "Champ CW, Woodall WH. Exact results for Shewhart control charts with supplementary runs rules. Technometrics "
    "1987;29:393-399. doi 10.1080/00401706.1987.10488266"
)
_SEN_1968 = (
    "Sen PK. Estimates of the regression coefficient based on Kendall's tau. J Am Stat Assoc 1968;63:1379-1389. "
    "doi 10.1080/01621459.1968.10480934"
)


def history_report(record: HistoryChart) -> Report:
    """The report of `history chart`.

    Parameters
    ----------
    record : HistoryChart

    Returns
    -------
    Report
    """
    scanners = list(dict.fromkeys(c.scanner for c in record.charts))
    first = min(p.scan_date for c in record.charts for p in c.points)
    last = max(p.scan_date for c in record.charts for p in c.points)
    scans = len({p.calibration_id for c in record.charts for p in c.points})
    title = f"{scanners[0]} over time" if len(scanners) == 1 else f"{len(scanners)} scanners over time"
    return Report(
        kind="History report",
        title=title,
        subtitle=f"{count(scans, 'calibration')} · {first} to {last} · {listed(scanners, most=4)}",
        verdict=record.status,
        verdict_text=_verdict(record),
        key_numbers=_keys(record),
        warnings=[],
        sections=[_summary(record), *_sections(record), *_events(record)],
        methods=_methods(record),
        references=[_MONTGOMERY, _WESTERN_ELECTRIC, _CHAMP_1987, _LUCAS_1990, _SEN_1968],
        provenance=record.provenance,
    )


def line_name(chart: LineChart) -> str:
    """Material and modality, as a person says them."""
    return f"{chart.material} {chart.modality.upper()}".strip()


def _verdict(record: HistoryChart) -> str:
    bad = [c for c in record.charts if c.status == record.status]
    if record.status == "pass":
        return f"The newest calibration of {_all(len(record.charts))} is within tolerance and in control."
    told = "; ".join(f"{c.scanner}, {line_name(c)}: {c.verdict}" for c in bad[:2])
    more = f"; and {len(bad) - 2} more" if len(bad) > 2 else ""
    return f"{told}{more}."


def _all(n: int) -> str:
    return "the line" if n == 1 else f"all {n} lines"


def _keys(record: HistoryChart) -> list[KeyNumber]:
    known = [c for c in record.charts if c.drift_percent is not None]
    keys = []
    if known:
        worst = max(known, key=lambda c: abs(c.drift_percent or 0.0))
        said = f"95 % {interval(worst.drift_ci95)}" if worst.drift_ci95 else "no interval"
        drift = percent((worst.drift_percent or 0.0) / 100, 2, signed=True)
        keys.append(KeyNumber("Largest drift from baseline", drift, f"{worst.scanner}, {line_name(worst)} · {said}"))
    trends = [c for c in record.charts if c.trend and c.trend.percent_per_year is not None and c.trend.percent_ci95]
    if trends:
        steepest = max(trends, key=lambda c: abs((c.trend and c.trend.percent_per_year) or 0.0))
        assert steepest.trend is not None
        value = percent((steepest.trend.percent_per_year or 0.0) / 100, 2, signed=True)
        detail = f"{steepest.scanner}, {line_name(steepest)} · 95 % {interval(steepest.trend.percent_ci95)}"
        keys.append(KeyNumber("Steepest drift per year", value, detail))
    points = [p for c in record.charts for p in c.points]
    signals = sum(bool(p.rules) for p in points)
    keys.append(KeyNumber("Points that break a rule", f"{signals} of {len(points)}", "all lines, baseline included"))
    return keys


def _summary(record: HistoryChart) -> Section:
    charts = record.charts
    frame = table_of(
        {
            "scanner": [c.scanner for c in charts],
            "line": [line_name(c) for c in charts],
            "n": [len(c.points) for c in charts],
            "newest": [with_uncertainty(c.points[-1].value, c.points[-1].standard_error) for c in charts],
            "drift": [_drift(c) for c in charts],
            "trend": [_trend(c) for c in charts],
            "tolerance": [_tolerance(c) for c in charts],
            "status": [c.status for c in charts],
        }
    )
    labels = {
        "scanner": "Scanner",
        "line": "Line",
        "n": "n",
        "newest": f"Newest {record.quantity} ± SE",
        "drift": "Drift, % [95 %]",
        "trend": "Per year, % [95 %]",
        "tolerance": "Warns, fails",
        "status": "Status",
    }
    flags: list[RowFlag] = ["" if c.status == "pass" else c.status for c in charts]
    sources = dict.fromkeys(c.tolerance_source for c in charts if c.tolerance_source)
    note = f"Tolerances: {'; '.join(sources)}. " if sources else ""
    uncertain = dict.fromkeys(c.drift_uncertainty for c in charts if c.drift_ci95)
    note += f"Intervals of drift: {'; '.join(uncertain)}." if uncertain else ""
    table = TableBlock(
        frame, "The newest calibration of every line", labels, numbers=("newest", "drift", "trend"), flags=flags,
        note=note,
    )  # fmt: skip
    intro = (
        "Drift is the newest calibration against the mean of the baseline; the trend is that of the phase since the "
        "last new baseline. A drift beyond the tolerance fails only when no drift at all would not explain it."
    )
    return Section("Where the scanners stand", intro, [table], record.warnings)


def _drift(chart: LineChart) -> str:
    if chart.drift_percent is None:
        return NONE
    return _bracketed(chart.drift_percent, chart.drift_ci95)


def _trend(chart: LineChart) -> str:
    if chart.trend is None or chart.trend.percent_per_year is None:
        return NONE
    return _bracketed(chart.trend.percent_per_year, chart.trend.percent_ci95)


def _bracketed(value: float, bounds: tuple[float, float] | None) -> str:
    def sign(x: float) -> str:
        return f"{x:+.2f}".replace("-", "−")

    return sign(value) + (f" [{sign(bounds[0])}, {sign(bounds[1])}]" if bounds else "")


def _tolerance(chart: LineChart) -> str:
    return (
        NONE if chart.tolerance_percent is None else f"{chart.tolerance_percent[0]:g}, {chart.tolerance_percent[1]:g} %"
    )


def _sections(record: HistoryChart) -> list[Section]:
    sections: list[Section] = []
    canvas = None
    for chart in record.charts:
        events = [e for e in record.events if e.scanner == chart.scanner]
        canvas = control_chart(chart, events, canvas)
        figure = Figure(as_svg(canvas), chart_words(chart), _caption(bool(events)), width_px(canvas))
        sections.append(_section(chart, record, figure))
    return sections


def _caption(events: bool) -> str:
    return (
        "Hollow points set the limits. Dashed: three sigma, from the moving range of the baseline; dotted: tolerance. "
        "Marked points break the rule in the legend."
    ) + (" Letters: see the events." if events else "")


def _section(chart: LineChart, record: HistoryChart, figure: Figure) -> Section:
    title = f"{chart.scanner}: {line_name(chart)}"
    if len({c.protocol for c in record.charts}) > 1:
        title += f" ({chart.protocol or 'no protocol'})"
    signals = _signals(chart)
    notes = [f"{chart.verdict[0].upper()}{chart.verdict[1:]}."]
    if chart.trend is not None and chart.trend.note:
        notes.append(f"Trend: {chart.trend.note}.")
    return Section(
        title,
        " ".join(notes),
        [
            figure,
            _phases(chart),
            *_phase_notes(chart),
            signals if signals is not None else Text("No point breaks a rule."),
        ],
    )


def _phases(chart: LineChart) -> TableBlock:
    phases = chart.phases
    unit = unit_words(chart.unit)
    frame = table_of(
        {
            "begins": [str(p.begins) for p in phases],
            "reason": [p.reason for p in phases],
            "n": [f"{p.n_baseline} of {p.n}" for p in phases],
            "centre": [number(p.reference, 5) for p in phases],
            "sigma": [_sigma(p.sigma, p.sigma_ci95) for p in phases],
            "limits": [interval((p.lower, p.upper), 4) for p in phases],
        }
    )
    labels = {
        "begins": "From",
        "reason": "Why",
        "n": "Baseline",
        "centre": "Mean",
        "sigma": "Sigma [95 %]",
        "limits": "Limits",
    }
    return TableBlock(
        frame, f"Limits, {unit}", labels, numbers=("n", "centre", "sigma", "limits"),
        note="Sigma is the SD from scan to scan: mean moving range / 1.128.",
    )  # fmt: skip


def _phase_notes(chart: LineChart) -> list[Text]:
    notes = [f"From {p.begins}: {'; '.join(p.notes)}." for p in chart.phases if p.notes]
    return [Text("\n\n".join(notes))] if notes else []


def _sigma(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None or bounds is None:
        return NONE
    return f"{number(value, 2)} [{number(bounds[0], 2)}, {number(bounds[1], 2)}]"


def _signals(chart: LineChart) -> TableBlock | None:
    broken = [p for p in chart.points if p.rules]
    if not broken:
        return None
    newest = broken[::-1][:_MOST_SIGNALS]
    frame = table_of(
        {
            "date": [str(p.scan_date) for p in newest],
            "value": [number(p.value, 5) for p in newest],
            "drift": [NONE if p.drift_percent is None else _bracketed(p.drift_percent, None) for p in newest],
            "rules": ["; ".join(p.rules) for p in newest],
        }
    )
    more = len(broken) - len(newest)
    return TableBlock(
        frame,
        "Points that break a rule, newest first",
        {"date": "Date", "value": chart.quantity.capitalize(), "drift": "Drift, %", "rules": "Rule"},
        {"value": unit_words(chart.unit)},
        numbers=("value", "drift"),
        note=f"{count(more, 'earlier point')} in history.csv." if more else "",
    )


def _events(record: HistoryChart) -> list[Section]:
    if not record.events:
        return []
    rows = []
    for scanner in dict.fromkeys(e.scanner for e in record.events):
        mine = [e for e in record.events if e.scanner == scanner]
        letters = event_letters(mine)
        rows += [(letters[e.id], e) for e in mine]
    frame = table_of(
        {
            "letter": [letter for letter, _ in rows],
            "date": [str(e.event_date) for _, e in rows],
            "scanner": [e.scanner for _, e in rows],
            "kind": [e.kind for _, e in rows],
            "words": [e.words for _, e in rows],
            "new": [e.new_baseline for _, e in rows],
        }
    )
    labels = {
        "letter": "",
        "date": "Date",
        "scanner": "Scanner",
        "kind": "Kind",
        "words": "What was done",
        "new": "New baseline",
    }
    return [Section("Events", "", [TableBlock(frame, "What was done to the scanners", labels)])]


def _methods(record: HistoryChart) -> str:
    return (
        f"The {record.quantity} of every calibration line was followed on charts for individual values and moving "
        "ranges (Montgomery). Limits lie three sigma from the baseline mean, sigma being the mean moving range of the "
        "baseline over 1.128. The baseline consists of the calibrations marked so, else of the first "
        f"{record.baseline_points} of a phase. "
        "The four Western Electric rules were applied within each phase, and an exponentially weighted moving average "
        f"(lambda {record.ewma_lambda:g}, limits at {record.ewma_limit:g} SD; Lucas and Saccucci 1990). In control and "
        "with limits that are known, the three-sigma rule and the EWMA each give a false alarm once in 370 points, "
        "the four rules together once in about 92 (Champ and Woodall 1987). Drift per year is the Theil-Sen slope with "
        "Sen's interval (Sen 1968), widened when neighbouring values are alike."
    )
