"""The command `fit`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def fit(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per vial.")],
    out: Out,
    x: Annotated[str, typer.Option("--x", help="Column of the abscissa.")] = "concentration_mmol_per_l",
    y: Annotated[str, typer.Option("--y", help="Column of the measured value.")] = "value",
    by: Annotated[
        str | None, typer.Option("--by", help="Columns that tell lines apart, or none.  [default: material,modality]")
    ] = None,
    sd: Annotated[str | None, typer.Option("--sd", help="Column of the standard error of y.")] = None,
    x_sd: Annotated[str | None, typer.Option("--x-sd", help="Column of the standard error of x.")] = None,
    method: Annotated[
        str, typer.Option("--method", help="auto, ols, wls, york, robust or through-zero; auto states its rule.")
    ] = "auto",
) -> None:
    """Fit calibration lines to vials measured elsewhere."""
    from phantomcal.steps.fit import fit_step
    from phantomcal.terminal import show_calibration

    record = fit_step(table, out, x=x, y=y, by=by, sd=sd, x_sd=x_sd, method=method)
    show_calibration(record, out)
