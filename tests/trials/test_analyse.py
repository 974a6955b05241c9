"""Trials analysed: the known difference, who counts where, and independent programs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from phantomcal.errors import InputError
from phantomcal.results.trial_analysis import Trial, TrialContrast
from phantomcal.simulate.trial import TrialOptions, simulate_trial
from phantomcal.trials.analyse import PRIMARY, analyse_trial, contrast_frame, patient_frame


def row_of(trial: Trial, analysis: str) -> TrialContrast:
    (row,) = [r for r in trial.contrasts if r.analysis == analysis]
    return row


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """30 patients an arm, 5 % per year less in the treated one, with losses, crossing and lapses."""
    return simulate_trial(
        12, TrialOptions(treated_percent=3.0, dropout=0.3, crossed=0.1, untreated=0.15, visits=3, per_arm=40)
    )


@pytest.fixture(scope="module")
def trial(table: pd.DataFrame) -> Trial:
    return analyse_trial(table, "visits.csv")


def by_hand(table: pd.DataFrame) -> pd.DataFrame:
    """Patients' averages by the definition, written otherwise: intervals, then lesions, then patients."""
    rows = []
    for (subject, lesion), visits in table.sort_values("years").groupby(["subject_id", "lesion_id"]):
        values, years = visits["qsm_ppm"].to_numpy(), visits["years"].to_numpy()
        if len(values) > 1:
            change = 100 * (values[1:] / values[:-1] - 1) / np.diff(years)
            rows.append({"subject": subject, "lesion": lesion, "change": change.mean(), "arm": visits["arm"].iloc[0]})
    return pd.DataFrame(rows).groupby(["subject", "arm"])["change"].mean().reset_index()


def test_the_primary_analysis_is_welchs_test_of_patients_averages(table: pd.DataFrame, trial: Trial) -> None:
    averages = by_hand(table)
    drug, placebo = (averages.loc[averages["arm"] == arm, "change"] for arm in ("drug", "placebo"))
    expected = stats.ttest_ind(drug, placebo, equal_var=False)
    primary = row_of(trial, PRIMARY)
    assert (trial.control, trial.arms) == ("placebo", ["placebo", "drug"])
    assert primary.role == "primary"
    assert primary.estimate == pytest.approx(drug.mean() - placebo.mean())
    assert primary.p_value == pytest.approx(expected.pvalue)
    assert primary.ci95 == pytest.approx(tuple(expected.confidence_interval()))
    error = np.sqrt(drug.var() / len(drug) + placebo.var() / len(placebo))
    assert primary.standard_error == pytest.approx(error)
    assert (primary.n_treated, primary.n_control) == (len(drug), len(placebo))
    ranks = row_of(trial, "ranks")
    assert ranks.p_value == pytest.approx(stats.mannwhitneyu(drug, placebo).pvalue)
    assert ranks.estimate == pytest.approx(np.median(np.subtract.outer(drug.to_numpy(), placebo.to_numpy())))


def test_all_analyses_find_the_known_difference(trial: Trial) -> None:
    rows = [r for r in trial.contrasts if r.unit == "% per year" and r.population == "per protocol"]
    rows += [r for r in trial.contrasts if r.analysis in ("mixed model of all visits", PRIMARY)]
    rows.append(row_of(trial, "adjusted for the baseline value (ANCOVA)"))
    assert len(rows) == 4
    for row in rows:
        assert row.ci95 is not None
        assert row.ci95[0] < (-5.0 if row.population == "per protocol" else -4.5) < row.ci95[1]


