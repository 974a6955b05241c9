"""Speed and memory of region sampling and of cohorts.

    python benchmarks/cohort.py sampling [--repeats 5] [--peer-python PYTHON]
    python benchmarks/cohort.py cohort [--sizes 1 10 100 1000] [--workers 1 2]

`sampling`: 100 labels in a 256^3 volume, arrays and images already in memory, best of the repeats. Peers are
SimpleITK's LabelStatisticsImageFilter and nilearn's NiftiLabelsMasker (one statistic a call, so it is called twice, for
mean and for standard deviation). nilearn is imported from this interpreter, or run in that of `--peer-python`, on the
same volumes.

`cohort`: people of 96^3 voxels with CT, QSM map, label map of 20 regions and a given alignment, so that reading,
sampling, writing and what the cluster costs are measured, not registration: a real session takes ten times longer,
nearly all of it registration, and the cluster costs the same. Every 20th person has the same scans. Peak memory of the
parent and of its largest worker is read from a fresh process for every run. One worker is this process itself, without
a cluster (the memory of the parent includes a session's); two are a local Dask cluster. Two against one is the ratio of
`per session`, which leaves out the first session of each worker (imports). `parent's CPU` is per session.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIDE, N_LABELS = 256, 100
SMALL, N_REGIONS, N_DISTINCT = 96, 20, 20


def volumes(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells around 100 points in a ball that fills a third of the volume, as a parcellated brain would; noise."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    points = rng.uniform(-95, 95, (N_LABELS, 3))
    points *= np.minimum(1, 95 / np.linalg.norm(points, axis=1))[:, None]
    tree = cKDTree(points)
    labels = np.zeros((SIDE,) * 3, np.uint16)
    inside = axis[:, None] ** 2 + axis[None, :] ** 2
    for k, z in enumerate(axis):
        j, i = np.nonzero(inside + z**2 < 110**2)
        if j.size:
            labels[k, j, i] = 1 + tree.query(np.stack([np.full(j.size, z), axis[j], axis[i]], axis=1))[1]
    return labels, rng.normal(0.05, 0.02, labels.shape).astype(np.float32)


def best_of(repeats: int, call: Callable[[], object]) -> float:
    """Shortest of several calls, s; one more goes before, to compile and to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def nilearn_seconds(folder: Path, repeats: int) -> dict[str, float]:
    """Best times of nilearn's masker on the volumes in `folder`, mean and standard deviation, s; and its answers."""
    import nibabel
    from nilearn.maskers import NiftiLabelsMasker

    arrays = [np.load(folder / f"{name}.npy").T for name in ("labels", "values")]
    label_image, image = (nibabel.Nifti1Image(array, np.eye(4)) for array in arrays)
    found = {}
    for strategy in ("mean", "standard_deviation"):
        masker = NiftiLabelsMasker(label_image, strategy=strategy, resampling_target=None, standardize=None)
        found[strategy] = best_of(repeats, lambda masker=masker: masker.fit_transform(image))
        if strategy == "mean":
            found["first_mean"] = float(np.ravel(masker.fit_transform(image))[0])
    return found


