"""`plaque`: from a table of plaque sections to statistics, curves and a report."""

import time
from collections.abc import Sequence
from pathlib import Path

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Plaque

FEWEST_DRAWS = 100


def plaque_step(
    table: Path,
    out: Path,
    *,
    component: str | None = None,
    subject: str | None = None,
    qsm_column: str | None = None,
    ct_column: str | None = None,
    grades: Sequence[str] = (),
    adjust: str = "holm",
    n_bootstrap: int | None = None,
) -> Plaque:
    """`phantomcal plaque`: writes plaque.csv, plaque.json and report.html into `out`."""
    from phantomcal.accuracy.cutoff import N_BOOTSTRAP
    from phantomcal.lesions.plaque.analyse import plaque, plaque_frame
    from phantomcal.lesions.plaque.rows import COMPONENT, sections_of
    from phantomcal.report.compose_plaque import plaque_report
    from phantomcal.report.page import render
    from phantomcal.tables import read_table

    started = time.perf_counter()
    draws = N_BOOTSTRAP if n_bootstrap is None else n_bootstrap
    if draws < FEWEST_DRAWS:
        raise InputError(f"{draws} bootstrap draws", "--bootstrap", f"draw {FEWEST_DRAWS} or more")
    frame = read_table(table)
    columns = {
        "component": COMPONENT if component is None else component,
        "patient": subject,
        "qsm": qsm_column,
        "ct": ct_column,
        "grades": list(grades),
    }
    record = plaque(frame, **columns, adjust=adjust, n_bootstrap=draws, where=table.name)  # type: ignore[arg-type]
    parameters = {**columns, "patient": record.patient_column, "adjust": adjust, "n_bootstrap": draws}
    made = provenance("plaque", [input_file("table", table)], parameters, started)
    record = record.model_copy(update={"provenance": made})
    sections = sections_of(frame, **columns, where=table.name)  # type: ignore[arg-type]
    with output_folder(out) as folder:
        plaque_frame(record).to_csv(folder / "plaque.csv", index=False, float_format="%.8g", lineterminator="\n")
        write_record(record, folder / "plaque.json")
        (folder / "report.html").write_text(render(plaque_report(record, sections)), encoding="utf-8")
    return record
