"""From a region table to verdicts: simulated truth, laws, warnings in words, and tables that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.correlation.correlate import correlate, correlation_frame
from phantomcal.errors import InputError
from phantomcal.results import Correlation, RegionCorrelation

# The contract's columns of correlation.csv, in order.
CONTRACT = ["roi", "n", "n_subjects"]
CONTRACT += [f"pearson_{name}" for name in ("r", "ci95_low", "ci95_high", "p", "p_adjusted")]
CONTRACT += [f"spearman_{name}" for name in ("rho", "ci95_low", "ci95_high", "p", "p_adjusted")]
CONTRACT += ["r2", "slope", "slope_se", "intercept", "behaviour", "note"]


def simulated(rng: np.random.Generator, truth: dict[str, float], n: int = 60) -> pd.DataFrame:
    """A subject per row and region; CT in HU and susceptibility in ppm with the given true correlation."""
    parts = []
    for roi, r in truth.items():
        a, b = rng.normal(size=(2, n))
        y = r * a + np.sqrt(1 - r**2) * b
        subjects = [f"sub-{i:03d}" for i in range(n)]
        parts.append(pd.DataFrame({"subject_id": subjects, "roi": roi, "ct_hu": 40 + 5 * a, "qsm_ppm": 0.1 + 0.02 * y}))
    return pd.concat(parts, ignore_index=True)


def region(correlation: Correlation, name: str) -> RegionCorrelation:
    return next(row for row in correlation.regions if row.roi == name)


def test_signs_slopes_and_verdicts_of_simulated_regions_come_back(rng: np.random.Generator) -> None:
    truth = {"globus pallidus": 0.75, "choroid plexus": -0.75, "thalamus": 0.0}
    found = correlate(simulated(rng, truth))
    assert [row.roi for row in found.regions] == sorted(truth)
    assert region(found, "globus pallidus").behaviour == "paramagnetic"
    assert region(found, "choroid plexus").behaviour == "diamagnetic"
    assert region(found, "thalamus").behaviour == "undetermined"
    assert "is not below 0.05" in region(found, "thalamus").note
    for name, r in truth.items():
        row = region(found, name)
        assert row.slope is not None
        assert row.slope_se is not None
        assert row.slope == pytest.approx(r * 0.02 / 5, abs=3 * row.slope_se)
        assert (row.n, row.n_subjects) == (60, 60)
    assert found.warnings == []
    assert "Holm over 3 regions" in found.adjustment


def test_intervals_cover_the_truth_about_95_percent_of_the_time() -> None:
    r = 0.6
    names = [f"draw-{i}" for i in range(1000)]
    found = correlation_frame(correlate(simulated(np.random.default_rng(5), dict.fromkeys(names, r), n=20)))
    covered = (found["pearson_ci95_low"] <= r) & (r <= found["pearson_ci95_high"])
    assert 0.93 <= covered.mean() <= 0.97
    rho = 6 / np.pi * np.arcsin(r / 2)  # Spearman's rho of a bivariate normal
    rank_covered = (found["spearman_ci95_low"] <= rho) & (rho <= found["spearman_ci95_high"])
    assert 0.92 <= rank_covered.mean() <= 0.98


def test_unrelated_regions_rarely_get_a_verdict() -> None:
    """Holm holds the chance of any false verdict among nine regions at 5 %; unadjusted it would be near 37 %."""
    rng = np.random.default_rng(11)
    false = 0
    for _ in range(100):
        table = simulated(rng, {f"r{i}": 0.0 for i in range(9)}, n=20)
        false += any(row.behaviour != "undetermined" for row in correlate(table).regions)
    assert false <= 12


def test_frame_has_the_columns_of_the_contract_in_order(rng: np.random.Generator) -> None:
    frame = correlation_frame(correlate(simulated(rng, {"a": 0.5, "b": -0.5})))
    assert list(frame.columns[: len(CONTRACT)]) == CONTRACT
    assert frame["n"].tolist() == [60, 60]


TABLES = st.integers(0, 2**32 - 1)


def assert_equal(a: Correlation, b: Correlation, sign: int = 1) -> None:
    turned = {"paramagnetic": "diamagnetic", "diamagnetic": "paramagnetic", "undetermined": "undetermined"}
    for one, other in zip(a.regions, b.regions, strict=True):
        assert other.behaviour == (one.behaviour if sign > 0 else turned[one.behaviour])
        assert other.pearson_r == pytest.approx(sign * one.pearson_r, abs=1e-9)
        assert other.spearman_rho == pytest.approx(sign * one.spearman_rho, abs=1e-9)
        assert other.pearson_p_adjusted == pytest.approx(one.pearson_p_adjusted, rel=1e-6)
        assert other.spearman_p_adjusted == pytest.approx(one.spearman_p_adjusted, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=TABLES)
def test_row_order_changes_nothing_at_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = simulated(rng, {"a": 0.8, "b": -0.3}, n=12)
    table.loc[rng.integers(0, 24, 3), "ct_hu"] = np.nan
    shuffled = table.sample(frac=1.0, random_state=int(seed % 1000))
    assert correlate(table) == correlate(shuffled)


@settings(max_examples=20, deadline=None)
@given(seed=TABLES, offset=st.floats(-1000, 1000), scale=st.floats(0.01, 100), sign=st.sampled_from([1, -1]))
def test_other_units_change_the_line_only(seed: int, offset: float, scale: float, sign: int) -> None:
    table = simulated(np.random.default_rng(seed), {"a": 0.8, "b": -0.6, "c": 0.1}, n=15)
    scaled = table.assign(field=offset + sign * scale * table["qsm_ppm"])  # a name without a unit takes any size
    one, other = correlate(table), correlate(scaled, y="field")
    assert_equal(one, other, sign)
    for a, b in zip(one.regions, other.regions, strict=True):
        assert b.slope == pytest.approx(sign * scale * a.slope, rel=1e-6, abs=1e-9 * scale)
        assert b.slope_se == pytest.approx(scale * a.slope_se, rel=1e-6)


def test_a_ppm_column_in_ppb_is_refused(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8})
    with pytest.raises(InputError, match=r"'qsm_ppm' cannot be ppm.*divide by 1000"):
        correlate(table.assign(qsm_ppm=1000 * table["qsm_ppm"]))


def test_useless_covariates_are_refused(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8}).assign(scanner="one")
    with pytest.raises(InputError, match="'scanner' is constant"):
        correlate(table, covariates=["scanner"])
    with pytest.raises(InputError, match="one of the two columns"):
        correlate(table, covariates=["ct_hu"])


@settings(max_examples=10, deadline=None)
@given(seed=TABLES)
def test_names_of_subjects_do_not_matter(seed: int) -> None:
    table = simulated(np.random.default_rng(seed), {"a": 0.7}, n=12)
    table["subject_id"] = np.arange(12) // 3
    renamed = table.assign(subject_id=table["subject_id"].map({0: "z", 1: "k", 2: "007", 3: "a"}))
    one, other = correlate(table), correlate(renamed)
    assert_equal(one, other)
    assert one.regions[0].n_subjects == other.regions[0].n_subjects == 4
    assert other.warnings[0] == one.warnings[0]


def test_several_rows_per_subject_are_called_clustered(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8}, n=30)
    table["subject_id"] = np.arange(30) % 6
    row = correlate(table).regions[0]
    assert row.n_subjects == 6
    assert "30 rows come from six subjects: rows of one subject are not independent" in row.note
    assert "cannot speak" not in row.note
    assert "within subjects (repeated-measures correlation) r is 0." in row.note
    assert "23 degrees of freedom" in row.note
    few = correlate(table.assign(subject_id=np.arange(30) % 2)).regions[0]
    assert "30 rows come from two subjects" in few.note
    assert "two subjects cannot speak for a population" in few.note
    assert "repeated-measures" not in few.note
    assert "one subject: " in correlate(table.assign(subject_id="x")).regions[0].note


def test_few_rows_are_said(rng: np.random.Generator) -> None:
    found = correlate(simulated(rng, {"a": 0.8, "b": 0.1}, n=6))
    assert "a, b: only 6 rows: the interval is wide" in found.warnings


ANSCOMBE_3 = {
    "ct_hu": [10.0, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5],
    "qsm_ppm": [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73],
}


def test_the_outlier_of_anscombes_third_set_is_named() -> None:
    table = pd.DataFrame(ANSCOMBE_3 | {"subject_id": [f"p{i}" for i in range(11)]})
    row = correlate(table, by=None).regions[0]
    assert row.slope == pytest.approx(0.4997, abs=5e-5)
    # The third point stands in row 4 of the file, below the header.
    assert "row 4 (subject p2) pulls the line (Cook's distance 1.4): without it r is 1.00 instead of 0.82" in row.note


def test_a_verdict_that_one_row_makes_is_said() -> None:
    order = [3, 9, 0, 12, 6, 1, 10, 4, 13, 7, 2, 11, 5, 8]  # nearly unrelated to 0, 1, 2, ...
    table = pd.DataFrame({"ct_hu": np.arange(14.0), "qsm_ppm": np.array(order) / 1000})
    assert correlate(table, by=None).regions[0].behaviour == "undetermined"
    table.loc[14] = [80.0, 0.1]
    row = correlate(table, by=None).regions[0]
    assert row.behaviour == "paramagnetic"
    assert "the verdict hangs on one row: without row 16 it would be undetermined" in row.note
    assert "more such rows" not in row.note
    assert "row 16 pulls the line" in row.note
    assert "differ: an outlier or a curved relation" in row.note


@pytest.mark.parametrize("sign", [1, -1])
def test_opposite_signs_of_pearson_and_spearman_give_no_verdict(sign: int) -> None:
    x = np.arange(12.0)
    y = -x.copy()
    y[11] = 100.0
    x[11] = 60.0
    row = correlate(pd.DataFrame({"ct_hu": x, "qsm_ppm": sign * y}), by=None).regions[0]
    assert row.pearson_r is not None
    assert row.spearman_rho is not None
    assert sign * row.pearson_r > 0.9
    assert sign * row.spearman_rho < 0
    assert row.behaviour == "undetermined"
    assert "do not agree on the sign" in row.note


def test_tables_put_together_from_several_keep_working(rng: np.random.Generator) -> None:
    one, other = simulated(rng, {"a": 0.8}, n=6), simulated(rng, {"a": 0.8}, n=6)
    together = pd.concat([one, other.assign(subject_id=other["subject_id"] + "x")])
    assert_equal(correlate(together), correlate(together.reset_index(drop=True)))


def test_missing_values_are_counted_and_said(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8, "b": 0.0}, n=12)
    table.loc[[0, 3], "ct_hu"] = np.nan
    table.loc[3, "qsm_ppm"] = np.nan
    table.loc[15, "roi"] = None
    found = correlate(table)
    assert region(found, "a").n == 10
    assert "2 rows with missing values left out" in region(found, "a").note
    assert region(found, "b").n == 11
    assert "2 rows without ct_hu or qsm_ppm left out" in found.warnings
    assert "1 row without a roi left out" in found.warnings


def test_regions_without_an_answer_stay_as_rows_and_cost_no_adjustment(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8, "constant": 0.0, "gone": 0.0, "short": 0.5}, n=12)
    table.loc[table["roi"] == "constant", "qsm_ppm"] = 0.1
    table.loc[table["roi"] == "gone", "ct_hu"] = np.nan
    table = table[(table["roi"] != "short") | (table.index % 12 < 2)]
    found = correlate(table)
    assert [row.roi for row in found.regions] == ["a", "constant", "gone", "short"]
    assert [row.n for row in found.regions] == [12, 12, 0, 2]
    for name, words in (
        ("constant", "not tested: qsm_ppm is constant"),
        ("gone", "12 rows with missing values left out; not tested: 0 rows are too few"),
        ("short", "not tested: 2 rows are too few for a correlation, 3 are needed"),
    ):
        row = region(found, name)
        assert words in row.note
        assert row.behaviour == "undetermined"
        assert row.pearson_r is row.pearson_p_adjusted is row.slope is None
    assert region(found, "a").pearson_p_adjusted == region(found, "a").pearson_p
    assert "Holm over 1 region," in found.adjustment
    assert correlation_frame(found)["pearson_r"].isna().tolist() == [False, True, True, True]


def test_a_covariate_takes_out_what_it_explains(rng: np.random.Generator) -> None:
    """Iron and density both rise with age and are unrelated otherwise: the correlation is age's."""
    age = rng.uniform(20, 80, 80)
    table = pd.DataFrame({"ct_hu": 30 + 0.2 * age + rng.normal(size=80), "qsm_ppm": 0.002 * age, "roi": "a"})
    table["qsm_ppm"] += rng.normal(0, 0.01, 80)
    table["age"] = age
    assert correlate(table).regions[0].behaviour == "paramagnetic"
    partial = correlate(table, covariates=["age"])
    assert partial.regions[0].behaviour == "undetermined"
    assert "age taken out" in partial.rule


