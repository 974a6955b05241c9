"""`decompose`: CT and map into maps of amounts, and lesions into masses."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import BaselineUsed, Decomposition
from phantomcal.steps.decomposition_common import (
    Choices,
    baseline_used,
    file_name,
    given_baseline,
    many_words,
    material_rows,
    title_of,
)
from phantomcal.steps.decomposition_scans import Scans, check_scans, read_both
from phantomcal.steps.saved import calibration_file, read_calibration

__all__ = ["Choices", "Scans", "decompose_volumes_step"]

if TYPE_CHECKING:
    from phantomcal.lesions.decompose import Baseline
    from phantomcal.lesions.system import System
    from phantomcal.steps.decomposition_volumes import Together
    from phantomcal.volumes import Volume


def decompose_volumes_step(
    calibration: Path,
    out: Path,
    scans: Scans,
    choices: Choices | None = None,
    *,
    read: "tuple[Volume, Volume] | None" = None,
    report: bool = True,
) -> Decomposition:
    """`phantomcal decompose --ct --qsm`: maps, decomposition.json and report.html into `out`.

    Parameters
    ----------
    calibration : pathlib.Path
        calibration.json or its folder.
    out : pathlib.Path
    scans : Scans
    choices : Choices, optional
    read : tuple of Volume, optional
        CT and map, where they have been read before.
    report : bool
        Whether report.html is written.

    Returns
    -------
    Decomposition
    """
    started = time.perf_counter()
    how = choices or Choices()
    check_scans(scans)
    if how.baseline == "fitted" and scans.lesions is None:
        raise InputError("nothing to fit a baseline around", "--baseline fitted", "give the lesions with --lesions")
    known = read_calibration(calibration)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(lambda: read if read is not None else read_both(scans))
        # What decomposes and draws loads while the volumes are read.
        from phantomcal.lesions.decompose import conditioning
        from phantomcal.lesions.maps import decompose_volume
        from phantomcal.lesions.mass import lesion_masses
        from phantomcal.lesions.naming import with_verdicts
        from phantomcal.steps.decomposition_volumes import bring_together, write_maps

        if report:
            from phantomcal.report import compose_decomposition  # noqa: F401

        system = how.system(known, calibration.name)
        given = given_baseline(how.baseline, system)
        seen = bring_together(scans, *reading.result())
        del reading  # it holds the whole CT
        noise = _noise(seen, how)
        baseline = _baseline(seen, how, system, given)
        lesions = []
        unsummed: list[InputError] = []
        voxelwise = baseline
        if seen.labels is not None:
            local = given is None and how.baseline in ("auto", "fitted")
            lesions = lesion_masses(
                seen.hu,
                seen.ppm,
                seen.labels,
                seen.spacing_mm,
                system,
                baseline=None if local else baseline,
                measured=seen.usable,
                sharpness=seen.sharpness,
                names=seen.names,
                density_g_per_ml=how.density_g_per_ml,
                left_out=unsummed,
            )
            if unsummed and not lesions:
                raise unsummed[0]
            seen.warnings += [f"no mass: {error.what}" for error in unsummed]
            lesions = [lesion.model_copy(update={"centre_mm": seen.world(lesion.centre_index)}) for lesion in lesions]
            if how.baseline != "medium":
                lesions = with_verdicts(lesions, known)
            if local:
                voxelwise = _with_local(baseline, seen, lesions)
        maps = decompose_volume(
            seen.hu,
            seen.ppm,
            seen.usable,
            hu_se=noise[0],
            ppm_se=noise[1],
            system=system,
            baseline=voxelwise,
        )
    n_measured = int(seen.usable.sum())
    two = len(system.components) == 2
    apart = conditioning(system, *noise) if two else None
    used = baseline_used(baseline, how.baseline, bool(lesions) and voxelwise is not baseline)
    with output_folder(out) as folder, ThreadPoolExecutor(1) as beside:
        files = beside.submit(write_maps, maps, seen.qsm.image, folder, scans.unconstrained)
        record = Decomposition(
            calibration=title_of(known, calibration.name),
            materials=material_rows(system, baseline, noise, maps.above, maps.negative),
            baseline=used,
            noise_hu=noise[0],
            noise_ppm=noise[1],
            condition_number=apart.condition_number if apart else None,
            error_correlation=apart.error_correlation if apart else None,
            told_apart=apart.words if apart else many_words(system),
            alignment=seen.alignment,
            n_voxels=n_measured,
            voxel_mm3=seen.voxel_mm3,
            density_g_per_ml=how.density_g_per_ml,
            lesions=lesions,
            assumptions=list(system.notes),
            warnings=[*seen.warnings, *_warnings(system, apart, maps.negative, used, seen, lesions)],
            provenance=provenance(
                "decompose",
                [input_file("calibration", calibration_file(calibration)), *seen.inputs],
                {
                    **asdict(how),
                    "transform": _kind(scans),
                    "qsm_unit": scans.qsm_unit,
                },
                started,
            ),
        )
        if report:
            _write_report(record, seen, maps, folder)
        written = files.result()
        record = record.model_copy(
            update={
                "materials": [
                    m.model_copy(update={"files": [f for f in written if f.startswith(f"{file_name(m.name)}_")]})
                    for m in record.materials
                ],
                "provenance": record.provenance,
            }
        )
        write_record(record, folder / "decomposition.json")
    return record


def _kind(scans: Scans) -> str:
    """How the CT was aligned, without naming a file."""
    if scans.register or scans.transform == "identity":
        return "register" if scans.register else "identity"
    return "headers" if scans.transform is None else "file"


def _baseline(seen: "Together", how: Choices, system: "System", given: "Baseline | None") -> "Baseline":
    from phantomcal.lesions.baseline import automatic_baseline, mirror_baseline, tissue_baseline

    if given is not None:
        return given
    clear = seen.usable if seen.labels is None else seen.usable & (seen.labels == 0)
    if how.baseline == "mirror":
        lesions = None if seen.labels is None else seen.labels != 0
        return mirror_baseline(seen.hu_image(), seen.qsm.image, seen.usable, lesions).baseline
    if how.baseline == "tissue":
        found, share = tissue_baseline(seen.hu, seen.ppm, clear)
        if share < 0.1:
            raise InputError("no soft tissue in the volumes", "--baseline tissue", "give HU,PPM or medium")
        return found
    return automatic_baseline(system, seen.hu, seen.ppm, clear)


def _with_local(baseline: "Baseline", seen: "Together", lesions: Sequence[Any]) -> "Baseline":
    """The baseline of the volume with each lesion's own tissue in and close around it."""
    import numpy as np

    from phantomcal.lesions.template import reach_mm
    from phantomcal.lesions.totals import extents_of, neighbourhood

    assert seen.labels is not None
    hu, ppm = (np.full(seen.hu.shape, v, np.float32) for v in (baseline.hu, baseline.ppm))
    extents = extents_of(seen.labels)
    for lesion in lesions:
        box, near = neighbourhood(
            seen.labels, lesion.label, extents[lesion.label], seen.spacing_mm, reach_mm(seen.spacing_mm)
        )
        hu[box][near], ppm[box][near] = lesion.baseline_hu, lesion.baseline_ppm
    return replace(baseline, hu=hu, ppm=ppm, from_medium=False)


