"""The command `register`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, QsmUnit, Strictness, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def register(
    out: Out,
    ct: Annotated[str, typer.Option("--ct", help="CT of the patient or phantom.")],
    mr: Annotated[str, typer.Option("--mr", help="GRE magnitude of the QSM acquisition, or the QSM map itself.")],
    kind: Annotated[str, typer.Option("--mr-kind", help="magnitude, qsm, or auto (by file name).")] = "auto",
    qsm_unit: QsmUnit = None,
    init: Annotated[
        str,
        typer.Option("--init", help="auto; centre: ignore where the headers put the volumes; or a file to start from."),
    ] = "auto",
    transform: Annotated[
        Path | None, typer.Option("--transform", help="A transform made elsewhere: judged, nothing is searched.")
    ] = None,
    transform_kind: Annotated[
        str, typer.Option("--transform-kind", help="itk (also ANTs, 3D Slicer), fsl, ras (greedy, c3d), or auto.")
    ] = "auto",
    invert: Annotated[
        bool, typer.Option("--invert", help="The file maps CT to MR points (FSL: was made with -in MR -ref CT).")
    ] = False,
    interpolation: Annotated[str, typer.Option("--interpolation", help="linear, bspline or nearest.")] = "linear",
    mr_in_ct: Annotated[bool, typer.Option("--mr-in-ct/--no-mr-in-ct", help="Write the MR on the CT's grid.")] = True,
    landmarks_ct: Annotated[
        Path | None, typer.Option("--landmarks-ct", help="Points picked in the CT: .fcsv, .mrk.json, or a table.")
    ] = None,
    landmarks_mr: Annotated[
        Path | None, typer.Option("--landmarks-mr", help="Points of the same names picked in the MR.")
    ] = None,
    phantom: Annotated[
        str | None, typer.Option("--phantom", help="Protocol of the phantom in both: align by its vials.")
    ] = None,
    strictness: Strictness = "warn",
) -> None:
    """Align a CT to the MR space of the QSM map, or judge an alignment made elsewhere."""
    from phantomcal.steps.registration import register_step
    from phantomcal.terminal import show_alignment

    record = register_step(
        ct,
        mr,
        out,
        kind=kind,
        init=init,
        qsm_unit=qsm_unit,
        transform=transform,
        transform_kind=transform_kind,
        inverted=invert,
        interpolation=interpolation,
        mr_in_ct=mr_in_ct,
        landmarks_ct=landmarks_ct,
        landmarks_mr=landmarks_mr,
        phantom=phantom,
        strictness=strictness,
    )
    show_alignment(record, out)
    raise typer.Exit(0 if record.verdict == "pass" else 1)