def test_text_covariates_are_levels_and_stray_text_among_numbers_is_an_error(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.5}, n=20)
    table["sex"] = ["f", "m"] * 10
    coded = table.assign(sex=[0.0, 1.0] * 10)
    one, other = correlate(table, covariates=["sex"]), correlate(coded, covariates=["sex"])
    assert one.regions[0].pearson_r == pytest.approx(other.regions[0].pearson_r)
    table["sex"] = ["f", "m"] * 9 + ["f", ""]
    assert correlate(table, covariates=["sex"]).warnings == ["1 row without sex left out"]
    table["age"] = ["41"] * 19 + ["old"]
    with pytest.raises(InputError, match="'old' in row 21"):
        correlate(table, covariates=["age"])


def test_group_names_are_sorted_and_written_as_people_do() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"ct_hu": rng.normal(size=12), "qsm_ppm": rng.normal(size=12), "roi": [10.0, 9.0, 2.0] * 4})
    assert [row.roi for row in correlate(table).regions] == ["2", "9", "10"]


def test_without_a_region_column_mapped_tables_are_one_group(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8}, n=12).drop(columns=["roi"]).rename(columns={"ct_hu": "hu", "qsm_ppm": "chi"})
    found = correlate(table, x="hu", y="chi")
    assert [row.roi for row in found.regions] == ["all"]
    assert found.by == "none"
    assert "no column 'roi': all rows taken as one group" in found.warnings
    silent = correlate(table, x="hu", y="chi", by=None)
    assert silent.regions == found.regions
    assert not any("roi" in words for words in silent.warnings)
    hinted = correlate(table.assign(ROI=1), x="hu", y="chi")
    assert "no column 'roi': all rows taken as one group (there is 'ROI': --by ROI takes it)" in hinted.warnings


