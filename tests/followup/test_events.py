import numpy as np
import pandas as pd
import pytest

from phantomcal.followup.events import against_clinical, event_rates, garwood, shares_with_event, timing
from phantomcal.followup.groups import contrasts, group_names, rate_ratio
from phantomcal.followup.intervals import intervals
from phantomcal.followup.survival import Times, first_times, hazard_ratio, log_rank, survival
from phantomcal.followup.visits import read_visits
from tests.followup.made import table

NAMES = "subject_id lesion_id years qsm_ppm event"
# Weeks of remission, 6-mercaptopurine and placebo (+ censored): Freireich et al., Blood 21 (1963) 699.
DRUG = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
DRUG_EVENTS = [True] * 9 + [False] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def frame_of(rows: list[tuple[object, ...]], names: str = NAMES) -> pd.DataFrame:
    return intervals(read_visits(table(rows, names))).frame


def times(years: list[int], happened: list[bool], group: str = "drug") -> Times:
    return Times(
        np.array(years, dtype=float), np.array(happened), np.array([f"{group} {k}" for k in range(len(years))])
    )


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)]
)
def test_garwoods_table(events: int, low: float, high: float) -> None:
    # Garwood 1936; also Pearson and Hartley, Biometrika Tables, table 40.
    assert garwood(events, 1.0) == pytest.approx((low, high), abs=6e-4)
    assert garwood(events, 10.0) == pytest.approx((low / 10, high / 10), abs=6e-5)


def test_lesions_of_one_patient_at_one_visit_count_once_by_patient() -> None:
    rows = [("a", k, y, v, e) for k in (1, 2) for y, v, e in ((0, 0.5, 0), (2, 0.6, 1), (3, 0.7, 0))]
    rates = {(r.event, r.unit): r for r in event_rates(frame_of(rows))}
    assert (rates["threshold", "patient"].events, rates["threshold", "patient"].years) == (2, 3)
    assert (rates["threshold", "lesion"].events, rates["threshold", "lesion"].years) == (4, 6)
    assert rates["clinical", "patient"].per_year == pytest.approx(1 / 3)
    assert rates["clinical", "patient"].ci95 == pytest.approx(garwood(1, 3.0))
    assert ("repeatability", "patient") not in rates


def test_shares_sensitivity_and_specificity_by_hand() -> None:
    rows = []
    # Four patients: rise and bleed; rise; neither; bleed without rise.
    for name, end, event in (("a", 0.6, 1), ("b", 0.6, 0), ("c", 0.5, 0), ("d", 0.5, 1)):
        rows += [(name, 1, 0, 0.5, 0), (name, 1, 1, end, event)]
    frame = frame_of(rows)
    passed, ill = shares_with_event(frame)
    assert (passed.count, passed.n) == (2, 4)
    # Clopper and Pearson, 2 of 4.
    assert passed.ci95_exact == pytest.approx((0.0676, 0.9324), abs=1e-4)
    assert (ill.count, ill.n) == (2, 4)
    by_patient, by_interval = against_clinical(frame)
    assert by_patient.unit == "patient"
    assert [s.value for s in by_patient.shares] == [0.5, 0.5, 0.5, 0.5]
    assert (by_interval.true_positive, by_interval.false_negative) == (1, 1)


def test_zeineddines_counts_give_their_percentages() -> None:
    # 16 patients, 10 past the threshold, 5 of them bled: 62 %, 31 %, none bled without (10.1002/jmri.25831).
    rows = []
    for k in range(16):
        rows += [(f"p{k:02d}", 1, 0, 0.5, 0), (f"p{k:02d}", 1, 1, 0.55 if k < 10 else 0.5, int(k < 5))]
    frame = frame_of(rows)
    passed, ill = shares_with_event(frame)
    assert (round(100 * (passed.value or 0)), round(100 * (ill.value or 0))) == (62, 31)
    sensitivity, specificity, *_ = against_clinical(frame)[0].shares
    assert (sensitivity.count, sensitivity.n, specificity.count, specificity.n) == (5, 5, 6, 11)
    assert sensitivity.ci95_exact == pytest.approx((0.025 ** (1 / 5), 1.0))


