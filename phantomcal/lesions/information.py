"""What each modality adds: bits of the question blood or calcium that it answers."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.lesions.likelihood import EVIDENCE, Posterior, prior_entropy_bits
from phantomcal.results import InformationGain

Array = NDArray[np.float64]


def information_gains(
    found: Posterior, prior: Mapping[str, float], subjects: Sequence[str], threshold: float
) -> list[InformationGain]:
    """Mean entropy taken off the prior by QSM alone, CT alone and both, over the lesions that have both.

    Parameters
    ----------
    found : Posterior
    prior : mapping of str to float
    subjects : sequence of str
        Whose lesion each is; intervals allow for several of one subject.
    threshold : float
        From which a class counts as decided.

    Returns
    -------
    list of InformationGain
        Empty when no lesion has both.
    """
    there = ~np.isnan(found.probabilities["both"][:, 0])
    if not there.any():
        return []
    own = np.array([name or f"row {k}" for k, name in enumerate(subjects)], dtype=object)[there]
    _, codes = np.unique(own.astype(str), return_inverse=True)
    before = prior_entropy_bits(prior)
    gains = []
    for evidence in EVIDENCE:
        gained = before - found.entropy_bits[evidence][there]
        error = clustered_error(gained, codes)
        n_subjects = int(codes.max()) + 1
        half = None if error is None else float(stats.t.ppf(0.975, n_subjects - 1)) * error
        mean = float(gained.mean())
        gains.append(
            InformationGain(
                evidence=evidence,
                n=int(gained.size),
                n_subjects=n_subjects,
                gained_bits=mean,
                standard_error=error,
                ci95_low=None if half is None else mean - half,
                ci95_high=None if half is None else mean + half,
                decided=int((found.probabilities[evidence][there, :3].max(axis=1) >= threshold).sum()),
            )
        )
    return gains


def clustered_error(values: Array, codes: NDArray[np.int64]) -> float | None:
    """Standard error of a mean of values of which several belong to one subject; None with one subject."""
    n_subjects = int(codes.max()) + 1
    if n_subjects < 2:
        return None
    sums = np.bincount(codes, weights=values - values.mean(), minlength=n_subjects)
    return float(np.sqrt(n_subjects / (n_subjects - 1) * (sums**2).sum()) / values.size)