def test_patients_are_counted_once_each(table: pd.DataFrame, trial: Trial) -> None:
    people = table.drop_duplicates("subject_id").set_index("subject_id")
    follow_up = table.groupby("subject_id")["years"].nunique() - 1
    for flow in trial.flow:
        mine = people.index[people["arm"] == flow.arm]
        visits = follow_up[mine]
        assert flow.randomised == len(mine) == 40
        assert flow.without_follow_up == (visits == 0).sum()
        assert flow.discontinued == ((visits > 0) & (visits < 3)).sum()
        assert flow.analysed == (visits > 0).sum()
        assert flow.complete == (visits == 3).sum()
        assert flow.seen == [int((visits >= k).sum()) for k in range(4)]
        assert flow.randomised == flow.analysed + flow.without_follow_up + flow.not_usable
        assert sum(r.n for r in flow.reasons) == flow.randomised - flow.analysed
        kept = people.loc[mine, "per_protocol"].astype(bool) & (people.loc[mine, "received_arm"] == flow.arm)
        assert flow.per_protocol == (kept & (visits > 0)).sum()
        assert sum(r.n for r in flow.protocol_reasons) == (~kept).sum()
    assert trial.flow[1].other_treatment > 0
    itt, protocol, treated = (
        next(r for r in trial.contrasts if r.population == p and r.unit == "% per year")
        for p in ("intention to treat", "per protocol", "as treated")
    )
    assert itt.n_treated > protocol.n_treated == treated.n_treated + 0 or protocol.n_treated < itt.n_treated
    assert treated.n_control > itt.n_control
    assert len(trial.patients) == 80


def test_events_are_those_of_the_definitions(table: pd.DataFrame, trial: Trial) -> None:
    ordered = table.sort_values(["subject_id", "lesion_id", "years"])
    before = ordered.groupby(["subject_id", "lesion_id"])["qsm_ppm"].shift()
    ordered["rise"] = 100 * (ordered["qsm_ppm"] / before - 1) >= 6.0
    known = ordered[before.notna()]
    any_event = known.groupby(["arm", "subject_id"])["rise"].any()
    a, n = int(any_event["drug"].sum()), len(any_event["drug"])
    b, m = int(any_event["placebo"].sum()), len(any_event["placebo"])
    share = row_of(trial, "patients with a threshold event")
    assert share.estimate == pytest.approx(a / n - b / m)
    assert share.p_value == pytest.approx(stats.fisher_exact([[a, n - a], [b, m - b]])[1])
    assert share.ci95 == pytest.approx(confint_proportions_2indep(a, n, b, m, method="newcomb"))
    visits = known.groupby(["arm", "subject_id", "years"])["rise"].any()
    rate = row_of(trial, "threshold events per patient-year")
    years = {arm: len(visits[arm]) for arm in ("drug", "placebo")}  # yearly visits
    expected = (visits["drug"].sum() / years["drug"]) / (visits["placebo"].sum() / years["placebo"])
    assert rate.estimate == pytest.approx(expected)
    assert rate.ci95 is not None
    assert rate.ci95[0] < expected < rate.ci95[1]


def test_newcombes_published_intervals() -> None:
    """Newcombe 1998, table II, method 10: 56/70 - 48/80 gives 0.0524 to 0.3339; 9/10 - 3/10 gives 0.1705 to 0.8090."""
    from phantomcal.trials.contrasts import Pair, share_contrast

    for (a, n, b, m), expected in {(56, 70, 48, 80): (0.0524, 0.3339), (9, 10, 3, 10): (0.1705, 0.8090)}.items():
        counts = pd.Series([1.0] * a + [0.0] * (n - a) + [1.0] * b + [0.0] * (m - b))
        arm = pd.Series(["t"] * n + ["c"] * m)
        assert share_contrast(counts, Pair("c", "t", arm), "event").ci95 == pytest.approx(expected, abs=5e-5)


def test_lesions_of_a_patient_are_not_taken_as_independent(table: pd.DataFrame) -> None:
    single = table[table["lesion_id"] == "L1"]
    copies = pd.concat([single.assign(lesion_id=f"L{k}") for k in range(1, 6)])
    one, five = analyse_trial(single), analyse_trial(copies)
    assert five.flow[0].lesions == 5 * one.flow[0].lesions
    a, b = row_of(one, PRIMARY), row_of(five, PRIMARY)
    assert (a.estimate, a.standard_error, a.p_value) == pytest.approx((b.estimate, b.standard_error, b.p_value))
    assert (
        row_of(one, "threshold events per patient-year").ci95 == row_of(five, "threshold events per patient-year").ci95
    )


