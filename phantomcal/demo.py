"""The demo: a simulated study, run from nothing, its estimates held against the truth."""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from phantomcal.errors import InputError, PhantomcalError
from phantomcal.pipeline import run_study
from phantomcal.results import StudyRun
from phantomcal.steps.simulation import simulate_study_step

ProgressCallback = Callable[[str, int, int], None]

SLOPE_TOLERANCE_PERCENT = {"ct": 10.0, "qsm": 20.0}
TARGET_ERROR_MM = 1.0
STRONG_R = 0.6


@dataclass(frozen=True)
class DemoResult:
    """Estimates beside truth.

    Attributes
    ----------
    rows : pandas.DataFrame
        ``quantity, unit, truth, estimate, ci95_low, ci95_high, tolerance_percent, passed`` and the words for them.
    report : pathlib.Path
        The study's report.
    """

    rows: pd.DataFrame
    report: Path

    @property
    def passed(self) -> bool:
        """Whether every estimate is as near to its truth as it should be."""
        return bool(self.rows["passed"].all())


def run_demo(
    folder: Path, *, n_subjects: int = 12, seed: int = 1, jobs: int = 0, progress: ProgressCallback | None = None
) -> DemoResult:
    """Simulate a study, run it, compare.

    Parameters
    ----------
    folder : pathlib.Path
        Gets ``study/``, ``study_truth.json`` and ``results/``; an earlier demo in it is replaced.
    n_subjects, seed, jobs : int
        Size and seed of the study; processes, 0 is one per core.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    DemoResult

    Raises
    ------
    InputError
        The folder holds something else than an earlier demo.
    """
    study, truth_file, results = folder / "study", folder / "study_truth.json", folder / "results"
    _clear(folder, study, truth_file, results)
    compiling: list[threading.Thread] = []

    def simulated(what: str, done: int, total: int) -> None:
        labels = next(study.glob("derivatives/*/sub-01/anat/sub-01_space-Chimap_dseg.json"), None)
        if not compiling and labels is not None:  # the last of a head's files but for its lesions
            head = (study / "sub-01", labels.with_suffix(".nii.gz"))
            compiling.append(threading.Thread(target=_compile, args=head, daemon=True))
            compiling[0].start()
        if progress is not None:
            progress(what, done, total)

    simulate_study_step(study, seed, n_subjects, jobs or os.cpu_count() or 1, simulated)
    for thread in compiling:
        thread.join()
    compared: list[pd.DataFrame] = []

    def compare(record: StudyRun, target: Path) -> pd.DataFrame:
        # The truth is opened here, after every estimate is made.
        compared.append(against_truth(record, target, json.loads(truth_file.read_text(encoding="utf-8"))))
        return compared[0]

    run_study(study, results, jobs=jobs, progress=progress, compare=compare)
    return DemoResult(compared[0], results / "report.html")


def _compile(head: Path, dseg: Path) -> None:
    """Align and sample one head while others are drawn: what has to be compiled once is there when the run begins."""
    from phantomcal.correlation.regions import sample_regions
    from phantomcal.registration.align import align
    from phantomcal.volumes import read_ct, read_labels, read_magnitude

    with contextlib.suppress(PhantomcalError):  # the run says it better
        ct = read_ct(str(head / "ct" / f"{head.name}_ct.nii.gz")).image
        magnitude = read_magnitude(str(head / "anat" / f"{head.name}_part-mag_T2starw.nii.gz")).image
        found = align(ct, magnitude)
        sample_regions(read_labels(str(dseg)).image, ct=ct, qsm=magnitude, transform=found.transform)


def _clear(folder: Path, study: Path, truth_file: Path, results: Path) -> None:
    """Remove an earlier demo, and nothing else."""
    import shutil

    if folder.exists() and not folder.is_dir():
        raise InputError("the demo folder is a file", str(folder), "name another folder")
    if study.exists() and not truth_file.exists():
        raise InputError("the folder holds a study that is no demo", str(study), "name another folder")
    unfinished = results.with_name(f".{results.name}.work")  # of a demo that was cut short
    for old in (study, results, unfinished):
        if old.is_dir() and truth_file.exists():
            shutil.rmtree(old)
    truth_file.unlink(missing_ok=True)


