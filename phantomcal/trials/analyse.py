"""Analyse a trial as it was stated: change per year averaged over visits, arms compared, patients as units."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.accuracy.proportions import proportion
from phantomcal.correlation.inference import adjust_p
from phantomcal.errors import InputError
from phantomcal.followup.events import COLUMNS, Event, event_rate, usable
from phantomcal.followup.intervals import THRESHOLD_PERCENT, Intervals, intervals
from phantomcal.followup.visits import counted, named, read_visits
from phantomcal.results.accuracy import Proportion
from phantomcal.results.tracking import EventRate
from phantomcal.results.trial_analysis import (
    ArmFlow,
    ArmMean,
    Population,
    Trial,
    TrialContrast,
    TrialPatient,
    VisitMean,
)
from phantomcal.tables import require_columns
from phantomcal.trials.averages import PatientAverages, courses, event_counts, patient_averages
from phantomcal.trials.contrasts import (
    Pair,
    adjusted_contrast,
    averages_contrast,
    mixed_contrast,
    rank_contrast,
    rate_contrast_of,
    share_contrast,
)
from phantomcal.trials.flow import arm_flows, statuses
from phantomcal.trials.participants import Participants, read_participants

PRIMARY = "mean change, averaged over visits and lesions"
_EVENTS: tuple[tuple[Event, str, str], ...] = (
    ("threshold", "threshold event", "threshold events"),
    ("clinical", "clinical event", "clinical events"),
)
_OWN_COLUMNS = ("arm", "received_arm", "per_protocol", "reason")
_FEW_ANALYSED = 0.8
_MOST_VISITS = 200


def analyse_trial(
    table: pd.DataFrame,
    where: str = "the table",
    *,
    listed: pd.DataFrame | None = None,
    listed_where: str = "the list of participants",
    control: str | None = None,
    threshold_percent: float = THRESHOLD_PERCENT,
    planned_visits: int | None = None,
    columns: Mapping[str, str] | None = None,
    day_first: bool | None = None,
) -> Trial:
    """Compare the arms of a trial.

    Parameters
    ----------
    table : pandas.DataFrame
        Lesion visits as `phantomcal.followup.visits.read_visits` takes them, with `arm` and, where they are known,
        `received_arm`, `per_protocol` and `reason`.
    where : str
        The file, for messages.
    listed : pandas.DataFrame, optional
        Everyone randomised, a row a patient, with the same four columns; for those who never had a visit.
    listed_where : str
    control : str, optional
        The control arm.
    threshold_percent : float
        A rise of this or more is a threshold event.
    planned_visits : int, optional
        Follow-up visits of a complete patient; else the most that anyone has.
    columns : mapping of str to str, optional
        Contract name -> name in the table.
    day_first : bool, optional
        How to read 03/04/2024.

    Returns
    -------
    Trial

    Raises
    ------
    InputError
        As `read_visits`, `intervals` and `read_participants`; or nobody in an arm can be analysed.
    """
    if planned_visits is not None and not 1 <= planned_visits <= _MOST_VISITS:
        raise InputError(f"--visits {planned_visits}", "the call", f"1 to {_MOST_VISITS} follow-up visits")
    given = dict(columns or {})
    for column in given.values():
        if listed is None or column not in listed.columns:
            require_columns(table, [column], where)
    people = read_participants(
        _renamed(table, given),
        where,
        listed=None if listed is None else _renamed(listed, given),
        listed_where=listed_where,
        control=control,
    )
    # Arms are known by now; `read_visits` reads the measurements.
    own = [given.get(name, name) for name in _OWN_COLUMNS]
    bare = table.drop(columns=[c for c in {*own, *_OWN_COLUMNS} if c in table.columns])
    kept = {name: column for name, column in given.items() if name not in _OWN_COLUMNS}
    visits = read_visits(bare, where, columns=kept or None, day_first=day_first)
    found = intervals(visits, threshold_percent=threshold_percent)
    averages = patient_averages(found)
    status = statuses(people, found, averages.frame)
    most = int(averages.frame["n_follow_up"].max()) if len(averages.frame) else 1
    planned = most if planned_visits is None else planned_visits
    flow = arm_flows(people, found, averages.frame, status, planned)
    empty = [row.arm for row in flow if row.analysed == 0]
    if empty:
        raise InputError(f"nobody of arm {empty[0]} can be analysed", where, "a patient needs two comparable values")
    arm = people.frame["arm"]
    contrasts = _contrasts(people, found, averages, planned)
    warnings = [*visits.warnings, *found.warnings, *_remarks(people, flow, planned, planned_visits is not None)]
    return Trial(
        control=people.control,
        arms=people.arms,
        threshold_percent=threshold_percent,
        planned_visits=planned,
        planned_visits_said=planned_visits is not None,
        flow=flow,
        means=_means(people, averages),
        contrasts=contrasts,
        visit_means=_visit_means(found, arm, people.arms, planned),
        event_shares=_shares(found, arm, people.arms),
        event_rates=_rates(found, arm, people.arms),
        patients=_patients(people, found, averages, status),
        warnings=list(dict.fromkeys(warnings)),
    )


def _renamed(table: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
    """The table under the contract's names; columns that a given one takes the place of are dropped."""
    there = {column: name for name, column in given.items() if column in table.columns and column != name}
    taken = [name for name in there.values() if name in table.columns]
    return table.drop(columns=taken).rename(columns=there) if there else table


