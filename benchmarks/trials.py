"""Trials: sizes by the formula against simulated trials, and intervals of analysed trials against the known difference.

Run as `python benchmarks/trials.py [--trials 2000] [--seeds 400] [--mixed 200] [--part power|analysis|speed]`.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from phantomcal.followup.intervals import Intervals, intervals
from phantomcal.followup.visits import read_visits
from phantomcal.results.trial_analysis import TrialContrast
from phantomcal.results.trials import PowerRow, TrialDesign
from phantomcal.simulate.trial import TrialOptions, simulate_trial
from phantomcal.trials.averages import patient_averages
from phantomcal.trials.contrasts import Pair, adjusted_contrast, averages_contrast, mixed_contrast, rank_contrast
from phantomcal.trials.table import Simulation, power_table

BASE = {"visits": 2, "correlation": 0.8, "power": 0.9, "alpha": 0.1}


def power_grid(n_trials: int) -> None:
    """Formula against simulated trials where the assumptions hold, and where they do not."""
    holds = [
        ("mean, d 0.3 / 0.5 / 0.8", "mean", {"differences": [0.3, 0.5, 0.8], "sd": 1.0}, {}),
        ("mean, 3 lesions, 2:1", "mean", {"differences": [0.5], "sd": 1.0},
         {"lesions": 3, "lesion_correlation": 0.5, "allocation": 2.0}),
        ("mean, rho 0.2, 4 visits, one tail", "mean", {"differences": [0.4], "sd": 1.0},
         {"visits": 4, "correlation": 0.2, "tails": 1, "alpha": 0.05}),
        ("proportion .31, 20 / 30 / 50 %", "proportion", {"baselines": [0.31], "effects": [0.2, 0.3, 0.5]}, {}),
        ("proportion .62, 20 / 30 / 50 %", "proportion", {"baselines": [0.62], "effects": [0.2, 0.3, 0.5]}, {}),
        ("proportion .62, 2 lesions", "proportion", {"baselines": [0.62], "effects": [0.3]},
         {"lesions": 2, "lesion_correlation": 0.3}),
        ("rate .5, Poisson, 30 / 50 %", "rate", {"baselines": [0.5], "effects": [0.3, 0.5]}, {"correlation": 0.3}),
        ("rate .5, dispersion 1, 30 / 50 %", "rate", {"baselines": [0.5], "effects": [0.3, 0.5]}, {"dispersion": 1.0}),
        ("mean, 20 % dropout", "mean", {"differences": [0.4], "sd": 1.0}, {"dropout": 0.2}),
        ("proportion .62, 20 % dropout", "proportion", {"baselines": [0.62], "effects": [0.3]}, {"dropout": 0.2}),
    ]  # fmt: skip
    fails = [
        ("mean, few patients", "mean", {"differences": [1.2, 1.6, 2.2], "sd": 1.0}, {}),
        ("mean, few patients, 40 % dropout", "mean", {"differences": [1.6], "sd": 1.0}, {"dropout": 0.4}),
        ("proportion .1, 80 / 90 %", "proportion", {"baselines": [0.1], "effects": [0.8, 0.9]}, {}),
        ("rate .2, 80 / 90 %", "rate", {"baselines": [0.2], "effects": [0.8, 0.9]}, {"correlation": 0.3}),
    ]  # fmt: skip
    for words, cases in (("where the assumptions hold", holds), ("where they do not", fails)):
        print(f"\nPower, {words} ({n_trials} trials a row; t: Student's t at the same size)")
        print(f"{'design':37s} {'n':>5s} {'formula':>8s} {'t':>6s} {'simulated':>10s} {'95 %':>14s} {'off':>6s} "
              f"{'type I':>7s}  verdict")  # fmt: skip
        for name, outcome, inputs, more in cases:
            plan = TrialDesign(outcome=outcome, **{**BASE, **more})
            for row in power_table(plan, simulation=Simulation(n_trials, 11), **inputs).rows:
                print(_line(name, row))


def _line(name: str, row: PowerRow) -> str:
    found = row.simulation
    assert found is not None
    student = "" if row.power_student is None else f"{100 * row.power_student:.1f}"
    low, high = (100 * end for end in found.power_ci95)
    return (
        f"{name:37s} {row.n_control:5d} {100 * found.expected_power:8.1f} {student:>6s} {100 * found.power:10.1f} "
        f"{low:6.1f} to {high:4.1f} {found.points_off:6.1f} {100 * found.type_one_error:7.1f}  {found.agreement}"
    )


def analysis_coverage(seeds: int, mixed: int) -> None:
    """Coverage of the difference, errors of the first kind and power, by analysis."""
    settings = [
        ("no effect, 30 an arm", TrialOptions(dropout=0.2)),
        ("4 % less, 30 an arm", TrialOptions(treated_percent=4.0, dropout=0.2)),
        ("4 % less, 10 an arm", TrialOptions(treated_percent=4.0, per_arm=10)),
        ("4 % less, 3 visits, 4 lesions", TrialOptions(treated_percent=4.0, visits=3, lesions=4, dropout=0.3)),
        ("no effect, unequal spread", TrialOptions(patient_sd=12.0, per_arm=15)),
    ]
    print(f"\nAnalysed trials: coverage of the difference ({seeds} seeds; the mixed model {mixed})")
    print(f"{'trial':32s} {'analysis':12s} {'bias':>7s} {'covered %':>10s} {'SE':>5s} {'p < .05 %':>10s}")
    for name, options in settings:
        truth = options.treated_percent - options.control_percent
        rows: dict[str, list[TrialContrast]] = {}
        for found, frame, pair, k in _trials(seeds, options):
            rows.setdefault("primary", []).append(averages_contrast(frame, pair, "primary"))
            rows.setdefault("baseline", []).append(adjusted_contrast(frame, pair))
            rows.setdefault("ranks", []).append(rank_contrast(frame, pair))
            if k < mixed:
                rows.setdefault("mixed model", []).append(mixed_contrast(found, pair))
        for analysis, all_of in rows.items():
            done = [r for r in all_of if r.ci95 is not None and r.estimate is not None]
            held = np.mean([r.ci95[0] <= truth <= r.ci95[1] for r in done if r.ci95 is not None])
            bias = np.mean([r.estimate - truth for r in done if r.estimate is not None])
            found_share = np.mean([r.p_value < 0.05 for r in done if r.p_value is not None])
            error = 100 * np.sqrt(held * (1 - held) / len(done))
            print(f"{name:32s} {analysis:12s} {bias:7.3f} {100 * held:10.1f} {error:5.1f} {100 * found_share:10.1f}")


def _trials(seeds: int, options: TrialOptions) -> Iterator[tuple[Intervals, pd.DataFrame, Pair, int]]:
    """All trials through the intervals at once; then one by one."""
    parts = [
        simulate_trial(s, options).assign(subject_id=lambda d, s=s: f"{s:04d}-" + d["subject_id"]) for s in range(seeds)
    ]
    table = pd.concat(parts, ignore_index=True)
    arm = table.drop_duplicates("subject_id").set_index("subject_id")["arm"]
    everything = intervals(read_visits(table[["subject_id", "lesion_id", "years", "qsm_ppm"]]))
    everyone = patient_averages(everything).frame
    by_trial = everything.frame.groupby(everything.frame["subject_id"].str[:4])
    for k, (name, frame) in enumerate(everyone.groupby(everyone.index.str[:4])):
        mine = Intervals(by_trial.get_group(name).reset_index(drop=True), everything.visits.iloc[:0], [], [])
        yield mine, frame, Pair("placebo", "drug", arm), k


def speed(n_trials: int) -> None:
    """Seconds for simulated trials of the published designs."""
    print(f"\nSpeed, {n_trials} trials with and as many without an effect")
    for name, outcome, inputs, more in (
        ("proportion .31, 20 %: 805 an arm", "proportion", {"baselines": [0.31], "effects": [0.2]}, {}),
        ("mean 0.5: 62 an arm", "mean", {"differences": [0.5], "sd": 1.0}, {}),
        ("mean 0.5, mixed model, 20 % dropout", "mean", {"differences": [0.5], "sd": 1.0}, {"dropout": 0.2}),
    ):
        plan = TrialDesign(outcome=outcome, **{**BASE, **more})
        start = time.perf_counter()
        power_table(plan, simulation=Simulation(n_trials), **inputs)
        print(f"{name:37s} {time.perf_counter() - start:6.2f} s")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--mixed", type=int, default=200)
    parser.add_argument("--part", choices=["power", "analysis", "speed"])
    asked = parser.parse_args()
    if asked.part in (None, "power"):
        power_grid(asked.trials)
    if asked.part in (None, "analysis"):
        analysis_coverage(asked.seeds, asked.mixed)
    if asked.part in (None, "speed"):
        speed(asked.trials)


if __name__ == "__main__":
    main()
