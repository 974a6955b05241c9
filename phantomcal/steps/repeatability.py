"""`repeatability`: how far repeated calibrations of one phantom agree."""

import time
from pathlib import Path

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Repeatability
from phantomcal.steps.saved import calibration_file, read_calibration, run_names

_COLUMNS = (
    "level", "name", "modality", "unit", "n_runs", "mean", "wsd", "wsd_ci95_low", "wsd_ci95_high", "rc", "rc_ci95_low",
    "rc_ci95_high", "wcv_percent", "wcv_ci95_low", "wcv_ci95_high", "degrees_of_freedom", "pooled", "note",
)  # fmt: skip


def repeatability_step(runs: list[Path], out: Path) -> Repeatability:
    """`phantomcal repeatability`: writes repeatability.csv, repeatability.json and report.html into `out`."""
    from phantomcal.phantom.repeating.stability import repeatability
    from phantomcal.report.compose_repeatability import repeatability_report
    from phantomcal.report.page import render

    started = time.perf_counter()
    if len(runs) < 2:
        raise InputError("repeatability needs at least two runs", "", "give two calibrations or more")
    records = [read_calibration(path) for path in runs]
    found = repeatability(records, run_names(runs))
    inputs = [input_file("calibration", calibration_file(path)) for path in runs]
    found = found.model_copy(update={"provenance": provenance("repeatability", inputs, {"runs": found.runs}, started)})
    with output_folder(out) as folder:
        _write_rows(found, folder / "repeatability.csv")
        write_record(found, folder / "repeatability.json")
        (folder / "report.html").write_text(render(repeatability_report(found)), encoding="utf-8")
    return found


def _write_rows(found: Repeatability, path: Path) -> None:
    import pandas as pd

    rows = []
    for row in found.rows:
        fields = row.model_dump()
        for name in ("wsd_ci95", "rc_ci95", "wcv_ci95"):
            fields[f"{name}_low"], fields[f"{name}_high"] = fields[name] or (None, None)
        for run, value in zip(found.runs, row.measured, strict=True):
            fields[f"value {run}"] = value
        rows.append(fields)
    for group in found.agreement:
        fields = group.within.model_dump() | {"level": "all vials", "name": "", "modality": group.modality}
        for name in ("wsd_ci95", "rc_ci95", "wcv_ci95"):
            fields[f"{name}_low"], fields[f"{name}_high"] = fields[name] or (None, None)
        rows.append(fields | {"unit": group.unit, "pooled": True, "note": "; ".join(group.notes)})
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, *(f"value {run}" for run in found.runs)])
    frame.to_csv(path, index=False, float_format="%.8g", lineterminator="\n")
