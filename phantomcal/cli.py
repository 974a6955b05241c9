"""The command line: parse, call, print. No science."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from phantomcal import __version__
from phantomcal.errors import InputError, PhantomcalError

app = typer.Typer(
    name="phantomcal",
    help="Calibrate CT and QSM with vial phantoms, align the two, and tell blood from calcium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
simulate_app = typer.Typer(help="Simulate scans with known truth.", no_args_is_help=True)
app.add_typer(simulate_app, name="simulate")

Out = Annotated[Path, typer.Option("-o", "--out", help="Output folder; it appears when everything is done.")]
Ct = Annotated[str | None, typer.Option("--ct", help="CT: NIfTI, MHA, NRRD, DICOM folder, or DIR::SERIES_UID.")]
Qsm = Annotated[str | None, typer.Option("--qsm", help="Susceptibility map, ppm unless said otherwise.")]
QsmUnit = Annotated[str | None, typer.Option("--qsm-unit", help="ppm or ppb; else the JSON sidecar's Units, else ppm.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed: the same seed gives the same bytes.")]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"phantomcal {__version__}")
        raise typer.Exit


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


@app.command()
def calibrate(
    protocol: Annotated[str, typer.Argument(help="Built-in protocol or YAML file; see `phantomcal protocols`.")],
    out: Out,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    session: Annotated[str, typer.Option(help="Name of the session, kept in the result.")] = "",
    axis: Annotated[int | None, typer.Option(help="Index axis the vials run along (0, 1, 2), if found wrong.")] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Handedness, if found wrong.")] = None,
    rotation: Annotated[float | None, typer.Option(help="In-plane rotation in degrees, if found wrong.")] = None,
) -> None:
    """Find the vials of a phantom, measure them, and fit the calibration lines."""
    from phantomcal.steps import calibrate_step
    from phantomcal.terminal import show_calibration

    record = calibrate_step(
        protocol,
        out,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        session=session,
        axis=axis,
        mirrored=mirror,
        rotation_deg=rotation,
    )
    show_calibration(record, out)
    raise typer.Exit(1 if record.status == "fail" else 0)


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per vial.")],
    out: Out,
    x: Annotated[str, typer.Option("--x", help="Column of the abscissa.")] = "concentration_mmol_per_l",
    y: Annotated[str, typer.Option("--y", help="Column of the measured value.")] = "value",
    by: Annotated[
        str | None, typer.Option("--by", help="Columns that tell lines apart, or none.  [default: material,modality]")
    ] = None,
    sd: Annotated[str | None, typer.Option("--sd", help="Column of the standard error of y: weighted fit.")] = None,
    x_sd: Annotated[
        str | None, typer.Option("--x-sd", help="Column of the standard error of x: errors in both axes.")
    ] = None,
) -> None:
    """Fit calibration lines to vials measured elsewhere."""
    from phantomcal.steps import fit_step
    from phantomcal.terminal import show_calibration

    record = fit_step(table, out, x=x, y=y, by=by, sd=sd, x_sd=x_sd)
    show_calibration(record, out)


@app.command()
def register(
    out: Out,
    ct: Annotated[str, typer.Option("--ct", help="CT of the patient.")],
    mr: Annotated[str, typer.Option("--mr", help="GRE magnitude of the QSM acquisition, or the QSM map itself.")],
    kind: Annotated[str, typer.Option("--mr-kind", help="magnitude, qsm, or auto (by file name).")] = "auto",
    init: Annotated[
        str, typer.Option("--init", help="auto, or centre: ignore where the headers put the volumes.")
    ] = "auto",
) -> None:
    """Align a CT to the MR space of the QSM map."""
    from phantomcal.steps import register_step
    from phantomcal.terminal import show_alignment

    record = register_step(ct, mr, out, kind=kind, init=init)
    show_alignment(record, out)
    raise typer.Exit(0 if record.verdict == "pass" else 1)


@app.command()
def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write: CSV, TSV or Parquet.")],
    labels: Annotated[str, typer.Option("--labels", help="Label map on the grid of the QSM map.")],
    lookup: Annotated[Path | None, typer.Option("--lookup", help="TSV with index and name.")] = None,
    ct: Ct = None,
    qsm: Qsm = None,
    qsm_unit: QsmUnit = None,
    transform: Annotated[
        Path | None, typer.Option("--transform", help="ct_to_mr.tfm of `phantomcal register`.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Written into the column subject_id.")] = "",
    session: Annotated[str, typer.Option("--session", help="Written into the column session.")] = "",
    erode: Annotated[int, typer.Option("--erode", help="Voxel layers taken off each region.")] = 0,
) -> None:
    """Region statistics of CT and QSM from a label map."""
    from phantomcal.steps import sample_step
    from phantomcal.terminal import show_regions

    frame = sample_step(
        labels,
        out,
        lookup=lookup,
        ct=ct,
        qsm=qsm,
        qsm_unit=qsm_unit,
        transform=transform,
        subject=subject,
        session=session,
        erode=erode,
    )
    show_regions(frame, out)


@app.command()
def correlate(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet: a row per subject and region.")],
    out: Out,
    x: Annotated[str, typer.Option("--x", help="Column of the CT attenuation, HU.")] = "ct_hu",
    y: Annotated[str, typer.Option("--y", help="Column of the susceptibility, ppm.")] = "qsm_ppm",
    by: Annotated[
        str | None, typer.Option("--by", help="Column that names the regions, or none.  [default: roi]")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Column of the subjects, or none.  [default: subject_id]")
    ] = None,
    covariate: Annotated[
        list[str] | None, typer.Option("--covariate", help="Column to hold constant; repeatable.")
    ] = None,
    adjust: Annotated[str, typer.Option("--adjust", help="holm, bonferroni, fdr_bh or none.")] = "holm",
) -> None:
    """CT-QSM correlation per region: paramagnetic, diamagnetic or undetermined."""
    from phantomcal.steps import correlate_step
    from phantomcal.terminal import show_correlation

    record = correlate_step(table, out, x=x, y=y, by=by, subject=subject, covariates=covariate or [], adjust=adjust)
    show_correlation(record, out)


@app.command()
def protocols(name: Annotated[str | None, typer.Argument(help="Print this one as YAML.")] = None) -> None:
    """List the built-in phantoms, or show one to copy from."""
    from phantomcal.protocol import builtin_protocols, load_protocol

    known = builtin_protocols()
    if name is None:
        for key in known:
            typer.echo(f"{key:<18} {load_protocol(key).title}")
        return
    if name not in known:
        raise InputError(f"no protocol {name!r}", "", f"built in are {', '.join(known)}")
    typer.echo(known[name].read_text(encoding="utf-8"), nl=False)


@app.command()
def schema(name: Annotated[str | None, typer.Argument(help="Print this JSON schema.")] = None) -> None:
    """List the JSON schemas of protocols and results, or show one."""
    from phantomcal.outputs import to_json
    from phantomcal.schemas import json_schemas

    known = json_schemas()
    if name is None:
        for key, value in known.items():
            typer.echo(f"{key:<14} {str(value.get('description', '')).splitlines()[0]}")
        return
    if name not in known:
        raise InputError(f"no schema {name!r}", "", f"there are {', '.join(known)}")
    typer.echo(to_json(known[name]), nl=False)


@simulate_app.command("phantom")
def simulate_phantom(
    out: Out,
    protocol: Annotated[str, typer.Option(help="Built-in protocol or YAML file.")] = "simulated-gd-ca",
    seed: Seed = 1,
) -> None:
    """A phantom scanned by CT and QSM."""
    from phantomcal.steps import simulate_phantom_step

    simulate_phantom_step(protocol, seed, out)
    typer.echo(f"phantom in {out}")


@simulate_app.command("head")
def simulate_head(
    out: Out,
    seed: Seed = 1,
    ct_slice_mm: Annotated[float, typer.Option("--ct-slice-mm", help="CT slice thickness, 1.25 to 5.")] = 2.5,
) -> None:
    """A head with lesions, CT and MR in different places."""
    from phantomcal.steps import simulate_head_step

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
    from phantomcal.steps import simulate_study_step
    from phantomcal.terminal import Progress

    with Progress() as progress:
        simulate_study_step(out, seed, subjects, jobs, progress)
    typer.echo(f"study in {out}")


def main() -> None:
    """Entry point: one-line errors and the exit codes of the contract."""
    raise SystemExit(_run())


def _run() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode must not end in a traceback
    try:
        code: Any = app(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PhantomcalError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, EOFError):
        return _refuse("interrupted; nothing was written")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Typer's own usage errors carry their text; typer and click ship different classes by version.
        if hasattr(error, "format_message"):
            text = " ".join(error.format_message().split())
            return _refuse(f"{text or 'no command given'} (see `phantomcal --help`)") if text else 0
        if type(error).__name__ in ("Abort", "Exit"):
            return int(getattr(error, "exit_code", 2))
        if os.environ.get("PHANTOMCAL_DEBUG"):
            raise
        detail = " ".join(str(error).split())[:200]
        return _refuse(
            f"internal fault ({type(error).__name__}: {detail}): please report it; "
            "PHANTOMCAL_DEBUG=1 shows where it arose"
        )


def _refuse(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 2