def against_truth(record: StudyRun, results: Path, truth: dict[str, Any]) -> pd.DataFrame:
    """Estimates of a run beside what was simulated.

    Parameters
    ----------
    record : StudyRun
    results : pathlib.Path
        Where the transforms lie (``registration/<session>/ct_to_mr.tfm``).
    truth : dict
        Content of the study's truth file.

    Returns
    -------
    pandas.DataFrame
        See `DemoResult.rows`.
    """
    rows = [*_slopes(record, truth), *_alignment(record, results, truth), *_correlations(record, truth)]
    return pd.DataFrame(rows)


def _slopes(record: StudyRun, truth: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for calibration in record.calibrations:
        for line in calibration.lines:
            known = truth["phantom"]["slopes"][line.material][line.modality]["value"]
            tolerance = SLOPE_TOLERANCE_PERCENT[line.modality]
            error = 100 * (line.slope / known - 1)
            low, high = line.slope_ci95 or (None, None)
            rows.append(
                {
                    "quantity": f"{line.material} slope, {line.modality.upper()}",
                    "unit": line.slope_unit,
                    "truth": known,
                    "estimate": line.slope,
                    "ci95_low": low,
                    "ci95_high": high,
                    "tolerance_percent": tolerance,
                    "passed": abs(error) <= tolerance,
                    "truth_words": f"{known:.4g}",
                    "estimate_words": f"{line.slope:.4g}",
                    "error_words": f"{error:+.1f} %",
                    "allowed_words": f"{tolerance:g} %",
                }
            )
    return rows


def target_errors_mm(record: StudyRun, results: Path, truth: dict[str, Any]) -> dict[str, float]:
    """Mean distance of each subject's aligned target points from where they belong, mm."""
    errors = {}
    for label in record.alignments:
        transform = sitk.ReadTransform(str(results / "registration" / label / "ct_to_mr.tfm"))
        targets = truth["subjects"][label.split("_")[0]]["targets"]
        found = np.array([transform.TransformPoint(t["mr_mm"]) for t in targets])
        errors[label] = float(np.linalg.norm(found - np.array([t["ct_mm"] for t in targets]), axis=1).mean())
    return errors


def _alignment(record: StudyRun, results: Path, truth: dict[str, Any]) -> list[dict[str, Any]]:
    errors = target_errors_mm(record, results, truth)
    if not errors:
        return []
    worst = max(errors, key=lambda name: errors[name])
    return [
        {
            "quantity": f"worst target error of {len(errors)} alignments ({worst})",
            "unit": "mm",
            "truth": 0.0,
            "estimate": errors[worst],
            "ci95_low": None,
            "ci95_high": None,
            "tolerance_percent": None,
            "passed": errors[worst] < TARGET_ERROR_MM,
            "truth_words": "0 mm",
            "estimate_words": f"{errors[worst]:.2f} mm",
            "error_words": f"{errors[worst]:.2f} mm",
            "allowed_words": f"{TARGET_ERROR_MM:g} mm",
        }
    ]


def _correlations(record: StudyRun, truth: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for region in record.correlation.regions if record.correlation else []:
        known = truth["targets"].get(region.roi, {}).get("pearson_r")
        if known is None or region.pearson_r is None:
            continue
        strong = abs(known) > STRONG_R
        rows.append(
            {
                "quantity": f"r of HU and ppm, {region.roi}",
                "unit": "",
                "truth": known,
                "estimate": region.pearson_r,
                "ci95_low": region.pearson_ci95_low,
                "ci95_high": region.pearson_ci95_high,
                "tolerance_percent": None,
                "passed": not strong or np.sign(known) == np.sign(region.pearson_r),
                "truth_words": f"{known:+.2f}",
                "estimate_words": f"{region.pearson_r:+.2f}",
                "error_words": f"{region.pearson_r - known:+.2f}",
                "allowed_words": "same sign" if strong else "–",
            }
        )
    return rows
