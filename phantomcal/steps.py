"""What each command does with files: read the inputs, call the science, write the outputs whole or not at all."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import hash_files, input_file, output_file, output_folder, provenance, write_record
from phantomcal.protocol import load_protocol
from phantomcal.results import Alignment, Calibration, Correlation, InputFile, VialMeasurement
from phantomcal.shipped import shipped_folder

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

    from phantomcal.phantom.calibration import Calibrated
    from phantomcal.report.page import Figure

VIAL_COLUMNS = (
    "vial_id",
    "material",
    "concentration_mmol_per_l",
    "modality",
    "value",
    "unit",
    "sd",
    "sem",
    "n_voxels",
    "x_mm",
    "y_mm",
    "z_mm",
    "used",
    "flag",
    "series",
    "abscissa",
    "abscissa_unit",
    "n_effective",
)


def calibrate_step(
    protocol_name: str,
    out: Path,
    *,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    session: str = "",
    axis: int | None = None,
    mirrored: bool | None = None,
    rotation_deg: float | None = None,
) -> Calibration:
    """`phantomcal calibrate`: writes vials.csv, calibration.json and report.html into `out`."""
    started = time.perf_counter()
    calibrated = run_calibration(
        protocol_name,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        session=session,
        axis=axis,
        mirrored=mirrored,
        rotation_deg=rotation_deg,
        started=started,
    )
    with output_folder(out) as folder:
        write_calibration(calibrated, protocol_name, folder)
    return calibrated.record


def run_calibration(
    protocol_name: str,
    *,
    ct: str | Path | None = None,
    qsm: str | Path | None = None,
    qsm_unit: str | None = None,
    session: str = "",
    axis: int | None = None,
    mirrored: bool | None = None,
    rotation_deg: float | None = None,
    started: float,
) -> "Calibrated":
    """Read the volumes of a phantom and calibrate; nothing is written."""
    from phantomcal.phantom.calibration import calibrate
    from phantomcal.volumes import read_ct, read_qsm

    if ct is None and qsm is None:
        raise InputError("nothing to calibrate", "", "give --ct, --qsm or both")
    if axis is not None and axis not in (0, 1, 2):
        raise InputError(f"--axis {axis} is no image axis", "", "use 0, 1 or 2")
    protocol = load_protocol(protocol_name)
    volumes = [read_ct(ct)] if ct is not None else []
    if qsm is not None:
        volumes.append(read_qsm(qsm, qsm_unit))
    parameters = {
        "protocol": protocol.name,
        "session": session,
        "qsm_unit": qsm_unit,
        "axis": axis,
        "mirrored": mirrored,
        "rotation_deg": rotation_deg,
    }
    inputs = [_protocol_input(protocol_name)] + [v.source for v in volumes]
    calibrated = calibrate(
        protocol,
        volumes,
        provenance("calibrate", inputs, parameters, started),
        session=session,
        axis=axis,
        mirrored=mirrored,
        rotation_deg=rotation_deg,
    )
    # Taken again at the end, so that the duration covers the work.
    record = calibrated.record.model_copy(update={"provenance": provenance("calibrate", inputs, parameters, started)})
    return replace(calibrated, record=record)


def _protocol_input(name: str) -> InputFile:
    path = Path(name) if Path(name).is_file() else shipped_folder("protocols") / f"{name}.yaml"
    return InputFile(role="protocol", name=path.name, sha256=hash_files([path]))


def write_calibration(calibrated: "Calibrated", protocol_name: str, folder: Path) -> "list[Figure]":
    """vials.csv, calibration.json and report.html of one calibration; returns the pictures of the phantom."""
    from phantomcal.report.compose_calibration import calibration_report
    from phantomcal.report.page import render
    from phantomcal.report.pictures import phantom_pictures

    write_vials(calibrated.record.vials, folder / "vials.csv")
    write_record(calibrated.record, folder / "calibration.json")
    overlays = phantom_pictures(calibrated, load_protocol(protocol_name))
    (folder / "report.html").write_text(render(calibration_report(calibrated.record, overlays)), encoding="utf-8")
    return overlays


def write_vials(vials: Sequence[VialMeasurement], path: Path) -> None:
    """The vial table of the contract, its columns first and in order."""
    import pandas as pd

    frame = pd.DataFrame([v.model_dump() for v in vials], columns=list(VIAL_COLUMNS))
    frame.to_csv(path, index=False, float_format="%.8g", lineterminator="\n")


def fit_step(
    table: Path, out: Path, *, x: str, y: str, by: str | None = None, sd: str | None = None, x_sd: str | None = None
) -> Calibration:
    """`phantomcal fit`: writes vials.csv, calibration.json and report.html into `out`."""
    from phantomcal.phantom.table import fit_table
    from phantomcal.report.compose_calibration import calibration_report
    from phantomcal.report.page import render
    from phantomcal.tables import read_table, require_columns

    started = time.perf_counter()
    frame = read_table(table)
    missing_default = []
    if by is None:
        columns = [c for c in ("material", "modality") if c in frame.columns]
        missing_default = [c for c in ("material", "modality") if c not in frame.columns]
    else:
        columns = [] if by.strip().lower() in ("", "none") else [c.strip() for c in by.split(",")]
    options = {x: "--x", y: "--y"} | dict.fromkeys(columns, "--by")
    options |= {c: o for c, o in ((sd, "--sd"), (x_sd, "--x-sd")) if c}
    require_columns(frame, list(options), table.name, options)
    parameters = {"x": x, "y": y, "by": columns, "sd": sd, "x_sd": x_sd}
    record = fit_table(
        frame,
        provenance("fit", [input_file("table", table)], parameters, started),
        x=x,
        y=y,
        by=columns,
        sd=sd,
        x_sd=x_sd,
        where=table.name,
    )
    if missing_default and not columns:
        record = record.model_copy(
            update={
                "warnings": [f"no column {' or '.join(missing_default)}: all rows taken as one line", *record.warnings]
            }
        )
    with output_folder(out) as folder:
        write_vials(record.vials, folder / "vials.csv")
        write_record(record, folder / "calibration.json")
        (folder / "report.html").write_text(render(calibration_report(record)), encoding="utf-8")
    return record


def register_step(ct: str, mr: str, out: Path, *, kind: str = "auto", init: str = "auto") -> Alignment:
    """`phantomcal register`: writes the transform, the aligned CT, registration.json and report.html into `out`."""
    import SimpleITK as sitk

    from phantomcal.registration.rigid import register, resample_ct
    from phantomcal.report.compose_alignment import alignment_report
    from phantomcal.report.page import render
    from phantomcal.report.pictures import aligned_picture
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    started = time.perf_counter()
    if kind not in ("auto", "magnitude", "qsm"):
        raise InputError(f"unknown --mr-kind {kind!r}", "", "use magnitude, qsm or auto")
    if kind == "auto":
        kind = "qsm" if "chimap" in Path(mr).name.lower() or "qsm" in Path(mr).name.lower() else "magnitude"
    moving = read_ct(ct)
    fixed = read_qsm(mr) if kind == "qsm" else read_magnitude(mr)
    if init not in ("auto", "centre"):
        raise InputError(f"unknown --init {init!r}", "", "use auto or centre")
    found = register(
        moving.image,
        fixed.image,
        fixed_kind="qsm" if kind == "qsm" else "magnitude",
        init="centre" if init == "centre" else "auto",
    )
    aligned = resample_ct(moving.image, fixed.image, found.transform)
    parameters = {"kind": kind, "init": init, "interpolation": "linear", "outside_hu": -1024}
    record = found.alignment.model_copy(
        update={
            "warnings": [*moving.notes, *fixed.notes, *found.alignment.warnings],
            "provenance": provenance("register", [moving.source, fixed.source], parameters, started),
        }
    )
    picture = aligned_picture(fixed.image, moving.image, found.transform)
    with output_folder(out) as folder:
        sitk.WriteTransform(found.transform, str(folder / "ct_to_mr.tfm"))
        sitk.WriteImage(sitk.Cast(sitk.Round(aligned), sitk.sitkInt16), str(folder / "ct_in_mr.nii.gz"), True)
        write_record(record, folder / "registration.json")
        (folder / "report.html").write_text(render(alignment_report(record, [picture])), encoding="utf-8")
    return record


def read_transform(path: Path) -> "sitk.Transform":
    """An ITK transform file that maps MR points to CT points."""
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError("no such transform file", path.name, "give the ct_to_mr.tfm of `phantomcal register`")
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError("not an ITK transform file", path.name, "give a .tfm file as ITK writes it") from error


def sample_step(
    labels: str,
    out: Path,
    *,
    lookup: Path | None = None,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    transform: Path | None = None,
    subject: str = "",
    session: str = "",
    erode: int = 0,
) -> "pd.DataFrame":
    """`phantomcal sample`: writes the region table `out`."""
    from phantomcal.correlation.regions import read_lookup, sample_regions
    from phantomcal.volumes import read_ct, read_labels, read_qsm

    if ct is None and qsm is None:
        raise InputError("nothing to sample", "", "give --ct, --qsm or both")
    table_writer(out)
    regions = read_labels(labels)
    table = lookup or _lookup_beside(labels)
    names = read_lookup(table) if table else None
    moving = read_ct(ct) if ct is not None else None
    susceptibility = read_qsm(qsm, qsm_unit) if qsm is not None else None
    frame = sample_regions(
        regions.image,
        names,
        ct=moving.image if moving else None,
        qsm=susceptibility.image if susceptibility else None,
        transform=read_transform(transform) if transform else None,
        erode_voxels=erode,
        subject_id=subject,
        session=session,
    )
    notes = [n for v in (regions, moving, susceptibility) if v is not None for n in v.notes]
    frame.attrs["warnings"] = [*notes, *frame.attrs.get("warnings", [])]
    with output_file(out) as path:
        table_writer(out)(frame, path)
    return frame


def _lookup_beside(labels: str) -> Path | None:
    """dseg.tsv beside the label map, or the TSV of the same name."""
    path = Path(labels)
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return next((p for p in (path.with_name(f"{stem}.tsv"), path.with_name("dseg.tsv")) if p.is_file()), None)


def table_writer(path: Path) -> Any:
    """Writer for a table's suffix; refuses a suffix it does not know before any work is done."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return lambda frame, target: frame.to_parquet(target, index=False)
    if suffix in (".csv", ".tsv"):
        separator = "," if suffix == ".csv" else "\t"
        return lambda frame, target: frame.to_csv(
            target, index=False, sep=separator, float_format="%.8g", lineterminator="\n"
        )
    raise InputError(f"unknown table type {path.suffix!r}", path.name, "name the output .csv, .tsv or .parquet")


