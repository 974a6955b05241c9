"""What `plaque` prints."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results import Plaque
from phantomcal.terminal import _console, _number, _p, _range, _table, _warn


def show_plaque(record: Plaque, out: Path) -> None:
    """Means of the components, whether they differ, and the areas under the curves."""
    console = _console()
    for measure in record.measures:
        table = _table(
            f"{measure.modality.upper()}, {measure.unit}", "n", "patients", "mean", "95 % interval", "median"
        )
        for row in measure.components:
            low, high = row.ci95 or (None, None)
            cells = (str(row.n), str(row.n_patients), _number(row.mean, 3), _range(low, high), _number(row.median, 3))
            table.add_row(escape(row.component), *cells)
        console.print(table)
        if measure.tests:
            first = measure.tests[0]
            console.print(escape(f"components alike: p {_p(first.p)} ({first.test})"))
        for found in measure.rocs:
            area = found.roc
            interval = "no interval" if area.auc_ci95 is None else "{:.3f} to {:.3f}".format(*area.auc_ci95)
            where = "" if found.cutoff is None else f", cut-off {found.cutoff.cutoff:.3g} {measure.unit}"
            console.print(escape(f"{found.target} against the rest: area {area.auc:.3f}, {interval}{where}"))
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))
