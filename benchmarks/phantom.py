"""Simulated phantoms: how many are found, how right the slopes are, how often their intervals hold the truth.

``python benchmarks/phantom.py [N]`` simulates N phantoms (20 by default) in random poses with noise, CT and QSM, then
finds, measures and fits them in one fresh process, so that time and memory are those of the analysis alone.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROTOCOL = "simulated-gd-ca"
PLACED_MM = 1.5  # a vial counts as found when its centre is this near to where it stands
_SPAWN = multiprocessing.get_context("spawn")


def simulate(seed: int, folder: Path) -> dict[str, Any]:
    """Write one phantom and return its truth."""
    import SimpleITK as sitk

    from phantomcal.protocol import load_protocol
    from phantomcal.simulate.phantom import simulate_phantom

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    scan = simulate_phantom(load_protocol(PROTOCOL), seed, workers=1)
    sitk.WriteImage(scan.ct, str(folder / f"{seed}_ct.mha"))
    sitk.WriteImage(scan.qsm, str(folder / f"{seed}_qsm.mha"))
    return scan.truth


def analyse(
    truths: dict[int, dict[str, Any]], folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """Find, measure and fit every phantom; rows per scan, rows per line, and the peak memory of this process in MB."""
    import SimpleITK as sitk

    from phantomcal.errors import InputError
    from phantomcal.phantom.locate import locate
    from phantomcal.phantom.sample import measure
    from phantomcal.phantom.series import series_lines
    from phantomcal.protocol import load_protocol

    protocol = load_protocol(PROTOCOL)
    scans, lines = [], []
    for seed, truth in truths.items():
        for modality in protocol.modalities:
            image = sitk.ReadImage(str(folder / f"{seed}_{modality}.mha"), sitk.sitkFloat32)
            row: dict[str, Any] = {"seed": seed, "modality": modality}
            started, busy = time.perf_counter(), time.process_time()
            try:
                located = locate(image, protocol, modality)
                vials = measure(image, located, protocol, modality)
            except InputError as error:
                scans.append(row | {"outcome": "refused", "seconds": time.perf_counter() - started, "why": str(error)})
                continue
            row |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
            found = np.array([[v.x_mm, v.y_mm, v.z_mm] for v in vials], float)
            scans.append(row | placement(found, truth, modality) | {"margin": located.record.margin})
            for line in series_lines(vials, protocol, modality)[0]:
                known = truth["slopes"][line.material][modality]["value"]
                low, high = line.slope_ci95 or (np.nan, np.nan)
                lines.append(
                    {
                        "seed": seed,
                        "material": line.material,
                        "modality": modality,
                        "true_slope": known,
                        "bias_percent": 100 * (line.slope / known - 1),
                        "covered": low <= known <= high,
                    }
                )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return scans, lines, peak / (1e6 if sys.platform == "darwin" else 1e3)


def placement(found_mm: NDArray[np.float64], truth: dict[str, Any], modality: str) -> dict[str, Any]:
    """Whether every vial lies in its place, across the vials' axis (along it there is nothing to tell places apart)."""
    scanner = "ct" if modality == "ct" else "mr"
    true_mm = np.array([v[f"{scanner}_centre_mm"] for v in truth["vials"]])
    axis = np.array(truth[scanner]["pose"]["object_to_world_matrix"])[:, 2]
    between = found_mm[:, None] - true_mm[None]
    across = between - (between @ axis)[..., None] * axis
    distance = np.linalg.norm(across, axis=2)
    own = np.diagonal(distance)
    if (distance.argmin(axis=1) != np.arange(len(own))).any():
        outcome = "wrongly labelled"
    else:
        outcome = "found" if own.max() < PLACED_MM else "misplaced"
    return {"outcome": outcome, "worst_mm": float(own.max())}


def report(scans: pd.DataFrame, lines: pd.DataFrame, peak_mb: float) -> None:
    """Print the tables."""
    outcomes = ("found", "misplaced", "wrongly labelled", "refused")
    rows = []
    for modality, part in scans.groupby("modality", sort=False):
        counts = part["outcome"].value_counts()
        rows.append(
            {
                "modality": modality,
                "scans": len(part),
                **{name: int(counts.get(name, 0)) for name in outcomes},
                "worst centre mm": part["worst_mm"].max() if "worst_mm" in part else np.nan,
                "least margin": part["margin"].min() if "margin" in part else np.nan,
                "median s": part["seconds"].median(),
                "slowest s": part["seconds"].max(),
                "median CPU s": part["cpu_seconds"].median() if "cpu_seconds" in part else np.nan,
            }
        )
    print("\nVials located and measured")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))
    for row in scans[scans["outcome"] != "found"].to_dict("records"):
        print(f"  seed {row['seed']}, {row['modality']}: {row['outcome']} {row.get('why') or ''}".rstrip())
    if len(lines):
        rows = [
            {
                "material": material,
                "modality": modality,
                "lines": len(part),
                "true slope": f"{part['true_slope'].iloc[0]:.4g}",
                "mean bias %": part["bias_percent"].mean(),
                "SD %": part["bias_percent"].std(),
                "worst %": part["bias_percent"].abs().max(),
                "truth in 95 % interval": f"{part['covered'].sum()} of {len(part)} ({part['covered'].mean():.0%})",
            }
            for (material, modality), part in lines.groupby(["material", "modality"])
        ]
        print(
            "\nSlopes against truth (an interval covers scatter about the line, not a bias of the QSM reconstruction)"
        )
        print(pd.DataFrame(rows).to_string(index=False, float_format="{:+.2f}".format))
        ct = lines.loc[lines["modality"] == "ct", "covered"]
        print(f"CT slopes, both materials: {ct.sum()} of {len(ct)} intervals hold the truth ({ct.mean():.1%})")
    print(f"\nPeak memory of reading, locating and measuring: {peak_mb:.0f} MB")


def main() -> None:
    """Parse, simulate, analyse, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("n", nargs="?", type=int, default=20, help="number of phantoms (default 20)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that simulate")
    options = parser.parse_args()
    if options.n < 1 or options.jobs < 1:
        parser.error("N and --jobs are whole numbers from 1")
    print(f"{options.n} phantoms, protocol {PROTOCOL}, {platform.machine()}, {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, seeds = Path(scratch), range(1, options.n + 1)
        started = time.perf_counter()
        with ProcessPoolExecutor(min(options.jobs, options.n), mp_context=_SPAWN) as pool:
            truths = dict(zip(seeds, pool.map(simulate, seeds, [folder] * options.n), strict=True))
        print(f"simulated in {time.perf_counter() - started:.0f} s", flush=True)
        with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
            scans, lines, peak_mb = pool.submit(analyse, truths, folder).result()
    report(pd.DataFrame(scans), pd.DataFrame(lines), peak_mb)


if __name__ == "__main__":
    main()
