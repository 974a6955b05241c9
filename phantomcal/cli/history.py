"""The commands `repeatability` and `history add|list|event|chart|compare|remove`."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Out, app
from phantomcal.cli.printing import with_pdf

history_app = typer.Typer(help="Calibrations over time and between scanners.", no_args_is_help=True)
app.add_typer(history_app, name="history")

Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="History: an SQLite file or a PostgreSQL URL; else PHANTOMCAL_HISTORY, else phantomcal-history.sqlite.",
    ),
]
Scanner = Annotated[str, typer.Option("--scanner", help="Name of the scanner.")]
Scanners = Annotated[list[str] | None, typer.Option("--scanner", help="Only this scanner; repeatable.")]
ProtocolName = Annotated[str | None, typer.Option("--protocol", help="Only this phantom: a name or its YAML file.")]
Tolerance = Annotated[
    list[str] | None,
    typer.Option("--tolerance", help="Drift that warns and fails, percent: ct=2,5. Else the protocol's. Repeatable."),
]


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for garbage rarely: in a short run there is hardly any, and looking takes a sixth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@app.command()
@with_pdf
def repeatability(
    runs: Annotated[list[Path], typer.Argument(help="calibration.json of each run, or the folders that hold them.")],
    out: Out,
) -> None:
    """How far repeated scans of one phantom agree: wSD, repeatability coefficient, limits of agreement, ICC."""
    from phantomcal.cli.history_tables import show_repeatability
    from phantomcal.steps.repeatability import repeatability_step

    show_repeatability(repeatability_step(runs, out), out)


@history_app.command("add")
def add(
    calibration: Annotated[Path, typer.Argument(help="calibration.json, or the folder that holds it.")],
    scanner: Scanner,
    date: Annotated[
        str | None, typer.Option("--date", help="Scan date, YYYY-MM-DD; needed unless the calibration states it.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Limits and drift are measured from calibrations marked so.")
    ] = False,
    db: Db = None,
) -> None:
    """Keep a calibration. Adding it again changes nothing."""
    from phantomcal.cli.history_tables import show_entry
    from phantomcal.steps.history import add_step

    added = add_step(calibration, scanner, date, db, baseline=baseline)
    show_entry(added.entry, new=added.new, warnings=added.warnings)


@history_app.command("event")
def event(
    words: Annotated[str, typer.Argument(help="What was done, in words.")],
    scanner: Scanner,
    date: Annotated[str, typer.Option("--date", help="When, YYYY-MM-DD; scans of that day count as after it.")],
    kind: Annotated[str, typer.Option("--kind", help="service, software, hardware, phantom, ...")] = "service",
    new_baseline: Annotated[
        bool, typer.Option("--new-baseline", help="Set limits anew from the scans after it.")
    ] = False,
    db: Db = None,
) -> None:
    """Keep what was done to a scanner: it appears on the charts."""
    from phantomcal.steps.history import event_step

    kept = event_step(words, scanner, date, db, kind=kind, new_baseline=new_baseline)
    typer.echo(f"kept: {kept.scanner}, {kept.event_date}, {kept.kind}: {kept.words}")


@history_app.command("list")
def list_(
    scanner: Annotated[str | None, typer.Option("--scanner", help="Only this scanner.")] = None,
    protocol: ProtocolName = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    db: Db = None,
) -> None:
    """List the calibrations and events."""
    from phantomcal.cli.history_tables import show_history
    from phantomcal.outputs import to_json
    from phantomcal.steps.history import list_step

    found = list_step(scanner, protocol, db)
    if json:
        typer.echo(to_json(found.model_dump(mode="json")), nl=False)
    else:
        show_history(found)


@history_app.command("chart")
@with_pdf
def chart(
    out: Out,
    scanner: Scanners = None,
    protocol: ProtocolName = None,
    material: Annotated[str | None, typer.Option("--material", help="Only this line.")] = None,
    modality: Annotated[str | None, typer.Option("--modality", help="Only ct or qsm.")] = None,
    quantity: Annotated[str, typer.Option("--quantity", help="slope or intercept.")] = "slope",
    baseline_points: Annotated[
        int | None,
        typer.Option("--baseline-points", help="So many first calibrations set the limits.  [default: 10]"),
    ] = None,
    tolerance: Tolerance = None,
    db: Db = None,
) -> None:
    """Control charts of every line. Exit code 1 when a newest calibration is out of tolerance."""
    with _few_collections():
        from phantomcal.cli.history_tables import show_chart
        from phantomcal.steps.history import chart_step

        record = chart_step(
            out,
            db,
            scanners=scanner or [],
            protocol=protocol,
            material=material,
            modality=modality,
            quantity=quantity,
            baseline_points=baseline_points,
            tolerances=tolerance or [],
        )
        show_chart(record, out)
    raise typer.Exit(1 if record.status == "fail" else 0)


@history_app.command("compare")
@with_pdf
def compare(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Two calibrations, to compare without a history.", show_default=False)
    ] = None,
    scanner: Annotated[list[str] | None, typer.Option("--scanner", help="Scanner to compare; repeatable.")] = None,
    protocol: ProtocolName = None,
    tolerance: Tolerance = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Output folder for a report.")] = None,
    db: Db = None,
) -> None:
    """Test whether slopes are equal: of two calibrations, or of scanners."""
    from phantomcal.cli.history_tables import show_comparison
    from phantomcal.steps.history import compare_step

    show_comparison(
        compare_step(files or [], scanner or [], db, out, protocol=protocol, tolerances=tolerance or []), out
    )


@history_app.command("remove")
def remove(number: Annotated[int, typer.Argument(help="Number in `phantomcal history list`.")], db: Db = None) -> None:
    """Take a wrong entry out."""
    from phantomcal.steps.history import remove_step

    gone = remove_step(number, db)
    typer.echo(f"removed: number {gone.id}, {gone.scanner}, {gone.protocol}, {gone.scan_date}")
