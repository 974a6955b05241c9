"""The command `dicom`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import app


@app.command()
def dicom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Searched with its subfolders.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    descriptions: Annotated[
        bool, typer.Option("--descriptions", help="SeriesDescription in the JSON too; it may hold names.")
    ] = False,
) -> None:
    """List the DICOM series of a folder: what each is good for, and what to pass to --ct, --qsm or --mr."""
    from phantomcal.cli.dicom_tables import show_listing
    from phantomcal.outputs import to_json
    from phantomcal.volumes.dicom.inventory import list_series

    listing, damaged = list_series(folder, descriptions=descriptions or not json)
    if json:
        typer.echo(to_json(listing.model_dump(mode="json")), nl=False)
    else:
        show_listing(listing, damaged)
