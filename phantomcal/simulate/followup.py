"""Cohorts of cavernous malformations followed by QSM, with changes, events and scanner drift known."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.followup.dates import DAYS_PER_YEAR
from phantomcal.results import Calibration, Provenance
from phantomcal.simulate.seeds import streams

FIRST_DAY = date(2020, 1, 15)
_LEVELS_MMOL = (0.0, 0.6, 1.5, 3.1, 6.1, 9.2)
_SLOPE_PPM = 0.338
_SHAPE = 2.0  # of the gamma distribution of rises above their least size
_SILENT_PART = 0.3
_STABLE_SD = 1.0  # per cent per root year, of lesions that do not bleed


@dataclass(frozen=True)
class FollowupOptions:
    """What a cohort is like; as it stands, that of Zeineddine et al. (2018).

    Attributes
    ----------
    patients : int
    patient_years : float
        Observed in all. Patients have whole numbers of about yearly intervals, as equal as can be.
    lesions_per_patient : int
        The first is the one that may bleed; the others stay as they are.
    rate_percent : float
        Mean change of the first lesion per patient-year.
    rising, bleeding : float
        Share of patients whose first lesion rises by the threshold or more in one interval, and share that also has a
        clinical event in that interval.
    stable_percent : float
        Change per year of whatever does not bleed.
    threshold_percent, least_rise_percent, least_bleed_percent : float
        The threshold; the least rise of a lesion that passes it without and with a clinical event.
    noise_percent : float
        SD of one measurement relative to the lesion's value.
    baseline_ppm : tuple of float
        Smallest and largest value at the first visit.
    interval_sd_years : float
        SD of the length of an interval.
    arms : sequence of (str, float)
        Names of arms and by what factor the rises (share of patients) are rarer there; patients take turns.
    drift_percent : float
        Step of the scanner's susceptibility scale.
    drift_after_years : float
        When it happens.
    """

    patients: int = 16
    patient_years: float = 22.0
    lesions_per_patient: int = 1
    rate_percent: float = 7.93
    rising: float = 0.62
    bleeding: float = 0.31
    stable_percent: float = 0.5
    threshold_percent: float = 6.0
    least_rise_percent: float = 8.0
    least_bleed_percent: float = 12.0
    noise_percent: float = 0.7
    baseline_ppm: tuple[float, float] = (0.2, 0.8)
    interval_sd_years: float = 0.08
    arms: Sequence[tuple[str, float]] = ()
    drift_percent: float = 0.0
    drift_after_years: float = 0.5


@dataclass(frozen=True)
class SimulatedVisits:
    """A simulated cohort.

    Attributes
    ----------
    frame : pandas.DataFrame
        A visit table as `track` reads it: `subject_id, lesion_id, date, qsm_ppm, qsm_se_ppm, event, scanner`, and `arm`
        where there are arms.
    truth : dict
        Everything that was put in, ready for JSON.
    """

    frame: pd.DataFrame
    truth: dict[str, Any]


def simulate_visits(seed: int, options: FollowupOptions | None = None) -> SimulatedVisits:
    """Draw a cohort and measure it.

    Parameters
    ----------
    seed : int
    options : FollowupOptions, optional

    Returns
    -------
    SimulatedVisits

    Raises
    ------
    InputError
        Shares, rates or counts that do not go together.

    References
    ----------
    H. A. Zeineddine et al., J. Magn. Reson. Imaging 47 (2018) 1133, 10.1002/jmri.25831.
    """
    o = options or FollowupOptions()
    _check(o)
    fate_random, time_random, noise_random = streams(seed, 3)
    n_intervals = _interval_counts(o, time_random)
    most = int(n_intervals.max())
    lengths = np.clip(time_random.normal(1.0, o.interval_sd_years, (o.patients, most)), 0.5, 1.5)
    arm = np.arange(o.patients) % max(1, len(o.arms))
    factor = np.array([f for _, f in o.arms])[arm] if o.arms else np.ones(o.patients)
    fate = fate_random.random(o.patients)
    bleeds, rises = fate < o.bleeding * factor, fate < o.rising * factor
    when = np.floor(fate_random.random(o.patients) * n_intervals).astype(int)
    mean_bleed, mean_rise = mean_rises(o)
    size = np.where(
        bleeds,
        _size(o.least_bleed_percent, mean_bleed, fate_random, o.patients),
        _size(o.least_rise_percent, mean_rise, fate_random, o.patients),
    )
    shape = (o.patients, o.lesions_per_patient, most)
    change = o.stable_percent * lengths[:, None] + _STABLE_SD * np.sqrt(lengths)[:, None] * fate_random.normal(
        size=shape
    )
    chosen = np.arange(most) == when[:, None]
    change[:, 0] += np.where(rises[:, None] & chosen, size[:, None], 0.0)
    event = np.zeros(shape, dtype=bool)
    event[:, 0] = bleeds[:, None] & chosen
    first = fate_random.uniform(*o.baseline_ppm, shape[:2])
    true = first[..., None] * np.concatenate([np.ones((*shape[:2], 1)), np.cumprod(1 + change / 100, axis=2)], axis=2)
    days = np.concatenate([np.zeros((o.patients, 1)), np.cumsum(lengths, axis=1)], axis=1) * DAYS_PER_YEAR
    days += np.floor(time_random.random(o.patients) * 60)[:, None]  # patients enter over two months
    scale = np.where(days > o.drift_after_years * DAYS_PER_YEAR, 1 + o.drift_percent / 100, 1.0)
    measured = true * scale[:, None] * (1 + o.noise_percent / 100 * noise_random.normal(size=true.shape))

    frame = _table(o, measured, days, event, n_intervals, arm)
    inside = np.arange(most)[None, :] < n_intervals[:, None]
    years = float((lengths * inside).sum())
    truth = {
        "seed": seed,
        "options": asdict(o),
        "patient_years": years,
        "expected_percent_per_patient_year": o.rate_percent if not o.arms else None,
        "realised_percent_per_patient_year": float((change.mean(axis=1) * inside).sum()) / years,
        "patients_rising": int(rises.sum()),
        "patients_bleeding": int(bleeds.sum()),
    }
    return SimulatedVisits(frame, truth)


def simulate_calibrations(
    seed: int,
    options: FollowupOptions | None = None,
    *,
    every_days: int = 45,
    slope_noise_percent: float = 0.4,
    baseline: int = 10,
) -> list[tuple[date, Calibration]]:
    """Phantom calibrations of the scanner that measured the cohort: the same drift, in the slope of gadolinium.

    Parameters
    ----------
    seed : int
    options : FollowupOptions, optional
        As for the cohort; the drift is taken from it.
    every_days : int
        Between calibrations.
    slope_noise_percent : float
        SD of a slope from one calibration to the next.
    baseline : int
        Calibrations before the first visit.

    Returns
    -------
    list of (date, Calibration)
        For `phantomcal.history.store.add_calibration`.
    """
    from phantomcal.phantom.fitting.table import fit_table

    o = options or FollowupOptions()
    _check(o)
    random = streams(seed, 4)[3]
    last = (int(_interval_counts(o, random).max()) + 1) * 1.2 * DAYS_PER_YEAR
    levels = np.array(_LEVELS_MMOL)
    made = []
    for k in range(-baseline, int(last // every_days) + 1):
        days = k * every_days
        scale = 1 + o.drift_percent / 100 if days > o.drift_after_years * DAYS_PER_YEAR else 1.0
        slope = _SLOPE_PPM * scale * (1 + slope_noise_percent / 100 * random.normal())
        table = pd.DataFrame(
            {
                "material": "gadolinium",
                "modality": "qsm",
                "concentration_mmol_per_l": levels,
                "value": slope * levels + random.normal(0, 0.003, levels.size),
            }
        )
        origin = Provenance(command="simulate visits", parameters={"seed": seed, "calibration": k})
        made.append((FIRST_DAY + timedelta(days=days), fit_table(table, origin)))
    return made


def mean_rises(o: FollowupOptions) -> tuple[float, float]:
    """Mean rise with and without a clinical event, percent, so that the cohort has the mean rate it was asked for.

    Above its least, a rise with a clinical event is 1 / 0.3 times as large on average as one without.
    """
    silent = o.rising - o.bleeding
    total = (o.rate_percent - o.stable_percent) * o.patient_years / o.patients
    weight = o.bleeding + _SILENT_PART * silent
    least = o.bleeding * o.least_bleed_percent + silent * o.least_rise_percent
    excess = (total - least) / weight if weight > 0 else 0.0
    return o.least_bleed_percent + excess, o.least_rise_percent + _SILENT_PART * excess


def _size(least: float, mean: float, random: np.random.Generator, n: int) -> "np.ndarray":
    return least + random.gamma(_SHAPE, max(mean - least, 0.0) / _SHAPE, n)


def _interval_counts(o: FollowupOptions, random: np.random.Generator) -> "np.ndarray":
    """Whole intervals a patient, as equal as can be, longer ones dealt at random."""
    total = round(o.patient_years)
    counts = np.full(o.patients, total // o.patients)
    counts[random.permutation(o.patients)[: total % o.patients]] += 1
    return counts


def _check(o: FollowupOptions) -> None:
    where = "the options of the cohort"
    if o.patients < 1 or o.lesions_per_patient < 1:
        raise InputError("a cohort needs a patient and a lesion", where, "give at least 1")
    if o.patient_years < o.patients:
        raise InputError(
            f"{o.patient_years:g} patient-years for {o.patients} patients", where, "give a year each or more"
        )
    if not 0 <= o.bleeding <= o.rising <= 1:
        raise InputError("shares of bleeding and rising patients", where, "0 <= bleeding <= rising <= 1")
    if o.rising > 0 and mean_rises(o)[1] < o.least_rise_percent - 1e-9:
        raise InputError(
            f"a mean of {o.rate_percent:g} % per year is too small for that share of rises", where, "raise it"
        )
    if o.drift_percent <= -100 or o.noise_percent < 0:
        raise InputError("an impossible drift or noise", where, "give a drift above -100 % and a noise from 0")


def _table(
    o: FollowupOptions,
    measured: "np.ndarray",
    days: "np.ndarray",
    event: "np.ndarray",
    n_intervals: "np.ndarray",
    arm: "np.ndarray",
) -> pd.DataFrame:
    patient, lesion, visit = (index.ravel() for index in np.indices(measured.shape))
    kept = visit <= n_intervals[patient]
    patient, lesion, visit = patient[kept], lesion[kept], visit[kept]
    happened = np.concatenate([np.zeros((*event.shape[:2], 1), dtype=bool), event], axis=2)
    width = len(str(o.patients))
    names = np.array([f"P{k + 1:0{width}d}" for k in range(o.patients)])
    first = np.datetime64(FIRST_DAY)
    value = measured[patient, lesion, visit]
    frame = pd.DataFrame(
        {
            "subject_id": names[patient],
            "lesion_id": lesion + 1,
            "date": np.datetime_as_string(first + np.rint(days[patient, visit]).astype("timedelta64[D]"), unit="D"),
            "qsm_ppm": np.round(value, 6),
            "qsm_se_ppm": np.round(np.abs(value) * o.noise_percent / 100, 6),
            "event": happened[patient, lesion, visit].astype(int),
            "scanner": "A",
        }
    )
    if o.arms:
        frame["arm"] = np.array([name for name, _ in o.arms])[arm[patient]]
    return frame
