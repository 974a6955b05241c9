"""The commands `simulate phantom`, `simulate head`, `simulate lesions` and `simulate study`."""

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


@simulate_app.command("lesions")
def simulate_lesions(
    out: Out,
    seed: Seed = 1,
    number: Annotated[int, typer.Option("-n", "--number", help="How many lesions.")] = 20,
    kind: Annotated[
        str, typer.Option("--kind", help="haemorrhage, calcification, mixed, none, or either: the first two evenly.")
    ] = "either",
    diameter: Annotated[
        tuple[float, float], typer.Option("--diameter", metavar="LOW HIGH", help="Of the sphere of its volume, mm.")
    ] = (2.0, 15.0),
    misregistration: Annotated[
        tuple[float, float],
        typer.Option("--misregistration", metavar="LOW HIGH", help="Error of the transform that is written, mm."),
    ] = (0.0, 1.0),
    ct_slice_mm: Annotated[float, typer.Option("--ct-slice-mm", help="CT slice thickness, 0.5 to 10.")] = 2.5,
    inversion: Annotated[
        bool, typer.Option("--inversion", help="Map by way of its dipole field and an inversion, which biases it.")
    ] = False,
) -> None:
    """Lesions of known mass, each in a patch of CT and of QSM, with a table and a calibration."""
    from phantomcal.steps.simulation import simulate_lesions_step

    simulate_lesions_step(
        out,
        seed,
        number,
        kind=kind,
        diameter_mm=diameter,
        misregistration_mm=misregistration,
        ct_slice_mm=ct_slice_mm,
        inversion=inversion,
    )
    typer.echo(f"{number} lesions in {out}")


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


@simulate_app.command("visits")
def simulate_visits(
    out: Out,
    seed: Seed = 1,
    patients: Annotated[int, typer.Option("--patients", help="Number of patients.")] = 16,
    patient_years: Annotated[float, typer.Option("--patient-years", help="Follow-up of all together.")] = 22.0,
    lesions: Annotated[int, typer.Option("--lesions", help="Lesions per patient; the first may bleed.")] = 1,
    rate: Annotated[float, typer.Option("--rate", help="Mean change of it, % per year.")] = 7.93,
    drift: Annotated[
        float, typer.Option("--drift", help="Step of the scanner's scale after half a year, %; phantoms see it too.")
    ] = 0.0,
) -> None:
    """Visits of cavernous malformations, as in a published cohort; with a drift, phantom calibrations beside them."""
    from phantomcal.steps.simulation_visits import simulate_visits_step

    simulate_visits_step(out, seed, patients, patient_years, lesions, rate, drift)
    typer.echo(f"visits in {out}")
