"""The command `plaque`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def plaque(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per plaque section or region.")],
    out: Out,
    component: Annotated[
        str | None, typer.Option("--component", help="Column of the component.  [default: component]")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", help="Column of the patient, or none.  [default: found by its usual names]"),
    ] = None,
    qsm_column: Annotated[
        str | None,
        typer.Option("--qsm-column", help="Column of the susceptibility.  [default: qsm_ppm, else qsm_ppb]"),
    ] = None,
    ct_column: Annotated[
        str | None, typer.Option("--ct-column", help="Column of the CT attenuation, HU.  [default: ct_hu]")
    ] = None,
    grade: Annotated[
        list[str] | None,
        typer.Option(
            "--grade",
            help="Column of an ordinal histology grade; repeatable. Glycophorin A, Berlin blue, von Kossa are found.",
        ),
    ] = None,
    adjust: Annotated[str, typer.Option("--adjust", help="holm, bonferroni, fdr_bh or none.")] = "holm",
    bootstrap: Annotated[
        int | None, typer.Option("--bootstrap", help="Draws for the intervals of cut-offs.  [default: 2000]")
    ] = None,
) -> None:
    """Carotid plaque: components compared, haemorrhage and calcification told from the rest."""
    from phantomcal.cli.plaque_tables import show_plaque
    from phantomcal.steps.plaque import plaque_step

    record = plaque_step(
        table,
        out,
        component=component,
        subject=subject,
        qsm_column=qsm_column,
        ct_column=ct_column,
        grades=grade or [],
        adjust=adjust,
        n_bootstrap=bootstrap,
    )
    show_plaque(record, out)
