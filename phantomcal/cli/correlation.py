"""Commands for statistics of regions: `correlate` and `compare`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, app
from phantomcal.cli.printing import with_pdf

Table = Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per subject and region.")]
X = Annotated[str, typer.Option("--x", help="Column of the CT attenuation, HU.")]
Y = Annotated[str, typer.Option("--y", help="Column of the susceptibility, ppm.")]
By = Annotated[str | None, typer.Option("--by", help="Column that names the regions, or none.  [default: roi]")]
Subject = Annotated[
    str | None, typer.Option("--subject", help="Column of the subjects, or none.  [default: subject_id]")
]
Covariate = Annotated[list[str] | None, typer.Option("--covariate", help="Column to hold constant; repeatable.")]
Adjust = Annotated[str, typer.Option("--adjust", help="holm, bonferroni, fdr_bh or none.")]


@app.command()
@with_pdf
def correlate(
    table: Table,
    out: Out,
    x: X = "ct_hu",
    y: Y = "qsm_ppm",
    by: By = None,
    subject: Subject = None,
    covariate: Covariate = None,
    adjust: Adjust = "holm",
    x_sd: Annotated[
        str | None, typer.Option("--x-sd", help="Column of the standard error of x, for a line with errors in both.")
    ] = None,
    y_sd: Annotated[str | None, typer.Option("--y-sd", help="Column of the standard error of y.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Column that colours the points.  [default: group]")
    ] = None,
) -> None:
    """CT-QSM correlation per region: paramagnetic, diamagnetic or undetermined."""
    from phantomcal.steps.correlation import correlate_step
    from phantomcal.terminal import show_correlation

    record = correlate_step(
        table,
        out,
        x=x,
        y=y,
        by=by,
        subject=subject,
        covariates=covariate or [],
        adjust=adjust,
        x_sd=x_sd,
        y_sd=y_sd,
        group=group,
    )
    show_correlation(record, out)


@app.command()
@with_pdf
def compare(
    table: Table,
    out: Out,
    x: X = "ct_hu",
    y: Y = "qsm_ppm",
    by: By = None,
    subject: Subject = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Column of groups or scanners to compare; repeatable.")
    ] = None,
    age: Annotated[str | None, typer.Option("--age", help="Column of the age in years.")] = None,
    covariate: Covariate = None,
    second: Annotated[
        str | None, typer.Option("--second", help="Column of a second reader's or reconstruction's y.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option("--reader", help="Column that names the reader, when their rows stand below each other."),
    ] = None,
    ppb_per_mg: Annotated[
        float | None,
        typer.Option("--ppb-per-mg", help="Susceptibility of 1 mg of iron in 100 g of tissue, ppb.  [default: 9]"),
    ] = None,
    adjust: Adjust = "holm",
) -> None:
    """Compare regions, groups, scanners, ages and readers of a region table."""
    from phantomcal.steps.correlation import compare_step
    from phantomcal.terminal import show_comparison

    record = compare_step(
        table,
        out,
        x=x,
        y=y,
        by=by,
        subject=subject,
        groups=group or [],
        age=age,
        covariates=covariate or [],
        second=second,
        reader=reader,
        ppb_per_mg=ppb_per_mg,
        adjust=adjust,
    )
    show_comparison(record, out)
