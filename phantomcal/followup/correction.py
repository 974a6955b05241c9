"""Susceptibility of every session on one scale, through the phantom calibrations of its scanner."""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.followup.visits import Visits, counted, named
from phantomcal.history.lookup import nearest_calibration
from phantomcal.results.history import NearestCalibration, NearestLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

MOST_DAYS = 366


@dataclass(frozen=True)
class SessionScale:
    """How one scanner's susceptibility stood to the common scale at one calibration.

    Attributes
    ----------
    key : str
        Tells calibrations apart; sessions of one key share one error.
    scanner : str
    calibrated : datetime.date
    material : str
        Whose line was used.
    drift_percent, drift_se_percent : float
        Against the scanner's own baseline; the error as wide as the drift's 95 % interval over 1.96, since it is
        estimated from few calibrations.
    scale : float
        Measured over true: 1 + drift, times the scanner's baseline over that of the reference scanner.
    scanner_se : float
        Relative standard error of the latter, shared by all sessions of the scanner.
    note : str
    """

    key: str
    scanner: str
    calibrated: date
    material: str
    drift_percent: float
    drift_se_percent: float
    scale: float
    scanner_se: float
    note: str = ""


@dataclass(frozen=True)
class Corrected:
    """Visits on one scale.

    Attributes
    ----------
    visits : Visits
        `qsm_ppm` and `qsm_se_ppm` over the scale; `qsm_uncorrected_ppm` as measured; `scale_key`, `scale_se` and
        `scanner_se` (relative) for `phantomcal.followup.intervals`.
    scales : list of SessionScale
        Those in use.
    n_visits, n_corrected : int
    """

    visits: Visits
    scales: list[SessionScale]
    n_visits: int
    n_corrected: int


def corrected(
    visits: Visits,
    engine: "Engine",
    *,
    scanner_column: str = "scanner",
    protocol: str | None = None,
    material: str | None = None,
    most_days: int = MOST_DAYS,
) -> Corrected:
    """Divide every value by how far its scanner had drifted, as the nearest phantom calibration says.

    Parameters
    ----------
    visits : Visits
        With dates and the column `scanner`.
    engine : sqlalchemy.Engine
        From `phantomcal.history.database.open_history`.
    scanner_column : str
        For messages only.
    protocol, material : str, optional
        Only calibrations of this phantom, only this line. Else the QSM line whose drift is known best.
    most_days : int
        A visit further than this from any calibration is not corrected.

    Returns
    -------
    Corrected
        Visits whose scanner has no calibration near enough stay as they are; this is said.

    Raises
    ------
    InputError
        No dates, no scanner column, or not one visit that can be corrected.

    Notes
    -----
    A session's scale error is shared by all its lesions, and by all sessions with the same calibration: between two of
    these it cancels. Scanners are brought to that of the most visits by their baselines, where phantom and material are
    the same.
    """
    frame = visits.frame
    if "scanner" not in frame.columns:
        raise InputError(
            "no column that names the scanner", "the table", f"name it with --scanner-column (now {scanner_column})"
        )
    if not frame["date"].notna().any():
        raise InputError("a scanner correction needs the dates of the visits", "the table", "give a column `date`")
    days = frame["date"].dt.date
    pairs = pd.DataFrame({"scanner": frame["scanner"], "day": days}).drop_duplicates()
    found: dict[tuple[str, date], NearestCalibration] = {}
    unknown: list[str] = []
    for scanner, rows in pairs[pairs["day"].notna() & (pairs["scanner"] != "")].groupby("scanner", sort=True):
        name = str(scanner)
        try:
            found |= {
                (name, d): c for d, c in _looked_up(engine, name, sorted(rows["day"]), protocol, material).items()
            }
        except InputError:
            unknown.append(name)
    scales = _scales(found, frame["scanner"], most_days, material)
    if not scales:
        raise InputError(
            f"no visit has a QSM calibration within {most_days} days (scanners {named(list(pairs['scanner']))})",
            "the history",
            "see `phantomcal history list`; scanner names must be equal",
        )
    return _applied(visits, found, scales, days, unknown, most_days)


def _looked_up(
    engine: "Engine", scanner: str, days: list[date], protocol: str | None, material: str | None
) -> dict[date, NearestCalibration]:
    """The nearest calibration of every day: where two days share one, so do all between them."""
    known: dict[date, NearestCalibration | None] = {}

    def at(k: int) -> NearestCalibration | None:
        day = days[k]
        if day not in known:
            known[day] = nearest_calibration(engine, scanner, day, protocol=protocol, material=material, modality="qsm")
        return known[day]

    def between(low: int, high: int) -> None:
        first, last = at(low), at(high)
        if high - low < 2:
            return
        if first and last and first.entry.id == last.entry.id and first.same_phase and last.same_phase:
            for k in range(low + 1, high):
                known[days[k]] = first.model_copy(update={"days_away": (first.entry.scan_date - days[k]).days})
            return
        middle = (low + high) // 2
        between(low, middle)
        between(middle, high)

    between(0, len(days) - 1)
    return {day: calibration for day, calibration in known.items() if calibration is not None}


