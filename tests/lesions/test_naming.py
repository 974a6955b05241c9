"""Lesions of a decomposition are named by the likelihood that `classify` uses."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.lesions.classify import classify_lesions
from phantomcal.lesions.decompose import physics_system
from phantomcal.lesions.mass import lesion_masses
from phantomcal.lesions.naming import decided, with_verdicts
from tests.lesions.test_mass import FORMS, SPACING, drawn


@pytest.mark.parametrize(
    ("amounts", "verdict"), [((900.0, 0.0), "calcification"), ((0.0, 5.0), "haemorrhage"), ((0.0, 0.0), "undetermined")]
)
def test_the_kind_that_was_drawn_is_named(rng: np.random.Generator, amounts: tuple[float, float], verdict: str) -> None:
    hu, ppm, mask, _ = drawn(rng, amounts)
    (lesion,) = with_verdicts(lesion_masses(hu, ppm, mask, SPACING, physics_system(FORMS)), None)
    assert lesion.verdict == verdict
    shares = [getattr(lesion, f"probability_{n}") for n in ("haemorrhage", "calcification", "mixed", "nothing")]
    assert sum(shares) == pytest.approx(1.0)


def test_a_table_of_the_same_readings_gets_the_same_answer(rng: np.random.Generator) -> None:
    hu, ppm, mask, _ = drawn(rng, (150.0, 0.3))
    (lesion,) = with_verdicts(lesion_masses(hu, ppm, mask, SPACING, physics_system(FORMS)), None)
    row = {
        "lesion_id": "a",
        "ct_hu": lesion.baseline_hu + lesion.excess_hu,
        "qsm_ppm": lesion.baseline_ppm + lesion.excess_ppm,
        "ct_sem_hu": lesion.excess_hu_se,
        "qsm_sem_ppm": lesion.excess_ppm_se,
        "ct_background_hu": lesion.baseline_hu,
        "qsm_background_ppm": lesion.baseline_ppm,
        "volume_mm3": lesion.summed_mm3,
    }
    (named,) = classify_lesions(pd.DataFrame([row])).lesions
    assert lesion.verdict == named.verdict
    assert lesion.probability_calcification == pytest.approx(named.probability_calcification)


def test_what_is_unlikely_contradicted_or_nothing_is_not_named() -> None:
    sure = {"haemorrhage": 0.95, "calcification": 0.05}
    assert decided(sure, 0.5) == "haemorrhage"
    assert decided(sure, 1e-9) == "undetermined"
    assert decided(sure, 0.5, threshold=0.96) == "undetermined"
    assert decided({"nothing": 0.99, "mixed": 0.01}, 0.5) == "undetermined"


def test_no_lesion_gives_no_name() -> None:
    assert with_verdicts([], None) == []
