"""The application, and the options several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    name="phantomcal",
    help="Calibrate CT and QSM with vial phantoms, align the two, and tell blood from calcium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Out = Annotated[Path, typer.Option("-o", "--out", help="Output folder; it appears when everything is done.")]
Ct = Annotated[str | None, typer.Option("--ct", help="CT: NIfTI, MHA, NRRD, DICOM folder, or DIR::SERIES_UID.")]
Qsm = Annotated[str | None, typer.Option("--qsm", help="Susceptibility map, ppm unless said otherwise.")]
QsmUnit = Annotated[str | None, typer.Option("--qsm-unit", help="ppm or ppb; else the JSON sidecar's Units, else ppm.")]
Strictness = Annotated[
    Literal["ignore", "warn", "raise"],
    typer.Option(
        "--strictness",
        help="Oddities of input files that can be set right (gantry tilt, uneven slices, a wrong spacing tag, copies): "
        "say nothing, warn, or refuse. What cannot be set right is always refused.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed: the same seed gives the same bytes.")]
