"""How likely are HU and ppm of a lesion if it is blood, calcium, both, or nothing?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from phantomcal.lesions.assumptions import CLASSES, Assumptions

Array = NDArray[np.float64]

_REACH = 3.5  # SDs each side that an amount is integrated over
_STEPS = {"haemorrhage": 64, "calcification": 64, "mixed": 28}
_CHUNK = 400_000
EVIDENCE = ("qsm", "ct", "both")
MISFIT = 0.01  # p below which readings contradict every class
MODEL = (
    "A lesion is blood, calcium, both, or nothing. Blood adds iron (susceptibility, log-normal) and protein (CT "
    "number, evenly from resorbed to clotted); calcium adds HU (log-normal) and, along its line, negative ppm; nothing "
    "leaves the tissue. All stand on a tissue baseline with its spread. Readings scatter about that by their standard "
    "error, the scan-rescan SD, partial volume and registration error (relative to the excess over tissue) and the "
    "uncertainty of the lines. Amounts are integrated out numerically; errors of CT and QSM are independent."
)


@dataclass(frozen=True)
class Readings:
    """Readings of many lesions; NaN where there is none.

    Attributes
    ----------
    hu, ppm : ndarray, shape (n,)
    hu_se, ppm_se : ndarray, shape (n,)
        Standard errors, scan-rescan SD included.
    tissue_hu, tissue_hu_sd, tissue_ppm, tissue_ppm_sd : ndarray, shape (n,)
        The tissue a lesion stands on, and how well it is known.
    diameter_mm : ndarray, shape (n,)
        Of the sphere of its volume.
    """

    hu: Array
    ppm: Array
    hu_se: Array
    ppm_se: Array
    tissue_hu: Array
    tissue_hu_sd: Array
    tissue_ppm: Array
    tissue_ppm_sd: Array
    diameter_mm: Array


@dataclass(frozen=True)
class Nodes:
    """One class as points in the plane of excess HU and ppm over tissue, with the spread of each.

    Attributes
    ----------
    weight, hu, ppm : ndarray, shape (k,)
        Weights add up to 1.
    ppm_variance : ndarray, shape (k,)
    width_hu : float
        HU are even over so much above each point.
    """

    weight: Array
    hu: Array
    ppm: Array
    ppm_variance: Array
    width_hu: float


@dataclass(frozen=True)
class Posterior:
    """Probabilities of the classes, in the order of `CLASSES`, by evidence.

    Attributes
    ----------
    probabilities : dict of str to ndarray, shape (n, 4)
        From QSM alone, CT alone and both; NaN rows where a reading is missing.
    misfit_p : dict of str to ndarray, shape (n,)
        p of the readings at the amount of any class that suits them best: chi-squared with a degree of freedom for
        each reading. It errs towards 1, as the amount was free.
    entropy_bits : dict of str to ndarray, shape (n,)
        What is left open.
    """

    probabilities: dict[str, Array]
    misfit_p: dict[str, Array]
    entropy_bits: dict[str, Array]


def entropy_bits(probabilities: Array) -> Array:
    """Shannon entropy of each row (n, classes), in bits."""
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(special.entr(p).sum(axis=-1) / np.log(2.0))


def class_nodes(known: Assumptions) -> dict[str, Nodes]:
    """The classes as quadrature nodes.

    Parameters
    ----------
    known : Assumptions

    Returns
    -------
    dict of str to Nodes
    """
    iron, iron_weight = _log_normal(known.blood_ppm_median * known.qsm_scale, known.blood_ppm_log_sd, "haemorrhage")
    calcium, calcium_weight = _log_normal(known.calcium_hu_median, known.calcium_hu_log_sd, "calcification")
    some_iron, some_iron_weight = _log_normal(known.blood_ppm_median * known.qsm_scale, known.blood_ppm_log_sd, "mixed")
    some_calcium, some_calcium_weight = _log_normal(known.calcium_hu_median, known.calcium_hu_log_sd, "mixed")
    scale = known.qsm_scale_sd / known.qsm_scale
    along = known.calcium_ppm_per_hu

    def iron_variance(ppm: Array) -> Array:
        return np.asarray((scale * ppm) ** 2 + known.scatter_ppm**2)

    def calcium_variance(hu: Array) -> Array:
        return np.asarray((known.calcium_log_sd * along * hu) ** 2)

    grid_iron, grid_calcium = (g.ravel() for g in np.meshgrid(some_iron, some_calcium, indexing="ij"))
    none = np.zeros(1)
    return {
        "haemorrhage": Nodes(iron_weight, known.iron_hu_per_ppm * iron, iron, iron_variance(iron), known.blood_hu_span),
        "calcification": Nodes(
            calcium_weight, calcium, along * calcium, calcium_variance(calcium) + known.scatter_ppm**2, 0.0
        ),
        "mixed": Nodes(
            np.outer(some_iron_weight, some_calcium_weight).ravel(),
            known.iron_hu_per_ppm * grid_iron + grid_calcium,
            grid_iron + along * grid_calcium,
            iron_variance(grid_iron) + calcium_variance(grid_calcium),
            known.blood_hu_span,
        ),
        "nothing": Nodes(np.ones(1), none, none, none, 0.0),
    }


def posterior(readings: Readings, known: Assumptions) -> Posterior:
    """Probabilities of the classes for every lesion, from QSM alone, CT alone and both.

    Parameters
    ----------
    readings : Readings
    known : Assumptions

    Returns
    -------
    Posterior

    Notes
    -----
    The marginal likelihood of a class is the mean over its nodes of the density of the readings. A class with more
    freedom spreads its density thinner, so that mixed is only preferred where neither blood nor calcium alone will do.
    """
    n = readings.hu.size
    nodes = class_nodes(known)
    logs = {e: np.full((n, len(CLASSES)), -np.inf) for e in EVIDENCE}
    misfit = {e: np.full(n, np.inf) for e in EVIDENCE}
    for k, name in enumerate(CLASSES):
        if known.prior[name] <= 0:
            continue
        these = nodes[name]
        step = max(1, _CHUNK // these.weight.size)
        for start in range(0, n, step):
            part = slice(start, start + step)
            hu, far_hu = _density_hu(readings, part, these, known)
            ppm, far_ppm = _density_ppm(readings, part, these, known)
            pieces = {"qsm": (ppm, far_ppm), "ct": (hu, far_hu), "both": (hu * ppm, far_hu + far_ppm)}
            for evidence, (density, far) in pieces.items():
                nearest = far.min(axis=1)
                marginal = density @ these.weight
                logs[evidence][part, k] = _log_marginal(marginal, nearest) + np.log(known.prior[name])
                misfit[evidence][part] = np.fmin(misfit[evidence][part], nearest)
    probabilities = {e: np.asarray(special.softmax(value, axis=1)) for e, value in logs.items()}
    absent = {"qsm": np.isnan(readings.ppm), "ct": np.isnan(readings.hu)}
    absent["both"] = absent["qsm"] | absent["ct"]
    p: dict[str, Array] = {}
    for evidence in EVIDENCE:
        probabilities[evidence][absent[evidence]] = np.nan
        freedom = 2 if evidence == "both" else 1
        p[evidence] = np.where(absent[evidence], np.nan, special.chdtrc(freedom, misfit[evidence]))
    return Posterior(probabilities, p, {e: entropy_bits(q) for e, q in probabilities.items()})


def posterior_plane(hu: Array, ppm: Array, known: Assumptions, *, hu_se: float, ppm_se: float) -> tuple[Array, Array]:
    """Probabilities over a grid of readings of equal errors, from both: what `posterior` gives, much faster.

    Parameters
    ----------
    hu, ppm : ndarray, shape (nx,) and (ny,)
        The axes of the grid.
    known : Assumptions
    hu_se, ppm_se : float
        Standard errors; surroundings are taken as measured, with the usual tissue in them.

    Returns
    -------
    probabilities : ndarray, shape (ny, nx, 4)
    misfit_p : ndarray, shape (ny, nx)
    """
    sides = [
        Readings(
            *(np.asarray(axis, dtype=np.float64),) * 2,
            *(np.full(axis.size, value) for value in (
                hu_se, ppm_se, known.tissue_hu, known.local_hu_sd, known.tissue_ppm, known.local_ppm_sd,
                known.default_diameter_mm,
            )),
        )
        for axis in (hu, ppm)
    ]  # fmt: skip
    logs = np.full((len(CLASSES), ppm.size, hu.size), -np.inf)
    misfit = np.full((ppm.size, hu.size), np.inf)
    everything = slice(None)
    for k, name in enumerate(CLASSES):
        if known.prior[name] <= 0:
            continue
        nodes = class_nodes(known)[name]
        density_hu, far_hu = _density_hu(sides[0], everything, nodes, known)
        density_ppm, far_ppm = _density_ppm(sides[1], everything, nodes, known)
        nearest = np.stack([(far_hu + row).min(axis=1) for row in far_ppm])
        # HU and ppm are independent given the amounts, so that the grid is a product of two short tables.
        logs[k] = _log_marginal(density_ppm @ (nodes.weight * density_hu).T, nearest) + np.log(known.prior[name])
        misfit = np.minimum(misfit, nearest)
    return np.moveaxis(special.softmax(logs, axis=0), 0, -1), np.asarray(special.chdtrc(2, misfit))


def relative_error(diameter_mm: Array, known: Assumptions) -> Array:
    """Relative spread of a reading's excess over tissue from partial volume and misregistration.

    A sphere moved by a small part d of its diameter D leaves 1.5 d / D of its volume.
    """
    moved = np.minimum(1.5 * known.registration_mm / np.maximum(diameter_mm, 0.1), 0.5)
    return np.asarray(np.hypot(known.partial_volume, moved))


def _log_marginal(marginal: Array, nearest: Array) -> Array:
    """Readings 37 SDs from everything have no density in double precision, only a distance."""
    return np.asarray(np.where(marginal > 0, np.log(np.maximum(marginal, 1e-300)), -0.5 * nearest))


def _density_ppm(readings: Readings, part: slice, nodes: Nodes, known: Assumptions) -> tuple[Array, Array]:
    """Density of each reading at each node (n, k), and its squared distance in SDs."""
    excess = (readings.ppm - readings.tissue_ppm)[part, None]
    own = (readings.ppm_se**2 + readings.tissue_ppm_sd**2)[part, None]
    variance = own + nodes.ppm_variance + (known.partial_volume * nodes.ppm) ** 2
    far = (excess - nodes.ppm) ** 2 / variance
    return np.exp(-0.5 * far) / np.sqrt(2 * np.pi * variance), far


def _density_hu(readings: Readings, part: slice, nodes: Nodes, known: Assumptions) -> tuple[Array, Array]:
    """As `_density_ppm`; where blood adds HU evenly over a span, that is integrated exactly."""
    excess = (readings.hu - readings.tissue_hu)[part, None]
    own = (readings.hu_se**2 + readings.tissue_hu_sd**2)[part, None]
    relative = relative_error(readings.diameter_mm[part, None], known)
    variance = own + known.scatter_hu**2 + (relative * (nodes.hu + 0.5 * nodes.width_hu)) ** 2
    sd = np.sqrt(variance)
    z = (excess - nodes.hu) / sd
    if nodes.width_hu <= 0:
        return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi * variance), z**2
    beyond = z - nodes.width_hu / sd
    # On the far side of the mean the difference of two numbers near 1 would lose all its digits.
    flip = z + beyond > 0
    inside = special.ndtr(np.where(flip, -beyond, z)) - special.ndtr(np.where(flip, -z, beyond))
    return inside / nodes.width_hu, np.maximum(np.maximum(-z, beyond), 0.0) ** 2


def _log_normal(median: float, log_sd: float, name: str) -> tuple[Array, Array]:
    """Nodes and weights of a log-normal amount: evenly spaced in its logarithm."""
    z = np.linspace(-_REACH, _REACH, _STEPS[name])
    weight = np.exp(-0.5 * z**2)
    return median * np.exp(log_sd * z), weight / weight.sum()


def prior_entropy_bits(prior: Mapping[str, float]) -> float:
    """Entropy of the prior, in bits."""
    return float(entropy_bits(np.array([list(prior.values())]))[0])
