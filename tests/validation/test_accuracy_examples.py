"""Published examples of accuracy: Wilson, DeLong, McNemar, kappa, likelihood ratios."""

import numpy as np
import pytest

from phantomcal.accuracy.kappa import fleiss_kappa, kappa
from phantomcal.accuracy.paired import mcnemar
from phantomcal.accuracy.proportions import exact, wilson
from phantomcal.accuracy.roc import compare_areas, equal_areas, roc
from tests.validation.conftest import Published

# Newcombe 1998, Stat. Med. 17:857, table I: Wilson's (method 3) and Clopper and Pearson's (method 5) intervals.
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]

# DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837: albumin, total protein, K-G score and outcome, 43 patients
# with ovarian cancer, as printed in the SAS/STAT documentation (LOGISTIC, "Comparing Receiver Operating Characteristic
# Curves"), whose output is what is compared with here.
OVARIAN = """
3.0 5.8 10 0   3.2 6.3  5 1   3.9 6.8  3 1   2.8 4.8  6 0   3.2 5.8  3 1   0.9 4.0  5 0   2.5 5.7  8 0   1.6 5.6  5 1
3.8 5.7  5 1   3.7 6.7  6 1   3.2 5.4  4 1   3.8 6.6  6 1   4.1 6.6  5 1   3.6 5.7  5 1   4.3 7.0  4 1   3.6 6.7  4 0
2.3 4.4  6 1   4.2 7.6  4 0   4.0 6.6  6 0   3.5 5.8  6 1   3.8 6.8  7 1   3.0 4.7  8 0   4.5 7.4  5 1   3.7 7.4  5 1
3.1 6.6  6 1   4.1 8.2  6 1   4.3 7.0  5 1   4.3 6.5  4 1   3.2 5.1  5 1   2.6 4.7  6 1   3.3 6.8  6 0   1.7 4.0  7 0
3.7 6.1  5 1   3.3 6.3  7 1   4.2 7.7  6 1   3.5 6.2  5 1   2.9 5.7  9 0   2.1 4.8  7 1   2.8 6.2  8 0   4.0 7.0  7 1
3.3 5.7  6 1   3.7 6.9  5 1   3.6 6.6  5 1
"""
DELONG = ("DeLong et al., Biometrics 1988, as printed by SAS/STAT", "10.2307/2531595")
AREAS = {
    "K-G score": (0.7258, 0.1028, 0.5243, 0.9273),
    "total protein": (0.6478, 0.1000, 0.4518, 0.8439),
    "albumin": (0.7366, 0.0927, 0.5549, 0.9182),
}


def ovarian() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    albumin, protein, total, outcome = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4).T
    return outcome == 1, {"K-G score": 10 - total, "total protein": protein, "albumin": albumin}


@pytest.mark.source(
    "Newcombe, Stat Med 1998, table I", "10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E"
)
@pytest.mark.parametrize(("k", "n", "score", "tails"), NEWCOMBE)
def test_newcombe_1998(
    published: Published, k: int, n: int, score: tuple[float, float], tails: tuple[float, float]
) -> None:
    published(f"Wilson interval of {k}/{n}", wilson(k, n), score, abs=5e-5)
    published(f"Clopper-Pearson interval of {k}/{n}", exact(k, n), tails, abs=5e-5)


@pytest.mark.source(*DELONG)
def test_delong_1988_areas(published: Published) -> None:
    truth, scores = ovarian()
    for name, (area, error, low, high) in AREAS.items():
        found = roc(truth, scores[name], scale="plain")
        published(f"area under the curve, {name}", found.auc, area, abs=5e-5)
        published(f"its standard error, {name}", found.auc_se, error, abs=5e-5)
        published(f"its 95 % interval, {name}", found.auc_ci95, (low, high), abs=5e-5)
        assert (found.n_positive, found.n_negative) == (31, 12)


