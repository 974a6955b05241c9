"""Intervals of the difference hold the truth, and no effect is seldom found."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.followup.intervals import intervals
from phantomcal.followup.visits import read_visits
from phantomcal.simulate.trial import TrialOptions, simulate_trial
from phantomcal.trials.averages import patient_averages
from phantomcal.trials.contrasts import Pair, averages_contrast


@pytest.mark.parametrize("treated", [8.0, 4.0])
def test_coverage_of_the_difference(treated: float) -> None:
    seeds = 200 if treated == 8.0 else 100
    options = TrialOptions(treated_percent=treated, per_arm=20, dropout=0.25)
    # All trials in one table: patients' averages know nothing of each other, and are made once.
    parts = [
        simulate_trial(seed, options).assign(subject_id=lambda d, s=seed: f"{s:03d}-" + d["subject_id"])
        for seed in range(seeds)
    ]
    table = pd.concat(parts, ignore_index=True)
    arm = table.drop_duplicates("subject_id").set_index("subject_id")["arm"]
    visits = read_visits(table[["subject_id", "lesion_id", "years", "qsm_ppm"]])
    everyone = patient_averages(intervals(visits)).frame
    held, found = 0, 0
    for _, frame in everyone.groupby(everyone.index.str[:3]):
        row = averages_contrast(frame, Pair("placebo", "drug", arm), "primary")
        assert row.ci95 is not None
        assert row.p_value is not None
        held += row.ci95[0] <= treated - 8.0 <= row.ci95[1]
        found += row.p_value < 0.05
    # Three standard errors of the draws about 95 %: 4.6 points of 200, 6.5 of 100.
    assert held / seeds == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / seeds))
    if treated == 8.0:
        assert found / seeds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / seeds)
    else:
        assert found / seeds > 0.3
