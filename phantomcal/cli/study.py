"""Commands over a whole study: `demo` and `run`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, Seed, app


@app.command()
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
def run(
    study: Annotated[Path, typer.Argument(help="Study folder (BIDS).")],
    out: Out,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; 0 is one per core.")] = 0,
    by: Annotated[str, typer.Option("--by", help="Column that names the regions.")] = "roi",
) -> None:
    """Calibrate, align, sample, correlate and report everything a study has data for."""
    from phantomcal.pipeline import run_study
    from phantomcal.terminal import Progress, show_run

    with Progress() as progress:
        record = run_study(study, out, jobs=jobs, by=by, progress=progress)
    show_run(record, out)
    raise typer.Exit(1 if any(s.status in ("failed", "review") for s in record.steps) else 0)
