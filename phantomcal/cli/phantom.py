"""Commands for phantoms: `calibrate`, `protocols`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from phantomcal.cli.options import Ct, Out, Qsm, QsmUnit, Strictness, app
from phantomcal.cli.printing import with_pdf
from phantomcal.errors import InputError

Axis = Annotated[int | None, typer.Option(help="Index axis the vials run along (0, 1, 2), if found wrong.")]


@app.command()
@with_pdf
def calibrate(
    protocol: Annotated[str, typer.Argument(help="Built-in protocol or YAML file; see `phantomcal protocols`.")],
    out: Out,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    magnitude: Annotated[
        str | None, typer.Option(help="Gradient-echo magnitude on the grid of the map: helps to find vials and air.")
    ] = None,
    session: Annotated[str, typer.Option(help="Name of the session, kept in the result.")] = "",
    axis: Axis = None,
    orient: Annotated[
        list[str] | None,
        typer.Option(help="How the layout lies: 90, or 90,mirrored; one scanner only: ct=90 or qsm=90,mirrored."),
    ] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Handedness, if found wrong.")] = None,
    rotation: Annotated[float | None, typer.Option(help="In-plane rotation in degrees, if found wrong.")] = None,
    first_slice: Annotated[int | None, typer.Option(help="First slice along the vials to measure in, from 0.")] = None,
    last_slice: Annotated[int | None, typer.Option(help="Last slice along the vials to measure in.")] = None,
    erosion_mm: Annotated[
        float | None, typer.Option("--erosion-mm", help="How far inside the vial wall to measure.")
    ] = None,
    strictness: Strictness = "warn",
) -> None:
    """Find the vials of a phantom, measure them, and fit the calibration lines."""
    from phantomcal.phantom.finding.overrides import overrides
    from phantomcal.steps.calibration import calibrate_step
    from phantomcal.terminal import show_calibration

    said = overrides(
        axis=axis,
        mirrored=mirror,
        rotation_deg=rotation,
        orient=orient or (),
        first_slice=first_slice,
        last_slice=last_slice,
        erosion_mm=erosion_mm,
    )
    record = calibrate_step(
        protocol,
        out,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        magnitude=magnitude,
        session=session,
        overrides=said,
        strictness=strictness,
    )
    show_calibration(record, out)
    raise typer.Exit(1 if record.status == "fail" else 0)


class _NamesAreShown(TyperGroup):
    """`protocols NAME` is `protocols show NAME`, so that a name needs no verb."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the arguments; `show` for what is no command."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


protocols_app = typer.Typer(
    cls=_NamesAreShown, help="List the built-in phantoms, show one by its NAME, or draft one from a scan."
)
app.add_typer(protocols_app, name="protocols")


@protocols_app.callback(invoke_without_command=True)
def protocols(context: typer.Context) -> None:
    """List the built-in phantoms, show one by its NAME, or draft one from a scan."""
    from phantomcal.protocol import builtin_protocols, load_protocol

    if context.invoked_subcommand is None:
        for key in builtin_protocols():
            typer.echo(f"{key:<18} {load_protocol(key).title}")


@protocols_app.command("show")
def show(name: Annotated[str, typer.Argument(help="A built-in protocol.")]) -> None:
    """Print a built-in protocol as YAML, to copy from."""
    from phantomcal.protocol import builtin_protocols

    known = builtin_protocols()
    if name not in known:
        raise InputError(f"no protocol {name!r}", "", f"built in are {', '.join(known)}")
    typer.echo(known[name].read_text(encoding="utf-8"), nl=False)


@protocols_app.command("draft")
def draft(
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="YAML file to write; printed on the terminal without it.")
    ] = None,
    vial_radius: Annotated[
        float | None, typer.Option("--vial-radius", help="Inner radius of the vials, mm; else estimated.")
    ] = None,
    axis: Axis = None,
    strictness: Strictness = "warn",
) -> None:
    """Find the vials of a new phantom in a scan and write a protocol to complete."""
    from phantomcal.steps.draft import draft_step

    text, n = draft_step(
        ct=ct, qsm=qsm, qsm_unit=qsm_unit, out=out, vial_radius_mm=vial_radius, axis=axis, strictness=strictness
    )
    if out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"{n} vials in {out}: fill in what is null, then calibrate with it")
