"""Region values of a cohort, drawn so that the correlation between HU and ppm is a given one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError
from phantomcal.simulate.brain import LABELS, RegionValue


@dataclass(frozen=True)
class Target:
    """What a region looks like over a cohort.

    Attributes
    ----------
    pearson_r : float
        Correlation of HU with ppm.
    mean_hu, sd_hu, mean_ppm, sd_ppm : float
        Of the subjects' values.
    """

    pearson_r: float
    mean_hu: float
    sd_hu: float
    mean_ppm: float
    sd_ppm: float


# Correlations: Oshima et al. 2020, 10.1148/radiol.2019182934 (R2 0.52, 0.38, 0.53, 0.38; none in the other five).
# ppm means: QSM challenge 2.0 model. Choroid plexus: regression through -0.10 ppm at 60 HU and -0.15 ppm at 100 HU.
# HU spreads are wider than in health, so that they stand out from the noise of a region's mean.
OSHIMA_TARGETS: dict[str, Target] = {
    "globus pallidus": Target(math.sqrt(0.52), 44.0, 7.0, 0.130, 0.030),
    "putamen": Target(0.0, 40.0, 3.5, 0.040, 0.015),
    "caudate nucleus": Target(0.0, 39.0, 3.0, 0.044, 0.014),
    "substantia nigra": Target(0.0, 39.0, 3.5, 0.111, 0.025),
    "red nucleus": Target(0.0, 38.0, 3.5, 0.100, 0.025),
    "dentate nucleus": Target(0.0, 42.0, 4.0, 0.152, 0.030),
    "choroid plexus": Target(-math.sqrt(0.53), 75.0, 14.0, -0.119, 0.00125 * 14.0 / math.sqrt(0.53)),
    "haemorrhage": Target(math.sqrt(0.38), 75.0, 6.0, 0.300, 0.070),
    "calcification": Target(-math.sqrt(0.38), 180.0, 32.0, -0.250, 0.060),
}


def draw_values(
    targets: Mapping[str, Target], n_subjects: int, rng: np.random.Generator, exact: bool = True
) -> list[dict[str, RegionValue]]:
    """Values of every region in every subject.

    Parameters
    ----------
    targets : mapping of str to Target
        Regions by name.
    n_subjects : int
        Size of the cohort.
    rng : numpy.random.Generator
        Source of the draws.
    exact : bool
        Whether the sample's own means, SDs and correlation are the targets (draws centred, orthogonalised and scaled)
        or only those of the bivariate normal population it comes from.

    Returns
    -------
    list of dict
        One entry per subject: region to (HU, ppm).

    Raises
    ------
    InputError
        Unknown region, a correlation outside -1 to 1, or fewer than three subjects when `exact`.
    """
    if n_subjects < (3 if exact else 1):
        raise InputError(
            f"{n_subjects} subjects cannot have a given correlation" if exact else "no subjects to draw",
            "n_subjects",
            "ask for at least three, or for draws that are not exact" if exact else "ask for at least one",
        )
    cohort: list[dict[str, RegionValue]] = [{} for _ in range(n_subjects)]
    for name, target in targets.items():
        if name not in LABELS:
            raise InputError(f"unknown region {name!r}", "the targets", f"known are {', '.join(LABELS)}")
        if not -1 <= target.pearson_r <= 1 or min(target.sd_hu, target.sd_ppm) < 0:
            raise InputError(
                "a correlation lies between -1 and 1 and an SD is not negative", f"target {name!r}", "correct it"
            )
        hu, ppm = _pair(target, n_subjects, rng, exact)
        for subject, h, p in zip(cohort, hu, ppm, strict=True):
            subject[name] = RegionValue(round(float(h), 6), round(float(p), 9))
    return cohort


def _pair(
    target: Target, n: int, rng: np.random.Generator, exact: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if exact:
        # Within two SD, so that no subject leaves the range its tissue is known by (clotted blood is 60 to 90 HU).
        first = _standardised(_within(n, 2.0, rng))
        second = _within(n, 2.0, rng)
        second = _standardised(second - second.mean() - first * np.dot(first, second) / np.dot(first, first))
    else:
        first, second = rng.standard_normal(n), rng.standard_normal(n)
    other = target.pearson_r * first + math.sqrt(1 - target.pearson_r**2) * second
    return target.mean_hu + target.sd_hu * first, target.mean_ppm + target.sd_ppm * other


def _within(n: int, limit: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    draws = rng.standard_normal(n)
    while (far := np.abs(draws) > limit).any():
        draws[far] = rng.standard_normal(int(far.sum()))
    return draws


def _standardised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centred = values - values.mean()
    scaled: npt.NDArray[np.float64] = centred / centred.std(ddof=1)
    return scaled
