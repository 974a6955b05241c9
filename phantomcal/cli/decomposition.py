"""The command `decompose`."""

from pathlib import Path
from typing import Annotated

import typer

from phantomcal.cli.options import Ct, Out, Qsm, QsmUnit, Strictness, app
from phantomcal.cli.printing import with_pdf
from phantomcal.errors import InputError


@app.command()
@with_pdf
def decompose(
    out: Out,
    calibration: Annotated[Path, typer.Option("--calibration", help="calibration.json of `calibrate` or `fit`.")],
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="CSV, TSV or Parquet of HU and ppm instead of volumes.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option("--transform", help="ct_to_mr.tfm of `phantomcal register`, or identity."),
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Align the CT to the map here.")] = False,
    magnitude: Annotated[
        str | None, typer.Option("--magnitude", help="Magnitude on the map's grid, to align by.")
    ] = None,
    lesions: Annotated[
        str | None, typer.Option("--lesions", help="Label map on the map's grid: mass per lesion.")
    ] = None,
    lookup: Annotated[Path | None, typer.Option("--lookup", help="Names of the labels (TSV).")] = None,
    mask: Annotated[str | None, typer.Option("--mask", help="Where the map is valid; else where it is not 0.")] = None,
    materials: Annotated[
        str | None,
        typer.Option("--materials", help="Two or more, such as iron,calcium or gadolinium,calcium.  [default: all]"),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="MATERIAL=FORM, such as iron=methaemoglobin, iron=ferritin=0.09:0.01 or calcium=hydroxyapatite; "
            "'as calibrated' forbids a conversion. Repeatable.",
        ),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            "--baseline",
            help="Tissue without the materials: HU,PPM (37:2,0.01:0.005 with errors), tissue (the image's own), mirror "
            "(the other side), fitted (around each lesion), medium (the vials'), or auto.",
        ),
    ] = "auto",
    hu_noise: Annotated[float | None, typer.Option("--hu-noise", help="SD of a voxel; else measured.")] = None,
    ppm_noise: Annotated[float | None, typer.Option("--ppm-noise", help="SD of a voxel; else measured.")] = None,
    density: Annotated[float, typer.Option("--density", help="Of tissue, g/mL, for mg per 100 g.")] = 1.04,
    tube_voltage: Annotated[
        float | None, typer.Option("--tube-voltage", help="kVp of the CT; else the calibration's, else 120.")
    ] = None,
    field_strength: Annotated[
        float | None, typer.Option("--field", help="Tesla of the MR; else the calibration's, else 3.")
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
        str | None, typer.Option("--n-column", help="Independent voxels.  [default: n_effective, else n_voxels]")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="Column that names the rows.")] = None,
    unconstrained: Annotated[
        bool, typer.Option("--unconstrained", help="Also write the exact solutions, negative amounts included.")
    ] = False,
    strictness: Strictness = "warn",
) -> None:
    """Calcium and iron from CT and QSM: concentration maps with standard errors, masses of lesions."""
    from phantomcal.cli.decomposition_tables import show_decomposition
    from phantomcal.steps.decomposition import decompose_volumes_step
    from phantomcal.steps.decomposition_common import Choices
    from phantomcal.steps.decomposition_scans import Scans
    from phantomcal.steps.decomposition_table import decompose_table_step

    choices = Choices(
        materials=tuple(m for m in (materials or "").split(",") if m.strip()),
        forms=_forms(form or []),
        baseline=baseline,
        hu_noise=hu_noise,
        ppm_noise=ppm_noise,
        density_g_per_ml=density,
        tube_voltage_kvp=tube_voltage,
        field_tesla=field_strength,
    )
    columns = {
        "ct_column": ct_column,
        "qsm_column": qsm_column,
        "ct_sd_column": ct_sd_column,
        "qsm_sd_column": qsm_sd_column,
        "count_column": count_column,
        "id_column": id_column,
    }
    if (ct is None) != (qsm is None) or (ct is None) == (table is None):
        raise InputError(
            "two readings are needed: a CT and a map, or a table with both",
            "",
            "give --ct and --qsm, or --table",
        )
    if table is not None:
        _only_volumes(transform=transform, lesions=lesions, lookup=lookup, mask=mask, magnitude=magnitude)
        for name, said in (("--register", register), ("--unconstrained", unconstrained)):
            if said:
                raise InputError(f"{name} belongs to volumes", "", "leave it out with --table")
        record = decompose_table_step(calibration, out, table, choices, **columns)
    else:
        given = next((f"--{name.replace('_', '-')}" for name, value in columns.items() if value is not None), None)
        if given:
            raise InputError(f"{given} belongs to a table", "", "leave it out with --ct and --qsm")
        assert ct is not None
        assert qsm is not None
        scans = Scans(
            ct,
            qsm,
            qsm_unit,
            transform,
            register,
            magnitude,
            lesions,
            lookup,
            mask,
            strictness,
            unconstrained,
        )
        record = decompose_volumes_step(calibration, out, scans, choices)
    show_decomposition(record, out)


def _forms(given: list[str]) -> dict[str, str]:
    forms = {}
    for text in given:
        material, _, form = text.partition("=")
        if not form.strip() or not material.strip():
            raise InputError(f"{text!r} names no form", "--form", "write it as iron=ferritin")
        forms[material.strip()] = form.strip()
    return forms


def _only_volumes(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InputError(f"--{name} belongs to volumes", "", "leave it out with --table")
