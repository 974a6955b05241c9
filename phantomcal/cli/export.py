"""The command `export`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import app


@app.command()
def export(
    source: Annotated[
        str, typer.Option("--source", help="DICOM series the results belong to: a folder, or DIR::SERIES_UID.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Output folder; it appears when everything is done.")],
    labels: Annotated[str | None, typer.Option("--labels", help="Label map: becomes a segmentation (SEG).")] = None,
    lookup: Annotated[Path | None, typer.Option("--lookup", help="Names of the labels.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="What the labels are: region or lesion.")] = "region",
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Region table or lesions.csv of that map: becomes a measurement report (SR)."),
    ] = None,
    vials: Annotated[
        Path | None, typer.Option("--vials", help="vials.csv of a calibration: becomes a measurement report (SR).")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", help="FILE=UNIT (HU, ppm, mmol/L): becomes a parametric map; repeatable."),
    ] = None,
) -> None:
    """Results as DICOM for a PACS: segmentations, parametric maps, reports, with the identity of their source."""
    from phantomcal.steps.export import export_step

    written = export_step(
        source, out, labels=labels, lookup=lookup, kind=kind, table=table, vials=vials, maps=maps or []
    )
    for name in written:
        typer.echo(out / name)
