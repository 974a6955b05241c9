"""Simulated cases with known truth."""

import numpy as np
from scipy import stats

from phantomcal.accuracy.inputs import BoolArray, FloatArray, IntArray


def clustered_cases(
    rng: np.random.Generator, n_subjects: int, per_subject: int, shift: float, share: float = 0.5
) -> tuple[BoolArray, FloatArray, IntArray, float]:
    """Truth, score, subject and the true area: normal scores, `share` of their variance between subjects."""
    subjects = np.repeat(np.arange(n_subjects), per_subject)
    truth = rng.random(subjects.size) < 0.5
    own = np.sqrt(share) * rng.standard_normal(n_subjects)[subjects]
    score = own + np.sqrt(1 - share) * rng.standard_normal(subjects.size) + shift * truth
    return truth, score, subjects, float(stats.norm.cdf(shift / np.sqrt(2)))
