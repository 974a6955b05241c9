"""The calibration that holds for a scan: nearest in time on the same scanner, and how far it has drifted."""

from datetime import date

from sqlalchemy import Engine

from phantomcal.errors import InputError
from phantomcal.history.charts import BASELINE_POINTS, baseline_of, drift_of, phases_of
from phantomcal.history.store import LineRow, read_history, read_lines
from phantomcal.results.history import HistoryEvent, NearestCalibration, NearestLine

_LONG_DAYS = 366


def nearest_calibration(
    engine: Engine,
    scanner: str,
    when: date,
    *,
    protocol: str | None = None,
    material: str | None = None,
    modality: str | None = None,
    most_days: int | None = None,
    baseline_points: int = BASELINE_POINTS,
) -> NearestCalibration | None:
    """The calibration nearest in time to a scan, with its slopes' drift against their baseline.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `phantomcal.history.database.open_history`.
    scanner : str
        Name of the scanner, as in the history.
    when : datetime.date
        Date of the scan that is to be corrected or judged.
    protocol, material, modality : str, optional
        Only calibrations of this phantom, with this line.
    most_days : int, optional
        Calibrations further away than this do not count.
    baseline_points : int
        As in `phantomcal.history.charts.control_charts`.

    Returns
    -------
    NearestCalibration or None
        None when no calibration qualifies. Calibrations between the same two new baselines as the scan come first,
        however far: what was measured before a repair does not hold after it. Of two equally near the earlier one is
        taken, as later ones may already know of a change. `drift_percent` has a 95 % interval and a standard error
        (``drift_se_percent``): a value measured with that line carries the latter as a relative scale uncertainty.

    Raises
    ------
    InputError
        The scanner has no calibration at all.
    """
    history = read_history(engine, scanner, protocol)
    if not history.calibrations:
        raise InputError(f"no calibration of scanner {scanner!r}", "", "see `phantomcal history list`")
    rows = read_lines(engine, [scanner], protocol, material, modality)
    cuts = sorted(e.event_date for e in history.events if e.new_baseline)
    mine = _phase(when, cuts)

    def order(row: LineRow) -> tuple[bool, int, date, int]:
        return _phase(row.scan_date, cuts) != mine, abs((row.scan_date - when).days), row.scan_date, row.calibration_id

    near = [r for r in rows if most_days is None or abs((r.scan_date - when).days) <= most_days]
    if not near:
        return None
    best = min(near, key=order)
    entry = next(e for e in history.calibrations if e.id == best.calibration_id)
    chosen = [r for r in rows if r.calibration_id == best.calibration_id]
    days = (best.scan_date - when).days
    same = not order(best)[0]
    notes = []
    if not same:
        notes.append("a new baseline lies between this calibration and the date: it may not hold")
    if abs(days) > _LONG_DAYS:
        notes.append(f"the nearest calibration is {abs(days)} days away")
    return NearestCalibration(
        entry=entry,
        days_away=days,
        same_phase=same,
        lines=[_line(row, rows, history.events, baseline_points) for row in chosen],
        notes=notes,
    )


def _phase(day: date, cuts: list[date]) -> int:
    return sum(cut <= day for cut in cuts)


def _line(row: LineRow, rows: list[LineRow], events: list[HistoryEvent], baseline_points: int) -> NearestLine:
    same = [r for r in rows if (r.protocol, r.material, r.modality) == (row.protocol, row.material, row.modality)]
    part = next(p for _, _, p in phases_of(same, events) if any(r.calibration_id == row.calibration_id for r in p))
    drift = drift_of([row], baseline_of(part, baseline_points))
    return NearestLine(
        material=row.material,
        modality=row.modality,
        unit=row.slope_unit,
        slope=row.slope,
        slope_se=row.slope_se,
        drift_percent=drift.percent,
        drift_ci95=drift.ci95,
        drift_se_percent=drift.standard_error,
        drift_uncertainty=drift.source,
    )
