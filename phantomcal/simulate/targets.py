"""Region values of a cohort, drawn so that the correlation between HU and ppm is a given one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

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


@dataclass(frozen=True)
class LesionPlan:
    """How lesions of one kind are spread over patients.

    Attributes
    ----------
    carriers : float
        Share of patients that have any.
    most : int
        Lesions per carrier are drawn from 1 to this number, all equally likely.
    subject_share : float
        Share of the variance of HU, and of ppm, that lies between patients; the rest lies between lesions of one.
    within_r : float or None
        Correlation of HU with ppm between lesions of one patient; the target's when None.
    """

    carriers: float = 0.4
    most: int = 4
    subject_share: float = 0.5
    within_r: float | None = None


LESION_PLANS: dict[str, LesionPlan] = {"haemorrhage": LesionPlan(0.4), "calcification": LesionPlan(0.35)}


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


def draw_clustered(
    target: Target, subject: npt.NDArray[np.int64], plan: LesionPlan, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """HU and ppm of several lesions per subject.

    Parameters
    ----------
    target : Target
        Means, SDs and correlation of a lesion drawn at random from all lesions (the marginal correlation).
    subject : ndarray of int, shape (n,)
        Subject of each lesion, counted from 0.
    plan : LesionPlan
        Share of the variance between subjects (s), and the correlation within them (r_w).
    rng : numpy.random.Generator

    Returns
    -------
    hu, ppm : ndarray, shape (n,)
        Sum of a bivariate normal subject effect and a bivariate normal lesion effect. The marginal correlation is
        r = s r_b + (1 - s) r_w, from which r_b, that of the subject effects, follows.

    Raises
    ------
    InputError
        When no correlation between subjects gives the target.
    """
    share = plan.subject_share
    within = target.pearson_r if plan.within_r is None else plan.within_r
    between = target.pearson_r if share == 0 else (target.pearson_r - (1 - share) * within) / share
    if not (0 <= share <= 1 and -1 <= within <= 1 and -1 <= between <= 1):
        raise InputError(
            f"no correlation between subjects gives {target.pearson_r:.2f} beside {within:.2f} within them",
            "the lesion plan",
            "bring within_r nearer to the target, or raise subject_share",
        )
    effects = _normal_pair(between, int(subject.max(initial=-1)) + 1, rng)[:, subject]
    own = _normal_pair(within, subject.size, rng)
    first, second = math.sqrt(share) * effects + math.sqrt(1 - share) * own
    return target.mean_hu + target.sd_hu * first, target.mean_ppm + target.sd_ppm * second


def draw_cohort(
    rng: np.random.Generator,
    *,
    n_patients: int = 84,
    n_volunteers: int = 20,
    targets: Mapping[str, Target] | None = None,
    plans: Mapping[str, LesionPlan] | None = None,
    exact: bool = False,
) -> pd.DataFrame:
    """Region table of a cohort: one row a subject and region, several rows for patients with several lesions.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_patients, n_volunteers : int
        Volunteers have no lesions. The defaults are the cohort of Oshima et al. 2020.
    targets : mapping of str to Target, optional
        Oshima's by default.
    plans : mapping of str to LesionPlan, optional
        Regions that are lesions; haemorrhage and calcification by default.
    exact : bool
        Whether the sample correlations of the regions that are no lesions are the targets.

    Returns
    -------
    pandas.DataFrame
        ``subject_id, group, age, sex, roi, kind, lesion_id, ct_hu, qsm_ppm``. Age and sex are drawn apart from the
        values.
    """
    targets = OSHIMA_TARGETS if targets is None else targets
    plans = LESION_PLANS if plans is None else plans
    n = n_patients + n_volunteers
    people = pd.DataFrame(
        {
            "subject_id": [f"sub-{i + 1:03d}" for i in range(n)],
            "group": ["patient"] * n_patients + ["volunteer"] * n_volunteers,
            "age": np.round(rng.uniform(20, 80, n), 1),
            "sex": rng.choice(["f", "m"], n),
        }
    )
    parts = []
    for name, target in targets.items():
        if name not in plans:
            hu, ppm = _pair(target, n, rng, exact)
            parts.append(people.assign(roi=name, kind="region", lesion_id="", ct_hu=hu, qsm_ppm=ppm))
            continue
        plan = plans[name]
        carriers = np.sort(rng.permutation(n_patients)[: max(1, round(plan.carriers * n_patients))])
        count = rng.integers(1, plan.most + 1, carriers.size)
        code = np.repeat(np.arange(carriers.size), count)
        hu, ppm = draw_clustered(target, code, plan, rng)
        rows = people.iloc[carriers[code]].reset_index(drop=True)
        number = np.concatenate([np.arange(1, c + 1) for c in count])
        names = [f"{name}-{i}" for i in number]
        parts.append(rows.assign(roi=name, kind="lesion", lesion_id=names, ct_hu=hu, qsm_ppm=ppm))
    return pd.concat(parts, ignore_index=True)


def _normal_pair(r: float, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    first, second = rng.standard_normal((2, n))
    return np.stack([first, r * first + math.sqrt(max(1 - r * r, 0.0)) * second])


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
