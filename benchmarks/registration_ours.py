"""phantomcal on one pair in a process of its own, started by `registration.py`; writes a JSON file.

``--repeat N`` times N further calls after the first, which also loads the compiled code: of the alignment alone
(``register``, with its search and repeats, which is what the peers do), and with all its judging (``align``), in turn.
``--starts N`` gives the CT random headers, N times. ``--mode local`` climbs from where the headers put the CT, without
a search.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from registration_pairs import matrix_of, moved_headers, random_pose

from phantomcal.registration.align import align
from phantomcal.registration.heads import FixedKind
from phantomcal.registration.rigid import Registration, register

Timed = tuple[Registration, NDArray[np.float64]]


def run(ct: sitk.Image, fixed: sitk.Image, kind: FixedKind, local: bool) -> Timed:
    """One alignment with its judging and its seconds, on the clock and of all processors."""
    start = sitk.Euler3DTransform() if local else None
    started = now()
    found = align(ct, fixed, fixed_kind=kind, start=start)
    return found, now() - started


def bare(ct: sitk.Image, fixed: sitk.Image, kind: FixedKind) -> Timed:
    """One alignment without further judging, as `run`."""
    started = now()
    found = register(ct, fixed, fixed_kind=kind)
    return found, now() - started


def now() -> NDArray[np.float64]:
    """Seconds on the clock, and of all processors."""
    return np.array([time.perf_counter(), time.process_time()])


def record(found: Registration) -> dict[str, Any]:
    """What the tables need."""
    alignment = found.alignment
    return {
        "verdict": alignment.verdict,
        "reasons": alignment.reasons,
        "predicted_mm": alignment.predicted_error_mm,
        "matrix": matrix_of(found.transform).tolist(),
    }


def once(pair: Path, kind: FixedKind, repeat: int, local: bool) -> dict[str, Any]:
    """The pair as it is."""
    ct, fixed = images(pair, kind)
    found, first = run(ct, fixed, kind, local)
    later, alone = [], []
    for _ in range(repeat):
        alone.append(bare(ct, fixed, kind)[1])
        later.append(run(ct, fixed, kind, local)[1])
    seconds, busy = np.median(later or [first], axis=0).tolist()
    times = {"first_seconds": float(first[0]), "seconds": seconds, "cpu_seconds": busy}
    if alone:
        times["alignment_seconds"], times["alignment_cpu_seconds"] = np.median(alone, axis=0).tolist()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return record(found) | times | {"peak_mb": peak_mb}


def often(pair: Path, kind: FixedKind, count: int, seed: int, local: bool) -> dict[str, Any]:
    """The CT under random headers."""
    ct, fixed = images(pair, kind)
    points = np.load(pair / "points.npy")
    truth = np.array(json.loads((pair / "truth.json").read_text(encoding="utf-8")))
    there = points @ truth[:3, :3].T + truth[:3, 3]
    random = np.random.default_rng(seed)
    runs = []
    for _ in range(count):
        # Without the search, headers farther off, so that some results are wrong and the verdicts have work to do.
        turn_deg, shift_mm = (75.0, 60.0) if local else (30.0, 40.0)
        way = random_pose(random, ct, max_turn_deg=turn_deg, max_shift_mm=shift_mm)
        found, seconds = run(moved_headers(ct, way), fixed, kind, local)
        matrix = matrix_of(found.transform)
        right = there @ matrix_of(way)[:3, :3].T + matrix_of(way)[:3, 3]
        error = np.linalg.norm(points @ matrix[:3, :3].T + matrix[:3, 3] - right, axis=1)
        row = record(found) | {
            "seconds": float(seconds[0]),
            "error_mm": float(error.mean()),
            "worst_mm": float(error.max()),
        }
        runs.append({key: value for key, value in row.items() if key != "matrix"})
    return {"runs": runs}


def images(pair: Path, kind: FixedKind) -> tuple[sitk.Image, sitk.Image]:
    """CT, and the magnitude or the QSM map."""
    name = "qsm.mha" if kind == "qsm" else "mr.mha"
    return sitk.ReadImage(str(pair / "ct.mha"), sitk.sitkFloat32), sitk.ReadImage(str(pair / name), sitk.sitkFloat32)


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=("magnitude", "qsm"), default="magnitude")
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--starts", type=int, default=0)
    parser.add_argument("--mode", choices=("search", "local"), default="search")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    local = options.mode == "local"
    if options.starts:
        found = often(options.pair, options.kind, options.starts, options.seed, local)
    else:
        found = once(options.pair, options.kind, options.repeat, local)
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(options.out)


if __name__ == "__main__":
    main()
