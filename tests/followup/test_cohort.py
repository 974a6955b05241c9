import numpy as np
import pandas as pd
import pytest
from scipy import stats

from phantomcal.followup.cohort import change_rates, followed, observed_years
from phantomcal.followup.intervals import intervals
from phantomcal.followup.mixed import mixed_rate
from phantomcal.followup.track import rates_of
from phantomcal.followup.visits import read_visits
from tests.followup.made import table


def cohort(rng: np.random.Generator, patients: int, lesions: int, visits: int, between: float = 3.0) -> pd.DataFrame:
    """Every patient with a slope of his own about 5 % per year; noise of 1 % a visit."""
    rows = []
    for p in range(patients):
        slope = 5 + between * rng.normal()
        for k in range(lesions):
            own = slope + 1.0 * rng.normal()
            level = 0.5
            for v in range(visits):
                rows.append((f"p{p}", k, float(v), level * (1 + 0.01 * rng.normal())))
                level *= 1 + own / 100
    return table(rows)


def test_total_over_total_by_hand() -> None:
    # Patient a: +10 % in 1 year and 0 % in 2 years (two lesions); b: +2 % in 2 years; c: -3 % in 1 year.
    rows = [("a", 1, 0, 1.0), ("a", 1, 1, 1.1), ("a", 2, 0, 1.0), ("a", 2, 2, 1.0), ("b", 1, 0, 1.0), ("b", 1, 2, 1.02),
            ("c", 1, 0, 1.0), ("c", 1, 1, 0.97)]  # fmt: skip
    patient, lesion = change_rates(followed(intervals(read_visits(table(rows))).frame))
    # Lesions: 9 % in 6 lesion-years. Patients: a has 2 years at 10/3 % per year, so 20/3 + 2 - 3 in 5 years.
    assert lesion.percent_per_year == pytest.approx(9 / 6)
    assert patient.percent_per_year == pytest.approx((20 / 3 - 1) / 5)
    assert (patient.years, lesion.years, patient.n_patients, patient.n_lesions) == (5, 6, 3, 4)
    without = np.array([-1 / 3, (20 / 3 - 3) / 3, (20 / 3 + 2) / 4])
    se = np.sqrt(2 / 3 * ((without - patient.percent_per_year) ** 2).sum())
    assert patient.standard_error == pytest.approx(se)
    half = stats.t.ppf(0.975, 2) * se
    assert patient.ci95 == pytest.approx((patient.percent_per_year - half, patient.percent_per_year + half))
    assert "only 3 patients" in patient.note


def test_years_of_overlapping_lesions_count_once() -> None:
    frame = pd.DataFrame({"from_years": [0.0, 0.5, 3.0, 0.0], "to_years": [1.0, 2.0, 4.0, 1.0]})
    assert observed_years(frame, np.array([0, 0, 0, 1])).tolist() == [3.0, 1.0]


def test_two_patients_give_no_interval() -> None:
    rows = [("a", 1, 0, 1.0), ("a", 1, 1, 1.1), ("b", 1, 0, 1.0), ("b", 1, 1, 1.1)]
    (rate, mixed) = rates_of(followed(intervals(read_visits(table(rows))).frame))
    assert rate.ci95 is None
    assert "2 patients" in rate.note
    assert mixed.percent_per_year is None
    assert "patients with several intervals" in mixed.note


def test_the_interval_covers_with_clustered_lesions() -> None:
    hits = []
    for seed in range(60):
        frame = cohort(np.random.default_rng(seed), patients=10, lesions=3, visits=3)
        rate = change_rates(followed(intervals(read_visits(frame)).frame))[0]
        assert rate.ci95 is not None
        hits.append(rate.ci95[0] <= 5 <= rate.ci95[1])
    assert np.mean(hits) >= 0.88  # 95 %, less 2.5 SE


def test_the_mixed_model_agrees_with_statsmodels_written_out(rng: np.random.Generator) -> None:
    import statsmodels.formula.api as smf

    data = followed(intervals(read_visits(cohort(rng, 12, 1, 4))).frame)
    found = mixed_rate(data)
    assert not isinstance(found, str)
    table_ = pd.DataFrame({"y": data.percent, "t": data.years, "patient": data.patient})
    fit = smf.mixedlm("y ~ 0 + t", table_, groups="patient", re_formula="0 + t").fit(reml=True)
    assert found.value == pytest.approx(float(fit.fe_params["t"]), rel=1e-3)
    assert found.standard_error == pytest.approx(float(fit.bse_fe["t"]), rel=0.02)
    assert found.dof == 11


def test_two_stages_agree_with_the_likelihood(rng: np.random.Generator) -> None:
    data = followed(intervals(read_visits(cohort(rng, 40, 2, 4))).frame)
    likelihood = mixed_rate(data)
    large = followed(intervals(read_visits(cohort(rng, 300, 2, 4))).frame)
    stages = mixed_rate(large)
    assert not isinstance(likelihood, str)
    assert not isinstance(stages, str)
    assert "lesions" in likelihood.method
    assert "two stages" in stages.method
    assert likelihood.ci95[0] < 5 < likelihood.ci95[1]
    assert stages.value == pytest.approx(5, abs=3.5 * stages.standard_error)
    # SD of patients' slopes is 3 and more by lesions and noise: near 3.1 over the root of 300.
    assert stages.standard_error == pytest.approx(3.1 / np.sqrt(300), rel=0.15)


def test_a_degenerate_fit_is_said() -> None:
    rows = [(f"p{k}", 1, v, 0.5) for k in range(5) for v in range(3)]
    found = mixed_rate(followed(intervals(read_visits(table(rows))).frame))
    assert found == "all changes are equal"