def test_without_subjects_rows_are_taken_as_independent_and_that_is_said(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8}, n=12).drop(columns=["subject_id"])
    found = correlate(table)
    assert found.regions[0].n_subjects is None
    assert found.warnings == ["no column 'subject_id': rows are taken as independent (--subject names the column)"]
    blank = correlate(table.assign(subject_id=[""] * 3 + list("abcdefghi")))
    assert "3 rows without subject_id counted as one unknown subject" in blank.warnings
    assert blank.regions[0].n_subjects == 10


PLAIN = simulated(np.random.default_rng(2), {"a": 0.5, "b": 0.5}, n=5)


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        (PLAIN.drop(columns=["ct_hu"]), {}, ["no column 'ct_hu'", "'subject_id', 'roi' and 'qsm_ppm'", "--x"]),
        (PLAIN.drop(columns=["roi"]), {}, ["no column 'roi'", "--by"]),
        (PLAIN, {"x": "ct_hu", "by": "lobe"}, ["no column 'lobe'", "--by"]),
        (PLAIN, {"subject": "patient"}, ["no column 'patient'", "--subject"]),
        (PLAIN, {"covariates": ["age"]}, ["no column 'age'", "--covariate"]),
        (PLAIN.iloc[:1], {}, ["one row, which is too few", "at least 3 rows"]),
        (PLAIN.assign(ct_hu=np.nan), {}, ["0 rows with both 'ct_hu' and 'qsm_ppm' (of 10)"]),
        (PLAIN.assign(ct_hu=41.5), {}, ["column 'ct_hu' is constant (41.5 in all 10 rows)", "--x"]),
        (PLAIN.assign(qsm_ppm=0.1), {}, ["column 'qsm_ppm' is constant", "--y"]),
        (PLAIN.assign(ct_hu=["40"] * 9 + ["high"]), {}, ["'ct_hu' holds 'high' in row 11"]),
        (PLAIN.assign(qsm_ppm=["0,1"] * 10), {}, ["decimal comma", "row 2", "'0,1'"]),
        (PLAIN.assign(roi=list("abcdefghij")), {}, ["no region can be correlated", "1 row is too few", "--by none"]),
        (PLAIN, {"x": "qsm_ppm"}, ["'qsm_ppm' is to be correlated with itself"]),
        (PLAIN, {"adjust": "tukey"}, ["'tukey'", "holm"]),
    ],
)
def test_unusable_tables_say_what_where_and_how_to_fix(
    table: pd.DataFrame, options: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        correlate(table, where="rois.csv", **options)  # type: ignore[arg-type]
    assert error.value.where in ("rois.csv", "the call")
    assert error.value.fix
    for word in words:
        assert word in str(error.value)
