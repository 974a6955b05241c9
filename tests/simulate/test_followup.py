import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.simulate.followup import FIRST_DAY, FollowupOptions, mean_rises, simulate_calibrations, simulate_visits


def test_the_cohort_is_zeineddines() -> None:
    made = [simulate_visits(seed) for seed in range(300)]
    frame = made[0].frame
    assert frame["subject_id"].nunique() == 16
    assert len(frame) == 16 + 22
    rates = [m.truth["realised_percent_per_patient_year"] for m in made]
    assert np.mean(rates) == pytest.approx(7.93, abs=3 * np.std(rates) / np.sqrt(300))
    assert np.mean([m.truth["patients_rising"] for m in made]) / 16 == pytest.approx(0.62, abs=0.02)
    assert np.mean([m.truth["patients_bleeding"] for m in made]) / 16 == pytest.approx(0.31, abs=0.02)
    assert np.mean([m.truth["patient_years"] for m in made]) == pytest.approx(22, abs=0.1)


def test_nobody_bleeds_without_a_rise() -> None:
    for seed in range(20):
        frame = simulate_visits(seed).frame
        before = frame.groupby(["subject_id", "lesion_id"])["qsm_ppm"].shift()
        bled = frame["event"] == 1
        assert (frame["qsm_ppm"] / before - 1)[bled].min() > 0.06


def test_the_scanner_drifts_after_a_while() -> None:
    options = FollowupOptions(drift_percent=10.0, noise_percent=0.0)
    plain = simulate_visits(1, FollowupOptions(noise_percent=0.0)).frame
    drifted = simulate_visits(1, options).frame
    ratio = drifted["qsm_ppm"] / plain["qsm_ppm"]
    first = ~plain.duplicated("subject_id")
    assert ratio[first].to_numpy() == pytest.approx(1.0, abs=1e-5)
    assert ratio[~first].to_numpy() == pytest.approx(1.1, abs=1e-4)
    made = simulate_calibrations(1, options)
    slopes = {when: next(line.slope for line in c.lines) for when, c in made}
    early = np.mean([s for d, s in slopes.items() if d < FIRST_DAY])
    late = np.mean([s for d, s in slopes.items() if (d - FIRST_DAY).days > 200])
    assert late / early == pytest.approx(1.1, abs=0.005)


def test_seeds_and_arms() -> None:
    options = FollowupOptions(patients=400, patient_years=400, rate_percent=8, arms=(("placebo", 1.0), ("drug", 0.0)))
    made = simulate_visits(2, options)
    assert made.frame.equals(simulate_visits(2, options).frame)
    assert not made.frame.equals(simulate_visits(3, options).frame)
    assert made.frame.loc[made.frame["arm"] == "drug", "event"].sum() == 0
    assert made.frame.loc[made.frame["arm"] == "placebo", "event"].sum() == pytest.approx(62, abs=20)


def test_impossible_cohorts_are_refused() -> None:
    assert mean_rises(FollowupOptions())[0] > 12
    for options in (
        FollowupOptions(rate_percent=1.0),
        FollowupOptions(patients=0),
        FollowupOptions(patient_years=5.0),
        FollowupOptions(bleeding=0.9),
        FollowupOptions(drift_percent=-100.0),
    ):
        with pytest.raises(InputError):
            simulate_visits(1, options)
