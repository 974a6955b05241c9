import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.followup.intervals import Intervals, intervals
from phantomcal.followup.visits import read_visits
from tests.followup.made import table


def found(frame: pd.DataFrame, **options: float) -> Intervals:
    return intervals(read_visits(frame), **options)  # type: ignore[arg-type]


def pair(a: float, b: float) -> pd.DataFrame:
    return table([("a", 1, 0, a), ("a", 1, 2, b)])


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.53), (1.0, 1.06), (0.35, 0.371), (0.25, 0.265), (0.07, 0.0742)])
def test_a_rise_of_exactly_the_threshold_is_an_event(a: float, b: float) -> None:
    for frame in (pair(a, b), pair(1000 * a, 1000 * b).rename(columns={"qsm_ppm": "qsm_ppb"})):
        (row,) = found(frame).frame.to_dict("records")
        assert row["threshold_event"] is True
        assert row["change_percent"] == pytest.approx(6)
        assert row["change_percent_per_year"] == pytest.approx(3)


def test_just_below_is_none_and_the_threshold_can_be_chosen() -> None:
    assert not found(pair(0.5, 0.529999)).frame["threshold_event"].any()
    assert found(pair(0.5, 0.525), threshold_percent=5.0).frame["threshold_event"].all()
    assert not found(pair(0.53, 0.5)).frame["threshold_event"].any()


def test_columns_begin_as_promised() -> None:
    names = list(found(pair(0.5, 0.6).assign(arm="x")).frame.columns)
    assert names[:7] == [
        "subject_id", "lesion_id", "years", "change_percent", "change_percent_per_year", "threshold_event", "event"
    ]  # fmt: skip
    assert names[7] == "arm"


def test_uncertainty_of_a_change() -> None:
    (row,) = found(pair(0.5, 0.53).assign(qsm_se_ppm=0.01)).frame.to_dict("records")
    # First order: 100 sqrt((s/a)^2 + (b s/a^2)^2) = 100 * 0.02 * sqrt(1 + 1.06^2).
    assert row["change_percent_se"] == pytest.approx(2 * np.sqrt(1 + 1.06**2))
    assert row["change_ppm_se"] == pytest.approx(0.01 * np.sqrt(2))
    assert row["change_percent_ci95_low"] < 6 - 1.9 * row["change_percent_se"] / 2
    assert row["change_percent_ci95_high"] > 6 + 1.96 * row["change_percent_se"]  # Fieller's is longer above
    assert row["probability_above_threshold"] == pytest.approx(0.5)


def test_fiellers_interval_covers_and_the_probability_is_calibrated(rng: np.random.Generator) -> None:
    n, true = 20_000, 10.0
    a, b = 0.1 + rng.normal(0, 0.01, n), 0.11 + rng.normal(0, 0.01, n)
    frame = pd.DataFrame(
        {"subject_id": np.repeat(np.arange(n), 2), "lesion_id": 1, "years": np.tile([0, 1], n),
         "qsm_ppm": np.column_stack([a, b]).ravel(), "qsm_se_ppm": 0.01}
    )  # fmt: skip
    rows = found(frame, threshold_percent=true).frame
    inside = (rows["change_percent_ci95_low"] <= true) & (true <= rows["change_percent_ci95_high"])
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    # With nothing known beforehand, the probability at the truth is uniform.
    assert (rows["probability_above_threshold"] < 0.1).mean() == pytest.approx(0.1, abs=0.01)


def test_both_thresholds_are_shown_and_the_scanners_noise_counts() -> None:
    rows = [
        ("a", 1, 0, 0.5),
        ("a", 1, 1, 0.53),
        ("a", 2, 0, 0.1),
        ("a", 2, 1, 0.12),
        ("a", 3, 0, 0.3),
        ("a", 3, 1, 0.32),
    ]
    frame = found(table(rows), repeatability_ppm=0.02).frame
    assert frame["threshold_event"].tolist() == [True, True, True]
    assert frame["repeatability_event"].tolist() == [True, True, True]
    frame = found(table(rows), repeatability_ppm=0.025).frame
    assert frame["repeatability_event"].tolist() == [True, False, False]
    # A change of one repeatability coefficient is 1.96 of its standard errors.
    assert frame["change_ppm_se"].tolist() == pytest.approx([0.025 / 1.959964] * 3)


def test_zero_negative_and_faint_baselines() -> None:
    rows = [
        ("a", 1, 0, -0.2),
        ("a", 1, 1, -0.1),
        ("a", 2, 0, 0.0),
        ("a", 2, 1, 0.1),
        ("a", 3, 0, 0.01),
        ("a", 3, 1, 0.02),
    ]
    result = found(table(rows))
    frame = result.frame
    assert frame["change_percent"].isna().tolist() == [True, True, False]
    assert frame["threshold_event"].isna().tolist() == [True, True, False]
    assert frame["change_ppm"].tolist() == pytest.approx([0.1, 0.1, 0.01])
    assert frame["comparable"].tolist() == [False, False, True]
    assert [
        "negative baseline" in frame["note"][0],
        "zero" in frame["note"][1],
        "below 0.02 ppm" in frame["note"][2],
    ] == [True] * 3
    assert len(result.warnings) == 3
    unsure = found(pair(0.03, 0.05).assign(qsm_se_ppm=0.02)).frame
    assert "not told from zero" in unsure["note"][0]
    assert not unsure["comparable"][0]
    assert np.isnan(found(pair(0.03, 0.05).assign(qsm_se_ppm=0.02)).frame["change_percent_ci95_low"][0])


