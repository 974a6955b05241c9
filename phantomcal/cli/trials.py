"""The commands `power` and `trial`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, Seed, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def power(
    outcome: Annotated[str, typer.Option("--outcome", help="mean, proportion or rate (events per patient-year).")],
    baseline: Annotated[
        list[float] | None, typer.Option("--baseline", help="Control arm: mean, proportion or rate; repeatable.")
    ] = None,
    effect: Annotated[
        list[str] | None,
        typer.Option("--effect", help="Relative reduction, 0.2 or 20%; below 0 an increase; repeatable."),
    ] = None,
    difference: Annotated[
        list[float] | None, typer.Option("--difference", help="Absolute, control minus treated; repeatable.")
    ] = None,
    sd: Annotated[float | None, typer.Option("--sd", help="Standard deviation of one measurement, for means.")] = None,
    visits: Annotated[int, typer.Option("--visits", help="Follow-up visits per patient.")] = 1,
    correlation: Annotated[
        float | None, typer.Option("--correlation", help="Between visits of one lesion; needed from 2 visits on.")
    ] = None,
    power_: Annotated[str, typer.Option("--power", help="Power, 0.8 or 80%.")] = "0.8",
    alpha: Annotated[str, typer.Option("--alpha", help="Significance level.")] = "0.05",
    tails: Annotated[int, typer.Option("--tails", help="1 or 2.")] = 2,
    dropout: Annotated[str, typer.Option("--dropout", help="Share of patients lost by the last visit.")] = "0",
    allocation: Annotated[float, typer.Option("--allocation", help="Treated patients per control patient.")] = 1.0,
    lesions: Annotated[int, typer.Option("--lesions", help="Lesions per patient.")] = 1,
    lesion_correlation: Annotated[
        float | None, typer.Option("--lesion-correlation", help="Between lesions of one patient.")
    ] = None,
    years: Annotated[
        float | None, typer.Option("--years", help="Follow-up over all visits, for rates.  [default: a year a visit]")
    ] = None,
    dispersion: Annotated[
        float, typer.Option("--dispersion", help="For rates: a count's variance is mu + dispersion mu².")
    ] = 0.0,
    n: Annotated[
        list[int] | None,
        typer.Option("--n", help="Patients per arm: gives their power, or the effect they detect; repeatable."),
    ] = None,
    simulate: Annotated[
        int | None, typer.Option("--simulate", help="Check every row by so many simulated trials.")
    ] = None,
    seed: Seed = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON on stdout.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for power.json, power.csv, report.html.")
    ] = None,
) -> None:
    """Sample sizes of trials with repeated lesion measurements."""
    from phantomcal.cli.trial_tables import print_power, show_power
    from phantomcal.steps.trials import power_step

    table = power_step(
        outcome,
        out,
        baselines=baseline or [],
        effects=effect or [],
        differences=difference or [],
        sd=sd,
        visits=visits,
        correlation=correlation,
        power=power_,
        alpha=alpha,
        tails=tails,
        dropout=dropout,
        allocation=allocation,
        lesions=lesions,
        lesion_correlation=lesion_correlation,
        years=years,
        dispersion=dispersion,
        sizes=n or [],
        simulate=simulate,
        seed=seed,
    )
    if as_json:
        print_power(table)
    else:
        show_power(table, out)


@app.command()
@with_pdf
def trial(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per lesion and visit, with `arm`.")],
    out: Out,
    participants: Annotated[
        Path | None,
        typer.Option("--participants", help="Everyone randomised, a row a patient, also those without a visit."),
    ] = None,
    control: Annotated[
        str | None, typer.Option("--control", help="The control arm.  [default: placebo or control, else the first]")
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="A rise of so many per cent or more is an event.")
    ] = 6.0,
    visits: Annotated[
        int | None, typer.Option("--visits", help="Planned follow-up visits.  [default: the most anyone has]")
    ] = None,
    arm_column: Annotated[str | None, typer.Option("--arm-column", help="[default: arm]")] = None,
    subject_column: Annotated[str | None, typer.Option("--subject-column", help="[default: subject_id]")] = None,
    lesion_column: Annotated[str | None, typer.Option("--lesion-column", help="[default: lesion_id]")] = None,
    date_column: Annotated[str | None, typer.Option("--date-column", help="[default: date]")] = None,
    years_column: Annotated[str | None, typer.Option("--years-column", help="[default: years]")] = None,
    qsm_column: Annotated[
        str | None, typer.Option("--qsm-column", help="[default: qsm_ppm, else qsm_ppb]; ends in ppb: ppb.")
    ] = None,
    event_column: Annotated[str | None, typer.Option("--event-column", help="[default: event]")] = None,
    date_order: Annotated[
        str | None, typer.Option("--date-order", help="dmy or mdy, for dates such as 03/04/2024.")
    ] = None,
) -> None:
    """Arms of a trial compared: change per year, events, who was in it."""
    from phantomcal.cli.trial_tables import show_trial
    from phantomcal.steps.trials import trial_step

    qsm = "qsm_ppb" if qsm_column is not None and qsm_column.lower().endswith("ppb") else "qsm_ppm"
    given = {
        "arm": arm_column, "subject_id": subject_column, "lesion_id": lesion_column, "date": date_column,
        "years": years_column, qsm: qsm_column, "event": event_column,
    }  # fmt: skip
    record = trial_step(
        table,
        out,
        participants=participants,
        control=control,
        threshold_percent=threshold,
        visits=visits,
        columns={name: own for name, own in given.items() if own is not None},
        date_order=date_order,
    )
    show_trial(record, out)
