"""The command `register`."""

from typing import Annotated

import typer

from phantomcal.cli.options import Out, app


@app.command()
def register(
    out: Out,
    ct: Annotated[str, typer.Option("--ct", help="CT of the patient.")],
    mr: Annotated[str, typer.Option("--mr", help="GRE magnitude of the QSM acquisition, or the QSM map itself.")],
    kind: Annotated[str, typer.Option("--mr-kind", help="magnitude, qsm, or auto (by file name).")] = "auto",
    init: Annotated[
        str, typer.Option("--init", help="auto, or centre: ignore where the headers put the volumes.")
    ] = "auto",
) -> None:
    """Align a CT to the MR space of the QSM map."""
    from phantomcal.steps.registration import register_step
    from phantomcal.terminal import show_alignment

    record = register_step(ct, mr, out, kind=kind, init=init)
    show_alignment(record, out)
    raise typer.Exit(0 if record.verdict == "pass" else 1)