def _line(calibration: NearestCalibration, material: str | None) -> NearestLine | None:
    lines = [
        line
        for line in calibration.lines
        if line.modality == "qsm" and line.drift_percent is not None and material in (None, line.material)
    ]
    unknown = float("inf")
    return min(
        lines,
        key=lambda x: (x.drift_se_percent if x.drift_se_percent is not None else unknown, x.material),
        default=None,
    )


def _error(line: NearestLine) -> float:
    """Half the drift's 95 % interval over 1.96: its scatter is estimated from few calibrations, which t allows for."""
    if line.drift_ci95 is None:
        return line.drift_se_percent or 0.0
    return (line.drift_ci95[1] - line.drift_ci95[0]) / 2 / 1.959963984540054


def _scales(
    found: dict[tuple[str, date], NearestCalibration], scanners: "pd.Series[str]", most_days: int, material: str | None
) -> dict[int, SessionScale]:
    usable: dict[int, tuple[str, NearestCalibration, NearestLine]] = {}
    for (scanner, _), calibration in sorted(found.items()):
        line = _line(calibration, material)
        if line is not None and abs(calibration.days_away) <= most_days and line.slope:
            usable.setdefault(calibration.entry.id, (scanner, calibration, line))
    names = sorted({scanner for scanner, _, _ in usable.values()})
    visits = scanners.value_counts()
    reference = min(names, key=lambda n: (-int(visits.get(n, 0)), n), default="")
    baselines: dict[tuple[str, str, str], tuple[float, float]] = {}
    for scanner, calibration, line in usable.values():
        base = line.slope / (1 + (line.drift_percent or 0.0) / 100)
        se = abs((line.slope_se or 0.0) / line.slope)
        baselines.setdefault((scanner, calibration.entry.protocol, line.material), (base, se))
    scales = {}
    for key, (scanner, calibration, line) in usable.items():
        drift = (line.drift_percent or 0.0) / 100
        phantom = (calibration.entry.protocol, line.material)
        own, theirs = baselines[(scanner, *phantom)], baselines.get((reference, *phantom))
        ratio, error, note = 1.0, 0.0, ""
        if scanner != reference and theirs is not None:
            ratio, error = own[0] / theirs[0], float(np.hypot(own[1], theirs[1]))
        elif scanner != reference:
            note = f"not tied to {reference}: no calibration of both with one phantom and material"
        if line.drift_se_percent is None:
            note = "; ".join(filter(None, [note, "the uncertainty of its drift is unknown"]))
        scales[key] = SessionScale(
            key=f"{scanner} {calibration.entry.scan_date} #{key}",
            scanner=scanner,
            calibrated=calibration.entry.scan_date,
            material=line.material,
            drift_percent=100 * drift,
            drift_se_percent=_error(line),
            scale=(1 + drift) * ratio,
            scanner_se=error,
            note=note,
        )
    return scales


def _applied(
    visits: Visits,
    found: dict[tuple[str, date], NearestCalibration],
    scales: dict[int, SessionScale],
    days: "pd.Series[Any]",
    unknown: list[str],
    most_days: int,
) -> Corrected:
    frame = visits.frame.copy()
    near = {
        pair: scales[c.entry.id] for pair, c in found.items() if c.entry.id in scales and abs(c.days_away) <= most_days
    }
    chosen = [near.get(pair) for pair in zip(frame["scanner"], days, strict=True)]
    scale = np.array([1.0 if s is None else s.scale for s in chosen])
    frame["qsm_uncorrected_ppm"] = frame["qsm_ppm"]
    frame["qsm_ppm"] = frame["qsm_ppm"] / scale
    frame["qsm_se_ppm"] = frame["qsm_se_ppm"] / scale
    frame["scale_se"] = [np.nan if s is None else s.drift_se_percent / 100 for s in chosen]
    frame["scanner_se"] = [np.nan if s is None else s.scanner_se for s in chosen]
    frame["scale_key"] = ["" if s is None else s.key for s in chosen]
    warnings = [f"scanner {name} is not in the history: its values stay as measured" for name in unknown]
    left = (frame["scale_key"] == "") & ~frame["scanner"].isin(unknown)
    if left.any():
        warnings.append(
            f"{counted(int(left.sum()), 'visit')} with no calibration within {most_days} days, no date or no scanner: "
            "as measured"
        )
    other = sorted({s.scanner for s in near.values() if s.note.startswith("not tied")})
    if other:
        warnings.append(f"scanners {named(other)} share no phantom with the others: each keeps its own scale")
    odd = sorted({note for c in found.values() if not c.same_phase for note in c.notes if "baseline" in note})
    warnings += odd
    used = {s.key for s in chosen if s is not None}
    return Corrected(
        visits=replace(visits, frame=frame, warnings=[*visits.warnings, *warnings]),
        scales=[s for s in sorted(scales.values(), key=lambda s: (s.scanner, s.calibrated, s.key)) if s.key in used],
        n_visits=len(frame),
        n_corrected=int((frame["scale_key"] != "").sum()),
    )
