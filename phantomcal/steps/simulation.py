"""`simulate`: scans with known truth."""

import os
from pathlib import Path
from typing import Any

from phantomcal.errors import InputError
from phantomcal.outputs import output_folder
from phantomcal.protocol import load_protocol


def simulate_phantom_step(protocol_name: str, seed: int, out: Path) -> None:
    """`phantomcal simulate phantom`."""
    from phantomcal.simulate.phantom import simulate_phantom
    from phantomcal.simulate.write import write_phantom

    protocol = load_protocol(protocol_name)
    with output_folder(out) as folder:
        write_phantom(simulate_phantom(protocol, seed), folder)


def simulate_head_step(seed: int, out: Path, ct_slice_mm: float) -> None:
    """`phantomcal simulate head`."""
    from phantomcal.simulate.head import HeadOptions, simulate_head
    from phantomcal.simulate.write import write_head

    _require_slice(ct_slice_mm)
    with output_folder(out) as folder:
        write_head(simulate_head(seed, options=HeadOptions(ct_spacing_mm=(0.5, 0.5, ct_slice_mm))), folder)


def simulate_lesions_step(
    out: Path,
    seed: int,
    number: int,
    *,
    kind: str,
    diameter_mm: tuple[float, float],
    misregistration_mm: tuple[float, float],
    ct_slice_mm: float,
    inversion: bool,
) -> None:
    """`phantomcal simulate lesions`: volumes of each lesion, their table, a calibration and the truth."""
    from phantomcal.simulate.lesions import EVEN, LesionOptions, simulate_lesions
    from phantomcal.simulate.lesions_write import write_lesions

    if number < 1:
        raise InputError(f"{number} lesions cannot be simulated", "-n", "ask for 1 or more")
    _require_slice(ct_slice_mm)
    options = LesionOptions(ct_spacing_mm=(0.45, 0.45, ct_slice_mm), inversion=inversion)
    shares = EVEN if kind == "either" else {kind: 1.0}
    with output_folder(out) as folder:
        lesions = simulate_lesions(
            seed,
            number,
            kind=shares,
            diameter_mm=diameter_mm,
            misregistration_mm=misregistration_mm,
            options=options,
        )
        write_lesions(lesions, folder, seed, options)


def _require_slice(ct_slice_mm: float) -> None:
    if not 0.5 <= ct_slice_mm <= 10:
        raise InputError(f"CT slices of {ct_slice_mm:g} mm cannot be simulated", "", "choose 0.5 to 10 mm")


def simulate_study_step(out: Path, seed: int, subjects: int, jobs: int, progress: Any = None) -> None:
    """`phantomcal simulate study`: the truth is written beside the study folder."""
    from phantomcal.simulate.study import simulate_study

    if subjects < 3:
        raise InputError(f"{subjects} subjects give no correlation", "", "simulate at least 3")
    total = subjects + 1
    simulate_study(
        out,
        seed,
        n_subjects=subjects,
        jobs=jobs or os.cpu_count() or 1,
        progress=(lambda _, share: progress("simulate", round(share * total), total)) if progress else None,
    )
