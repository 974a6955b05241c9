"""Decomposing a whole head: time, peak memory, and the same work a voxel at a time.

A CT of 512 x 512 x 140 and a map of 256 x 256 x 128, with lesions, by the whole command in a process of its own: read,
aligned by the headers, solved with errors and probabilities, masses, six maps and the report written; of that, what a
script pays that has loaded Python's libraries before, and when the maps are there. Then the kernel
alone beside what one would write without it: `scipy.optimize.nnls` for every voxel, and `numpy.linalg.solve` over
stacked systems, which gives neither errors nor non-negative amounts. Prints one table.

    python benchmarks/decompose.py [--repeats 3] [--unmasked]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.optimize import nnls

from phantomcal.lesions.decompose import Baseline, decompose, physics_system
from phantomcal.outputs import provenance, write_record
from phantomcal.phantom.fitting.table import fit_table

NNLS_VOXELS, SOLVE_VOXELS = 20_000, 1_000_000
FORMS = {"calcium": "CaCl2", "iron": "ferritin"}


def drawn(shape: tuple[int, int, int], spacing: tuple[float, float, float], modality: str, masked: bool) -> sitk.Image:
    """A head in HU (int16) or ppm (float32), with two lesions; ``labels`` gives these."""
    rng = np.random.default_rng(1)
    values = np.empty(shape, {"ct": np.int16, "qsm": np.float32, "labels": np.uint8}[modality])
    z, y, x = ((np.arange(n, dtype=np.float32) - n / 2) * s for n, s in zip(shape, spacing[::-1], strict=True))
    for k, height in enumerate(z):  # slice by slice, so that drawing does not need more memory than decomposing
        across = (x[None, :] / 70) ** 2 + (y[:, None] / 88) ** 2 + (height / 66) ** 2
        balls = [(x[None, :] - a) ** 2 + (y[:, None] - 10) ** 2 + (height - 5) ** 2 < 16 for a in (-30, 30)]
        noise = rng.standard_normal(across.shape, dtype=np.float32)
        if modality == "labels":
            values[k] = balls[0] + 2 * balls[1]
        elif modality == "ct":
            plain = np.where(across < 1, 33.0, np.where(across < 1.2, 900.0, -1000.0)) + 120.0 * balls[0]
            values[k] = np.rint(plain + 5 * noise)
        else:
            plain = 0.01 * noise - 0.2 * balls[0] + 0.5 * balls[1]
            values[k] = np.where(across < 1, plain, 0.0) if masked else plain
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin([-n / 2 * s for n, s in zip(shape[::-1], spacing, strict=True)])
    return image


def calibration(folder: Path) -> Path:
    """Lines of iron and calcium."""
    import pandas as pd

    system = physics_system(FORMS)
    rng = np.random.default_rng(3)
    rows = [
        {"material": name, "modality": m, "concentration_mmol_per_l": x, "value": s * x + rng.normal(0, sd)}
        for k, (name, top) in enumerate((("calcium", 1500), ("iron", 16)))
        for m, s, sd in zip(("ct", "qsm"), system.slopes[:, k], (0.3, 0.003), strict=True)
        for x in np.linspace(0, top, 6)
    ]
    path = folder / "calibration.json"
    write_record(fit_table(pd.DataFrame(rows), provenance("fit", [], {}, 0.0), where="vials"), path)
    return path


def command(folder: Path, loaded: bool) -> tuple[float, float, float]:
    """Seconds of the command (with libraries `loaded` before or not), seconds until the last map was there, peak GB."""
    asked = ["--ct", "ct.nii.gz", "--qsm", "Chimap.nii.gz", "--lesions", "lesions.nii.gz", "--transform", "identity"]
    load = (
        "import phantomcal.lesions.naming, phantomcal.steps.decomposition_volumes\n"
        "import phantomcal.report.compose_decomposition, phantomcal.cli.decomposition_tables\n"
    )
    code = (
        "import sys, time, resource, pathlib\n"
        "sys.argv = ['phantomcal', 'decompose', *sys.argv[1:]]\n"
        f"{load if loaded else ''}"
        "from phantomcal.cli import main\n"
        "started = time.time()\n"
        "try: main()\n"
        "finally:\n"
        "    written = max(p.stat().st_mtime for p in pathlib.Path('out').glob('*.nii.gz'))\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    print('TOOK', time.time() - started, written - started, peak)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *asked, "--calibration", "calibration.json", "-o", "out"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    whole = time.perf_counter() - started
    took = next(line for line in done.stdout.splitlines() if line.startswith("TOOK")).split()
    return float(took[1]) if loaded else whole, float(took[2]), int(took[3]) / 1e6


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of some runs."""
    took = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)


