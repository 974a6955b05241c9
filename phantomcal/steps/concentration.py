"""`concentration`: from HU and ppm back to amounts."""

import time
from pathlib import Path

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Concentrations


def concentration_step(
    calibration: Path,
    out: Path | None,
    *,
    table: Path | None = None,
    hu: float | None = None,
    ppm: float | None = None,
    hu_se: float | None = None,
    ppm_se: float | None = None,
    material: str | None = None,
    ct_column: str | None = None,
    qsm_column: str | None = None,
    ct_sd_column: str | None = None,
    qsm_sd_column: str | None = None,
    count_column: str | None = None,
    id_column: str | None = None,
) -> Concentrations:
    """`phantomcal concentration`: writes concentrations.csv, concentrations.json and report.html into `out`.

    Either a table or a single reading; a single reading needs no `out`.
    """
    from phantomcal.phantom.reading.concentration import Sample, read_samples, samples_of
    from phantomcal.steps.saved import calibration_file, read_calibration
    from phantomcal.tables import read_table

    started = time.perf_counter()
    single = hu is not None or ppm is not None
    if single == (table is not None):
        raise InputError(
            "nothing to read" if not single else "both a table and a single reading",
            "",
            "give a table, or --hu and --ppm",
        )
    if table is not None and out is None:
        raise InputError("no output folder", "", "name one with -o")
    for name, value in (("--hu-se", hu_se), ("--ppm-se", ppm_se)):
        if value is not None and not value >= 0:
            raise InputError(f"{value:g} is no standard error", name, "give a number from 0")
    known = read_calibration(calibration)
    warnings: list[str] = []
    inputs = [input_file("calibration", calibration_file(calibration))]
    parameters: dict[str, object] = {"material": material}
    if table is not None:
        columns = {
            "ct_column": ct_column,
            "qsm_column": qsm_column,
            "ct_sd_column": ct_sd_column,
            "qsm_sd_column": qsm_sd_column,
            "count_column": count_column,
            "id_column": id_column,
        }
        samples, warnings = samples_of(read_table(table), **columns, where=table.name)
        inputs.append(input_file("table", table))
        parameters |= columns
    else:
        samples = [Sample("reading", hu, ppm, hu_se, ppm_se)]
        parameters |= {"hu": hu, "ppm": ppm, "hu_se": hu_se, "ppm_se": ppm_se}
    record = read_samples(samples, known, material=material, where=calibration.name)
    record = record.model_copy(
        update={
            "warnings": [*warnings, *record.warnings],
            "provenance": provenance("concentration", inputs, parameters, started),
        }
    )
    if out is not None:
        _write(record, known, out)
    return record


def _write(record: Concentrations, calibration: object, out: Path) -> None:
    from phantomcal.phantom.reading.concentration import concentration_frame
    from phantomcal.report.compose_concentration import concentration_report
    from phantomcal.report.page import render
    from phantomcal.results import Calibration

    assert isinstance(calibration, Calibration)
    with output_folder(out) as folder:
        concentration_frame(record).to_csv(
            folder / "concentrations.csv", index=False, float_format="%.8g", lineterminator="\n"
        )
        write_record(record, folder / "concentrations.json")
        (folder / "report.html").write_text(render(concentration_report(record, calibration)), encoding="utf-8")
