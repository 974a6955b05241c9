"""`calibrate` and `fit`: from scans or a table of vials to lines."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.outputs import hash_files, output_folder, provenance, write_record
from phantomcal.protocol import load_protocol
from phantomcal.results import Calibration, InputFile, VialMeasurement
from phantomcal.shipped import shipped_folder

if TYPE_CHECKING:
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