def one_by_one(slopes: NDArray[np.float64], hu: NDArray[np.float32], ppm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Non-negative least squares voxel by voxel."""
    weight = np.array([1 / 4.0, 1 / 0.007])
    return np.array([nnls(weight[:, None] * slopes, weight * y)[0] for y in zip(hu - 33.0, ppm, strict=True)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--unmasked", action="store_true", help="a map with noise outside the brain as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sitk.WriteImage(drawn((140, 512, 512), (0.45, 0.45, 1.0), "ct", True), str(folder / "ct.nii.gz"))
        for modality, file in (("qsm", "Chimap"), ("labels", "lesions")):
            image = drawn((128, 256, 256), (0.9, 0.9, 1.1), modality, not given.unmasked)
            sitk.WriteImage(image, str(folder / f"{file}.nii.gz"))
        calibration(folder)
        runs = [command(folder, False) for _ in range(given.repeats)]
        inside = [command(folder, True) for _ in range(given.repeats)]
    system = physics_system(FORMS)
    rng = np.random.default_rng(2)
    n = 256 * 256 * 128
    hu = (33 + 40 * rng.random(n, dtype=np.float32) + 4 * rng.standard_normal(n, dtype=np.float32)).astype(np.float32)
    ppm = (0.2 * rng.random(n, dtype=np.float32) + 0.007 * rng.standard_normal(n, dtype=np.float32)).astype(np.float32)
    base = Baseline(33.0, 0.0)

    def ours() -> object:
        return decompose(hu, ppm, hu_se=4.0, ppm_se=0.007, system=system, baseline=base, dtype=np.float32)

    def stacked() -> object:
        y = np.stack([hu[:SOLVE_VOXELS] - 33.0, ppm[:SOLVE_VOXELS]], axis=-1)[..., None]
        return np.linalg.solve(np.broadcast_to(system.slopes, (SOLVE_VOXELS, 2, 2)), y)

    part = slice(0, NNLS_VOXELS)
    kernel, plain = best(ours, given.repeats), best(stacked, 1) * n / SOLVE_VOXELS
    single = best(lambda: one_by_one(system.slopes, hu[part], ppm[part]), 1) * n / NNLS_VOXELS
    found = decompose(hu[part], ppm[part], hu_se=4.0, ppm_se=0.007, system=system, baseline=base)
    worst = np.abs(found.amounts - one_by_one(system.slopes, hu[part], ppm[part]).T).max()
    seconds, peak = min(r[0] for r in runs), max(r[2] for r in [*runs, *inside])
    rows = [
        ("whole command", f"{seconds:.2f} s", f"peak {peak:.2f} GB; {', '.join(f'{r[0]:.2f}' for r in runs)} s"),
        ("  in a running Python", f"{min(r[0] for r in inside):.2f} s", "its libraries loaded before"),
        ("  until maps and masses are there", f"{min(r[1] for r in inside):.2f} s", "the report is drawn meanwhile"),
        (f"kernel, {n / 1e6:.1f} million voxels", f"{kernel:.2f} s", "amounts, errors, probabilities, one thread"),
        ("numpy.linalg.solve, stacked", f"{plain:.2f} s", f"{plain / kernel:.1f} times the kernel; no errors"),
        ("scipy nnls, voxel by voxel", f"{single:.0f} s", f"{single / kernel:.0f} times, from {NNLS_VOXELS} voxels"),
        ("largest difference from nnls", f"{worst:.2g} mmol/L", ""),
    ]
    for what, value, note in rows:
        print(f"{what:36}{value:>16}  {note}")


if __name__ == "__main__":
    main()
