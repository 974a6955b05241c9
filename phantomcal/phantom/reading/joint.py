"""A sample read from HU and ppm together: which material, and how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.phantom.fitting.fit import Curve
from phantomcal.phantom.reading.inverse import critical_amount, read_back

Array = NDArray[np.float64]

NAMED_FROM = 0.95  # probability from which a material is named
MISFIT = 0.01  # p below which the two readings contradict each other for a material
_REACH = 12.0  # standard errors each side of a reading that the amounts are tried over
_STEPS = 600
_ONE_SD = (float(stats.norm.cdf(-1.0)), float(stats.norm.cdf(1.0)))
NEITHER, UNDETERMINED = "neither", "undetermined"
MODEL = (
    "For each material the two readings are compared with its two lines at every amount. Each reading scatters about "
    "its line as a new vial would (Student's t with the line's degrees of freedom; variance of reading, vial scatter "
    "and line). CT and QSM errors are taken as independent. Materials are equally likely beforehand, amounts equally "
    "likely from 0 to twice the calibrated range. The sample is taken to hold one material only. A material is named "
    "from a probability of 0.95; none is when the readings contradict each other for every material (p < 0.01)."
)


@dataclass(frozen=True)
class Pair:
    """The CT and the QSM line of one material.

    Attributes
    ----------
    ct, qsm : Curve
        HU and ppm per abscissa unit.
    calibrated_range : (float, float)
        Common to both.
    """

    ct: Curve
    qsm: Curve
    calibrated_range: tuple[float, float]


@dataclass(frozen=True)
class MaterialReading:
    """What a sample holds if it holds this material.

    Attributes
    ----------
    amount, standard_error : float
        Median of the posterior and half the width of its central 68 %, in abscissa units.
    interval : (float, float) or None
        Equal-tailed; None when neither slope is established.
    probability : float
        Of this material among those compared; 1 when there is one only.
    misfit_p : float
        Of the two readings agreeing on an amount of this material.
    below_critical : bool
        Not told from nothing by either reading (one-sided 0.05, split between the two).
    in_range : bool
    """

    amount: float
    standard_error: float
    interval: tuple[float, float] | None
    probability: float
    misfit_p: float
    below_critical: bool
    in_range: bool


@dataclass(frozen=True)
class JointReading:
    """Which material a sample holds, and how much.

    Attributes
    ----------
    verdict : str
        A material, "neither" or "undetermined".
    materials : dict of str to MaterialReading
    note : str
        Why, in words; empty when a material is named.
    """

    verdict: str
    materials: dict[str, MaterialReading]
    note: str


def read_jointly(
    pairs: Mapping[str, Pair],
    hu: float,
    ppm: float,
    *,
    hu_se: float | None = None,
    ppm_se: float | None = None,
    confidence: float = 0.95,
) -> JointReading:
    """Compare a sample's HU and ppm with the lines of every material.

    `MODEL` states the model. It is the Bayesian reading of a new observation with the usual vague priors of linear
    regression, by numerical integration over the amount.

    Parameters
    ----------
    pairs : mapping of str to Pair
        By material; at least one.
    hu, ppm : float
        The readings.
    hu_se, ppm_se : float, optional
        Their standard errors from noise; None takes them to be as good as a vial's.
    confidence : float
        Of the intervals.

    Returns
    -------
    JointReading

    References
    ----------
    Gelman et al., Bayesian Data Analysis, 3rd ed., section 14.3 (predictive distribution). Hoadley, J Am Stat Assoc
    1970;65:356 (Bayesian calibration).
    """
    if not pairs:
        raise ValueError("no material has both lines")
    read = {name: _one(pair, hu, ppm, hu_se, ppm_se, confidence) for name, pair in pairs.items()}
    logs = np.array([weight for _, weight in read.values()])
    probabilities = np.exp(logs - logs.max())
    probabilities /= probabilities.sum()
    materials = {
        name: MaterialReading(**{**reading.__dict__, "probability": float(p)})
        for (name, (reading, _)), p in zip(read.items(), probabilities, strict=True)
    }
    best = max(materials, key=lambda name: materials[name].probability)
    found = materials[best]
    if all(m.misfit_p < MISFIT for m in materials.values()):
        names = " or ".join(materials)
        return JointReading(NEITHER, materials, f"HU and ppm contradict each other for {names} alone (p < {MISFIT:g})")
    if len(materials) > 1 and found.probability < NAMED_FROM:
        told = "nothing is detected" if all(m.below_critical for m in materials.values()) else "both readings allow it"
        second = sorted(materials, key=lambda name: -materials[name].probability)[1]
        return JointReading(
            UNDETERMINED,
            materials,
            f"{told}: {best} {found.probability:.2f}, {second} {materials[second].probability:.2f}",
        )
    if found.below_critical:
        return JointReading(UNDETERMINED, materials, "nothing is detected: neither reading is told from zero")
    return JointReading(best, materials, "")


def _one(
    pair: Pair, hu: float, ppm: float, hu_se: float | None, ppm_se: float | None, confidence: float
) -> tuple[MaterialReading, float]:
    """Reading for one material, and the log of how well it predicts the readings."""
    readings = ((pair.ct, hu, hu_se), (pair.qsm, ppm, ppm_se))
    singles = [read_back(curve, y, standard_error=se, confidence=confidence) for curve, y, se in readings]
    top = 2.0 * pair.calibrated_range[1]
    # Fine near each reading, coarse in between.
    grids = [
        np.linspace(r.amount - _REACH * r.standard_error, r.amount + _REACH * r.standard_error, _STEPS) for r in singles
    ]
    x = np.unique(np.concatenate([*grids, np.linspace(0.0, max(top, 1e-300), _STEPS)]))
    log = sum((_log_density(curve, y, se, x) for curve, y, se in readings), np.zeros_like(x))
    shift = float(log.max())
    density = np.exp(log - shift)
    # Each reading has a tail of its own: a step between grid points of two readings is still smooth.
    steps = np.diff(x)
    pieces = 0.5 * (density[1:] + density[:-1]) * steps
    total = float(pieces.sum())
    cumulative = np.concatenate([[0.0], np.cumsum(pieces)]) / total
    low, high = (float(np.interp(q, cumulative, x)) for q in (0.5 - confidence / 2, 0.5 + confidence / 2))
    # Median and central 68 %: readings that contradict each other leave tails that a mean would follow.
    median, below, above = (float(np.interp(q, cumulative, x)) for q in (0.5, *_ONE_SD))
    spread = (above - below) / 2
    upper = max(top, median + 5.0 * spread)
    inside = np.interp(upper, x, cumulative) - np.interp(0.0, x, cumulative)
    weight = shift + np.log(max(float(inside) * total, 1e-300)) - np.log(upper)
    established = any(r.set_kind == "bounded" for r in singles)
    return (
        MaterialReading(
            amount=median,
            standard_error=spread,
            interval=(low, high) if established else None,
            probability=1.0,
            misfit_p=_misfit(pair, hu, ppm, hu_se, ppm_se),
            below_critical=all(
                r.amount <= critical_amount(curve, 0.025, curve.reading_variance(se))
                for r, (curve, _, se) in zip(singles, readings, strict=True)
            ),
            in_range=pair.calibrated_range[0] <= median <= pair.calibrated_range[1],
        ),
        float(weight),
    )


def _log_density(curve: Curve, y: float, standard_error: float | None, x: Array) -> Array:
    """Log density of a reading at every amount: Student's t about the line."""
    spread = np.sqrt(curve.reading_variance(standard_error) + curve.line_variance(x))
    z = (y - curve.intercept - curve.slope * x) / spread
    dof = curve.degrees_of_freedom
    return np.asarray(-0.5 * (dof + 1) * np.log1p(z**2 / dof) - np.log(spread) + _constant(dof))


def _constant(dof: int) -> float:
    return float(stats.t.logpdf(0.0, dof))


def _misfit(pair: Pair, hu: float, ppm: float, hu_se: float | None, ppm_se: float | None) -> float:
    """p of the ppm that the HU foretell, with Welch's degrees of freedom."""
    amount = (hu - pair.ct.intercept) / pair.ct.slope
    per_hu = pair.qsm.slope / pair.ct.slope
    parts = [
        pair.qsm.reading_variance(ppm_se) + float(pair.qsm.line_variance(amount)),
        per_hu**2 * (pair.ct.reading_variance(hu_se) + float(pair.ct.line_variance(amount))),
    ]
    variance = sum(parts)
    if variance <= 0:
        return 1.0
    dofs = (pair.qsm.degrees_of_freedom, pair.ct.degrees_of_freedom)
    dof = variance**2 / sum(v**2 / d for v, d in zip(parts, dofs, strict=True))
    miss = ppm - pair.qsm.intercept - pair.qsm.slope * amount
    return float(2 * stats.t.sf(abs(miss) / np.sqrt(variance), dof))