def _noise(seen: "Together", how: Choices) -> tuple[float, float]:
    from phantomcal.lesions.baseline import voxel_noise

    found = []
    for given, values, window, name in (
        (how.hu_noise, seen.hu, (-50.0, 150.0), "--hu-noise"),
        (how.ppm_noise, seen.ppm, None, "--ppm-noise"),
    ):
        noise = given if given is not None else voxel_noise(values, seen.usable, window)
        if not noise > 0:
            # An image without noise is a drawn one; a step of its storage is what it can be trusted to.
            noise = 0.5 if name == "--hu-noise" else 1e-3
            seen.warnings.append(
                f"no noise was found in the {'CT' if name == '--hu-noise' else 'map'}: {noise:g} "
                f"{'HU' if name == '--hu-noise' else 'ppm'} is taken; give it with {name}"
            )
        found.append(float(noise))
    return found[0], found[1]


def _warnings(
    system: "System",
    apart: Any,
    negative: Sequence[float],
    used: BaselineUsed,
    seen: "Together",
    lesions: Sequence[Any],
) -> list[str]:
    told = list(system.notes)
    if apart is not None and abs(apart.error_correlation) >= 0.9:
        told.append(apart.words)
    if used.kind == "medium":
        told.append(
            "the baseline is the medium of the vials: in tissue, which reads about 35 HU by itself, every voxel then "
            "shows calcium; give --baseline HU,PPM"
        )
    for name, share in zip(system.names, negative, strict=False):
        if share > 0.1:
            told.append(
                f"{share:.0%} of the voxels have less than no {name}: fluid, fat, air or a baseline that does not fit"
            )
    for lesion in lesions:
        told += [f"{lesion.lesion_id}: {note}" for note in lesion.notes]
    return told


def _write_report(record: Decomposition, seen: "Together", maps: Any, folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from phantomcal.report.compose_decomposition import decomposition_report
    from phantomcal.report.decomposition_figures import Scene
    from phantomcal.report.decomposition_volumes import scene_viewer
    from phantomcal.report.page import render

    amounts = dict(zip(maps.names, maps.amounts, strict=True))
    scene = Scene(seen.hu, seen.ppm, seen.usable, seen.labels, amounts, seen.qsm.image)
    with ThreadPoolExecutor(1) as beside:
        viewer = beside.submit(scene_viewer, record, scene)
        report = decomposition_report(record, scene, viewer.result)
    (folder / "report.html").write_text(render(report), encoding="utf-8")
