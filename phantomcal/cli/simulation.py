"""The commands `simulate phantom`, `simulate head` and `simulate study`."""

from typing import Annotated

import typer

from phantomcal.cli.options import Out, Seed, app

simulate_app = typer.Typer(help="Simulate scans with known truth.", no_args_is_help=True)
app.add_typer(simulate_app, name="simulate")


@simulate_app.command("phantom")
def simulate_phantom(
    out: Out,
    protocol: Annotated[str, typer.Option(help="Built-in protocol or YAML file.")] = "simulated-gd-ca",
    seed: Seed = 1,
) -> None:
    """A phantom scanned by CT and QSM."""
    from phantomcal.steps.simulation import simulate_phantom_step

    simulate_phantom_step(protocol, seed, out)
    typer.echo(f"phantom in {out}")


@simulate_app.command("head")
def simulate_head(
    out: Out,
    seed: Seed = 1,
    ct_slice_mm: Annotated[float, typer.Option("--ct-slice-mm", help="CT slice thickness, 1.25 to 5.")] = 2.5,
) -> None:
    """A head with lesions, CT and MR in different places."""
    from phantomcal.steps.simulation import simulate_head_step

    simulate_head_step(seed, out, ct_slice_mm)
    typer.echo(f"head in {out}")


@simulate_app.command("study")
def simulate_study(
    out: Out,
    seed: Seed = 1,
    subjects: Annotated[int, typer.Option(help="Number of people.")] = 12,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; 0 is one per core.")] = 0,
) -> None:
    """A study of a phantom and several people; the truth lies beside it."""
    from phantomcal.steps.simulation import simulate_study_step
    from phantomcal.terminal import Progress

    with Progress() as progress:
        simulate_study_step(out, seed, subjects, jobs, progress)
    typer.echo(f"study in {out}")
