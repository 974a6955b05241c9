"""From a region table to verdicts: simulated truth, laws, warnings in words, and tables that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.correlation.correlate import correlate, correlation_frame
from phantomcal.errors import InputError
from phantomcal.results import Correlation, RegionCorrelation
from phantomcal.simulate.targets import (
    LESION_PLANS,
    OSHIMA_TARGETS,
    LesionPlan,
    Target,
    draw_clustered,
    draw_cohort,
)

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
    names = [f"draw-{i}" for i in range(300)]
    found = correlation_frame(
        correlate(simulated(np.random.default_rng(5), dict.fromkeys(names, r), n=20), n_bootstrap=0)
    )
    covered = (found["pearson_ci95_low"] <= r) & (r <= found["pearson_ci95_high"])
    assert 0.92 <= covered.mean() <= 0.98
    rho = 6 / np.pi * np.arcsin(r / 2)  # Spearman's rho of a bivariate normal
    rank_covered = (found["spearman_ci95_low"] <= rho) & (rho <= found["spearman_ci95_high"])
    assert 0.92 <= rank_covered.mean() <= 0.98


def test_unrelated_regions_rarely_get_a_verdict() -> None:
    """Holm holds the chance of any false verdict among nine regions at 5 %; unadjusted it would be near 37 %."""
    rng = np.random.default_rng(11)
    false = 0
    for _ in range(60):
        table = simulated(rng, {f"r{i}": 0.0 for i in range(9)}, n=20)
        false += any(row.behaviour != "undetermined" for row in correlate(table, n_bootstrap=0).regions)
    assert false <= 8


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
        assert other.pearson_bca95_low is None or other.pearson_bca95_low <= other.pearson_r + 1e-9


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


@settings(max_examples=4, deadline=None)
@given(seed=TABLES)
def test_names_of_subjects_do_not_matter(seed: int) -> None:
    table = simulated(np.random.default_rng(seed), {"a": 0.7}, n=12)
    table["subject_id"] = np.arange(12) // 2
    renamed = table.assign(subject_id=table["subject_id"].map(dict(enumerate(["z", "k", "007", "a", "b c", "9"]))))
    one, other = correlate(table, n_bootstrap=200), correlate(renamed, n_bootstrap=200)
    for a, b in zip(one.regions, other.regions, strict=True):
        assert a.model_dump(exclude={"note"}) == b.model_dump(exclude={"note"})
        assert a.n_subjects == 6


def test_several_rows_per_subject_are_called_clustered(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.8}, n=30)
    table["subject_id"] = np.arange(30) % 6
    row = correlate(table).regions[0]
    assert row.n_subjects == 6
    assert "30 rows come from six subjects: rows of one subject are not independent" in row.note
    assert "leaving out each of 6 subjects" in row.method
    assert "cannot speak" not in row.note
    assert "within subjects (repeated-measures correlation) r is 0." in row.note
    assert "23 degrees of freedom" in row.note
    few = correlate(table.assign(subject_id=np.arange(30) % 2)).regions[0]
    assert "30 rows come from two subjects" in few.note
    assert "two subjects cannot speak for a population" in few.note
    assert "repeated-measures correlation within subjects (27 degrees of freedom)" in few.method
    assert (few.pearson_ci95_low, few.spearman_p, few.slope_se) == (None, None, None)
    assert few.pearson_p == few.within_p
    one = correlate(table.assign(subject_id="x")).regions[0]
    assert "one subject: rows of one subject are not independent, so no p value or interval is given" in one.note
    assert (one.pearson_p, one.pearson_p_adjusted, one.behaviour) == (None, None, "undetermined")
    assert one.pearson_r == row.pearson_r


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


@pytest.mark.parametrize("seed", [1, 2])
def test_the_published_cohort_gives_back_every_verdict(seed: int) -> None:
    """84 patients, 20 volunteers; R2 0.52, 0.38 (+), 0.53, 0.38 (-), none in five regions; several lesions each."""
    found = correlate(draw_cohort(np.random.default_rng(seed), exact=True), n_bootstrap=500)
    for row in found.regions:
        target = OSHIMA_TARGETS[row.roi].pearson_r
        assert row.behaviour == ("paramagnetic" if target > 0 else "diamagnetic" if target < 0 else "undetermined")
        assert (row.method == "independent rows") == (row.roi not in LESION_PLANS)
    blood = region(found, "haemorrhage")
    assert blood.n_eff is not None
    assert blood.n_eff < blood.n
    assert blood.mixed_slope == pytest.approx(blood.slope, abs=3 * blood.mixed_slope_se)
    assert blood.percentage_bend_p is blood.robust_slope_ci95_low is None


def test_intervals_of_the_cohort_cover() -> None:
    """The smaller brother of benchmarks/correlation.py: 24 cohorts, nine regions."""
    held: dict[tuple[bool, str], list[bool]] = {}
    for seed in range(24):
        table = draw_cohort(np.random.default_rng(1000 + seed))
        for row in correlate(table[table["roi"] != "red nucleus"], n_bootstrap=0).regions:
            target = OSHIMA_TARGETS[row.roi]
            r = target.pearson_r
            for name, truth in (("pearson", r), ("spearman", 6 / np.pi * np.arcsin(r / 2))):
                low, high = getattr(row, f"{name}_ci95_low"), getattr(row, f"{name}_ci95_high")
                held.setdefault((row.roi in LESION_PLANS, name), []).append(low <= truth <= high)
            slope = r * target.sd_ppm / target.sd_hu
            held.setdefault((row.roi in LESION_PLANS, "slope"), []).append(
                row.slope_ci95_low <= slope <= row.slope_ci95_high
            )
    for key, values in held.items():
        # 95 % within three standard errors of so many intervals.
        margin = 3 * np.sqrt(0.95 * 0.05 / len(values))
        assert np.mean(values) >= 0.95 - margin, key
    assert len(held[False, "slope"]) == 144


def test_a_plain_p_is_never_the_headline_of_clustered_rows() -> None:
    """Fifteen patients with eight lesions each that hardly differ: 120 rows, about 15 independent ones."""
    from scipy import stats

    rng, false, plain_false = np.random.default_rng(3), 0, 0
    target, plan = Target(0.0, 75.0, 6.0, 0.3, 0.07), LesionPlan(subject_share=0.95)
    subject = np.repeat(np.arange(15), 8)
    for _ in range(40):
        x, y = draw_clustered(target, subject, plan, rng)
        table = pd.DataFrame({"ct_hu": x, "qsm_ppm": y, "subject_id": subject})
        (row,) = correlate(table, by=None, n_bootstrap=0).regions
        false += row.pearson_p < 0.05
        plain_false += stats.pearsonr(x, y).pvalue < 0.05
    assert plain_false > 16
    assert false < 7


def test_result_bytes_are_equal_on_repeat(rng: np.random.Generator) -> None:
    table = draw_cohort(rng, n_patients=30, n_volunteers=5)
    assert correlate(table).model_dump_json() == correlate(table).model_dump_json()


def test_bootstrap_intervals_need_twenty_rows_and_agree_with_fishers(rng: np.random.Generator) -> None:
    row = correlate(simulated(rng, {"a": 0.7}, n=80)).regions[0]
    assert row.pearson_bca95_low == pytest.approx(row.pearson_ci95_low, abs=0.06)
    assert row.pearson_bca95_high == pytest.approx(row.pearson_ci95_high, abs=0.06)
    assert correlate(simulated(rng, {"a": 0.7}, n=19)).regions[0].pearson_bca95_low is None


def test_errors_in_both_axes_are_used_when_they_are_given(rng: np.random.Generator) -> None:
    """HU with as much noise as spread halves the least-squares slope; York's line has the true one."""
    hu = rng.normal(40, 5, 300)
    noisy = hu + rng.normal(0, 5, 300)
    table = pd.DataFrame({"ct_hu": noisy, "qsm_ppm": 0.004 * hu + rng.normal(0, 0.004, 300), "roi": "a"})
    table = table.assign(hu_se=5.0, ppm_se=0.004)
    row = correlate(table, sds=("hu_se", "ppm_se"), n_bootstrap=0).regions[0]
    assert row.slope == pytest.approx(0.002, abs=4e-4)
    assert row.both_axes_slope == pytest.approx(0.004, abs=5e-4)
    assert "York" in row.both_axes_method
    other = correlate(table, n_bootstrap=0).regions[0]
    assert "reduced major axis" in other.both_axes_method
    assert other.both_axes_slope == pytest.approx(table["qsm_ppm"].std() / table["ct_hu"].std())
    assert other.both_axes_slope_ci95_low < other.both_axes_slope < other.both_axes_slope_ci95_high


