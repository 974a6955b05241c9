"""What `concentration` prints."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results import Concentrations
from phantomcal.terminal import _console, _table, _warn

_MOST_ROWS = 40


def show_concentrations(record: Concentrations, out: Path | None) -> None:
    """Amounts with their intervals, and what the samples hold."""
    from phantomcal.phantom.reading.concentration import main_readings

    console = _console()
    # One sample is shown by every line; of many, the reading that counts.
    rows = record.readings if len({r.id for r in record.readings}) == 1 else main_readings(record)
    verdicts = {v.id: v for v in record.verdicts}
    table = _table(
        "sample", "read from", "material", "mmol/L", "± SE", "95 % interval", "probability", "verdict", "note"
    )
    table.columns[-1].justify = "left"
    for row in rows[:_MOST_ROWS]:
        interval = (
            "none" if row.ci95_low is None or row.ci95_high is None else f"{row.ci95_low:.4g} to {row.ci95_high:.4g}"
        )
        table.add_row(
            escape(row.id),
            {"ct": "CT", "qsm": "QSM", "joint": "both"}[row.modality],
            escape(row.material),
            f"{row.concentration_mmol_per_l:.4g}",
            f"{row.standard_error:.2g}",
            interval,
            "–" if row.probability is None else f"{row.probability:.3f}",
            escape(verdicts[row.id].verdict) if row.modality == "joint" else "–",
            escape(row.note),
        )
    console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"and {len(rows) - _MOST_ROWS} more rows in concentrations.csv")
    if len(verdicts) == 1:
        (verdict,) = verdicts.values()
        console.print(verdict.verdict + (f": {escape(verdict.note)}" if verdict.note else ""))
    _warn(console, record.warnings)
    if out is not None:
        console.print(escape(str(out / "report.html")))
