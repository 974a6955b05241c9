"""What `power` and `trial` print."""

import json
import sys
from pathlib import Path

from rich.markup import escape

from phantomcal.results.trial_analysis import Trial
from phantomcal.results.trials import PowerRow, PowerTable, row_for_scripts
from phantomcal.terminal import _console, _number, _p, _range, _table, _warn


def print_power(table: PowerTable) -> None:
    """The rows as JSON on stdout, for scripts."""
    content = {
        "rows": [row_for_scripts(row) for row in table.rows],
        "design": table.design.model_dump(mode="json"),
        "formula": table.formula,
        "statement": table.statement,
        "warnings": table.warnings,
    }
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def show_power(table: PowerTable, out: Path | None) -> None:
    """Sizes per assumed effect, with what simulated trials say."""
    console = _console()
    design = table.design
    simulated = any(row.simulation for row in table.rows)
    columns = ["assumed", "n per arm", "n total", "power"]
    if design.outcome == "mean":
        columns.append("power by t")
    if design.dropout:
        columns += ["power, all visits", "n without dropout", "n, all visits"]
    if simulated:
        columns += ["simulated", "95 % interval", "type I error"]
    printed = _table(*columns)
    for row in table.rows:
        printed.add_row(*_cells(row, design.dropout > 0, simulated))
    console.print(printed)
    for row in table.rows:
        for note in row.notes:
            console.print(escape(f"{_assumed(row)}: {note}"))
    if simulated:
        found = next(row.simulation for row in table.rows if row.simulation)
        console.print(escape(f"{found.n_trials} simulated trials a row, seed {found.seed}; {found.analysis}"))
    _warn(console, table.warnings)
    if out is not None:
        console.print(escape(str(out / "report.html")))


def _cells(row: PowerRow, dropout: bool, simulated: bool) -> list[str]:
    n = str(row.n_control) if row.n_control == row.n_treated else f"{row.n_control} + {row.n_treated}"
    cells = [escape(_assumed(row)), n, str(row.n_total), f"{row.power:.3f}"]
    if row.outcome == "mean":
        cells.append("–" if row.power_student is None else f"{row.power_student:.3f}")
    if dropout:
        every = "–" if row.power_available_visits is None else f"{row.power_available_visits:.3f}"
        cells += [every, str(row.n_complete), str(row.n_available_visits)]
    if simulated:
        found = row.simulation
        if found is None:
            return [*cells, "–", "–", "–"]
        low, high = found.power_ci95
        cells += [f"{found.power:.3f}", f"{low:.3f} to {high:.3f}", f"{found.type_one_error:.3f}"]
    return cells


def _assumed(row: PowerRow) -> str:
    from phantomcal.trials.wording import row_words

    words = row_words(row)
    return f"detects {words}" if row.solved_for == "effect" else words


def show_trial(trial: Trial, out: Path) -> None:
    """Patients of each arm, the primary analysis and those beside it."""
    console = _console()
    flow = _table("arm", "randomised", "lost", "left early", "not usable", "analysed", "per protocol", "% per year")
    means = {row.arm: row for row in trial.means if row.population == "intention to treat"}
    for arm in trial.flow:
        mean = means[arm.arm]
        words = "–" if mean.mean is None else f"{mean.mean:.2f}"
        words += "" if mean.standard_error is None else f" ± {mean.standard_error:.2f}"
        counts = (arm.randomised, arm.without_follow_up, arm.discontinued, arm.not_usable, arm.analysed)
        flow.add_row(escape(arm.arm), *(str(n) for n in counts), str(arm.per_protocol), words)
    console.print(flow)
    table = _table("analysis", "arms", "estimate", "95 % interval", "unit", "p")
    for row in trial.contrasts:
        words = f"{row.role}: {row.analysis}" if row.role == "primary" else row.analysis
        table.add_row(
            escape(words),
            escape(f"{row.treated} - {row.control}" if row.unit != "rate ratio" else f"{row.treated} / {row.control}"),
            _number(row.estimate, 3),
            _range(*(row.ci95 or (None, None))),
            row.unit,
            _p(row.p_value),
        )
    console.print(table)
    _warn(console, trial.warnings)
    console.print(escape(str(out / "report.html")))