def sampling(repeats: int, peer_python: str) -> None:
    """Print the table of sampling times."""
    import SimpleITK as sitk

    from phantomcal.correlation.regions import Sampling, sample_regions

    labels, values = volumes()
    label_image, image = sitk.GetImageFromArray(labels), sitk.GetImageFromArray(values)
    plain = Sampling(percentiles=())

    def itk() -> "sitk.LabelStatisticsImageFilter":
        statistics = sitk.LabelStatisticsImageFilter()
        statistics.Execute(image, label_image)
        return statistics

    ours = {
        "phantomcal, mean and SD": lambda: sample_regions(label_image, qsm=image, sampling=plain, errors=False),
        "phantomcal, and standard errors": lambda: sample_regions(label_image, qsm=image, sampling=plain),
        "phantomcal, and median": lambda: sample_regions(label_image, qsm=image),
    }
    times = {name: best_of(repeats, call) for name, call in ours.items()}
    frame, statistics = ours["phantomcal, mean and SD"](), itk()
    present = [int(k) for k in frame["label"]]
    for name, theirs in (("qsm_ppm", statistics.GetMean), ("qsm_sd_ppm", statistics.GetSigma)):
        assert np.allclose(frame[name], [theirs(k) for k in present], rtol=1e-5)
    peers = {"SimpleITK LabelStatistics": best_of(repeats, itk)}
    with tempfile.TemporaryDirectory() as name:
        np.save(Path(name) / "labels.npy", labels)
        np.save(Path(name) / "values.npy", values)
        command = [peer_python, __file__, "nilearn", name, "--repeats", str(repeats)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        found = json.loads(run.stdout.splitlines()[-1])
        assert np.isclose(found["first_mean"], frame["qsm_ppm"].iloc[0], rtol=1e-5)
        peers["nilearn labels masker, mean only"] = found["mean"]
        peers["nilearn labels masker, mean and SD"] = found["mean"] + found["standard_deviation"]
    else:
        print(f"nilearn was not measured: {run.stderr.strip().splitlines()[-1]}")
    fastest = min(peers.values())
    share = 100 * (labels > 0).mean()
    print(f"{len(present)} labels in {SIDE}^3 ({share:.0f} % of the voxels labelled), best of {repeats}")
    for name, seconds in {**peers, **times}.items():
        ratio = f"{fastest / seconds:6.1f} x the fastest peer" if name in times else ""
        print(f"  {name:38s} {1000 * seconds:8.0f} ms  {ratio}")


def make_study(folder: Path, n: int, seed: int = 3) -> Path:
    """People of 96^3 voxels with 20 regions and a given alignment; returns the study folder."""
    import SimpleITK as sitk  # here, so that the process whose memory is measured has only what it needs

    rng = np.random.default_rng(seed)
    study = folder / "study"
    cells = np.indices((SMALL,) * 3) // (SMALL // 4)
    labels = np.where(cells[0] < 2, 1 + (cells[0] * 16 + cells[1] * 4 + cells[2]) % N_REGIONS, 0).astype(np.uint8)
    rows = ["participant_id\tage\tsex\tprotocol"]
    for k in range(n):
        name = f"sub-{k + 1:05d}"
        rows.append(f"{name}\t{20 + k % 60}\t{'FM'[k % 2]}\t")
        if k < N_DISTINCT:
            levels = rng.normal(0.08, 0.04, N_REGIONS + 1)
            ppm = levels[labels] + rng.normal(0, 0.05, labels.shape)
            hu = 40 + 100 * levels[labels] + rng.normal(0, 8, N_REGIONS + 1)[labels] + rng.normal(0, 5, labels.shape)
            hu[-1] = -1000.0
        anat = study / "derivatives" / "atlas" / name / "anat"
        for array, path in (
            (hu.astype(np.float32), study / name / "ct" / f"{name}_ct.nii.gz"),
            (ppm.astype(np.float32), study / name / "anat" / f"{name}_Chimap.nii.gz"),
            (labels, anat / f"{name}_space-Chimap_dseg.nii.gz"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            if k < N_DISTINCT:
                sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
            else:
                os.link(str(path).replace(name, f"sub-{k % N_DISTINCT + 1:05d}"), path)
        sitk.WriteTransform(sitk.Euler3DTransform(), str(anat / f"{name}_from-Chimap_to-ct_xfm.tfm"))
    (study / "participants.tsv").write_text("\n".join(rows) + "\n")
    names = "".join(f"{k}\tregion {k:02d}\n" for k in range(1, N_REGIONS + 1))
    (study / "derivatives" / "atlas" / "dseg.tsv").write_text("index\tname\n" + names)
    return study


def run_one(study: Path, workers: int) -> dict[str, float]:
    """Times and peak memory of one run, in this process, which must be fresh."""
    from phantomcal.pipeline import run_study

    marks: dict[str, float] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what == "align and sample":
            marks.setdefault("first", time.perf_counter())
            # Imports and compiled code are loaded with the first session of each worker.
            if done == workers:
                marks["warm"], marks["warm_cpu"] = time.perf_counter(), time.process_time()
            marks["last"], marks["last_cpu"] = time.perf_counter(), time.process_time()
            marks["total"] = total

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        run_study(study, Path(out) / "out", jobs=workers, progress=tell)
    whole = time.perf_counter() - started
    rest = max(marks["total"] - workers, 1)
    return {
        "whole_s": whole,
        "sessions_s": marks["last"] - marks["first"],
        "per_session_s": (marks["last"] - marks["warm"]) / rest if marks["total"] > workers else float("nan"),
        "parent_cpu_per_session_s": (marks["last_cpu"] - marks["warm_cpu"]) / rest,
        "parent_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def cohort(sizes: list[int], workers: list[int]) -> None:
    """Print the table of cohorts."""
    print(f"people of {SMALL}^3 voxels, {N_REGIONS} regions, alignment given; times in s, memory in MB")
    print(" people  workers   whole run   sessions   per session   parent's CPU   parent peak   worker peak")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            study = make_study(Path(folder) / str(size), size)
            for count in workers if size > 1 else [1]:
                command = [sys.executable, __file__, "one", str(study), "--workers", str(count)]
                # One worker must not use two cores, nor two workers more than two.
                single = dict.fromkeys(
                    ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
                )
                done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **single})
                r = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{size:7d} {count:8d} {r['whole_s']:11.1f} {r['sessions_s']:10.1f} {r['per_session_s']:13.3f}"
                    f" {r['parent_cpu_per_session_s']:14.4f}"
                    f" {r['parent_mb']:13.0f} {r['worker_mb']:13.0f}",
                    flush=True,
                )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sampling", "cohort", "nilearn", "one"], nargs="?", default="sampling")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    if given.what == "sampling":
        sampling(given.repeats, given.peer_python)
    elif given.what == "cohort":
        cohort(given.sizes, given.workers)
    elif given.what == "nilearn":
        print(json.dumps(nilearn_seconds(given.folder, given.repeats)))
    else:
        print(json.dumps(run_one(given.folder, given.workers[0])))


if __name__ == "__main__":
    main()
