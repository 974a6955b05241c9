"""`power` and `trial`: planning trials, and analysing them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results.trial_analysis import Trial
from phantomcal.results.trials import Outcome, PowerTable, TrialDesign


def power_step(
    outcome: str,
    out: Path | None,
    *,
    baselines: Sequence[float] = (),
    effects: Sequence[str] = (),
    differences: Sequence[float] = (),
    sd: float | None = None,
    visits: int = 1,
    correlation: float | None = None,
    power: str = "0.8",
    alpha: str = "0.05",
    tails: int = 2,
    dropout: str = "0",
    allocation: float = 1.0,
    lesions: int = 1,
    lesion_correlation: float | None = None,
    years: float | None = None,
    dispersion: float = 0.0,
    sizes: Sequence[int] = (),
    simulate: int | None = None,
    seed: int = 1,
) -> PowerTable:
    """`phantomcal power`: writes power.json, power.csv and report.html into `out`, when there is one."""
    from phantomcal.trials.assumed import parse_share
    from phantomcal.trials.table import Simulation, power_frame, power_table

    started = time.perf_counter()
    if outcome not in get_args(Outcome):
        raise InputError(f"unknown outcome {outcome!r}", "--outcome", f"one of {', '.join(get_args(Outcome))}")
    for option, count, value in (
        ("--correlation", visits, correlation),
        ("--lesion-correlation", lesions, lesion_correlation),
    ):
        if count > 1 and value is None:
            raise InputError(f"no {option} for {count} of them", "the call", "it decides the size; give 0 to 1")
    design = TrialDesign(
        outcome=cast(Outcome, outcome),
        visits=visits,
        correlation=0.0 if correlation is None else correlation,
        power=parse_share(power, "--power"),
        alpha=parse_share(alpha, "--alpha"),
        tails=tails,
        allocation=allocation,
        dropout=parse_share(dropout, "--dropout"),
        lesions=lesions,
        lesion_correlation=0.0 if lesion_correlation is None else lesion_correlation,
        years=years,
        dispersion=dispersion,
    )
    table = power_table(
        design,
        baselines=baselines,
        effects=[parse_share(text, "--effect") for text in effects],
        differences=differences,
        sd=sd,
        sizes=sizes,
        simulation=None if simulate is None else Simulation(simulate, seed),
    )
    parameters: dict[str, object] = {
        **design.model_dump(),
        "baselines": list(baselines),
        "effects": list(effects),
        "differences": list(differences),
        "sd": sd,
        "n": list(sizes),
        "simulate": simulate,
        "seed": seed if simulate is not None else None,
    }
    table = table.model_copy(update={"provenance": provenance("power", [], parameters, started)})
    if out is not None:
        from phantomcal.report.compose_power import power_report
        from phantomcal.report.page import render

        with output_folder(out) as folder:
            power_frame(table).to_csv(folder / "power.csv", index=False, float_format="%.8g", lineterminator="\n")
            write_record(table, folder / "power.json")
            (folder / "report.html").write_text(render(power_report(table)), encoding="utf-8")
    return table


def trial_step(
    table: Path,
    out: Path,
    *,
    participants: Path | None = None,
    control: str | None = None,
    threshold_percent: float = 6.0,
    visits: int | None = None,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
) -> Trial:
    """`phantomcal trial`: writes trial.json, patients.csv, analyses.csv and report.html into `out`."""
    from phantomcal.report.compose_trial import trial_report
    from phantomcal.report.page import render
    from phantomcal.tables import read_table
    from phantomcal.trials.analyse import analyse_trial, contrast_frame, patient_frame

    started = time.perf_counter()
    if date_order not in (None, "dmy", "mdy"):
        raise InputError(f"unknown order {date_order!r}", "--date-order", "use dmy or mdy")
    inputs = [input_file("table", table)] if table.is_file() else []
    frame = read_table(table)
    listed = None if participants is None else read_table(participants)
    if participants is not None:
        inputs.append(input_file("participants", participants))
    trial = analyse_trial(
        frame,
        table.name,
        listed=listed,
        listed_where="" if participants is None else participants.name,
        control=control,
        threshold_percent=threshold_percent,
        planned_visits=visits,
        columns=columns,
        day_first=None if date_order is None else date_order == "dmy",
    )
    parameters: dict[str, object] = {
        "control": trial.control,
        "threshold_percent": threshold_percent,
        "visits": visits,
        "columns": dict(columns or {}),
        "date_order": date_order,
    }
    trial = trial.model_copy(update={"provenance": provenance("trial", inputs, parameters, started)})
    with output_folder(out) as folder:
        for name, rows in (("patients.csv", patient_frame(trial)), ("analyses.csv", contrast_frame(trial))):
            rows.to_csv(folder / name, index=False, float_format="%.8g", lineterminator="\n")
        write_record(trial, folder / "trial.json")
        (folder / "report.html").write_text(render(trial_report(trial)), encoding="utf-8")
    return trial