def _populations(people: Participants) -> list[tuple[Population, "pd.Series[str]"]]:
    frame = people.frame
    rows: list[tuple[Population, pd.Series[str]]] = [("intention to treat", frame["arm"])]
    if people.has_protocol:
        rows.append(("per protocol", frame.loc[frame["per_protocol"], "arm"]))
        rows.append(("as treated", frame["received_arm"]))
    return rows


def _contrasts(people: Participants, found: Intervals, averages: PatientAverages, planned: int) -> list[TrialContrast]:
    frame = averages.frame
    rows: list[TrialContrast] = []
    populations = _populations(people)
    for treated in people.arms[1:]:
        pair = Pair(people.control, treated, people.frame["arm"])
        rows.append(averages_contrast(frame, pair, PRIMARY, role="primary"))
        for name, arm in populations[1:]:
            rows.append(averages_contrast(frame, Pair(people.control, treated, arm, name), f"{PRIMARY}: {name}"))
        complete = frame[frame["n_follow_up"] >= planned]
        if 0 < len(complete) < len(frame):
            rows.append(averages_contrast(complete, pair, "patients with every planned visit"))
        rows.append(
            averages_contrast(
                frame, pair, "total change over total time of each patient", column="weighted_percent_per_year"
            )
        )
        rows.append(mixed_contrast(found, pair))
        rows.append(adjusted_contrast(frame, pair))
        rows.append(rank_contrast(frame, pair))
        rows.append(
            averages_contrast(
                frame, pair, "absolute change", column="ppm_per_year", role="secondary", unit="ppm per year"
            )
        )
        for event, single, several in _EVENTS:
            counts = event_counts(found, event)
            if not counts.empty:
                rows.append(share_contrast(counts, pair, single))
            rate = rate_contrast_of(found, pair, event, several)
            if rate is not None:
                rows.append(rate)
    return _adjusted(rows)


def _adjusted(rows: list[TrialContrast]) -> list[TrialContrast]:
    primary = [k for k, row in enumerate(rows) if row.role == "primary"]
    if len(primary) < 2:
        return rows
    p = np.array([np.nan if rows[k].p_value is None else rows[k].p_value for k in primary], dtype=np.float64)
    for k, value in zip(primary, adjust_p(p), strict=True):
        rows[k] = rows[k].model_copy(update={"p_adjusted": None if np.isnan(value) else float(value)})
    return rows


def _means(people: Participants, averages: PatientAverages) -> list[ArmMean]:
    rows = []
    for population, arm in _populations(people):
        of = arm.reindex(averages.frame.index)
        for name in people.arms:
            mine = averages.frame[(of == name).to_numpy()]
            values = mine["percent_per_year"].to_numpy(dtype=np.float64)
            error, bounds = _mean_error(values)
            rows.append(
                ArmMean(
                    arm=name,
                    population=population,
                    n_patients=values.size,
                    n_lesions=int(mine["n_lesions"].sum()),
                    n_intervals=int(mine["n_intervals"].sum()),
                    mean=float(values.mean()) if values.size else None,
                    sd=float(values.std(ddof=1)) if values.size > 1 else None,
                    standard_error=error,
                    ci95=bounds,
                )
            )
    return rows


def _mean_error(values: "np.ndarray") -> tuple[float | None, tuple[float, float] | None]:
    if values.size < 2:
        return None, None
    error = float(values.std(ddof=1) / np.sqrt(values.size))
    half = float(stats.t.ppf(0.975, values.size - 1)) * error
    return error, (float(values.mean()) - half, float(values.mean()) + half)


def _visit_means(found: Intervals, arm: "pd.Series[str]", arms: list[str], planned: int) -> list[VisitMean]:
    course = courses(found)
    course["arm"] = course["subject_id"].map(arm)
    rows = []
    for name in arms:
        for visit in range(1, planned + 1):
            here = course[(course["arm"] == name) & (course["visit"] == visit)]
            if here.empty:
                continue
            values = here["percent"].to_numpy(dtype=np.float64)
            rows.append(
                VisitMean(
                    arm=name,
                    visit=visit,
                    years=float(here["years"].mean()),
                    n_patients=values.size,
                    mean=float(values.mean()),
                    ci95=_mean_error(values)[1],
                )
            )
    return rows


