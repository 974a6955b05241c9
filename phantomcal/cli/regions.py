"""Commands for regions: `sample` and `correlate`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Ct, Out, Qsm, QsmUnit, app


@app.command()
def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write: CSV, TSV or Parquet.")],
    labels: Annotated[str, typer.Option("--labels", help="Label map on the grid of the QSM map.")],
    lookup: Annotated[Path | None, typer.Option("--lookup", help="TSV with index and name.")] = None,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    transform: Annotated[
        Path | None, typer.Option("--transform", help="ct_to_mr.tfm of `phantomcal register`.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Written into the column subject_id.")] = "",
    session: Annotated[str, typer.Option("--session", help="Written into the column session.")] = "",
    erode: Annotated[int, typer.Option("--erode", help="Voxel layers taken off each region.")] = 0,
) -> None:
    """Region statistics of CT and QSM from a label map."""
    from phantomcal.steps.regions import sample_step
    from phantomcal.terminal import show_regions

    frame = sample_step(
        labels,
        out,
        lookup=lookup,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        transform=transform,
        subject=subject,
        session=session,
        erode=erode,
    )
    show_regions(frame, out)


@app.command()
def correlate(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per subject and region.")],
    out: Out,
    x: Annotated[str, typer.Option("--x", help="Column of the CT attenuation, HU.")] = "ct_hu",
    y: Annotated[str, typer.Option("--y", help="Column of the susceptibility, ppm.")] = "qsm_ppm",
    by: Annotated[
        str | None, typer.Option("--by", help="Column that names the regions, or none.  [default: roi]")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Column of the subjects, or none.  [default: subject_id]")
    ] = None,
    covariate: Annotated[
        list[str] | None, typer.Option("--covariate", help="Column to hold constant; repeatable.")
    ] = None,
    adjust: Annotated[str, typer.Option("--adjust", help="holm, bonferroni, fdr_bh or none.")] = "holm",
) -> None:
    """CT-QSM correlation per region: paramagnetic, diamagnetic or undetermined."""
    from phantomcal.steps.regions import correlate_step
    from phantomcal.terminal import show_correlation

    record = correlate_step(table, out, x=x, y=y, by=by, subject=subject, covariates=covariate or [], adjust=adjust)
    show_correlation(record, out)
