"""`sample` and `correlate`: from label maps to a region table, from a region table to correlations."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_file, output_folder, provenance, write_record
from phantomcal.results import Correlation
from phantomcal.steps.registration import read_transform

if TYPE_CHECKING:
    import pandas as pd


def sample_step(
    labels: str,
    out: Path,
    *,
    lookup: Path | None = None,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    transform: Path | None = None,
    subject: str = "",
    session: str = "",
    erode: int = 0,
) -> "pd.DataFrame":
    """`phantomcal sample`: writes the region table `out`."""
    from phantomcal.correlation.regions import read_lookup, sample_regions
    from phantomcal.volumes import read_ct, read_labels, read_qsm

    if ct is None and qsm is None:
        raise InputError("nothing to sample", "", "give --ct, --qsm or both")
    table_writer(out)
    regions = read_labels(labels)
    table = lookup or _lookup_beside(labels)
    names = read_lookup(table) if table else None
    moving = read_ct(ct) if ct is not None else None
    susceptibility = read_qsm(qsm, qsm_unit) if qsm is not None else None
    frame = sample_regions(
        regions.image,
        names,
        ct=moving.image if moving else None,
        qsm=susceptibility.image if susceptibility else None,
        transform=read_transform(transform) if transform else None,
        erode_voxels=erode,
        subject_id=subject,
        session=session,
    )
    notes = [n for v in (regions, moving, susceptibility) if v is not None for n in v.notes]
    frame.attrs["warnings"] = [*notes, *frame.attrs.get("warnings", [])]
    with output_file(out) as path:
        table_writer(out)(frame, path)
    return frame


def _lookup_beside(labels: str) -> Path | None:
    """dseg.tsv beside the label map, or the TSV of the same name."""
    path = Path(labels)
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return next((p for p in (path.with_name(f"{stem}.tsv"), path.with_name("dseg.tsv")) if p.is_file()), None)


def table_writer(path: Path) -> Any:
    """Writer for a table's suffix; refuses a suffix it does not know before any work is done."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return lambda frame, target: frame.to_parquet(target, index=False)
    if suffix in (".csv", ".tsv"):
        separator = "," if suffix == ".csv" else "\t"
        return lambda frame, target: frame.to_csv(
            target, index=False, sep=separator, float_format="%.8g", lineterminator="\n"
        )
    raise InputError(f"unknown table type {path.suffix!r}", path.name, "name the output .csv, .tsv or .parquet")


def correlate_step(
    table: Path,
    out: Path,
    *,
    x: str = "ct_hu",
    y: str = "qsm_ppm",
    by: str | None = None,
    subject: str | None = None,
    covariates: Sequence[str] = (),
    adjust: str = "holm",
) -> Correlation:
    """`phantomcal correlate`: writes correlation.csv, correlation.json and report.html into `out`."""
    from phantomcal.correlation.correlate import DEFAULT_BY, DEFAULT_SUBJECT, correlate
    from phantomcal.tables import read_table

    started = time.perf_counter()
    frame = read_table(table)
    keys = {
        name: _column(given, default)
        for name, given, default in (("by", by, DEFAULT_BY), ("subject", subject, DEFAULT_SUBJECT))
    }
    record = correlate(
        frame, x=x, y=y, by=keys["by"], subject=keys["subject"], covariates=covariates, adjust=adjust, where=table.name
    )
    parameters = {"x": x, "y": y, **keys, "covariates": list(covariates), "adjust": adjust}
    record = record.model_copy(
        update={"provenance": provenance("correlate", [input_file("table", table)], parameters, started)}
    )
    with output_folder(out) as folder:
        write_correlation(record, frame, folder)
    return record


def _column(given: str | None, default: str) -> str | None:
    if given is None:
        return default
    return None if given.strip().lower() in ("", "none") else given


def write_correlation(record: Correlation, frame: "pd.DataFrame", folder: Path) -> None:
    """correlation.csv, correlation.json and report.html of one correlation."""
    from phantomcal.correlation.correlate import correlation_frame
    from phantomcal.report.compose_correlation import correlation_report
    from phantomcal.report.page import render

    correlation_frame(record).to_csv(folder / "correlation.csv", index=False, float_format="%.10g", lineterminator="\n")
    write_record(record, folder / "correlation.json")
    (folder / "report.html").write_text(render(correlation_report(record, frame)), encoding="utf-8")
