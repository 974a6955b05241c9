"""What ``import phantomcal as pc`` offers: the commands as functions of paths, frames and records.

All but `run` write nothing and return records, which have ``.frame()`` for pandas and show themselves in notebooks.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from phantomcal.errors import InputError, PhantomcalError
from phantomcal.results import (
    Calibration,
    Classification,
    Concentrations,
    Correlation,
    InputFile,
    Provenance,
    RegionComparison,
    StudyRun,
)
from phantomcal.tables import read_table

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.registration.rigid import Registration
    from phantomcal.results.tracking import Tracking
    from phantomcal.results.trials import PowerTable

__all__ = [
    "InputError",
    "PhantomcalError",
    "calibrate",
    "classify",
    "compare",
    "concentration",
    "correlate",
    "fit",
    "load_calibration",
    "power",
    "read_table",
    "register",
    "run",
    "sample",
    "track",
]

Table = pd.DataFrame | str | Path


def calibrate(
    protocol: str,
    *,
    ct: str | Path | None = None,
    qsm: str | Path | None = None,
    magnitude: str | Path | None = None,
    qsm_unit: str | None = None,
    session: str = "",
) -> Calibration:
    """Find, measure and fit the vials of a phantom, as `phantomcal calibrate`.

    Parameters
    ----------
    protocol : str
        Built-in name or YAML file.
    ct, qsm, magnitude : path, optional
        File, DICOM folder, or ``DIR::SERIES_UID``.
    qsm_unit : {"ppm", "ppb"}, optional
    session : str

    Returns
    -------
    Calibration
        ``.frame()`` has a row per line, ``.frame("vials")`` a row per vial.

    Raises
    ------
    InputError
        Says what is wrong, where, and what to do.
    """
    from phantomcal.steps.calibration import run_calibration

    found = run_calibration(
        protocol,
        ct=_text(ct),
        qsm=_text(qsm),
        magnitude=_text(magnitude),
        qsm_unit=qsm_unit,
        session=session,
        started=time.perf_counter(),
    )
    return found.record


def fit(table: Table, **options: Any) -> Calibration:
    """Lines from vials measured elsewhere, as `phantomcal fit`.

    Parameters
    ----------
    table : pandas.DataFrame or path
    **options
        ``x, y, by, sd, x_sd, method`` of `phantomcal.phantom.fitting.table.fit_table`.

    Returns
    -------
    Calibration
    """
    from phantomcal.phantom.fitting.table import fit_table

    frame, where = _frame(table)
    return fit_table(frame, _provenance("fit", table, options), where=where, **options)


def load_calibration(path: str | Path) -> Calibration:
    """A stored calibration: a calibration.json, or the folder that holds it."""
    from phantomcal.steps.saved import read_calibration

    return read_calibration(path)


def concentration(
    calibration: Calibration,
    *,
    hu: float | None = None,
    ppm: float | None = None,
    hu_se: float | None = None,
    ppm_se: float | None = None,
    material: str | None = None,
) -> Concentrations:
    """What a reading of HU, ppm or both amounts to, as `phantomcal concentration`."""
    from phantomcal.phantom.reading.concentration import Sample, read_samples

    if hu is None and ppm is None:
        raise InputError("nothing to read", "the call", "give hu, ppm or both")
    return read_samples([Sample("reading", hu, ppm, hu_se, ppm_se)], calibration, material=material)


def register(ct: str | Path, mr: str | Path, *, kind: str = "magnitude", qsm_unit: str | None = None) -> "Registration":
    """Align a CT to the MR space of a QSM map, as `phantomcal register`.

    Parameters
    ----------
    ct, mr : path
        CT in HU; gradient-echo magnitude or QSM map.
    kind : {"magnitude", "qsm"}
        What `mr` is.
    qsm_unit : {"ppm", "ppb"}, optional

    Returns
    -------
    Registration
        ``.transform`` (MR points to CT points) and ``.alignment`` (the verdict with its evidence).
    """
    from phantomcal.registration.align import align
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    if kind == "qsm":
        return align(read_ct(ct).image, read_qsm(mr, qsm_unit).image, fixed_kind="qsm")
    if kind != "magnitude":
        raise InputError(f"unknown kind {kind!r}", "the call", "magnitude or qsm")
    return align(read_ct(ct).image, read_magnitude(mr).image, fixed_kind="magnitude")


def sample(
    labels: str | Path,
    *,
    ct: str | Path | None = None,
    qsm: str | Path | None = None,
    transform: "sitk.Transform | None" = None,
    lookup: str | Path | None = None,
    qsm_unit: str | None = None,
    subject_id: str = "",
    session: str = "",
) -> pd.DataFrame:
    """Region statistics of both modalities, as `phantomcal sample`; a row per region."""
    from phantomcal.correlation.regions import lookup_of, read_lookup, sample_regions
    from phantomcal.volumes import on_lattice_of, read_ct, read_labels, read_qsm

    regions = read_labels(labels)
    susceptibility = read_qsm(qsm, qsm_unit) if qsm is not None else None
    return sample_regions(
        on_lattice_of(regions.image, susceptibility.image) if susceptibility and regions.names else regions.image,
        read_lookup(lookup) if lookup is not None else lookup_of(regions.names),
        ct=read_ct(ct).image if ct is not None else None,
        qsm=susceptibility.image if susceptibility else None,
        transform=transform,
        subject_id=subject_id,
        session=session,
    )


def correlate(table: Table, **options: Any) -> Correlation:
    """CT-QSM correlation per region, as `phantomcal correlate`; options as those of its command."""
    from phantomcal.correlation.correlate import correlate as correlated

    frame, where = _frame(table)
    return correlated(frame, where=where, **options)


def compare(table: Table, **options: Any) -> RegionComparison:
    """Regions, groups, ages and readers against each other, as `phantomcal compare`."""
    from phantomcal.correlation.compare import compare as compared

    frame, where = _frame(table)
    return compared(frame, where=where, **options)


def classify(table: Table, calibration: Calibration | None = None, **options: Any) -> Classification:
    """Haemorrhage or calcification, as `phantomcal classify`; options of `classify_lesions`."""
    from phantomcal.lesions.classify import classify_lesions

    frame, where = _frame(table)
    return classify_lesions(frame, calibration=calibration, where=where, **options)


def track(
    table: Table,
    *,
    threshold_percent: float = 6.0,
    repeatability_ppm: float | None = None,
    columns: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
) -> "Tracking":
    """Lesions over visits, as `phantomcal track`.

    Parameters
    ----------
    table : pandas.DataFrame or path
        A row per lesion and visit.
    threshold_percent : float
        A rise of this or more is an event.
    repeatability_ppm : float, optional
        Repeatability coefficient of the scanner.
    columns : mapping of str to str, optional
        Documented column name -> name in the table.
    groups : sequence of str
        Columns by which patients are compared.

    Returns
    -------
    Tracking
    """
    from phantomcal.followup.track import Repeat
    from phantomcal.followup.track import track as tracked
    from phantomcal.followup.visits import read_visits

    frame, where = _frame(table)
    visits = read_visits(frame, where, columns=columns, group_columns=tuple(groups))
    repeat = None if repeatability_ppm is None else Repeat(repeatability_ppm)
    return tracked(visits, threshold_percent=threshold_percent, repeatability=repeat)[0]


def power(outcome: str, **options: Any) -> "PowerTable":
    """Size of a trial with repeated lesion measurements, as `phantomcal power`.

    Parameters
    ----------
    outcome : {"mean", "proportion", "rate"}
    **options
        Of `phantomcal.steps.trials.power_step`: ``baselines, effects, differences, sd, visits, correlation, power,
        alpha, tails, dropout, sizes, simulate``; shares as numbers or text.

    Returns
    -------
    PowerTable
    """
    from phantomcal.steps.trials import power_step

    as_text: dict[str, Any] = {k: str(options[k]) for k in ("power", "alpha", "dropout") if k in options}
    as_text["effects"] = [str(effect) for effect in options.get("effects", ())]
    return power_step(outcome, None, **{**options, **as_text})


def run(study: str | Path, out: str | Path, **options: Any) -> StudyRun:
    """A whole study, as `phantomcal run`; unlike the other functions it writes, into `out`."""
    from phantomcal.pipeline import run_study

    return run_study(Path(study), Path(out), **options)


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _frame(table: Table) -> tuple[pd.DataFrame, str]:
    """The table, and what it is called in messages."""
    if isinstance(table, pd.DataFrame):
        return table, "the table"
    return read_table(table), Path(table).name


def _provenance(command: str, table: Table, parameters: Mapping[str, Any]) -> Provenance:
    from phantomcal.outputs import input_file, provenance

    inputs: list[InputFile] = [] if isinstance(table, pd.DataFrame) else [input_file("table", table)]
    return provenance(command, inputs, dict(parameters), time.perf_counter())
