"""Commands for phantoms: `calibrate`, `fit`, `protocols`."""

from typing import Annotated

import typer

from phantomcal.cli.options import Ct, Out, Qsm, QsmUnit, app
from phantomcal.errors import InputError


@app.command()
def calibrate(
    protocol: Annotated[str, typer.Argument(help="Built-in protocol or YAML file; see `phantomcal protocols`.")],
    out: Out,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    session: Annotated[str, typer.Option(help="Name of the session, kept in the result.")] = "",
    axis: Annotated[int | None, typer.Option(help="Index axis the vials run along (0, 1, 2), if found wrong.")] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Handedness, if found wrong.")] = None,
    rotation: Annotated[float | None, typer.Option(help="In-plane rotation in degrees, if found wrong.")] = None,
) -> None:
    """Find the vials of a phantom, measure them, and fit the calibration lines."""
    from phantomcal.steps.calibration import calibrate_step
    from phantomcal.terminal import show_calibration

    record = calibrate_step(
        protocol,
        out,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        session=session,
        axis=axis,
        mirrored=mirror,
        rotation_deg=rotation,
    )
    show_calibration(record, out)
    raise typer.Exit(1 if record.status == "fail" else 0)


@app.command()
def protocols(name: Annotated[str | None, typer.Argument(help="Print this one as YAML.")] = None) -> None:
    """List the built-in phantoms, or show one to copy from."""
    from phantomcal.protocol import builtin_protocols, load_protocol

    known = builtin_protocols()
    if name is None:
        for key in known:
            typer.echo(f"{key:<18} {load_protocol(key).title}")
        return
    if name not in known:
        raise InputError(f"no protocol {name!r}", "", f"built in are {', '.join(known)}")
    typer.echo(known[name].read_text(encoding="utf-8"), nl=False)
