"""A whole study in a folder: a phantom session and subjects whose region values follow target correlations."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.outputs import to_json
from phantomcal.protocol import load_protocol
from phantomcal.simulate.brain import LABELS, Lesion, RegionValue
from phantomcal.simulate.head import HeadOptions, simulate_head
from phantomcal.simulate.phantom import simulate_phantom
from phantomcal.simulate.seeds import streams
from phantomcal.simulate.targets import OSHIMA_TARGETS, Target, draw_values
from phantomcal.simulate.write import head_sidecar, phantom_sidecar, write_image, write_lookup, write_text

Progress = Callable[[str, float], None]
PHANTOM = "sub-phantom"
REGIONS_FOLDER = "regions"
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LESION_SPREAD_MM = {"haemorrhage": (9.0, 11.0), "calcification": (8.5, 10.0)}


@dataclass(frozen=True)
class _Task:
    """One scan to simulate and write; small, since it crosses process borders."""

    name: str
    seed: int
    folder: Path
    protocol: str = ""
    values: dict[str, RegionValue] | None = None
    lesions: tuple[Lesion, ...] = ()
    options: HeadOptions = field(default_factory=HeadOptions)


def simulate_study(
    folder: Path,
    seed: int,
    *,
    n_subjects: int = 10,
    targets: Mapping[str, Target] | None = None,
    exact: bool = True,
    protocol: str = "simulated-gd-ca",
    slice_thickness_mm: Sequence[float] = (1.25, 2.5, 5.0),
    head_options: HeadOptions | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Write a study with known truth.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder (BIDS-like); its parent gets ``<folder name>_truth.json``, which no analysis reads.
    seed : int
        Of everything.
    n_subjects : int
        Subjects beside the phantom; each has one lesion of both kinds, as far as the targets name them.
    targets : mapping of str to Target, optional
        Means, SDs and correlation per region; those of Oshima et al. by default. Regions left out keep typical values.
    exact : bool
        Whether the cohort's own correlations are the targets, or only those of its population.
    protocol : str
        Phantom to scan, a built-in name or a YAML file.
    slice_thickness_mm : sequence of float
        CT slice thicknesses, used in turn over the subjects.
    head_options : HeadOptions, optional
        Grids, noise and poses; the slice thickness is replaced.
    jobs : int
        Processes. The result does not depend on it.
    progress : callable, optional
        Called with what was finished and the share done, 0 to 1.

    Raises
    ------
    InputError
        If the folder holds files already or an option is impossible.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("the study folder is not empty", str(folder), "give a new folder")
    if jobs < 1 or not slice_thickness_mm or min(slice_thickness_mm) <= 0:
        raise InputError("jobs and slice thicknesses must be positive", "the study's options", "correct them")
    targets = OSHIMA_TARGETS if targets is None else targets
    load_protocol(protocol)  # a wrong name is told before anything is drawn
    values_draws, people_draws, seeds = streams(seed, 3)
    values = draw_values(targets, n_subjects, values_draws, exact)
    tasks = _tasks(folder, protocol, values, slice_thickness_mm, head_options or HeadOptions(), people_draws, seeds)

    truths: dict[str, Any] = {}
    for done, (name, truth) in enumerate(_run(tasks, jobs), start=1):
        truths[name] = truth
        if progress is not None:
            progress(name, done / len(tasks))
    _write_tables(folder, [task.name for task in tasks], protocol, people_draws)
    record = {
        "kind": "study",
        "seed": seed,
        "exact": exact,
        "targets": {name: vars(target) for name, target in targets.items()},
        "phantom": truths.pop(PHANTOM),
        "subjects": {task.name: truths[task.name] for task in tasks[1:]},
    }
    write_text(to_json(record), folder.parent / f"{folder.name}_truth.json")


def _tasks(
    folder: Path,
    protocol: str,
    values: list[dict[str, RegionValue]],
    thickness_mm: Sequence[float],
    options: HeadOptions,
    rng: np.random.Generator,
    seeds: np.random.Generator,
) -> list[_Task]:
    drawn = [int(s) for s in seeds.integers(0, 2**31, len(values) + 1)]
    tasks = [_Task(PHANTOM, drawn[0], folder, protocol=protocol)]
    for number, held in enumerate(values):
        lesions = tuple(
            Lesion(kind, *held[kind], radius_mm=round(float(rng.uniform(*_LESION_SPREAD_MM[kind])), 2))  # type: ignore[arg-type]
            for kind in _LESION_SPREAD_MM
            if kind in held
        )
        spacing = (options.ct_spacing_mm[0], options.ct_spacing_mm[1], float(thickness_mm[number % len(thickness_mm)]))
        name = f"sub-{number + 1:02d}"
        tasks.append(_Task(name, drawn[number + 1], folder, "", held, lesions, replace(options, ct_spacing_mm=spacing)))
    return tasks


def _run(tasks: list[_Task], jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if jobs == 1:
        for task in tasks:
            yield _perform(task)
        return
    # Fresh interpreters: forking a process whose libraries run threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_one_thread) as pool:
        with _single_threaded_children():
            waiting: set[Future[tuple[str, dict[str, Any]]]] = {pool.submit(_perform, task) for task in tasks}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from sorted((future.result() for future in finished), key=lambda item: item[0])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Processes already share the cores; threads on top would only wait for each other.

    Linear algebra libraries read the environment when they load, which in a fresh process is before any of our code.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _one_thread() -> None:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _perform(task: _Task) -> tuple[str, dict[str, Any]]:
    base = task.folder / task.name
    if task.protocol:
        phantom = simulate_phantom(load_protocol(task.protocol), task.seed, workers=1)
        if phantom.ct is not None:
            write_image(phantom.ct, base / "ct" / f"{task.name}_ct.nii.gz")
        if phantom.qsm is not None and phantom.magnitude is not None:
            _write_map(phantom.qsm, phantom.magnitude, phantom_sidecar(phantom), base, task.name)
        return task.name, phantom.truth
    head = simulate_head(task.seed, region_values=task.values, lesions=task.lesions, options=task.options)
    write_image(head.ct, base / "ct" / f"{task.name}_ct.nii.gz")
    _write_map(head.qsm, head.magnitude, head_sidecar(head), base, task.name)
    labels = task.folder / "derivatives" / REGIONS_FOLDER / task.name / "anat"
    _write_labels(head.labels, "regions", labels / f"{task.name}_space-Chimap_dseg", task.name)
    if task.lesions:
        _write_labels(head.lesion_labels, "lesions", labels / f"{task.name}_space-Chimap_label-lesion_dseg", task.name)
    return task.name, head.truth


def _write_labels(labels: Any, what: str, stem: Path, name: str) -> None:
    write_image(labels, stem.with_name(f"{stem.name}.nii.gz"))
    sidecar = {
        "Description": f"{what} of the simulated anatomy",
        "SpatialReference": f"bids:raw:{name}/anat/{name}_Chimap.nii.gz",
    }
    write_text(to_json(sidecar), stem.with_name(f"{stem.name}.json"))


def _write_map(chi: Any, magnitude: Any, sidecar: dict[str, Any], base: Path, name: str) -> None:
    write_image(chi, base / "anat" / f"{name}_Chimap.nii.gz")
    write_text(to_json(sidecar), base / "anat" / f"{name}_Chimap.json")
    write_image(magnitude, base / "anat" / f"{name}_part-mag_T2starw.nii.gz")


def _write_tables(folder: Path, names: list[str], protocol: str, rng: np.random.Generator) -> None:
    people = len(names) - 1
    ages = rng.integers(25, 85, people)
    sexes = rng.choice(["F", "M"], people)
    rows = [{"participant_id": names[0], "age": "n/a", "sex": "n/a", "group": "phantom", "protocol": protocol}]
    rows += [
        {"participant_id": name, "age": str(age), "sex": str(sex), "group": "patient", "protocol": ""}
        for name, age, sex in zip(names[1:], ages, sexes, strict=True)
    ]
    table = pd.DataFrame(rows)
    write_text(table.to_csv(sep="\t", index=False, lineterminator="\n"), folder / "participants.tsv")
    description = {
        "Name": "phantomcal simulated study",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "phantomcal"}],
    }
    write_text(to_json(description), folder / "dataset_description.json")
    derivative = {
        "Name": "regions of the simulated anatomy",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "phantomcal"}],
        "DatasetLinks": {"raw": "../.."},
    }
    write_text(to_json(derivative), folder / "derivatives" / REGIONS_FOLDER / "dataset_description.json")
    # What BIDS has no name for yet, so that its validator reads the rest.
    write_text("**/ct\n**/ct/**\n", folder / ".bidsignore")
    write_text("*_label-lesion_dseg.*\n", folder / "derivatives" / REGIONS_FOLDER / ".bidsignore")
    lookup = pd.DataFrame({"index": list(LABELS.values()), "name": list(LABELS)})
    write_lookup(lookup, folder / "derivatives" / REGIONS_FOLDER / "dseg.tsv")
