"""`calibrate` and `protocols draft`: from scans of a phantom to lines, or to a protocol."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    from phantomcal.phantom.finding.overrides import Overrides
    from phantomcal.report.page import Figure
    from phantomcal.volumes import Volume
    from phantomcal.volumes.quirks import Strictness

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
    "abscissa_sd",
    "n_edge_voxels",
    "n_bubble_voxels",
    "background",
    "position_effect",
    "edge_effect",
)


def calibrate_step(
    protocol_name: str,
    out: Path,
    *,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    magnitude: str | None = None,
    session: str = "",
    overrides: "Overrides | None" = None,
    strictness: "Strictness" = "warn",
) -> Calibration:
    """`phantomcal calibrate`: writes vials.csv, calibration.json and report.html into `out`."""
    started = time.perf_counter()
    calibrated = run_calibration(
        protocol_name,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        magnitude=magnitude,
        session=session,
        overrides=overrides,
        strictness=strictness,
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
    magnitude: str | Path | None = None,
    session: str = "",
    overrides: "Overrides | None" = None,
    strictness: "Strictness" = "warn",
    started: float,
) -> "Calibrated":
    """Read the volumes of a phantom and calibrate; nothing is written."""
    from phantomcal.phantom.calibration import calibrate
    from phantomcal.phantom.finding.overrides import Overrides
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    if ct is None and qsm is None and magnitude is None:
        raise InputError("nothing to calibrate", "", "give --ct, --qsm or both")
    protocol = load_protocol(protocol_name)
    readers: list[Callable[[], Volume]] = []
    if ct is not None:
        readers.append(lambda: read_ct(ct, strictness=strictness))
    if qsm is not None:
        readers.append(lambda: read_qsm(qsm, qsm_unit, strictness=strictness))
    if magnitude is not None:
        readers.append(lambda: read_magnitude(magnitude, strictness=strictness))
    with ThreadPoolExecutor(len(readers)) as pool:
        volumes = list(pool.map(lambda read: read(), readers))
    said = overrides or Overrides()
    parameters = {"protocol": protocol.name, "session": session, "qsm_unit": qsm_unit, **said.parameters()}
    inputs = [_protocol_input(protocol_name)] + [v.source for v in volumes]
    calibrated = calibrate(
        protocol, volumes, provenance("calibrate", inputs, parameters, started), session=session, overrides=said
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
    from phantomcal.report.viewers import phantom_viewers

    write_vials(calibrated.record.vials, folder / "vials.csv")
    write_record(calibrated.record, folder / "calibration.json")
    protocol = load_protocol(protocol_name)
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Volumes are packed outside the interpreter's lock, while the figures are drawn.
        viewers = beside.submit(phantom_viewers, calibrated, bool(protocol.single_line))
        overlays = phantom_pictures(calibrated, protocol)
        report = calibration_report(calibrated.record, overlays, volumes=viewers.result)
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    return overlays


def write_vials(vials: Sequence[VialMeasurement], path: Path) -> None:
    """The vial table of the contract, its columns first and in order."""
    import pandas as pd

    frame = pd.DataFrame([v.model_dump() for v in vials], columns=list(VIAL_COLUMNS))
    frame.to_csv(path, index=False, float_format="%.8g", lineterminator="\n")