def test_a_changed_reconstruction_or_scanner_is_said() -> None:
    frame = pair(0.5, 0.6)
    other = found(frame.assign(reconstruction=["MEDI", "STAR-QSM"]))
    assert "reconstruction changed from MEDI to STAR-QSM" in other.frame["note"][0]
    assert not other.frame["comparable"][0]
    assert other.frame["threshold_event"][0]
    scanner = found(frame.assign(scanner=["A", "B"]))
    assert scanner.frame["comparable"][0]
    assert "without a correction" in scanner.warnings[0]


def test_a_changed_unit_is_seen() -> None:
    result = found(pair(0.0005, 0.5))
    assert "was the unit changed" in result.frame["note"][0]
    assert not result.frame["comparable"][0]


def test_rows_of_one_day_are_averaged_and_said() -> None:
    frame = table([("a", 1, 0, 0.5), ("a", 1, 1, 0.52), ("a", 1, 1, 0.54)]).assign(qsm_se_ppm=0.01, event=[0, 0, 1])
    result = found(frame)
    (row,) = result.frame.to_dict("records")
    assert row["to_ppm"] == pytest.approx(0.53)
    assert row["threshold_event"] is True
    assert row["event"] is True
    assert row["change_ppm_se"] == pytest.approx(np.hypot(0.01, 0.01 / np.sqrt(2)))
    assert "2 rows of one day averaged" in row["note"]
    assert "averaged to 1 visit" in result.warnings[0]


def test_visits_without_a_value_and_missed_ones() -> None:
    rows = [("a", 1, 0, 0.5, 0), ("a", 1, 1, None, 1), ("a", 1, 2, 0.6, 0), ("a", 2, 0, 0.3, 0), ("a", 2, 2, 0.3, 0)]
    result = found(table(rows, "subject_id lesion_id years qsm_ppm event"))
    assert result.frame["event"].tolist() == [True, False]  # the event of the visit without a value is not lost
    assert result.frame["years"].tolist() == [2, 2]
    assert result.frame["n_missed_visits"].tolist() == [1, 1]
    assert any("1 visit without a value" in w for w in result.warnings)


def test_lesions_of_one_visit_and_none_with_two() -> None:
    result = found(table([("a", 1, 0, 0.5), ("a", 1, 1, 0.5), ("b", 1, 0, 0.5)]))
    assert result.single == ["b 1"]
    assert "1 lesion with a single value" in result.warnings[0]
    with pytest.raises(InputError, match="no lesion has two visits"):
        found(table([("a", 1, 0, 0.5), ("b", 1, 0, 0.5)]))
    with pytest.raises(InputError, match="--threshold"):
        found(pair(0.5, 0.6), threshold_percent=0.0)


def test_events_at_the_first_visit_are_said() -> None:
    result = found(table([("a", 1, 0, 0.5, 1), ("a", 1, 1, 0.5, "")], "subject_id lesion_id years qsm_ppm event"))
    assert result.frame["event"].tolist() == [False]
    assert any("at or before the first value" in w for w in result.warnings)
    assert any("1 follow-up visit with an empty `event`" in w for w in result.warnings)


def test_volume_and_short_intervals() -> None:
    frame = table([("a", 1, 0, 0.5), ("a", 1, 0.1, 0.51)]).assign(volume_mm3=[100.0, 150.0])
    (row,) = found(frame).frame.to_dict("records")
    assert row["volume_change_percent"] == pytest.approx(50)
    assert "short interval" in row["note"]


@st.composite
def cohorts(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    for s in range(draw(st.integers(1, 4))):
        for lesion in range(draw(st.integers(1, 3))):
            days = draw(st.lists(st.integers(0, 2000), min_size=2, max_size=4, unique=True))
            rows += [(f"s{s}", lesion, d, draw(st.integers(50, 900))) for d in days]
    return pd.DataFrame(rows, columns=["subject_id", "lesion_id", "day", "qsm_ppb"])


@settings(max_examples=8, deadline=None)
@given(cohorts(), st.randoms(use_true_random=False))
def test_order_unit_and_way_of_telling_time_do_not_matter(frame: pd.DataFrame, random: object) -> None:
    dates = pd.Timestamp("2015-01-01") + pd.to_timedelta(frame["day"], unit="D")
    one = frame.assign(date=dates.dt.strftime("%Y-%m-%d"))
    ppm = frame.assign(qsm_ppm=frame["qsm_ppb"] / 1000, years=frame["day"] / 365.25 + 7).drop(columns="qsm_ppb")
    order = list(range(len(frame)))
    random.shuffle(order)  # type: ignore[attr-defined]
    names = ["subject_id", "lesion_id", "years", "change_percent", "change_percent_per_year", "threshold_event"]
    expected = found(one).frame[names]
    for other in (one.iloc[order], ppm, ppm.iloc[order]):
        pd.testing.assert_frame_equal(found(other).frame[names], expected)
