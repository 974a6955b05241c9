"""`decompose --table`: rows of HU and ppm into amounts of materials."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Decomposition
from phantomcal.steps.decomposition_common import (
    Choices,
    baseline_used,
    given_baseline,
    many_words,
    material_rows,
    title_of,
)


def decompose_table_step(
    calibration: Path, out: Path, table: Path, choices: Choices | None = None, **columns: str | None
) -> Decomposition:
    """`phantomcal decompose --table`: decomposition.csv, decomposition.json and report.html into `out`.

    Parameters
    ----------
    calibration, out, table : pathlib.Path
    choices : Choices, optional
    columns : str, optional
        As `phantomcal.phantom.reading.concentration.samples_of` takes them.

    Returns
    -------
    Decomposition
    """
    import pandas as pd

    from phantomcal.lesions.amounts import decompose_samples
    from phantomcal.lesions.baseline import medium_baseline
    from phantomcal.lesions.decompose import conditioning
    from phantomcal.phantom.reading.concentration import samples_of
    from phantomcal.report.compose_decomposition import decomposition_report
    from phantomcal.report.page import render
    from phantomcal.results import DecomposedRegion
    from phantomcal.steps.saved import calibration_file, read_calibration
    from phantomcal.tables import read_table

    started = time.perf_counter()
    how = choices or Choices()
    known = read_calibration(calibration)
    system = how.system(known, calibration.name)
    if how.baseline in ("tissue", "mirror", "fitted"):
        raise InputError(
            f"a table has no image to take a {how.baseline} baseline from", "--baseline", "give HU,PPM or medium"
        )
    baseline = given_baseline(how.baseline, system) or medium_baseline(system)
    samples, warnings = samples_of(read_table(table), **columns, where=table.name)
    both = [s for s in samples if s.hu is not None and s.ppm is not None]
    if not both:
        raise InputError("no row has both HU and ppm", table.name, "one reading gives one amount: use `concentration`")
    if len(both) < len(samples):
        warnings.append(f"{len(samples) - len(both)} rows have one reading only and were left out")
    if how.baseline == "auto":
        warnings.append(
            "baseline: the medium of the vials (the intercepts of the lines). For tissue, which reads about 35 HU "
            "without any calcium, give its own with --baseline HU,PPM"
        )
    rows = decompose_samples(both, system, baseline, density_g_per_ml=how.density_g_per_ml)
    noise = (
        _typical([s.hu_se for s in both], system.vial_error[0]),
        _typical([s.ppm_se for s in both], system.vial_error[1]),
    )
    apart = conditioning(system, *noise) if len(system.components) == 2 and min(noise) > 0 else None
    if apart and abs(apart.error_correlation) >= 0.9:
        warnings.append(apart.words)
    record = Decomposition(
        calibration=title_of(known, calibration.name),
        materials=material_rows(system, baseline, noise, (), ()),
        baseline=baseline_used(baseline, how.baseline, False),
        noise_hu=noise[0],
        noise_ppm=noise[1],
        condition_number=apart.condition_number if apart else None,
        error_correlation=apart.error_correlation if apart else None,
        told_apart=apart.words if apart else many_words(system),
        density_g_per_ml=how.density_g_per_ml,
        regions=rows,
        assumptions=list(system.notes),
        warnings=[*warnings, *system.notes],
        provenance=provenance(
            "decompose",
            [input_file("calibration", calibration_file(calibration)), input_file("table", table)],
            {**asdict(how), **columns},
            started,
        ),
    )
    with output_folder(out) as folder:
        frame = pd.DataFrame([r.model_dump() for r in rows], columns=list(DecomposedRegion.model_fields))
        frame.to_csv(folder / "decomposition.csv", index=False, float_format="%.8g", lineterminator="\n")
        write_record(record, folder / "decomposition.json")
        (folder / "report.html").write_text(render(decomposition_report(record)), encoding="utf-8")
    return record


def _typical(errors: Sequence[float | None], otherwise: float) -> float:
    import numpy as np

    known = [e for e in errors if e is not None and e > 0]
    return float(np.median(known)) if known else float(otherwise)
