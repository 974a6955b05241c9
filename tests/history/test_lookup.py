from datetime import date, timedelta

import pytest

from phantomcal.errors import InputError
from phantomcal.history.lookup import nearest_calibration
from phantomcal.history.store import add_calibration, add_event
from tests.history.made import FIRST, in_control, made


@pytest.fixture
def filled(history, rng):
    for k, slope in enumerate(in_control(rng, 12, 0.33, 0.001)):
        add_calibration(history, made(float(slope)), "A", FIRST + timedelta(days=30 * k))
    return history


def test_the_nearest_in_time_with_its_drift(filled):
    add_calibration(filled, made(0.33 * 1.04), "A", FIRST + timedelta(days=400))
    found = nearest_calibration(filled, "A", FIRST + timedelta(days=390))
    assert found.entry.scan_date == FIRST + timedelta(days=400)
    assert (found.days_away, found.same_phase, found.notes) == (10, True, [])
    (line,) = found.lines
    assert line.drift_percent == pytest.approx(4.0, abs=0.5)
    assert line.drift_ci95[0] < 4.0 < line.drift_ci95[1]
    assert 0 < line.drift_se_percent < 1


def test_of_two_equally_near_the_earlier(filled):
    assert nearest_calibration(filled, "A", FIRST + timedelta(days=15)).days_away == -15


def test_a_calibration_before_a_repair_does_not_hold_after_it(filled):
    repair = FIRST + timedelta(days=335)
    add_event(filled, "A", repair, "gradient coil exchanged", new_baseline=True)
    before = nearest_calibration(filled, "A", repair + timedelta(days=1))
    assert not before.same_phase
    assert "new baseline" in before.notes[0]
    add_calibration(filled, made(0.36), "A", repair + timedelta(days=90))
    after = nearest_calibration(filled, "A", repair + timedelta(days=1))
    assert after.same_phase
    assert after.days_away == 89
    assert after.lines[0].drift_percent == 0.0


def test_far_away_is_said_or_left_out(filled):
    assert "days away" in nearest_calibration(filled, "A", date(2030, 1, 1)).notes[0]
    assert nearest_calibration(filled, "A", date(2030, 1, 1), most_days=30) is None
    assert nearest_calibration(filled, "A", FIRST, material="calcium") is None
    with pytest.raises(InputError, match="no calibration of scanner"):
        nearest_calibration(filled, "B", FIRST)
