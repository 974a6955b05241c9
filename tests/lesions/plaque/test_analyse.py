"""Plaque components with known means: estimates, coverage, level, curves, grades, and what cannot be told."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from phantomcal.errors import InputError
from phantomcal.lesions.plaque.analyse import plaque, plaque_frame
from phantomcal.lesions.plaque.describe import statistics_of
from phantomcal.lesions.plaque.groups import component_pairs, group_tests, mean_ranks
from phantomcal.lesions.plaque.mixed import Mixed, mixed_means
from tests.lesions.plaque.made import MEANS_PPM, plaque_table

NAMES = ["a", "b", "c", "d"]


def clustered(rng: np.random.Generator, whole: bool, n_patients: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values without any difference between components, half the variance between patients."""
    patient = np.repeat(np.arange(n_patients), 5)
    codes = np.repeat(np.arange(n_patients) % 4, 5) if whole else rng.integers(0, 4, patient.size)
    return rng.standard_normal(n_patients)[patient] + rng.standard_normal(patient.size), codes, patient


def test_known_study(rng: np.random.Generator) -> None:
    found = plaque(plaque_table(rng), n_bootstrap=300)
    qsm, ct = found.measures
    assert (qsm.measure, ct.measure, found.n_patients, found.clustered) == ("qsm_ppm", "ct_hu", 16, True)
    assert found.components == ["haemorrhage", "calcification", "lipid core", "fibrous"]
    assert found.named_as["lipid core"] == ["LRNC"]
    for row in qsm.components:
        assert row.mean == pytest.approx(MEANS_PPM[row.component], abs=4 * (row.standard_error or 0))
    assert qsm.tests[0].accounts_for_patients
    assert qsm.tests[0].p is not None
    assert qsm.tests[0].p < 1e-4
    assert [t.test for t in qsm.tests if not t.accounts_for_patients] == ["Kruskal-Wallis"]
    blood, calcium = qsm.rocs
    assert (blood.target, blood.direction) == ("haemorrhage", "above")
    assert (calcium.target, calcium.direction) == ("calcification", "below")
    assert blood.roc.auc > 0.93
    assert blood.cutoff is not None
    assert calcium.cutoff is not None
    assert 0.0 < blood.cutoff.cutoff < 0.25
    assert calcium.cutoff.positive == "below"
    assert -0.6 < calcium.cutoff.cutoff < -0.02
    assert calcium.cutoff.cutoff_ci95 is not None
    assert calcium.cutoff.cutoff_ci95[0] <= calcium.cutoff.cutoff <= calcium.cutoff.cutoff_ci95[1]
    called = plaque_table(np.random.default_rng(20200)).query("qsm_ppm <= @calcium.cutoff.cutoff")
    assert set(called["component"]) == {"calcified"}
    by_grade = {row.grade: row for row in qsm.grades}
    assert by_grade["Glycophorin A"].spearman_ci95 is not None
    assert by_grade["Glycophorin A"].spearman_ci95[0] > 0.5
    assert by_grade["von Kossa"].spearman_rho is not None
    assert by_grade["von Kossa"].spearman_rho < 0
    assert found.area_comparisons[0].first == "QSM, calcification"


def test_row_order_and_names_of_patients_do_not_matter(rng: np.random.Generator) -> None:
    data = plaque_table(rng, n_patients=8)
    one = plaque(data, n_bootstrap=200)
    mixed = plaque(data.sample(frac=1, random_state=1).reset_index(drop=True), n_bootstrap=200)
    assert mixed.measures[0].components == one.measures[0].components
    assert mixed.measures[0].pairs == one.measures[0].pairs
    assert mixed.measures[0].rocs[0].cutoff == one.measures[0].rocs[0].cutoff


def test_interval_of_the_mean_covers(rng: np.random.Generator) -> None:
    hits, plain, done = 0, 0, 500
    for _ in range(done):
        values, codes, patient = clustered(rng, whole=False)
        row = statistics_of("a", values[codes == 0], patient[codes == 0])
        values, _, patient = clustered(rng, whole=True)
        whole = statistics_of("a", values[:60], patient[:60])
        for found in (row, whole):
            assert found.ci95 is not None
            hits += found.ci95[0] <= 0 <= found.ci95[1]
        low, high = stats.t.interval(0.95, 59, values[:60].mean(), stats.sem(values[:60]))
        plain += low <= 0 <= high
    assert 0.925 <= hits / (2 * done) <= 0.975
    assert plain / done < 0.85


def test_tests_keep_their_level_where_kruskal_and_dunn_do_not(rng: np.random.Generator) -> None:
    p: dict[str, list[float]] = {"head": [], "pair": [], "kruskal": [], "dunn": []}
    for _ in range(120):
        values, codes, patient = clustered(rng, whole=True, n_patients=40)
        ranks = mean_ranks(values, codes, patient, NAMES)
        head, kruskal = group_tests(values, codes, ranks, "none", True)
        pair = component_pairs(values, codes, patient, ranks, "none", True)[0]
        assert head.accounts_for_patients
        for name, value in (("head", head.p), ("pair", pair.p), ("kruskal", kruskal.p), ("dunn", pair.dunn_p)):
            assert value is not None
            p[name].append(value)
    level = {name: np.mean(np.array(values) < 0.05) for name, values in p.items()}
    assert 0.01 <= level["head"] <= 0.1
    assert 0.01 <= level["pair"] <= 0.1
    assert level["kruskal"] > 0.25
    assert level["dunn"] > 0.12


