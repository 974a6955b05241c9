"""`correlate` and `compare`: from a region table to correlations and differences."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Correlation, RegionComparison

if TYPE_CHECKING:
    import pandas as pd


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
    x_sd: str | None = None,
    y_sd: str | None = None,
    group: str | None = None,
) -> Correlation:
    """`phantomcal correlate`: writes correlation.csv, correlation.json, correlation_table.* and report.html."""
    from phantomcal.correlation.correlate import DEFAULT_BY, DEFAULT_SUBJECT, correlate
    from phantomcal.tables import read_table, require_columns

    started = time.perf_counter()
    if (x_sd is None) != (y_sd is None):
        raise InputError("standard errors of one axis only", "the call", "give both --x-sd and --y-sd")
    sds = (x_sd, y_sd) if x_sd is not None and y_sd is not None else None
    frame = read_table(table)
    if group is not None:
        require_columns(frame, [group], table.name, {group: "--group"})
    keys = {"by": _column(by, DEFAULT_BY), "subject": _column(subject, DEFAULT_SUBJECT)}
    record = correlate(
        frame,
        x=x,
        y=y,
        by=keys["by"],
        subject=keys["subject"],
        covariates=covariates,
        sds=sds,
        adjust=adjust,
        where=table.name,
    )
    parameters: dict[str, Any] = {"x": x, "y": y, **keys, "covariates": list(covariates), "adjust": adjust}
    parameters |= {"standard_errors": list(sds or ()), "n_bootstrap": record.n_bootstrap, "group": group}
    record = record.model_copy(
        update={"provenance": provenance("correlate", [input_file("table", table)], parameters, started)}
    )
    with output_folder(out) as folder:
        write_correlation(record, frame, folder, subject=keys["subject"], group=group)
    return record


def _column(given: str | None, default: str) -> str | None:
    if given is None:
        return default
    return None if given.strip().lower() in ("", "none") else given


def write_correlation(
    record: Correlation,
    frame: "pd.DataFrame",
    folder: Path,
    *,
    subject: str | None = "subject_id",
    group: str | None = None,
) -> None:
    """correlation.csv, correlation.json, correlation_table.* for a paper, and report.html of one correlation.

    Parameters
    ----------
    record, frame, folder
        The result, the rows it was made from, and where to write.
    subject, group : str, optional
        Columns of the person and of the group that colours the points; a column ``group`` is taken when it is there.
    """
    from phantomcal.correlation.correlate import correlation_frame
    from phantomcal.report.compose_correlation import correlation_report
    from phantomcal.report.page import render
    from phantomcal.report.paper_table import paper_frame, paper_html, paper_latex

    correlation_frame(record).to_csv(folder / "correlation.csv", index=False, float_format="%.10g", lineterminator="\n")
    write_record(record, folder / "correlation.json")
    paper_frame(record).to_csv(folder / "correlation_table.csv", index=False, lineterminator="\n")
    (folder / "correlation_table.html").write_text(paper_html(record), encoding="utf-8")
    (folder / "correlation_table.tex").write_text(paper_latex(record), encoding="utf-8")
    colour = group if group is not None else "group" if "group" in frame else None
    page = render(correlation_report(record, frame, colour, subject))
    (folder / "report.html").write_text(page, encoding="utf-8")


def compare_step(
    table: Path,
    out: Path,
    *,
    x: str = "ct_hu",
    y: str = "qsm_ppm",
    by: str | None = None,
    subject: str | None = None,
    groups: Sequence[str] = (),
    age: str | None = None,
    covariates: Sequence[str] = (),
    second: str | None = None,
    reader: str | None = None,
    ppb_per_mg: float | None = None,
    adjust: str = "holm",
) -> RegionComparison:
    """`phantomcal compare`: writes comparison.csv, comparison.json and report.html into `out`."""
    from phantomcal.correlation.compare import compare, comparison_frame
    from phantomcal.correlation.expected_iron import DEFAULT_PPB_PER_MG
    from phantomcal.correlation.rows import DEFAULT_BY, DEFAULT_SUBJECT
    from phantomcal.report.compose_comparison import comparison_report
    from phantomcal.report.page import render
    from phantomcal.tables import read_table

    started = time.perf_counter()
    scale = DEFAULT_PPB_PER_MG if ppb_per_mg is None else ppb_per_mg
    if not scale > 0:
        raise InputError(f"{scale:g} ppb for 1 mg of iron", "the call", "give a positive number with --ppb-per-mg")
    frame = read_table(table)
    keys = {"by": _column(by, DEFAULT_BY), "subject": _column(subject, DEFAULT_SUBJECT)}
    options: dict[str, Any] = {
        "groups": list(groups),
        "age": age,
        "covariates": list(covariates),
        "second": second,
        "reader": reader,
    }
    options |= {"ppb_per_mg": scale, "adjust": adjust}
    record = compare(
        frame,
        x=x,
        y=y,
        by=keys["by"],
        subject=keys["subject"],
        groups=groups,
        age=age,
        covariates=covariates,
        second=second,
        reader=reader,
        ppb_per_mg=scale,
        adjust=adjust,
        where=table.name,
    )
    made = provenance("compare", [input_file("table", table)], {"x": x, "y": y, **keys, **options}, started)
    record = record.model_copy(update={"provenance": made})
    with output_folder(out) as folder:
        comparison_frame(record).to_csv(
            folder / "comparison.csv", index=False, float_format="%.10g", lineterminator="\n"
        )
        write_record(record, folder / "comparison.json")
        (folder / "report.html").write_text(render(comparison_report(record, frame)), encoding="utf-8")
    return record
