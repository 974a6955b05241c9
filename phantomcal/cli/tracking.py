"""The command `track`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, QsmUnit, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def track(
    out: Out,
    table: Annotated[
        Path | None, typer.Argument(help="CSV, TSV or Parquet: a row per lesion and visit.", show_default=False)
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="A rise of so many per cent or more is an event.")
    ] = 6.0,
    repeatability: Annotated[
        str | None,
        typer.Option("--repeatability", help="repeatability.json of the scanner's phantom, or a coefficient in ppm."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", help="History of calibrations: all sessions are brought to one scale through it."),
    ] = None,
    scanner_column: Annotated[
        str, typer.Option("--scanner-column", help="Column that names the scanner of each visit.")
    ] = "scanner",
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Take the scale from calibrations of this phantom only.")
    ] = None,
    material: Annotated[str | None, typer.Option("--material", help="Take the scale from this line only.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Compare patients by this column too; repeatable.")
    ] = None,
    subject_column: Annotated[str | None, typer.Option("--subject-column", help="[default: subject_id]")] = None,
    lesion_column: Annotated[str | None, typer.Option("--lesion-column", help="[default: lesion_id]")] = None,
    date_column: Annotated[str | None, typer.Option("--date-column", help="[default: date]")] = None,
    years_column: Annotated[str | None, typer.Option("--years-column", help="[default: years]")] = None,
    qsm_column: Annotated[
        str | None,
        typer.Option("--qsm-column", help="[default: qsm_ppm, else qsm_ppb]; a name that ends in ppb is ppb."),
    ] = None,
    event_column: Annotated[str | None, typer.Option("--event-column", help="[default: event]")] = None,
    arm_column: Annotated[str | None, typer.Option("--arm-column", help="[default: arm]")] = None,
    date_order: Annotated[
        str | None, typer.Option("--date-order", help="dmy or mdy, for dates such as 03/04/2024.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="Instead of a table: a study folder (BIDS) with several sessions.")
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(
            "--session",
            help="Instead of a table: DATE=MAP,LESIONS[,MAGNITUDE] of one person; DATE is YYYY-MM-DD or years. "
            "Without LESIONS they are looked for in the map. Repeatable.",
        ),
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Name of the person of --session.")] = "subject",
    qsm_unit: QsmUnit = None,
) -> None:
    """Lesion susceptibility over visits: change, threshold events, rates, time to an event."""
    from phantomcal.cli.tracking_tables import show_tracking
    from phantomcal.steps.tracking import track_step

    qsm = "qsm_ppb" if qsm_column is not None and qsm_column.lower().endswith("ppb") else "qsm_ppm"
    given = {
        "subject_id": subject_column, "lesion_id": lesion_column, "date": date_column, "years": years_column,
        qsm: qsm_column, "event": event_column, "arm": arm_column,
    }  # fmt: skip
    record = track_step(
        out,
        table=table,
        study=study,
        sessions=session or (),
        subject=subject,
        threshold_percent=threshold,
        repeatability=repeatability,
        history=history,
        scanner_column=scanner_column,
        protocol=protocol,
        material=material,
        columns={name: own for name, own in given.items() if own is not None},
        groups=group or (),
        date_order=date_order,
        qsm_unit=qsm_unit,
    )
    show_tracking(record, out)
    raise typer.Exit(0 if all(s.used for s in record.sessions) else 1)
