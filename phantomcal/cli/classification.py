"""The command `classify`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Ct, Out, Qsm, QsmUnit, app
from phantomcal.cli.printing import with_pdf


@app.command()
@with_pdf
def classify(
    out: Out,
    table: Annotated[
        Path | None, typer.Argument(help="CSV, TSV or Parquet: a row per lesion. With volumes: columns to add.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="calibration.json of `calibrate` or `fit`.")
    ] = None,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    transform: Annotated[
        Path | None, typer.Option("--transform", help="ct_to_mr.tfm of `phantomcal register`.")
    ] = None,
    lesions: Annotated[
        str | None, typer.Option("--lesions", help="Label map, a label per lesion; else lesions are searched for.")
    ] = None,
    lookup: Annotated[Path | None, typer.Option("--lookup", help="Names of the labels (TSV).")] = None,
    mask: Annotated[str | None, typer.Option("--mask", help="Where the map is valid, for the search.")] = None,
    exclude: Annotated[
        str | None, typer.Option("--exclude", help="Where nothing is searched: deep nuclei, sinuses.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Written into subject_id, with volumes.")] = "",
    prior: Annotated[
        list[str] | None,
        typer.Option("--prior", help="CLASS=WEIGHT of haemorrhage, calcification, mixed, nothing; repeatable."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Probability from which a class is named.  [default: 0.9]")
    ] = None,
    dead_band: Annotated[
        float | None, typer.Option("--dead-band", help="Of the sign rule, ppm; else from each reading's error.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fit a logistic model to the labels of --truth.")] = False,
    model: Annotated[
        Path | None, typer.Option("--model", help="classification.json of an earlier --fit, to apply here.")
    ] = None,
    truth: Annotated[str, typer.Option("--truth", help="Column with the true class.")] = "truth",
    reader: Annotated[
        str | None, typer.Option("--reader", help="Column with a second reader's class, for kappa.")
    ] = None,
    ct_column: Annotated[str | None, typer.Option("--ct-column", help="HU.  [default: ct_hu]")] = None,
    qsm_column: Annotated[str | None, typer.Option("--qsm-column", help="ppm, or ppb.  [default: qsm_ppm]")] = None,
    ct_sd_column: Annotated[
        str | None, typer.Option("--ct-sd-column", help="SD between voxels.  [default: ct_sd_hu]")
    ] = None,
    qsm_sd_column: Annotated[
        str | None, typer.Option("--qsm-sd-column", help="SD between voxels.  [default: qsm_sd_ppm]")
    ] = None,
    count_column: Annotated[
        str | None,
        typer.Option("--n-column", help="Independent voxels behind the SD.  [default: n_effective, n_voxels]"),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", help="NAME=NUMBER behind the likelihood, e.g. registration_mm=1; repeatable."),
    ] = None,
    noise_factor: Annotated[float, typer.Option("--noise-factor", help="Search: SDs of the map above which.")] = 6.0,
    least_ppm: Annotated[float, typer.Option("--least-ppm", help="Search: and at least this far from tissue.")] = 0.15,
    least_mm3: Annotated[float, typer.Option("--least-volume", help="Search: smallest lesion, mm3.")] = 8.0,
    edge_mm: Annotated[float, typer.Option("--edge-mm", help="Search: leave out this much at the map's edge.")] = 4.0,
) -> None:
    """Haemorrhage or calcification, with a probability."""
    from phantomcal.cli.classification_tables import show_classification
    from phantomcal.lesions.extract import Extracting
    from phantomcal.lesions.readings import Columns
    from phantomcal.steps.classification import Volumes, classification_step, numbers_of

    record = classification_step(
        out,
        table=table,
        volumes=Volumes(
            ct=ct,
            qsm=qsm,
            qsm_unit=qsm_unit,
            transform=transform,
            labels=lesions,
            lookup=lookup,
            mask=mask,
            exclude=exclude,
            subject=subject,
            extracting=Extracting(noise_factor=noise_factor, least_ppm=least_ppm, least_mm3=least_mm3, edge_mm=edge_mm),
        ),
        calibration=calibration,
        model=model,
        fit=fit,
        prior=prior or (),
        threshold=threshold,
        dead_band_ppm=dead_band,
        columns=Columns(ct_column, qsm_column, ct_sd_column, qsm_sd_column, count_column),
        truth_column=truth,
        reader_column=reader,
        numbers=numbers_of(assume or (), "--assume", "registration_mm=1"),
    )
    show_classification(record, out)
