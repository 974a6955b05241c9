"""`fit`: from a table of vials measured elsewhere to lines."""

import time
from pathlib import Path
from typing import Any, cast

from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Calibration
from phantomcal.steps.calibration import write_vials


def fit_step(
    table: Path,
    out: Path,
    *,
    x: str,
    y: str,
    by: str | None = None,
    sd: str | None = None,
    x_sd: str | None = None,
    method: str = "auto",
) -> Calibration:
    """`phantomcal fit`: writes vials.csv, calibration.json and report.html into `out`."""
    from phantomcal.phantom.fitting.table import fit_table
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
    parameters = {"x": x, "y": y, "by": columns, "sd": sd, "x_sd": x_sd, "method": method}
    record = fit_table(
        frame,
        provenance("fit", [input_file("table", table)], parameters, started),
        x=x,
        y=y,
        by=columns,
        sd=sd,
        x_sd=x_sd,
        method=cast(Any, method),
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
