"""Command for regions: `sample`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from phantomcal.cli.options import Ct, Qsm, QsmUnit, Strictness, app
from phantomcal.errors import InputError

Erode = Annotated[int, typer.Option("--erode", help="Voxel layers taken off each region.")]
ErodeMm = Annotated[
    float, typer.Option("--erode-mm", help="Leave out voxels this near to another label or background, mm.")
]
Trim = Annotated[float, typer.Option("--trim", help="Percent left out of mean and SD at either end.")]
MinVoxels = Annotated[int, typer.Option("--min-voxels", help="A smaller region gets no values.")]
HuWindow = Annotated[
    tuple[float, float] | None,
    typer.Option("--hu-window", metavar="LOW HIGH", help="Use only voxels within these HU."),
]
HuWindowMode = Annotated[
    str, typer.Option("--hu-window-mode", help="in keeps the voxels of the window, out leaves them out.")
]
Merge = Annotated[bool, typer.Option("--merge-hemispheres", help="Left and right of one name are one region.")]
Reference = Annotated[
    str, typer.Option("--reference", help="Subtracted from susceptibilities: none, whole-brain or a region's name.")
]
Percentile = Annotated[
    list[float] | None, typer.Option("--percentile", help="Column beside the mean; repeatable.  [default: 50]")
]


def sampling_of(
    *,
    erode: int,
    erode_mm: float,
    trim: float,
    min_voxels: int,
    hu_window: tuple[float, float] | None,
    hu_window_mode: str,
    merge_hemispheres: bool,
    reference: str,
    percentile: list[float] | None,
    region: list[str] | None = None,
) -> Any:
    """The choices of the options that `sample` and `run` share."""
    from phantomcal.correlation.sampling import Sampling

    if hu_window_mode not in ("in", "out"):
        raise InputError(f"unknown --hu-window-mode {hu_window_mode!r}", "", "use in or out")
    return Sampling(
        min_voxels=min_voxels,
        erode_voxels=erode,
        erode_mm=erode_mm,
        trim_percent=trim,
        hu_window=hu_window,
        hu_window_mode="in" if hu_window_mode == "in" else "out",
        merge_hemispheres=merge_hemispheres,
        percentiles=tuple(percentile) if percentile else (50.0,),
        reference=reference,
        regions=tuple(region or ()),
    )


@app.command()
def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write: CSV, TSV or Parquet.")],
    labels: Annotated[str, typer.Option("--labels", help="Label map; on the grid of the QSM map, or see below.")],
    lookup: Annotated[
        Path | None, typer.Option("--lookup", help="Names: dseg.tsv, FreeSurfer, ITK-SNAP or 3D Slicer table.")
    ] = None,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    transform: Annotated[
        Path | None, typer.Option("--transform", help="ct_to_mr.tfm of `phantomcal register`.")
    ] = None,
    qsm_transform: Annotated[
        str | None,
        typer.Option("--qsm-transform", help="From labels on another grid to the QSM map: a .tfm file or identity."),
    ] = None,
    mask: Annotated[str | None, typer.Option("--mask", help="Where the QSM map is valid, on the labels' grid.")] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Only this region; repeatable. It must be in the map.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Written into the column subject_id.")] = "",
    session: Annotated[str, typer.Option("--session", help="Written into the column session.")] = "",
    erode: Erode = 0,
    erode_mm: ErodeMm = 0.0,
    trim: Trim = 0.0,
    min_voxels: MinVoxels = 1,
    hu_window: HuWindow = None,
    hu_window_mode: HuWindowMode = "in",
    merge_hemispheres: Merge = False,
    reference: Reference = "none",
    percentile: Percentile = None,
    strictness: Strictness = "warn",
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
        qsm_transform=qsm_transform,
        mask=mask,
        subject=subject,
        session=session,
        sampling=sampling_of(
            erode=erode,
            erode_mm=erode_mm,
            trim=trim,
            min_voxels=min_voxels,
            hu_window=hu_window,
            hu_window_mode=hu_window_mode,
            merge_hemispheres=merge_hemispheres,
            reference=reference,
            percentile=percentile,
            region=region,
        ),
        strictness=strictness,
    )
    show_regions(frame, out)