def test_what_came_first() -> None:
    rows = []
    for name, values, events in (
        ("a", (0.5, 0.6, 0.6), (0, 0, 1)),
        ("b", (0.5, 0.6, 0.6), (0, 1, 0)),
        ("c", (0.5, 0.5, 0.6), (0, 1, 0)),
        ("d", (0.5, 0.5, 0.5), (0, 0, 1)),
    ):
        rows += [(name, 1, k, v, e) for k, (v, e) in enumerate(zip(values, events, strict=True))]
    found = timing(frame_of(rows))
    assert found is not None
    assert (found.n, found.before, found.same, found.after, found.never) == (4, 1, 1, 1, 1)
    assert found.lead_years_range == (-1, 1)


def test_kaplan_and_meier_of_a_published_trial() -> None:
    curve = survival(times(DRUG, DRUG_EVENTS), "patient")
    assert curve.years == [6, 7, 10, 13, 16, 22, 23]
    assert curve.survival == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.at_risk == [21, 17, 15, 12, 11, 7, 6]
    assert curve.median_years == 23
    placebo = survival(times(PLACEBO, [True] * 21, "placebo"), "patient")
    assert placebo.median_years == 8
    p = log_rank(times(DRUG, DRUG_EVENTS), times(PLACEBO, [True] * 21, "placebo"))
    assert p == pytest.approx(4.17e-5, rel=0.02)  # chi squared 16.79
    # Cox's model with Efron's ties: log ratio 1.572, SE 0.412 (R's survival, coxph, for the same data).
    ratio = hazard_ratio([times(DRUG, DRUG_EVENTS), times(PLACEBO, [True] * 21, "placebo")])
    assert np.log(ratio.ratio or 0) == pytest.approx(1.572, abs=2e-3)
    assert ratio.log_se == pytest.approx(0.412, abs=2e-3)


def test_time_ends_at_the_first_rise_or_the_last_visit() -> None:
    rows = [("a", 1, 0, 0.5, 0), ("a", 1, 1, 0.6, 0), ("a", 1, 2, 0.7, 0), ("b", 1, 1, 0.5, 0), ("b", 1, 3, 0.5, 0),
            ("b", 2, 0, 0.5, 0), ("b", 2, 1, 0.5, 0)]  # fmt: skip
    found = first_times(frame_of(rows), "patient")
    assert (found.years.tolist(), found.happened.tolist()) == ([1, 3], [True, False])
    assert first_times(frame_of(rows), "lesion").years.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("events", "years"), [((21, 11), (3011.0, 800.0)), ((3, 9), (10.0, 10.0)), ((0, 4), (5.0, 5.0))]
)
def test_rate_ratio_is_the_conditional_test_inverted(events: tuple[int, int], years: tuple[float, float]) -> None:
    from scipy.stats import binom
    from statsmodels.stats.rates import test_poisson_2indep

    ratio, (low, high), p = rate_ratio(events, years)
    if events[0]:
        assert ratio == pytest.approx(events[1] / years[1] / (events[0] / years[0]))
    else:
        assert ratio is None
    other = test_poisson_2indep(events[1], years[1], events[0], years[0], method="exact-cond").pvalue
    assert p == pytest.approx(float(other))
    total = sum(events)
    share = low * years[1] / (low * years[1] + years[0])
    assert binom.sf(events[1] - 1, total, share) == pytest.approx(0.025, abs=1e-6)
    if np.isfinite(high):
        share = high * years[1] / (high * years[1] + years[0])
        assert binom.cdf(events[1], total, share) == pytest.approx(0.025, abs=1e-6)


def test_groups_are_compared_and_a_control_comes_first(rng: np.random.Generator) -> None:
    rows = []
    for k in range(40):
        arm, rate = ("drug", 2.0) if k % 2 else ("placebo", 8.0)
        level = 0.5
        for v in range(4):
            rows.append((f"p{k:02d}", 1, v, level * (1 + 0.005 * rng.normal()), arm))
            level *= 1 + (rate + 2 * rng.normal()) / 100
    frame = frame_of(rows, "subject_id lesion_id years qsm_ppm arm")
    assert group_names(frame, "arm") == ["placebo", "drug"]
    change, ratio, time = contrasts(frame, "arm")
    assert change.ci95 is not None
    assert change.ci95[0] < -6 < change.ci95[1]
    assert (change.n_first, change.n_second) == (20, 20)
    assert ratio.estimate is not None
    assert ratio.estimate < 0.5
    assert time.p_value is not None
    assert time.p_value < 0.001
    assert time.estimate is None or time.estimate < 0.3
