"""Rules at their limits."""

import numpy as np
import pytest

from phantomcal.lesions.rules import apply_rules, choroid_ppm, outcomes, rules_in_words
from tests.lesions.test_likelihood import readings

NAN = float("nan")


@pytest.mark.parametrize(
    ("hu", "ppm", "rule", "verdict"),
    [
        (60.0, 0.3, "paramagnetic", "haemorrhage"),
        (100.0, 0.3, "paramagnetic", "haemorrhage"),
        (100.1, 0.3, "dense and paramagnetic", "mixed"),
        (101.0, -0.3, "dense and diamagnetic", "calcification"),
        (101.0, 0.0, "dense", "calcification"),
        (150.0, NAN, "dense", "calcification"),
        (60.0, -0.10, "choroid plexus line", "calcification"),
        (100.0, -0.15, "choroid plexus line", "calcification"),
        (60.0, -0.40, "dense and diamagnetic", "calcification"),
        (35.0, -0.10, "diamagnetic without density", "undetermined"),
        (NAN, -0.10, "diamagnetic", "calcification"),
        (NAN, 0.10, "paramagnetic", "haemorrhage"),
        (70.0, 0.0, "within the dead band", "undetermined"),
        (75.0, NAN, "density of clot", "haemorrhage"),
        (95.0, NAN, "between clot and calcium", "undetermined"),
        (40.0, NAN, "CT number of tissue", "undetermined"),
        (NAN, NAN, "no reading", "undetermined"),
    ],
)
def test_the_rule_that_fires(hu: float, ppm: float, rule: str, verdict: str) -> None:
    read = readings(hu, ppm)
    (found,) = outcomes(apply_rules(read), read)
    assert (found.rule, found.verdict) == (rule, verdict)
    assert found.rule in {r.key for r in rules_in_words()}


def test_the_dead_band_is_1_96_standard_errors_unless_set() -> None:
    read = readings([50.0, 50.0], [0.0195, 0.0197], ppm_se=0.01)
    assert list(apply_rules(read).sign) == [0, 1]
    assert list(apply_rules(read, dead_band_ppm=0.03).sign) == [0, 0]


def test_susceptibility_is_judged_against_measured_surroundings() -> None:
    read = readings(50.0, 0.14, tissue_ppm=0.15)
    assert apply_rules(read).sign[0] == 0


def test_choroid_plexus_line_runs_through_its_two_points() -> None:
    np.testing.assert_allclose(choroid_ppm(np.array([60.0, 100.0])), [-0.10, -0.15])


def test_every_rule_is_stated_with_its_numbers() -> None:
    words = " ".join(r.text for r in rules_in_words())
    for number in ("100 HU", "60 to 90 HU", "-0.10 ppm at 60 HU", "-0.15 ppm at 100 HU", "1.96"):
        assert number in words
