"""Correlation: are all verdicts given back, do the intervals hold the truth, and how fast is the bootstrap?

``python benchmarks/correlation.py [SEEDS]`` simulates SEEDS cohorts (200 by default) of 84 patients and 20 volunteers
with the correlations of Oshima et al. 2020, several lesions per patient, and correlates each. Truth is the correlation
of the population a row is drawn at random from (r), Spearman's rho of it (6/pi arcsin(r/2) for a bivariate normal),
and the regression slope r SD(y)/SD(x).
"""

import argparse
import math
import os
import platform
import time
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.correlation.association import Association, associate
from phantomcal.correlation.clustered import ClusterAware, cluster_aware
from phantomcal.correlation.correlate import correlate
from phantomcal.correlation.resample import bca_interval, bootstrap, jackknife, prepare
from phantomcal.results import RegionCorrelation
from phantomcal.simulate.targets import LESION_PLANS, OSHIMA_TARGETS, LesionPlan, Target, draw_clustered, draw_cohort

PATTERN = {0: "undetermined", 1: "paramagnetic", -1: "diamagnetic"}


def truths(target: Target) -> dict[str, float]:
    """True r, rho and slope of a bivariate normal target."""
    r = target.pearson_r
    slope = r * target.sd_ppm / target.sd_hu
    return {"r": r, "rho": 6 / math.pi * math.asin(r / 2), "slope": slope}


def intervals(row: RegionCorrelation) -> dict[str, tuple[str, float | None, float | None]]:
    """Every interval of a region: what it is of, and its ends."""
    half = 1.959964 * row.mixed_slope_se if row.mixed_slope_se is not None else None
    mixed = (
        (None, None) if half is None or row.mixed_slope is None else (row.mixed_slope - half, row.mixed_slope + half)
    )
    return {
        "Pearson": ("r", row.pearson_ci95_low, row.pearson_ci95_high),
        "Spearman": ("rho", row.spearman_ci95_low, row.spearman_ci95_high),
        "slope": ("slope", row.slope_ci95_low, row.slope_ci95_high),
        "Pearson BCa": ("r", row.pearson_bca95_low, row.pearson_bca95_high),
        "Spearman BCa": ("rho", row.spearman_bca95_low, row.spearman_bca95_high),
        "within subjects": ("r", row.within_ci95_low, row.within_ci95_high),
        "mixed slope": ("slope", *mixed),
    }