def test_the_order_of_rows_does_not_matter(rng: np.random.Generator) -> None:
    table = simulate_trial(4, TrialOptions(lesions=1, per_arm=12, dropout=0.2))
    mixed = table.iloc[rng.permutation(len(table))]
    one, other = analyse_trial(table), analyse_trial(mixed)
    assert one.contrasts == other.contrasts
    assert one.flow == other.flow


def test_negative_baselines_are_left_out_and_said() -> None:
    odd = simulate_trial(2, TrialOptions(lesions=1, per_arm=8))
    odd.loc[odd["subject_id"] == "p0001", "qsm_ppm"] *= -1
    assert (odd["subject_id"] == "p0001").sum() > 2
    found = analyse_trial(odd)
    assert found.flow[0].not_usable == 1
    assert any(r.reason.startswith("negative baseline") for r in found.flow[0].reasons)
    assert any("negative baseline" in w for w in found.warnings)
    assert next(p for p in found.patients if p.subject_id == "p0001").status == "not usable"


def test_a_list_of_participants_brings_those_never_seen(table: pd.DataFrame) -> None:
    people = table.drop_duplicates("subject_id")[["subject_id", "arm", "received_arm", "per_protocol", "reason"]]
    never = pd.DataFrame({"subject_id": ["x1", "x2"], "arm": "drug", "reason": ["withdrew consent", ""]})
    visits = table.drop(columns=["arm", "received_arm", "per_protocol", "reason"])
    found = analyse_trial(visits, listed=pd.concat([people, never]))
    drug = found.flow[1]
    assert (drug.randomised, drug.with_baseline) == (42, 40)
    said = {r.reason: r.n for r in drug.reasons}
    assert said["withdrew consent"] == 1
    assert said["no value at any visit"] == 1
    assert row_of(found, PRIMARY).estimate == row_of(analyse_trial(table), PRIMARY).estimate
    with pytest.raises(InputError, match="was not randomised"):
        analyse_trial(visits, listed=people.iloc[1:])


def test_three_arms_are_compared_with_the_control_and_adjusted() -> None:
    parts = []
    for k, (name, percent) in enumerate((("drug", 2.0), ("half", 5.0))):
        made = simulate_trial(k, TrialOptions(treated_percent=percent, per_arm=15, lesions=1))
        parts.append(made.assign(arm=made["arm"].replace("drug", name), received_arm=np.nan, per_protocol=np.nan))
    parts[1] = parts[1][parts[1]["arm"] == "half"].assign(subject_id=lambda d: "h" + d["subject_id"])
    found = analyse_trial(pd.concat(parts, ignore_index=True))
    primary = [r for r in found.contrasts if r.role == "primary"]
    assert [r.treated for r in primary] == ["drug", "half"]
    p = sorted(r.p_value for r in primary if r.p_value is not None)
    adjusted = sorted(r.p_adjusted for r in primary if r.p_adjusted is not None)
    assert adjusted[0] == pytest.approx(min(1, 2 * p[0]))
    assert not any(r.population == "per protocol" for r in found.contrasts)
    assert any("no per-protocol analysis" in w for w in found.warnings)
    assert analyse_trial(pd.concat(parts, ignore_index=True), control="half").arms[0] == "half"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="arm"), "'arm'"),
        (lambda t: t.assign(arm="drug"), "1 arm"),
        (lambda t: t.assign(arm=[*["drug"], *t["arm"][1:]]), "several values of arm"),
        (lambda t: t.assign(per_protocol="perhaps"), "neither yes nor no"),
        (lambda t: t[(t["arm"] == "drug") | (t["years"] == 0)], "nobody of arm placebo"),
    ],
)
def test_tables_that_are_no_trial_are_refused(table: pd.DataFrame, change: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        analyse_trial(change(table))  # type: ignore[operator]


def test_frames_for_scripts(trial: Trial) -> None:
    assert list(patient_frame(trial).columns[:5]) == ["subject_id", "arm", "received_arm", "per_protocol", "status"]
    frame = contrast_frame(trial)
    assert frame.iloc[0]["role"] == "primary"
    assert {"ci95_low", "ci95_high", "p_value", "population"} <= set(frame.columns)
