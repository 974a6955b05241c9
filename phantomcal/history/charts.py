"""From the calibrations of a scanner to control charts with a verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.history import limits as spc
from phantomcal.history.quantiles import chi_quantile, t_quantile
from phantomcal.history.store import LineRow
from phantomcal.history.trend import drift_per_year
from phantomcal.results.history import (
    ChartPhase,
    ChartPoint,
    HistoryChart,
    HistoryEvent,
    Judgement,
    LineChart,
)

Array = NDArray[np.float64]
Quantity = Literal["slope", "intercept"]
BASELINE_POINTS = 10  # a year of monthly scans less holidays; 20 to 25 are better, and fewer are said to be few
# Chosen, not published: what a protocol that states no tolerance is held to, in percent.
DEFAULT_TOLERANCE: Mapping[str, tuple[float, float]] = {"ct": (2.0, 5.0), "qsm": (5.0, 10.0)}
_WELL_KNOWN = 20  # baseline points from which limits need no warning
_ORDER: dict[str, int] = {"pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Tolerance:
    """Drift that warns and that fails, in percent, and who says so."""

    percent: tuple[float, float]
    source: str


@dataclass(frozen=True)
class Drift:
    """Change against a baseline, percent, with its 95 % interval and where that comes from."""

    percent: float | None
    ci95: tuple[float, float] | None
    standard_error: float | None
    source: str


def control_charts(
    rows: Sequence[LineRow],
    events: Sequence[HistoryEvent],
    *,
    quantity: Quantity = "slope",
    baseline_points: int = BASELINE_POINTS,
    tolerances: Mapping[tuple[str, str], Tolerance] | None = None,
) -> HistoryChart:
    """Charts of every line of every scanner and protocol.

    Parameters
    ----------
    rows : sequence of LineRow
        In order of date, as `phantomcal.history.store.read_lines` gives them.
    events : sequence of HistoryEvent
        What was done to the scanners.
    quantity : {"slope", "intercept"}
        What is charted. Tolerances are of the slope only.
    baseline_points : int
        So many first points of a phase set its limits, unless calibrations are marked as baseline.
    tolerances : mapping of (protocol, modality) to Tolerance, optional
        Else the default of the modality.

    Returns
    -------
    HistoryChart
        Its status is the worst of the lines' newest calibrations.

    Raises
    ------
    InputError
        Nothing to chart, or a baseline of fewer than two points asked for.
    """
    if baseline_points < 2:
        raise InputError(f"{baseline_points} baseline points set no limits", "--baseline-points", "give 5 or more")
    if not rows:
        raise InputError("no calibration to chart", "", "see `phantomcal history list`; add one, or choose others")
    groups: dict[tuple[str, str, str, str], list[LineRow]] = {}
    for row in rows:
        groups.setdefault((row.scanner, row.protocol, row.material, row.modality), []).append(row)
    charts = []
    for (scanner, protocol, _, modality), mine in groups.items():
        known = (tolerances or {}).get((protocol, modality))
        if known is None and modality in DEFAULT_TOLERANCE:
            known = Tolerance(DEFAULT_TOLERANCE[modality], "default of phantomcal, as the protocol states none")
        happened = [e for e in events if e.scanner == scanner]
        charts.append(_line_chart(mine, happened, quantity, baseline_points, known if quantity == "slope" else None))
    scanners = {row.scanner for row in rows}
    return HistoryChart(
        status=max((c.status for c in charts), key=_ORDER.__getitem__),
        quantity=quantity,
        baseline_points=baseline_points,
        ewma_lambda=spc.EWMA_LAMBDA,
        ewma_limit=spc.EWMA_LIMIT,
        charts=charts,
        events=[e for e in events if e.scanner in scanners],
        warnings=_warnings(charts),
    )


def drift_of(rows: Sequence[LineRow], reference: Sequence[LineRow], quantity: Quantity = "slope") -> Drift:
    """Drift of the last of the rows against the baseline rows, with its uncertainty.

    Parameters
    ----------
    rows : sequence of LineRow
        The last one is judged.
    reference : sequence of LineRow
        The baseline.
    quantity : {"slope", "intercept"}

    Returns
    -------
    Drift
        Percent. With five or more baseline calibrations the interval comes from their scatter (moving range), else
        from the lines' own standard errors: these also hold what stays the same between scans, such as wrong
        concentrations, and are then too wide.
    """
    base = np.array([getattr(r, quantity) for r in reference], dtype=np.float64)
    centre = float(base.mean())
    if centre == 0:
        return Drift(None, None, None, "the baseline is zero, so there is no percentage")
    last = rows[-1]
    value = float(getattr(last, quantity))
    percent = 100 * (value - centre) / centre
    if [r.calibration_id for r in reference] == [last.calibration_id]:
        return Drift(0.0, None, None, "it is the baseline itself")
    inside = any(r.calibration_id == last.calibration_id for r in reference)
    # A baseline calibration shares its own error with the mean it is compared with.
    factor = 1 - 1 / len(base) if inside else 1 + 1 / len(base)
    limit = spc.limits(base)
    if limit.sigma is not None and limit.degrees_of_freedom is not None:
        error = 100 * limit.sigma * np.sqrt(factor) / abs(centre)
        half = t_quantile(limit.degrees_of_freedom) * error
        source = f"scatter of the {len(base)} baseline calibrations"
        return Drift(percent, (float(percent - half), float(percent + half)), float(error), source)
    errors = [getattr(r, f"{quantity}_se") for r in (*reference, last)]
    known = [e for e in errors if e is not None]
    if len(known) < len(errors) or last.n_vials < 3:
        return Drift(percent, None, None, "no standard error is known")
    variance = np.square(known[:-1])
    error = 100 * np.sqrt(variance.mean() / len(base) + known[-1] ** 2) / abs(centre)
    half = t_quantile(last.n_vials - 2) * error
    source = "standard errors of the lines, which also hold what stays the same between scans"
    return Drift(percent, (float(percent - half), float(percent + half)), float(error), source)


def phases_of(rows: Sequence[LineRow], events: Sequence[HistoryEvent]) -> list[tuple[date, str, list[LineRow]]]:
    """Rows cut at events that set a new baseline; empty stretches are dropped.

    Returns
    -------
    list of (begin, reason, rows)
    """
    cuts = [e for e in sorted(events, key=lambda e: (e.event_date, e.id)) if e.new_baseline]
    parts: list[tuple[date, str, list[LineRow]]] = []
    starts: list[tuple[date | None, str]] = [(None, "first calibration")]
    starts += [(e.event_date, f"{e.kind}: {e.words}") for e in cuts]
    for k, (begin, reason) in enumerate(starts):
        end = starts[k + 1][0] if k + 1 < len(starts) else None
        inside = [r for r in rows if (begin is None or r.scan_date >= begin) and (end is None or r.scan_date < end)]
        if inside:
            parts.append((begin or inside[0].scan_date, reason, inside))
    return parts


def baseline_of(rows: Sequence[LineRow], baseline_points: int = BASELINE_POINTS) -> list[LineRow]:
    """The rows of a phase that its limits are set from: those marked as baseline, else the first so many.

    The newest row is not among the first so many, so that it is not judged by itself.
    """
    marked = [r for r in rows if r.baseline]
    return marked or list(rows[: max(1, min(baseline_points, len(rows) - 1))])


def _line_chart(
    rows: list[LineRow],
    events: Sequence[HistoryEvent],
    quantity: Quantity,
    baseline_points: int,
    tolerance: Tolerance | None,
) -> LineChart:
    first = rows[0]
    units = sorted({r.slope_unit if quantity == "slope" else r.unit for r in rows})
    if len(units) > 1:
        raise InputError(
            f"{first.material} {first.modality} was calibrated in {' and in '.join(units)}",
            f"scanner {first.scanner}",
            "remove the calibrations in the wrong unit",
        )
    phases, points, notes = [], [], []
    parts = phases_of(rows, events)
    for number, (begin, reason, mine) in enumerate(parts, start=1):
        base = baseline_of(mine, baseline_points)
        phase, drawn = _phase(number, begin, reason, mine, base, quantity)
        phases.append(phase)
        points += drawn
    current = parts[-1][2]
    drift = drift_of(current, baseline_of(current, baseline_points), quantity)
    status, verdict = _judge(points[-1], drift, tolerance)
    trend = drift_per_year(
        [r.scan_date for r in current],
        np.array([getattr(r, quantity) for r in current], dtype=np.float64),
        phases[-1].reference,
    )
    passed = sum(bool(p.rules) for p in points[:-1])
    if passed:
        notes.append(f"{passed} earlier point{'s' if passed > 1 else ''} broke a rule; see the table of signals")
    return LineChart(
        scanner=first.scanner,
        protocol=first.protocol,
        material=first.material,
        modality=first.modality,
        quantity=quantity,
        unit=units[0],
        status=status,
        verdict=verdict,
        drift_percent=drift.percent,
        drift_ci95=drift.ci95,
        drift_uncertainty=drift.source,
        tolerance_percent=tolerance.percent if tolerance else None,
        tolerance_source=tolerance.source if tolerance else "",
        phases=phases,
        points=points,
        trend=trend,
        notes=notes,
    )


def _phase(
    number: int, begin: date, reason: str, rows: Sequence[LineRow], base: Sequence[LineRow], quantity: Quantity
) -> tuple[ChartPhase, list[ChartPoint]]:
    values = np.array([getattr(r, quantity) for r in rows], dtype=np.float64)
    limit = spc.limits(np.array([getattr(r, quantity) for r in base], dtype=np.float64))
    broken = spc.broken_rules(values, limit)
    sigma, centre = limit.sigma, limit.centre
    average = spc.ewma(values, centre) if sigma is not None else None
    half = spc.ewma_half_width(len(values), sigma) if sigma is not None else None
    chosen = {r.calibration_id for r in base}
    points = [
        ChartPoint(
            calibration_id=row.calibration_id,
            scan_date=row.scan_date,
            session=row.session,
            phase=number,
            baseline=row.calibration_id in chosen,
            value=float(values[k]),
            standard_error=getattr(row, f"{quantity}_se"),
            drift_percent=float(100 * (values[k] - centre) / centre) if centre else None,
            moving_range=float(abs(values[k] - values[k - 1])) if k else None,
            ewma=None if average is None else float(average[k]),
            ewma_lower=None if half is None else float(centre - half[k]),
            ewma_upper=None if half is None else float(centre + half[k]),
            rules=[rule for rule, flags in broken.items() if flags[k]],
        )
        for k, row in enumerate(rows)
    ]
    phase = ChartPhase(
        phase=number,
        begins=begin,
        reason=reason,
        n=len(rows),
        n_baseline=len(base),
        reference=centre,
        sigma=sigma,
        sigma_ci95=_sigma_interval(limit),
        sigma_df=limit.degrees_of_freedom,
        lower=None if sigma is None else centre - spc.SIGMAS * sigma,
        upper=None if sigma is None else centre + spc.SIGMAS * sigma,
        moving_range_mean=limit.moving_range,
        moving_range_upper=None if limit.moving_range is None or sigma is None else spc.D4 * limit.moving_range,
        notes=_phase_notes(limit, points),
    )
    return phase, points


def _phase_notes(limit: spc.Limits, points: Sequence[ChartPoint]) -> list[str]:
    notes = []
    if limit.sigma is None and limit.n < spc.FEWEST:
        notes.append(f"no limits yet: {limit.n} of the {spc.FEWEST} baseline calibrations that they need")
    elif limit.sigma is None:
        notes.append("no limits: all baseline values are equal")
    elif limit.n < _WELL_KNOWN:
        notes.append(
            f"limits from {limit.n} baseline calibrations are uncertain: more than 1 in 370 good points will fall "
            f"outside; {_WELL_KNOWN} are asked for"
        )
    outside = [str(p.scan_date) for p in points if p.baseline and spc.BEYOND_3 in p.rules]
    if outside:
        notes.append(
            f"the baseline itself has a point beyond three sigma ({', '.join(outside[:3])}): look for its cause, "
            "then mark sound calibrations with --baseline"
        )
    values = np.array([p.value for p in points], dtype=np.float64)
    if limit.sigma is not None and len(values) >= 20:
        away = values - limit.centre
        r1 = float((away[1:] * away[:-1]).sum() / (away**2).sum())
        if r1 > 1.96 / np.sqrt(len(values)):
            notes.append(
                f"neighbouring points are alike (lag-1 autocorrelation {r1:.2f}): the limits may be too narrow and "
                "signals too many"
            )
    return notes


def _sigma_interval(limit: spc.Limits) -> tuple[float, float] | None:
    if limit.sigma is None or limit.degrees_of_freedom is None:
        return None
    root = limit.sigma * math.sqrt(limit.degrees_of_freedom)
    return root / chi_quantile(limit.degrees_of_freedom, 0.975), root / chi_quantile(limit.degrees_of_freedom, 0.025)


def _judge(point: ChartPoint, drift: Drift, tolerance: Tolerance | None) -> tuple[Judgement, str]:
    signal = f"; the newest point is out of control: {', '.join(point.rules)}" if point.rules else ""
    if drift.percent is None or tolerance is None:
        return ("warn" if point.rules else "pass"), f"no tolerance applies{signal}"
    warn, fail = tolerance.percent
    away = abs(drift.percent)
    said = f"{_percent(drift.percent)} against the baseline"
    if drift.ci95 is not None:
        said += f" (95 % {_percent(drift.ci95[0])} to {_percent(drift.ci95[1])})"
    certain = drift.ci95 is None or not drift.ci95[0] <= 0 <= drift.ci95[1]
    if away > fail and certain:
        return "fail", f"{said}: beyond {fail:g} %{signal}"
    if away > fail:
        return "warn", f"{said}: beyond {fail:g} %, but undetermined, as no drift at all would explain it{signal}"
    if away > warn:
        return "warn", f"{said}: beyond {warn:g} %, within {fail:g} %{signal}"
    reach = drift.ci95 is not None and max(abs(b) for b in drift.ci95) > fail
    doubt = f", though more than {fail:g} % cannot be ruled out" if reach else ""
    return ("warn" if point.rules else "pass"), f"{said}: within {warn:g} %{doubt}{signal}"


def _percent(value: float) -> str:
    return f"{value:+.2f} %".replace("-", "−")


def _warnings(charts: Sequence[LineChart]) -> list[str]:
    """What holds for several lines is said once."""
    said: dict[str, list[str]] = {}
    for chart in charts:
        name = f"{chart.scanner}, {chart.material} {chart.modality}".strip()
        notes = [*chart.phases[-1].notes, *([chart.verdict] if chart.status != "pass" else [])]
        for note in notes:
            said.setdefault(note, []).append(name)
    return [
        f"{note[0].upper()}{note[1:]}" if len(names) == len(charts) > 1 else f"{'; '.join(names)}: {note}"
        for note, names in said.items()
    ]