def test_independent_rows_get_the_textbook_tests(rng: np.random.Generator) -> None:
    values, codes = rng.standard_normal(60), np.repeat([0, 1, 2], 20)
    patient = np.arange(60)
    ranks = mean_ranks(values, codes, patient, NAMES[:3])
    (head,) = group_tests(values, codes, ranks, "none", False)
    expected = stats.kruskal(*(values[codes == k] for k in range(3)))
    assert (head.statistic, head.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert head.effect_size == pytest.approx(expected.statistic / 59)
    pairs = component_pairs(values, codes, patient, ranks, "none", False)
    r = stats.rankdata(values)
    z = (r[:20].mean() - r[20:40].mean()) / np.sqrt(60 * 61 / 12 * (1 / 20 + 1 / 20))
    assert pairs[0].dunn_z == pytest.approx(z)
    assert pairs[0].p == pairs[0].dunn_p
    u = stats.mannwhitneyu(values[:20], values[20:40]).statistic
    assert pairs[0].superiority == pytest.approx(u / 400)


def test_mixed_model_gives_back_what_was_put_in(rng: np.random.Generator) -> None:
    truth = np.array([0.0, 1.0, 2.0, -1.0])
    hits, shares = 0, []
    for _ in range(20):
        values, codes, patient = clustered(rng, whole=False)
        found = mixed_means(values + truth[codes], codes, patient, NAMES)
        assert isinstance(found, Mixed)
        shares.append(found.record.patient_share)
        contrast = found.contrasts[0]
        assert (contrast.first, contrast.second) == ("a", "b")
        hits += contrast.ci95[0] <= -1 <= contrast.ci95[1]
        assert found.record.p < 1e-6
    assert np.mean(shares) == pytest.approx(0.5, abs=0.07)
    assert hits >= 17


def test_mixed_model_that_cannot_be_fitted_says_why(rng: np.random.Generator) -> None:
    values, codes, patient = clustered(rng, whole=False)
    assert mixed_means(values, codes, np.arange(values.size), NAMES) == "0 patients have several rows, fewer than 3"
    unequal = mixed_means(values * np.where(codes == 0, 20, 1), codes, patient, NAMES)
    assert isinstance(unequal, Mixed)
    assert "rely on the ranks" in unequal.warning


def test_wrong_sign_is_said(rng: np.random.Generator) -> None:
    data = plaque_table(rng)
    found = plaque(data.assign(qsm_ppm=-data["qsm_ppm"]), n_bootstrap=200)
    assert any("check sign and unit" in text for text in found.warnings)


def test_component_of_one_patient_is_not_tested_as_if_it_were_more(rng: np.random.Generator) -> None:
    data = plaque_table(rng, n_patients=10)
    data = data[(data["component"] != "LRNC") | (data["patient_id"] == data["patient_id"][0])]
    extra = pd.DataFrame({"patient_id": "P00", "component": "LRNC", "qsm_ppm": [0.0, 0.1, -0.1]})
    found = plaque(pd.concat([data, extra], ignore_index=True), n_bootstrap=200).measures[0]
    row = found.components[2]
    assert (row.component, row.n_patients, row.ci95) == ("lipid core", 1, None)
    assert found.tests[0].p is None
    assert "one patient only" in found.tests[0].note
    assert all(pair.p is None for pair in found.pairs)


def test_few_rows_are_described_and_not_tested() -> None:
    data = pd.DataFrame({"patient_id": list("abcde"), "component": ["IPH"] * 3 + ["calc", "LRNC"]})
    data["qsm_ppm"] = [0.1, 0.2, 0.3, -0.4, 0.0]
    with pytest.raises(InputError, match="two rows each"):
        plaque(data)
    more = pd.concat([data, data.assign(patient_id=list("fghij"))[:4]], ignore_index=True)
    found = plaque(more, n_bootstrap=200)
    assert any("lipid core has one row: described, not tested" in text for text in found.warnings)
    assert {pair.first for pair in found.measures[0].pairs} == {"haemorrhage"}
    assert found.measures[0].tests[0].test == "Kruskal-Wallis"
    with pytest.raises(InputError, match="unknown p adjustment"):
        plaque(more, adjust="sidak")


def test_grades_of_few_patients_have_no_p(rng: np.random.Generator) -> None:
    found = plaque(plaque_table(rng, n_patients=4), n_bootstrap=200).measures[0].grades[0]
    assert found.spearman_rho is not None
    assert found.p is None
    assert "fewer than 5 subjects" in found.note


def test_grade_interval_covers(rng: np.random.Generator) -> None:
    from phantomcal.lesions.plaque.grades import grade_correlation

    # Rank correlation of a grade (thirds of a normal) with a value of correlation 0.6, patients sharing both.
    def draw(n_patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        patient = np.repeat(np.arange(n_patients), 4)
        x, y = (
            np.sqrt(0.4) * rng.standard_normal(n_patients)[patient] + np.sqrt(0.6) * rng.standard_normal(patient.size)
            for _ in range(2)
        )
        return 0.6 * x + 0.8 * y, np.digitize(x, [-0.43, 0.43]).astype(float), patient

    value, grade, _ = draw(60_000)
    truth = stats.spearmanr(value, grade).statistic
    hits = 0
    for _ in range(80):
        found = grade_correlation("g", *draw(25))
        assert found.spearman_ci95 is not None
        hits += found.spearman_ci95[0] <= truth <= found.spearman_ci95[1]
    assert 0.90 <= hits / 80 <= 1


def test_table_has_a_row_per_component(rng: np.random.Generator) -> None:
    frame = plaque_frame(plaque(plaque_table(rng), n_bootstrap=200))
    assert list(frame["component"]) == ["haemorrhage", "calcification", "lipid core", "fibrous"]
    for name in ("qsm_n", "qsm_mean_ppm", "qsm_ci95_low_ppm", "ct_mean_hu", "ct_n_patients"):
        assert name in frame
