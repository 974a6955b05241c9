"""The command `concentration`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def concentration(
    calibration: Annotated[Path, typer.Option("--calibration", help="calibration.json of `calibrate` or `fit`.")],
    table: Annotated[Path | None, typer.Argument(help="CSV, TSV or Parquet: a row per sample.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Output folder; needed for a table, not for one reading.")
    ] = None,
    hu: Annotated[float | None, typer.Option("--hu", help="A single CT reading.")] = None,
    ppm: Annotated[float | None, typer.Option("--ppm", help="A single susceptibility reading.")] = None,
    hu_se: Annotated[float | None, typer.Option("--hu-se", help="Standard error of --hu from its noise.")] = None,
    ppm_se: Annotated[float | None, typer.Option("--ppm-se", help="Standard error of --ppm from its noise.")] = None,
    material: Annotated[str | None, typer.Option("--material", help="Take all samples as this material.")] = None,
    ct_column: Annotated[
        str | None, typer.Option("--ct-column", help="Column of the CT attenuation, HU.  [default: ct_hu]")
    ] = None,
    qsm_column: Annotated[
        str | None, typer.Option("--qsm-column", help="Column of the susceptibility.  [default: qsm_ppm]")
    ] = None,
    ct_sd_column: Annotated[
        str | None, typer.Option("--ct-sd-column", help="SD between voxels, HU.  [default: ct_sd_hu]")
    ] = None,
    qsm_sd_column: Annotated[
        str | None, typer.Option("--qsm-sd-column", help="SD between voxels.  [default: qsm_sd_ppm]")
    ] = None,
    count_column: Annotated[
        str | None,
        typer.Option("--n-column", help="Independent voxels behind the SD.  [default: n_effective, else n_voxels]"),
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="Column that names the rows.")] = None,
) -> None:
    """Concentration from HU, ppm or both, with its interval."""
    from phantomcal.cli.concentration_tables import show_concentrations
    from phantomcal.steps.concentration import concentration_step

    record = concentration_step(
        calibration,
        out,
        table=table,
        hu=hu,
        ppm=ppm,
        hu_se=hu_se,
        ppm_se=ppm_se,
        material=material,
        ct_column=ct_column,
        qsm_column=qsm_column,
        ct_sd_column=ct_sd_column,
        qsm_sd_column=qsm_sd_column,
        count_column=count_column,
        id_column=id_column,
    )
    show_concentrations(record, out)
