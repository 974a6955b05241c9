"""What `track` prints."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results.tracking import Tracking
from phantomcal.terminal import _console, _number, _p, _range, _table, _warn


def show_tracking(record: Tracking, out: Path) -> None:
    """Rates, events, comparisons, and what a scanner correction changed."""
    console = _console()
    console.print(
        f"{record.n_patients} patients, {record.n_lesions} lesions, {record.n_visits} visits, {record.n_intervals} "
        f"intervals ({record.n_comparable} comparable), {record.patient_years:.4g} patient-years"
    )
    table = _table("change", "% per year", "± SE", "95 % interval", "patients", "years", "note")
    table.columns[-1].justify = "left"
    for rate in record.rates:
        low, high = rate.ci95 or (None, None)
        table.add_row(
            rate.name, _number(rate.percent_per_year, 3), _number(rate.standard_error, 2), _range(low, high),
            str(rate.n_patients), f"{rate.years:.4g}", escape(rate.note),
        )  # fmt: skip
    console.print(table)
    table = _table("event", "unit", "events", "years", "per year", "95 % interval (exact)")
    for row in record.event_rates:
        low, high = row.ci95 or (None, None)
        table.add_row(
            row.event, row.unit, str(row.events), f"{row.years:.4g}", _number(row.per_year, 3), _range(low, high)
        )
    console.print(table)
    for share in record.shares:
        low, high = share.ci95_exact or (None, None)
        value = "–" if share.value is None else f"{100 * share.value:.0f} %"
        console.print(f"{share.name}: {share.count} of {share.n} ({value}, exact 95 % {_range(low, high, 2)})")
    for against in record.against_clinical[:1]:
        for share in against.shares[:2]:
            low, high = share.ci95_exact or (None, None)
            console.print(
                f"{share.name} by {against.unit}: {share.count} of {share.n} (exact 95 % {_range(low, high, 2)})"
            )
    if record.contrasts:
        table = _table("compared", "quantity", "estimate", "95 % interval", "p", "p adjusted", "test")
        table.columns[-1].justify = "left"
        for c in record.contrasts:
            low, high = c.ci95 or (None, None)
            table.add_row(
                escape(f"{c.column}: {c.second} against {c.first}"), f"{c.quantity} {c.event}".strip(),
                _number(c.estimate, 3), _range(low, high), _p(c.p_value), _p(c.p_adjusted), escape(c.test),
            )  # fmt: skip
        console.print(table)
    if record.correction is not None:
        done = record.correction
        console.print(
            f"scanner correction: {done.n_corrected} of {done.n_visits} visits; threshold events "
            f"{done.events_uncorrected} as measured, {done.events_corrected} corrected "
            f"({done.events_lost} lost, {done.events_gained} gained)"
        )
    if record.appearances:
        console.print("lesions: " + ", ".join(f"{n} {word}" for word, n in record.appearances.items()))
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))