def cohorts(seeds: int, n_bootstrap: int = 2000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlate simulated cohorts.

    Returns
    -------
    hits : pandas.DataFrame
        ``seed, roi, clustered, interval, held``, a row per interval.
    verdicts : pandas.DataFrame
        ``seed, roi, right``.
    """
    hits: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    for seed in range(seeds):
        found = correlate(draw_cohort(np.random.default_rng(seed)), n_bootstrap=n_bootstrap)
        for row in found.regions:
            target = OSHIMA_TARGETS[row.roi]
            true, clustered = truths(target), row.roi in LESION_PLANS
            right = row.behaviour == PATTERN[int(np.sign(target.pearson_r))]
            verdicts.append({"seed": seed, "roi": row.roi, "right": right})
            for name, (of, low, high) in intervals(row).items():
                if low is not None and high is not None:
                    held = low <= true[of] <= high
                    hits.append({"seed": seed, "roi": row.roi, "clustered": clustered, "interval": name, "held": held})
    return pd.DataFrame(hits), pd.DataFrame(verdicts)


def few_subjects(seeds: int) -> pd.DataFrame:
    """Coverage with few subjects of several lesions each: whole subjects left out, rows as if independent, BCa."""
    target = OSHIMA_TARGETS["haemorrhage"]
    true = truths(target)
    rows = []
    for n_subjects, share, within in (
        (6, 0.5, None),
        (10, 0.5, None),
        (10, 0.8, 0.2),
        (15, 0.9, None),
        (34, 0.5, None),
    ):
        rng = np.random.default_rng(n_subjects)
        held = np.zeros((3, 3))
        n = 0
        for _ in range(seeds):
            code = np.repeat(np.arange(n_subjects), rng.integers(1, 5, n_subjects))
            x, y = draw_clustered(target, code, LesionPlan(subject_share=share, within_r=within), rng)
            a, pairs = associate(x, y), prepare(x, y)
            assert isinstance(a, Association)
            aware = cluster_aware(a, pairs, code, a.axis_slope)
            if not isinstance(aware, ClusterAware):
                continue
            n += 1
            samples = bootstrap(pairs, code, 1000)
            estimates = (a.pearson_r, a.spearman_rho, a.slope)
            bca = [
                bca_interval(e, s, w)
                for e, s, w in zip(estimates, samples.all()[:3], aware.without.all()[:3], strict=True)
            ]
            kinds = (
                (aware.pearson_ci95, aware.spearman_ci95, aware.slope_ci95),
                (a.pearson_ci95, a.spearman_ci95, a.slope_ci95),
                bca,
            )
            for k, ends in enumerate(kinds):
                held[k] += [e is not None and e[0] <= t <= e[1] for e, t in zip(ends, true.values(), strict=True)]
        for name, shares in zip(("subjects left out", "rows as independent", "BCa of subjects"), held / n, strict=True):
            rows.append(
                {"subjects": n_subjects, "variance between": share, "within r": within or target.pearson_r}
                | {"interval": name}
                | dict(zip(("r %", "rho %", "slope %"), 100 * shares, strict=True))
            )
    return pd.DataFrame(rows)


def bootstrap_race(
    n_bootstrap: int = 10_000, n_regions: int = 9, n: int = 104, loop_share: float = 0.05
) -> pd.DataFrame:
    """BCa intervals of nine regions against a loop over pingouin.

    Parameters
    ----------
    n_bootstrap, n_regions, n : int
        Size of the task.
    loop_share : float
        Share of the loop's samples that is really drawn; its time is scaled up, since it is the same for each sample.

    Returns
    -------
    pandas.DataFrame
        ``coefficient, own_s, loop_s, times``; own gives Pearson, Spearman and both slopes in one go.
    """
    import pingouin

    rng = np.random.default_rng(0)
    data = [rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n).T for _ in range(n_regions)]
    started = time.perf_counter()
    for x, y in data:
        a, pairs = associate(x, y), prepare(x, y)
        assert isinstance(a, Association)
        samples, (without, _) = bootstrap(pairs, None, n_bootstrap), jackknife(pairs, np.arange(n))
        for e, s, w in zip((a.pearson_r, a.spearman_rho), samples.all(), without.all(), strict=False):
            bca_interval(e, s, w)
    own = time.perf_counter() - started
    rows = []
    drawn = max(1, int(loop_share * n_bootstrap))
    for method in ("pearson", "spearman"):
        started = time.perf_counter()
        for x, y in data:
            for _ in range(drawn):
                take = rng.integers(0, n, n)
                pingouin.corr(x[take], y[take], method=method)
        loop = (time.perf_counter() - started) * n_bootstrap / drawn
        rows.append({"coefficient": method, "own_s": own, "loop_s": loop, "times": loop / own})
    started = time.perf_counter()
    for x, y in data:
        pingouin.compute_bootci(x, y, func="pearson", paired=True, n_boot=drawn, seed=1)
        pingouin.compute_bootci(x, y, func="spearman", paired=True, n_boot=drawn, seed=1)
    loop = (time.perf_counter() - started) * n_bootstrap / drawn
    rows.append({"coefficient": "both, compute_bootci", "own_s": own, "loop_s": loop, "times": loop / own})
    return pd.DataFrame(rows)


def main() -> None:
    """Parse, simulate, correlate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", nargs="?", type=int, default=200, help="number of cohorts (default 200)")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("SEEDS is a whole number from 1")
    print(f"{options.seeds} cohorts of 84 patients and 20 volunteers, {platform.machine()}, {os.cpu_count()} cores")
    pd.set_option("display.width", 150)
    started = time.perf_counter()
    hits, verdicts = cohorts(options.seeds)
    print(f"correlated in {time.perf_counter() - started:.0f} s\n\n95 % intervals that hold the truth, %")
    table = 100 * hits.pivot_table(index="interval", columns="clustered", values="held", sort=False)
    print(table.rename(columns={False: "one row a subject", True: "clustered lesions"}).to_string(float_format="%.1f"))
    main_three = hits[hits["interval"].isin(["Pearson", "Spearman", "slope"])]
    print(
        "\nthe headline three, region by region (standard error of a cell "
        f"{100 * math.sqrt(0.95 * 0.05 / options.seeds):.1f})"
    )
    print((100 * main_three.pivot_table(index="roi", columns="interval", values="held")).to_string(float_format="%.1f"))
    print("\nright verdicts, %")
    print((100 * verdicts.groupby("roi", sort=False)["right"].mean()).to_string(float_format="%.1f"))
    print(f"all nine right: {100 * verdicts.groupby('seed')['right'].all().mean():.1f} % of cohorts")
    print("\nfew subjects with several lesions, coverage, %")
    print(few_subjects(max(options.seeds, 10)).to_string(index=False, float_format="%.1f"))
    print("\n10,000 bootstrap samples of nine regions of 104 rows")
    print(bootstrap_race().to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
