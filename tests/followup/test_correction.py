from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from phantomcal.errors import InputError
from phantomcal.followup.correction import corrected
from phantomcal.followup.track import Tracking, track
from phantomcal.followup.visits import Visits, read_visits
from phantomcal.history.store import add_calibration
from tests.history.conftest import history  # noqa: F401
from tests.history.made import made

FIRST = date(2020, 1, 1)
STEP = FIRST + timedelta(days=400)


@pytest.fixture
def phantoms(history, rng):  # type: ignore[no-untyped-def]  # noqa: F811
    """A scanner whose scale rises by 4 % after 400 days; calibrated every 40 days, slopes good to 0.3 %."""
    for k in range(-10, 25):
        when = FIRST + timedelta(days=40 * k)
        slope = 0.33 * (1.04 if when > STEP else 1.0) * (1 + 0.003 * rng.normal())
        add_calibration(history, made(slope), "A", when)
    return history


def visits(scanner: object = "A", lesions: int = 40) -> Visits:
    """Lesions that do not change, measured before and after the step."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(lesions):
        for when, scale in ((FIRST, 1.0), (FIRST + timedelta(days=730), 1.04)):
            value = (0.2 + 0.01 * k) * scale * (1 + 0.005 * rng.normal())
            rows.append((f"p{k:02d}", 1, when.isoformat(), value, value * 0.005))
    frame = pd.DataFrame(rows, columns=["subject_id", "lesion_id", "date", "qsm_ppm", "qsm_se_ppm"])
    return read_visits(frame.assign(scanner=scanner))


def tracked(engine, seen: Visits, threshold: float = 3.0) -> tuple[Tracking, pd.DataFrame]:  # type: ignore[no-untyped-def]
    done = corrected(seen, engine)
    record, found = track(done.visits, threshold_percent=threshold, correction=done)
    return record, found.frame


def test_a_drift_known_from_phantoms_is_taken_out(phantoms) -> None:  # type: ignore[no-untyped-def]
    record, frame = tracked(phantoms, visits())
    assert record.correction is not None
    assert record.correction.n_corrected == 80
    assert record.correction.events_uncorrected > 30
    assert record.correction.events_corrected <= 2
    assert record.correction.events_lost == record.correction.events_uncorrected - record.correction.events_corrected
    assert frame["change_percent_uncorrected"].mean() == pytest.approx(4, abs=0.3)
    rate = record.rates[0]
    assert rate.ci95 is not None
    assert rate.ci95[0] < 0 < rate.ci95[1]
    assert record.correction.rates_uncorrected[0].percent_per_year == pytest.approx(2, abs=0.2)


def test_the_error_of_the_scale_is_shared_and_does_not_average_out(phantoms) -> None:  # type: ignore[no-untyped-def]
    seen = visits()
    few, frame = tracked(phantoms, visits(lesions=10))
    many, _ = tracked(phantoms, seen)
    done = corrected(seen, phantoms)
    errors = {s.key: s.drift_se_percent for s in done.scales}
    assert len(errors) == 2
    shared = np.sqrt(sum(e**2 for e in errors.values())) / 2  # per year over two years
    for record in (few, many):
        assert record.rates[0].standard_error is not None
        assert record.rates[0].standard_error > 0.95 * shared
        assert "calibration" in record.rates[0].note
    plain, found = track(seen, threshold_percent=3.0)
    assert plain.rates[0].standard_error is not None
    assert plain.rates[0].standard_error < many.rates[0].standard_error  # type: ignore[operator]
    assert (frame["change_ppm_se"].to_numpy() > found.frame["change_ppm_se"].to_numpy()[:10]).all()


def test_two_sessions_of_one_calibration_share_its_error(phantoms) -> None:  # type: ignore[no-untyped-def]
    rows = [(f"p{k}", 1, day, 0.5, 0.005) for k in range(5) for day in ("2020-01-01", "2020-01-08")]
    frame = pd.DataFrame(rows, columns=["subject_id", "lesion_id", "date", "qsm_ppm", "qsm_se_ppm"])
    _, found = tracked(phantoms, read_visits(frame.assign(scanner="A")))
    assert found["change_ppm_se"].to_numpy() == pytest.approx(0.005 * np.sqrt(2), rel=0.01)


def test_scanners_are_tied_by_their_phantom(phantoms) -> None:  # type: ignore[no-untyped-def]
    # Scanner B reads 10 % more than A, with phantoms as with people.
    for k in range(12):
        add_calibration(phantoms, made(0.363, session=f"b{k}"), "B", FIRST + timedelta(days=700 + k))
    rows = [("p", 1, "2020-01-01", 0.5, "A"), ("p", 1, "2020-02-01", 0.5, "A"), ("p", 1, "2021-12-31", 0.55, "B")]
    frame = pd.DataFrame(rows, columns=["subject_id", "lesion_id", "date", "qsm_ppm", "scanner"])
    _, found = tracked(phantoms, read_visits(frame))
    assert found["change_percent_uncorrected"].iloc[1] == pytest.approx(10)
    assert found["change_percent"].iloc[1] == pytest.approx(0, abs=1)
    assert found["comparable"].all()


def test_an_unknown_scanner_stays_as_measured_and_is_said(phantoms) -> None:  # type: ignore[no-untyped-def]
    seen = visits(scanner=["A", "C"] * 40)
    record, frame = tracked(phantoms, seen)
    assert any("scanner C is not in the history" in w for w in record.warnings)
    assert not frame["comparable"].any()
    assert "only one of the two visits could be corrected" in frame["note"].iloc[0]


def test_what_cannot_be_corrected_is_refused(phantoms) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="no visit has a QSM calibration"):
        corrected(visits(scanner="C"), phantoms)
    frame = pd.DataFrame({"subject_id": "a", "lesion_id": 1, "years": [0, 1], "qsm_ppm": 0.5, "scanner": "A"})
    with pytest.raises(InputError, match="needs the dates"):
        corrected(read_visits(frame), phantoms)
    with pytest.raises(InputError, match="--scanner-column"):
        corrected(read_visits(frame.drop(columns="scanner")), phantoms)


def test_every_day_gets_the_calibration_that_a_single_question_gives(phantoms) -> None:  # type: ignore[no-untyped-def]
    from phantomcal.followup.correction import _looked_up
    from phantomcal.history.lookup import nearest_calibration
    from phantomcal.history.store import add_event

    add_event(phantoms, "A", FIRST + timedelta(days=410), "coil exchanged", new_baseline=True)
    days = [FIRST + timedelta(days=int(d)) for d in range(-450, 1100, 7)]
    quick = _looked_up(phantoms, "A", days, None, None)
    for day in days[::9]:
        assert quick[day] == nearest_calibration(phantoms, "A", day, modality="qsm")
