"""The command `schema`."""

from typing import Annotated

import typer

from phantomcal.cli.options import app
from phantomcal.errors import InputError


@app.command()
def schema(name: Annotated[str | None, typer.Argument(help="Print this JSON schema.")] = None) -> None:
    """List the JSON schemas of protocols and results, or show one."""
    from phantomcal.outputs import to_json
    from phantomcal.schemas import json_schemas

    known = json_schemas()
    if name is None:
        for key, value in known.items():
            typer.echo(f"{key:<14} {str(value.get('description', '')).splitlines()[0]}")
        return
    if name not in known:
        raise InputError(f"no schema {name!r}", "", f"there are {', '.join(known)}")
    typer.echo(to_json(known[name]), nl=False)
