"""Commands over a whole study: `demo` and `run`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, Seed, app
from phantomcal.cli.printing import with_pdf
from phantomcal.cli.regions import (
    Erode,
    ErodeMm,
    HuWindow,
    HuWindowMode,
    Merge,
    MinVoxels,
    Percentile,
    Reference,
    Trim,
    sampling_of,
)


@app.command()
@with_pdf
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put study/ and results/.")] = Path("phantomcal-demo"),
    subjects: Annotated[int, typer.Option(help="Number of simulated people.")] = 12,
    seed: Seed = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; 0 is one per core.")] = 0,
) -> None:
    """Simulate a study with known truth, run it, and say how far each estimate is from the truth."""
    from phantomcal.demo import run_demo
    from phantomcal.terminal import Progress, show_truth

    with Progress() as progress:
        result = run_demo(folder, n_subjects=subjects, seed=seed, jobs=jobs, progress=progress)
    show_truth(result)
    raise typer.Exit(0 if result.passed else 1)


@app.command()
@with_pdf
def run(
    study: Annotated[Path, typer.Argument(help="Study folder (BIDS).")],
    out: Out,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes on this machine; 0 is one per core.")] = 0,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running Dask scheduler, tcp://HOST:8786.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Do only what is missing or changed since the run before.")
    ] = False,
    keep_work: Annotated[
        bool, typer.Option("--keep-work", help="Keep the hidden folder of finished sessions beside OUT.")
    ] = False,
    derivatives: Annotated[
        bool,
        typer.Option(
            "--derivatives", help="Also write people's images and tables as BIDS: OUT/derivatives/phantomcal."
        ),
    ] = False,
    by: Annotated[str, typer.Option("--by", help="Column that names the regions.")] = "roi",
    erode: Erode = 0,
    erode_mm: ErodeMm = 0.0,
    trim: Trim = 0.0,
    min_voxels: MinVoxels = 1,
    hu_window: HuWindow = None,
    hu_window_mode: HuWindowMode = "in",
    merge_hemispheres: Merge = False,
    reference: Reference = "none",
    percentile: Percentile = None,
) -> None:
    """Calibrate, align, sample, correlate and report everything a study has data for."""
    from phantomcal.pipeline import run_study
    from phantomcal.terminal import Progress, show_run

    sampling = sampling_of(
        erode=erode,
        erode_mm=erode_mm,
        trim=trim,
        min_voxels=min_voxels,
        hu_window=hu_window,
        hu_window_mode=hu_window_mode,
        merge_hemispheres=merge_hemispheres,
        reference=reference,
        percentile=percentile,
    )
    with Progress() as progress:
        record = run_study(
            study,
            out,
            jobs=jobs,
            scheduler=scheduler,
            resume=resume,
            keep_work=keep_work,
            derivatives=derivatives,
            by=by,
            sampling=sampling,
            progress=progress,
        )
    show_run(record, out)
    raise typer.Exit(1 if any(s.status in ("failed", "review") for s in record.steps) else 0)