@pytest.mark.source(*DELONG)
def test_delong_1988_comparisons(published: Published) -> None:
    truth, scores = ovarian()
    pairs = {(row.first, row.second): row for row in compare_areas(truth, scores)}
    # SAS prints the contrasts against the K-G score as second minus first, and their chi-squared.
    protein, albumin = pairs["K-G score", "total protein"], pairs["K-G score", "albumin"]
    assert protein.z is not None
    published("K-G score against total protein: difference of areas", protein.difference, 0.0780, abs=5e-5)
    published("its standard error", protein.standard_error, 0.1046, abs=5e-5)
    published("its 95 % interval", protein.ci95, (-0.1271, 0.2830), abs=5e-5)
    published("its chi-squared", protein.z**2, 0.5554, abs=1e-4)
    published("its p", protein.p, 0.4561, abs=5e-5)
    published("K-G score against albumin: difference of areas", albumin.difference, -0.0108, abs=5e-5)
    published("its standard error", albumin.standard_error, 0.0953, abs=5e-5)
    published("its 95 % interval", albumin.ci95, (-0.1976, 0.1761), abs=5e-5)
    published("its p", albumin.p, 0.9102, abs=5e-5)
    joint = equal_areas(truth, scores)
    published("all three areas equal: degrees of freedom", joint.dof, 2)
    published("its chi-squared", joint.chi2, 2.5340, abs=5e-5)
    published("its p", joint.p, 0.2817, abs=5e-5)


@pytest.mark.source("Agresti, Categorical Data Analysis, 1990, p. 350, and R's mcnemar.test")
def test_agresti_1990_approval_ratings(published: Published) -> None:
    # Agresti, Categorical Data Analysis, 1990, p. 350: 1600 people asked twice. 794 approved both times, 150 the first
    # time only, 86 the second time only, 570 never. R's mcnemar.test(correct = FALSE): 17.356, p = 3.099e-05. Agresti:
    # difference 0.04, 95 % interval 0.02 to 0.06.
    counts = (794, 150, 86, 570)
    truth = np.ones(sum(counts), dtype=bool)
    first = np.repeat([True, True, False, False], counts)
    second = np.repeat([True, False, True, False], counts)
    test = mcnemar(truth, first, second).tests[0]
    assert test.ci95 is not None
    published("McNemar's chi-squared", test.chi2, 17.356, abs=5e-4)
    published("its p", test.chi2_p, 3.099e-05, abs=5e-9)
    published("difference of shares", test.difference, 0.04, rel=1e-6)
    published("its 95 % interval, to two decimals", [round(end, 2) for end in test.ci95], [0.02, 0.06])


@pytest.mark.source("Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, 3rd ed., table 18.1")
def test_fleiss_levin_paik_kappa(published: Published) -> None:
    # Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, 3rd ed., table 18.1: 100 patients, two raters,
    # psychotic, neurotic, organic. Kappa 0.68 with standard error 0.087, interval 0.51 to 0.85.
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    first, second = (np.repeat(codes.ravel(), table.ravel()) for codes in np.indices(table.shape))
    found = kappa(first, second)
    assert found.ci95 is not None
    published("kappa of two raters", found.value, 0.676, abs=5e-4)
    published("its standard error", found.standard_error, 0.087, abs=1.5e-3)
    published("its 95 % interval", [round(end, 2) for end in found.ci95], [0.51, 0.85], abs=0.011)


@pytest.mark.source("Cohen, Educ Psychol Meas 1960, table 1", "10.1177/001316446002000104")
def test_cohen_1960_kappa(published: Published) -> None:
    # Cohen 1960, Educ Psychol Meas 20:37: 200 patients, proportions of table 1; observed 0.70, by chance 0.41,
    # kappa 0.492.
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (np.repeat(codes.ravel(), table.ravel()) for codes in np.indices(table.shape))
    found = kappa(first, second)
    published("observed agreement", found.observed_agreement, 0.70, rel=1e-6)
    published("agreement by chance", found.expected_agreement, 0.41, rel=1e-6)
    published("kappa", found.value, 0.492, abs=5e-4)


@pytest.mark.source("Worked example of the Wikipedia article on Fleiss' kappa")
def test_fleiss_kappa_of_fourteen_raters(published: Published) -> None:
    # Ten cases, fourteen raters, five categories: kappa 0.210 (the worked example of the article on Fleiss' kappa in
    # Wikipedia, where observed and expected agreement are 0.378 and 0.213).
    rows = [(0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)]
    rows += [(7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)]
    calls = np.array([np.repeat(np.arange(5), row) for row in rows])
    found = fleiss_kappa(calls)
    published("observed agreement of 14 raters", found.observed_agreement, 0.378, abs=5e-4)
    published("agreement by chance", found.expected_agreement, 0.213, abs=5e-4)
    published("Fleiss' kappa", found.value, 0.210, abs=5e-4)
