"""Follow-up: do the intervals of a small cohort cover, does a known scanner drift go away, how fast is a large table?

    python benchmarks/tracking.py [--seeds 200] [--only coverage,drift,speed]

Coverage: cohorts as Zeineddine et al. (2018) describe theirs: 16 patients, 22 patient-years, +7.93 % per patient-year,
62 % past the threshold of 6 %, clinical events only in intervals with such a rise. Drift: lesions that hardly change, a
scanner whose scale steps by 4 %, and its phantom calibrations in a history. Speed: the whole command on 10,000 lesions
with 5 visits each.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats

from phantomcal.followup.cohort import change_rates, followed, ratio
from phantomcal.followup.correction import corrected
from phantomcal.followup.events import against_clinical, shares_with_event
from phantomcal.followup.intervals import intervals
from phantomcal.followup.mixed import mixed_rate
from phantomcal.followup.track import track
from phantomcal.followup.visits import read_visits
from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration
from phantomcal.simulate.followup import FollowupOptions, simulate_calibrations, simulate_visits

RATE, RISING = 7.93, 0.62
STABLE = FollowupOptions(
    patients=100, patient_years=100, rate_percent=1.0, rising=0.0, bleeding=0.0, noise_percent=0.8, stable_percent=1.0
)


def coverage(seeds: int) -> None:
    """Share of cohorts whose intervals hold the truth, method by method."""
    kept: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    values, sensitivity, missed, bled = [], [], 0, 0
    for seed in range(seeds):
        frame = intervals(read_visits(simulate_visits(seed).frame)).frame
        data = followed(frame)
        rate = change_rates(data)[0]
        assert rate.percent_per_year is not None
        values.append(rate.percent_per_year)
        totals = np.bincount(data.patient, weights=data.percent)
        for name, bounds in {
            "patients left out, t (the one reported)": rate.ci95,
            "linearised ratio, normal": _linearised(totals, data.observed),
            "bootstrap of patients, percentile": _bootstrap(totals, data.observed, seed),
            "mixed model, t": None if isinstance(m := mixed_rate(data), str) else m.ci95,
        }.items():
            if bounds is not None:
                kept.setdefault(name, []).append(bounds[0] <= RATE <= bounds[1])
                widths.setdefault(name, []).append(bounds[1] - bounds[0])
        passed = shares_with_event(frame)[0].ci95_exact
        assert passed is not None
        kept.setdefault("share past the threshold, exact", []).append(passed[0] <= RISING <= passed[1])
        by_interval = against_clinical(frame)[-1]
        missed += by_interval.false_negative
        bled += by_interval.true_positive + by_interval.false_negative
        sensitivity.append(by_interval.false_negative == 0)
    print(f"\n{seeds} cohorts of 16 patients and 22 patient-years, true rate {RATE} % per patient-year")
    print(f"mean estimate {np.mean(values):.2f} % (SD {np.std(values):.2f})")
    print(f"{'interval':42s} {'coverage':>9s} {'± SE':>6s} {'n':>5s} {'mean width':>11s}")
    for name, hits in kept.items():
        share = float(np.mean(hits))
        width = f"{np.mean(widths[name]):.2f}" if name in widths else ""
        error = 100 * np.sqrt(share * (1 - share) / len(hits))
        print(f"{name:42s} {100 * share:8.1f}% {error:6.1f} {len(hits):5d} {width:>11s}")
    print(f"clinical events without a threshold rise in the same interval: {missed} of {bled}")
    print(f"cohorts with a sensitivity of 100 %: {int(np.sum(sensitivity))} of {seeds}")


def _linearised(totals: np.ndarray, years: np.ndarray) -> tuple[float, float]:
    value, _, _ = ratio(totals, years)
    n = totals.size
    se = np.sqrt(n / (n - 1) * ((totals - value * years) ** 2).sum()) / years.sum()
    half = float(stats.norm.ppf(0.975)) * se
    return value - half, value + half


def _bootstrap(totals: np.ndarray, years: np.ndarray, seed: int) -> tuple[float, float]:
    rows = np.random.default_rng(seed).integers(0, totals.size, (1999, totals.size))
    low, high = np.quantile(totals[rows].sum(axis=1) / years[rows].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def drift(seeds: int, step_percent: float = 4.0) -> None:
    """False threshold events without drift, with it, and with it corrected."""
    counts = {"no drift": 0, f"{step_percent:g} % drift, as measured": 0, f"{step_percent:g} % drift, corrected": 0}
    names = list(counts)
    cover, rates, total = [], {name: [] for name in names}, 0
    with_drift = FollowupOptions(**{**STABLE.__dict__, "drift_percent": step_percent})
    for seed in range(seeds):
        plain, found = track(read_visits(simulate_visits(seed, STABLE).frame))
        counts[names[0]] += int(found.frame["threshold_event"].sum())
        rates[names[0]].append(plain.rates[0].percent_per_year)
        with tempfile.TemporaryDirectory() as folder:
            engine = open_history(Path(folder) / "history.sqlite", create=True)
            for when, calibration in simulate_calibrations(seed, with_drift):
                add_calibration(engine, calibration, "A", when)
            done = corrected(read_visits(simulate_visits(seed, with_drift).frame), engine)
            record, _ = track(done.visits, correction=done)
            engine.dispose()
        assert record.correction is not None
        counts[names[1]] += record.correction.events_uncorrected
        counts[names[2]] += record.correction.events_corrected
        rates[names[1]].append(record.correction.rates_uncorrected[0].percent_per_year)
        rates[names[2]].append(record.rates[0].percent_per_year)
        low, high = record.rates[0].ci95 or (np.nan, np.nan)
        cover.append(low <= STABLE.rate_percent <= high)
        total += record.correction.n_intervals
    print(
        f"\n{seeds} cohorts of {STABLE.patients} stable lesions, 1 year; true rate {STABLE.rate_percent:g} % per year"
    )
    print(f"{'':28s} {'false events':>13s} {'of intervals':>13s} {'mean rate':>10s}")
    for name in names:
        mean = float(np.mean(rates[name]))
        print(f"{name:28s} {counts[name]:8d}/{total:<6d} {100 * counts[name] / total:11.2f} % {mean:8.2f} %")
    print(f"the corrected rate's interval, scale errors included, holds the truth in {100 * np.mean(cover):.0f} %")


def speed() -> None:
    """The whole command, in a process of its own."""
    options = FollowupOptions(patients=2500, patient_years=10_000, lesions_per_patient=4, rate_percent=6.0)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "visits.csv"
        simulate_visits(1, options).frame.to_csv(table, index=False)
        for _ in range(3):
            started = time.perf_counter()
            command = [sys.executable, "-m", "phantomcal", "track", str(table), "-o", str(Path(folder) / "out")]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"10,000 lesions x 5 visits, whole command: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="coverage,drift,speed")
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    if "coverage" in parts:
        coverage(chosen.seeds)
    if "drift" in parts:
        drift(min(chosen.seeds, 20))
    if "speed" in parts:
        speed()