def correlate_step(
    table: Path,
    out: Path,
    *,
    x: str = "ct_hu",
    y: str = "qsm_ppm",
    by: str | None = None,
    subject: str | None = None,
    covariates: Sequence[str] = (),
    adjust: str = "holm",
) -> Correlation:
    """`phantomcal correlate`: writes correlation.csv, correlation.json and report.html into `out`."""
    from phantomcal.correlation.correlate import DEFAULT_BY, DEFAULT_SUBJECT, correlate
    from phantomcal.tables import read_table

    started = time.perf_counter()
    frame = read_table(table)
    keys = {
        name: _column(given, default)
        for name, given, default in (("by", by, DEFAULT_BY), ("subject", subject, DEFAULT_SUBJECT))
    }
    record = correlate(
        frame, x=x, y=y, by=keys["by"], subject=keys["subject"], covariates=covariates, adjust=adjust, where=table.name
    )
    parameters = {"x": x, "y": y, **keys, "covariates": list(covariates), "adjust": adjust}
    record = record.model_copy(
        update={"provenance": provenance("correlate", [input_file("table", table)], parameters, started)}
    )
    with output_folder(out) as folder:
        write_correlation(record, frame, folder)
    return record


def _column(given: str | None, default: str) -> str | None:
    if given is None:
        return default
    return None if given.strip().lower() in ("", "none") else given


def write_correlation(record: Correlation, frame: "pd.DataFrame", folder: Path) -> None:
    """correlation.csv, correlation.json and report.html of one correlation."""
    from phantomcal.correlation.correlate import correlation_frame
    from phantomcal.report.compose_correlation import correlation_report
    from phantomcal.report.page import render

    correlation_frame(record).to_csv(folder / "correlation.csv", index=False, float_format="%.10g", lineterminator="\n")
    write_record(record, folder / "correlation.json")
    (folder / "report.html").write_text(render(correlation_report(record, frame)), encoding="utf-8")


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

    if not 0.5 <= ct_slice_mm <= 10:
        raise InputError(f"CT slices of {ct_slice_mm:g} mm cannot be simulated", "", "choose 0.5 to 10 mm")
    with output_folder(out) as folder:
        write_head(simulate_head(seed, options=HeadOptions(ct_spacing_mm=(0.5, 0.5, ct_slice_mm))), folder)


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