def test_no_reduced_major_axis_without_a_sure_sign(rng: np.random.Generator) -> None:
    assert correlate(simulated(rng, {"a": 0.0}, n=30), n_bootstrap=0).regions[0].both_axes_slope is None


def test_a_curved_relation_is_seen(rng: np.random.Generator) -> None:
    table = simulated(rng, {"a": 0.0}, n=60)
    table["qsm_ppm"] = 0.001 * (table["ct_hu"] - 30) ** 2 / 10 + rng.normal(0, 0.002, 60)
    row = correlate(table, n_bootstrap=0).regions[0]
    assert row.quadratic_p < 1e-6
    assert "the relation is curved" in row.note


def test_the_quadratic_term_equals_statsmodels(rng: np.random.Generator) -> None:
    import statsmodels.api as sm

    table = simulated(rng, {"a": 0.4}, n=40)
    row = correlate(table, n_bootstrap=0).regions[0]
    x = table["ct_hu"].to_numpy()
    fit = sm.OLS(table["qsm_ppm"].to_numpy(), np.column_stack([np.ones(40), x, x**2])).fit()
    assert row.quadratic_p == pytest.approx(fit.pvalues[2], rel=1e-6)


def test_a_subject_that_makes_the_verdict_is_named(rng: np.random.Generator) -> None:
    subject = np.repeat(np.arange(12), 3)
    table = pd.DataFrame({"ct_hu": rng.normal(40, 2, 36), "qsm_ppm": rng.normal(0.1, 0.01, 36), "subject_id": subject})
    table.loc[subject == 4, ["ct_hu", "qsm_ppm"]] += [30.0, 0.15]
    (row,) = correlate(table, by=None, n_bootstrap=0).regions
    assert row.pearson_r > 0.7
    assert row.behaviour == "undetermined" or "without subject 4 it would be undetermined" in row.note