def _shares(found: Intervals, arm: "pd.Series[str]", arms: list[str]) -> dict[str, list[Proportion]]:
    rows: dict[str, list[Proportion]] = {name: [] for name in arms}
    for event, single, _ in _EVENTS:
        counts = event_counts(found, event)
        of = arm.reindex(counts.index)
        for name in arms if len(counts) else []:
            mine = counts[(of == name).to_numpy()]
            rows[name].append(proportion(int((mine > 0).sum()), len(mine), f"patients with a {single}"))
    return rows


def _rates(found: Intervals, arm: "pd.Series[str]", arms: list[str]) -> dict[str, list[EventRate]]:
    rows: dict[str, list[EventRate]] = {name: [] for name in arms}
    of = found.frame["subject_id"].map(arm)
    for event, _, _ in _EVENTS:
        if not found.frame[COLUMNS[event]].notna().any():
            continue
        for name in arms:
            known = usable(found.frame[(of == name).to_numpy()], event)
            if len(known):
                rows[name].append(event_rate(known, event, "patient"))
    return rows


def _patients(
    people: Participants, found: Intervals, averages: PatientAverages, status: "pd.Series[str]"
) -> list[TrialPatient]:
    counts = {event: event_counts(found, event) for event, _, _ in _EVENTS}
    course = dict(iter(courses(found).groupby("subject_id", sort=False)))
    known: dict[str, dict[str, float]] = averages.frame.to_dict("index")  # type: ignore[assignment]
    rows = []
    for subject, facts in people.frame.iterrows():
        name = str(subject)
        numbers = known.get(name)
        mine = course.get(name)
        rows.append(
            TrialPatient(
                subject_id=name,
                arm=facts["arm"],
                received_arm=facts["received_arm"],
                per_protocol=bool(facts["per_protocol"]),
                status=status[name],
                n_lesions=0 if numbers is None else int(numbers["n_lesions"]),
                n_intervals=0 if numbers is None else int(numbers["n_intervals"]),
                years=0.0 if numbers is None else float(numbers["years"]),
                baseline_ppm=None if numbers is None else float(numbers["baseline_ppm"]),
                percent_per_year=None if numbers is None else float(numbers["percent_per_year"]),
                ppm_per_year=None if numbers is None else float(numbers["ppm_per_year"]),
                threshold_events=_count(counts["threshold"], name),
                clinical_events=_count(counts["clinical"], name),
                visit_years=[] if mine is None else [float(v) for v in mine["years"]],
                visit_percent=[] if mine is None else [float(v) for v in mine["percent"]],
            )
        )
    return rows


def _count(counts: "pd.Series[float]", name: str) -> int | None:
    return int(counts[name]) if name in counts.index else None


def _remarks(people: Participants, flow: list[ArmFlow], planned: int, said: bool) -> list[str]:
    warnings = []
    randomised, analysed = sum(row.randomised for row in flow), sum(row.analysed for row in flow)
    if analysed < randomised:
        warnings.append(
            f"{randomised - analysed} of {counted(randomised, 'patient')} randomised have no outcome and are not in "
            "the intention-to-treat analysis: it is that of the available data"
        )
    kept = {row.arm: row.analysed / row.randomised for row in flow}
    if min(kept.values()) < _FEW_ANALYSED:
        worst = min(kept, key=lambda name: kept[name])
        warnings.append(f"only {100 * kept[worst]:.0f} % of arm {worst} are analysed: losses may decide the result")
    if not said:
        warnings.append(
            f"a complete patient was taken to have {counted(planned, 'follow-up visit')}, the most anyone has"
        )
    crossed = people.frame.index[people.frame["received_arm"] != people.frame["arm"]]
    if len(crossed):
        warnings.append(
            f"{counted(len(crossed), 'patient')} received another treatment than randomised: {named(list(crossed))}"
        )
    if not people.has_protocol:
        warnings.append("nothing says who kept to the protocol (received_arm, per_protocol): no per-protocol analysis")
    return warnings


def patient_frame(trial: Trial) -> pd.DataFrame:
    """The table of patients.csv."""
    return pd.DataFrame([row.model_dump(exclude={"visit_years", "visit_percent"}) for row in trial.patients])


def contrast_frame(trial: Trial) -> pd.DataFrame:
    """The table of analyses.csv."""
    rows = []
    for row in trial.contrasts:
        values = row.model_dump(exclude={"ci95"})
        low, high = row.ci95 or (None, None)
        note = values.pop("note")
        rows.append(values | {"ci95_low": low, "ci95_high": high, "note": note})
    return pd.DataFrame(rows)
