"""Total mass of every material in every lesion, with an interval that does not shrink where it must not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from phantomcal.errors import InputError
from phantomcal.lesions.aperture import (
    Aperture,
    Scatter,
    Sharpness,
    aperture_of,
    recovered,
    scatter_from_ring,
    scatter_of_sums,
    without_outliers,
)
from phantomcal.lesions.decompose import Baseline, decompose
from phantomcal.lesions.quantities import TISSUE_DENSITY_G_PER_ML, hydroxyapatite_mg, hydroxyapatite_mg_per_cm3
from phantomcal.lesions.ranges import feasible_amounts
from phantomcal.lesions.system import Component, System
from phantomcal.results import DecomposedLesion, LesionMass, MassPart

Array = NDArray[np.float64]
AnyArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

_LEAST_RING = 30
_MANY = 1e6
_LITRE_MM3 = 1e6


@dataclass(frozen=True)
class _Total:
    """Excess summed over one lesion, HU mm3 and ppm mm3, corrected for what lies outside the aperture."""

    aperture: Aperture
    volume_mm3: float
    sums: Array
    scatter: Scatter
    leak: Array  # relative uncertainty of the correction, CT and QSM
    shared_se: Array  # of the baseline, on the sums
    recovered: Array
    baseline: Array
    baseline_se: Array
    notes: list[str]


def lesion_masses(
    hu: AnyArray,
    ppm: AnyArray,
    labels: NDArray[np.integer],
    spacing_mm: tuple[float, float, float],
    system: System,
    *,
    baseline: Baseline | None = None,
    measured: BoolArray | None = None,
    sharpness: Sharpness | None = None,
    names: Mapping[int, str] | None = None,
    density_g_per_ml: float = TISSUE_DENSITY_G_PER_ML,
    most_independent: tuple[float, float] = (1.0, 1.0),
    seed: int = 0,
) -> list[DecomposedLesion]:
    """Mass of every material in every lesion.

    The excess over the tissue is summed over the mask and a margin that holds what blur and misalignment carry out of
    it, so that partial volume at the edge does not matter; the share that still lies outside is corrected for. By
    default the tissue is what a ring around the lesion reads. The two sums are then solved for the two masses.

    Four sources of uncertainty: scatter of such sums where no lesion is (noise with its correlation, background,
    texture), the slopes of CT and of QSM (common to all lesions), the correction for blur, and the baseline where it is
    not the ring's (its scatter then is in the first). Degrees of freedom are Welch and Satterthwaite's.

    Parameters
    ----------
    hu, ppm : ndarray, shape (z, y, x)
        CT on the map's grid, and the map. NaN where not measured.
    labels : ndarray of int, shape (z, y, x)
        0 is no lesion.
    spacing_mm : tuple of float
        Voxel size (x, y, z).
    system : System
        Of two materials or more.
    baseline : Baseline, optional
        A constant, a mirrored image, ...; by default a ring around each lesion.
    measured : ndarray of bool, optional
        Where both readings are; where both are finite by default.
    sharpness : Sharpness, optional
        Blur and misalignment; by default what voxels of this size bring along.
    names : mapping of int to str, optional
        Of the labels.
    density_g_per_ml : float
        Of tissue.
    most_independent : tuple of float
        Largest share of voxels that are independent in CT and in QSM (interpolation makes no new ones).
    seed : int
        Of the places that the scatter is taken at.

    Returns
    -------
    list of DecomposedLesion
        In ascending order of labels, with a `LesionMass` for every material.

    Raises
    ------
    InputError
        Arrays of different shapes, or no lesion.
    """
    if not hu.shape == ppm.shape == labels.shape or hu.ndim != 3:
        raise InputError("CT, map and labels have different shapes", "the lesions", "bring them to one grid")
    numbers = [int(n) for n in np.unique(labels) if n > 0]
    if not numbers:
        raise InputError("no lesion in the labels", "the label map", "every voxel is 0: check the file")
    usable = np.isfinite(hu) & np.isfinite(ppm)
    if measured is not None:
        usable &= measured
    how = sharpness if sharpness is not None else voxel_sharpness(spacing_mm)
    fields = _excess(hu, ppm, baseline)
    free = usable & ~_near_any(labels, spacing_mm, how)
    extents = ndimage.find_objects(labels.astype(np.int64) if labels.dtype.kind == "u" else labels)
    lesions = []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        total = _total(
            fields, labels, number, extents[number - 1], usable, free, spacing_mm, how, baseline, most_independent, rng
        )
        name = (names or {}).get(number, f"lesion-{number}")
        lesions.append(_lesion(name, number, total, system, spacing_mm, density_g_per_ml))
    return lesions


def voxel_sharpness(spacing_mm: tuple[float, float, float], registration_mm: float = 0.5) -> Sharpness:
    """Blur of images whose resolution is that of their voxels: a full width at half maximum of one voxel, at least 1 mm.

    The CT is interpolated linearly besides, which blurs by 0.41 voxel.
    """
    own = [max(s, 1.0) / 2.3548 for s in spacing_mm]
    ct = [float(np.hypot(o, s / np.sqrt(6.0))) for o, s in zip(own, spacing_mm, strict=True)]
    return Sharpness((ct[0], ct[1], ct[2]), (own[0], own[1], own[2]), registration_mm)


def _excess(hu: AnyArray, ppm: AnyArray, baseline: Baseline | None) -> tuple[AnyArray, AnyArray]:
    if baseline is None:
        return hu, ppm
    return hu - baseline.hu, ppm - baseline.ppm


def _near_any(labels: NDArray[np.integer], spacing_mm: tuple[float, float, float], how: Sharpness) -> BoolArray:
    """Lesions and their margins, in which no place for comparison may lie."""
    step = np.array(spacing_mm[::-1])
    reach = np.ceil(how.margin_mm / step).astype(int)
    lesion = labels != 0
    box = ndimage.find_objects(lesion.astype(np.uint8))[0]
    wide = tuple(
        slice(max(s.start - r, 0), min(s.stop + r, n)) for s, r, n in zip(box, reach, labels.shape, strict=True)
    )
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"))
    ball = np.square(grid * (step / how.margin_mm)[:, None, None, None]).sum(axis=0) <= 1.0
    near = np.zeros(labels.shape, np.bool_)
    # Counting overlaps by transform is quicker than dilating by hundreds of neighbours.
    from scipy.signal import fftconvolve

    near[wide] = fftconvolve(lesion[wide].astype(np.float32), ball.astype(np.float32), mode="same") > 0.5
    return near


def _total(
    fields: tuple[AnyArray, AnyArray],
    labels: NDArray[np.integer],
    number: int,
    extent: Any,
    usable: BoolArray,
    free: BoolArray,
    spacing_mm: tuple[float, float, float],
    how: Sharpness,
    baseline: Baseline | None,
    most_independent: tuple[float, float],
    rng: np.random.Generator,
) -> _Total:
    voxel = float(np.prod(spacing_mm))
    ring = baseline is None
    aperture = aperture_of(labels, number, usable, spacing_mm, how.margin_mm, ring=ring, extent=extent)
    notes = []
    own = tuple(np.asarray(np.nan_to_num(f[aperture.box]), dtype=np.float64) for f in fields)
    boxed = (own[0], own[1])
    if ring:
        aperture = without_outliers(aperture, boxed)
        if int(aperture.ring.sum()) < _LEAST_RING:
            notes.append(
                f"only {int(aperture.ring.sum())} voxels of tissue around it: its baseline is hardly known, "
                "give one with --baseline"
            )
    weights = aperture.weights
    n_inside = float(aperture.inside.sum())
    scatter = scatter_of_sums(aperture, fields, free, spacing_mm, rng)
    if scatter is None:
        scatter = scatter_from_ring(aperture, boxed, most_independent)
        notes.append("too little free tissue around to see how such sums scatter: worked out from the ring's noise")
    if scatter is None:
        sd = [
            float(f[aperture.inside & ~aperture.mask].std()) if (aperture.inside & ~aperture.mask).any() else np.nan
            for f in boxed
        ]
        scatter = Scatter(np.diag([n_inside**2 * s**2 for s in sd]), 1.0, 0)
        notes.append("no surroundings to judge its noise by: its uncertainty is a guess from the margin alone")
    shares = [recovered(aperture, s, spacing_mm, how.registration_mm) for s in (how.ct_mm, how.qsm_mm)]
    kept = np.array([share for share, _ in shares])
    if (kept < 0.5).any():
        notes.append(
            f"only {kept.min():.0%} of its signal lies in the part that can be summed: its masses are unreliable"
        )
        kept = np.maximum(kept, 0.2)
    if aperture.crowded:
        notes.append("another lesion lies within its margin: what blur mixes between the two is not parted")
    if aperture.missing:
        share = aperture.missing / (aperture.missing + n_inside)
        notes.append(f"{share:.0%} of its margin has no reading (edge of the map or of the CT)")
    sums = np.array([float((weights * f).sum()) for f in boxed]) / kept
    n_ring = int(aperture.ring.sum())
    if ring and n_ring:
        levels = np.array([float(f[aperture.ring].mean()) for f in boxed])
        # The part of the scatter of a sum that is the ring's; the rest is the aperture's own noise.
        level_se = np.sqrt(np.diag(scatter.covariance)) / max(n_inside, 1.0)
        shared = np.zeros(2)
    elif ring:
        levels, level_se, shared = np.full(2, np.nan), np.full(2, np.nan), np.zeros(2)
    else:
        assert baseline is not None
        levels = np.array(
            [
                float(np.mean(np.broadcast_to(b, labels.shape)[aperture.box][aperture.mask]))
                for b in (baseline.hu, baseline.ppm)
            ]
        )
        level_se = np.array([baseline.hu_se, baseline.ppm_se])
        shared = level_se * n_inside / kept
    return _Total(
        aperture,
        voxel * float(aperture.mask.sum()),
        sums * voxel,
        Scatter(scatter.covariance / np.outer(kept, kept) * voxel**2, scatter.degrees_of_freedom, scatter.n_places),
        np.array([u for _, u in shares]) / kept,
        shared * voxel,
        kept,
        levels,
        level_se,
        notes,
    )


def _lesion(
    name: str,
    number: int,
    total: _Total,
    system: System,
    spacing_mm: tuple[float, float, float],
    density: float,
) -> DecomposedLesion:
    voxel = float(np.prod(spacing_mm))
    volume = total.volume_mm3
    random = np.sqrt(np.diag(total.scatter.covariance)) / volume
    mean = total.sums / volume
    blur = np.abs(mean) * total.leak
    excess_se = np.sqrt(random**2 + blur**2 + (total.shared_se / volume) ** 2)
    two = len(system.components) == 2
    masses, r = (
        _two_masses(name, number, total, system, density)
        if two
        else (_many_masses(name, number, mean, excess_se, total, system, density), None)
    )
    notes = list(total.notes)
    for mass in masses:
        if mass.ci95[1] <= 0 < -mass.unconstrained_mg:
            notes.append(
                f"{mass.material} comes out below zero beyond its error: another material, or tissue that reads "
                "otherwise than its surroundings"
            )
    return DecomposedLesion(
        lesion_id=name,
        label=number,
        n_voxels=round(volume / voxel),
        volume_mm3=volume,
        aperture_mm3=float(total.aperture.inside.sum()) * voxel,
        n_surround=int(total.aperture.ring.sum()),
        baseline_hu=float(total.baseline[0]),
        baseline_hu_se=float(total.baseline_se[0]),
        baseline_ppm=float(total.baseline[1]),
        baseline_ppm_se=float(total.baseline_se[1]),
        excess_hu=float(mean[0]),
        excess_hu_se=float(excess_se[0]),
        excess_ppm=float(mean[1]),
        excess_ppm_se=float(excess_se[1]),
        error_correlation=r,
        recovered_ct=float(total.recovered[0]),
        recovered_qsm=float(total.recovered[1]),
        masses=masses,
        notes=notes,
    )


def _two_masses(
    name: str, number: int, total: _Total, system: System, density: float
) -> tuple[list[LesionMass], float]:
    inverse = np.linalg.inv(system.slopes)
    amounts = inverse @ total.sums  # mmol/L times mm3
    parts: list[tuple[str, Array, bool, float]] = [  # source, covariance of the sums, systematic, degrees of freedom
        ("noise and background", total.scatter.covariance, False, total.scatter.degrees_of_freedom)
    ]
    for k, source in enumerate(("CT calibration", "QSM calibration")):
        own = np.zeros((2, 2))
        own[k, k] = float(amounts @ system.slope_covariance[k] @ amounts)
        weight = np.diag(system.slope_covariance[k]) * amounts**2
        dof = float(own[k, k] ** 2 / max(np.sum(weight**2 / system.slope_dof[k]), 1e-300)) if own[k, k] > 0 else _MANY
        parts.append((source, own, True, max(dof, 1.0)))
    parts.append(("blur and alignment", np.diag((total.sums * total.leak) ** 2), False, _MANY))
    parts.append(("baseline", np.diag(total.shared_se**2), True, _MANY))
    spread = sum((inverse @ cov @ inverse.T for _, cov, _, _ in parts), np.zeros((2, 2)))
    sums_se = np.sqrt(sum((np.diag(cov) for _, cov, _, _ in parts), np.zeros(2)))
    kept = decompose(
        total.sums[0],
        total.sums[1],
        hu_se=float(max(sums_se[0], 1e-300)),
        ppm_se=float(max(sums_se[1], 1e-300)),
        system=system,
        baseline=Baseline(0.0, 0.0),
    ).amounts.reshape(2)
    masses = []
    for i, component in enumerate(system.components):
        variances = [
            (source, float((inverse @ cov @ inverse.T)[i, i]), common, dof) for source, cov, common, dof in parts
        ]
        masses.append(
            _mass(name, number, component, float(kept[i]), float(amounts[i]), variances, total.volume_mm3, density)
        )
    sd = np.sqrt(np.diag(spread))
    return masses, float(spread[0, 1] / np.prod(sd)) if np.all(sd > 0) else 0.0


def _mass(
    name: str,
    number: int,
    component: Component,
    kept: float,
    free: float,
    variances: Sequence[tuple[str, float, bool, float]],
    volume_mm3: float,
    density: float,
) -> LesionMass:
    grams = component.molar_mass_g_per_mol or float("nan")
    to_mg = grams / _LITRE_MM3
    total = sum(v for _, v, _, _ in variances)
    common = sum(v for _, v, shared, _ in variances if shared)
    below = sum(v**2 / dof for _, v, _, dof in variances)
    dof = total**2 / below if below > 0 else _MANY
    t = float(stats.t.ppf(0.975, dof))
    se = float(np.sqrt(total))
    # What the sums scatter by where nothing is decides whether there is anything; slopes do not matter at nothing.
    at_nothing = sum(v for source, v, _, _ in variances if source in ("noise and background", "baseline"))
    detected = free > float(stats.t.ppf(0.95, dof)) * float(np.sqrt(at_nothing))
    mean = kept / volume_mm3
    mass = kept * to_mg
    calcium = component.name == "calcium"
    return LesionMass(
        lesion_id=name,
        label=number,
        material=component.name,
        mass_mg=mass,
        standard_error_mg=se * to_mg,
        ci95=(max((free - t * se) * to_mg, 0.0), max((free + t * se) * to_mg, 0.0)),
        unconstrained_mg=free * to_mg,
        random_se_mg=float(np.sqrt(total - common)) * to_mg,
        systematic_se_mg=float(np.sqrt(common)) * to_mg,
        degrees_of_freedom=None if dof > _MANY / 10 else float(dof),
        detected=bool(detected),
        mean_concentration_mmol_per_l=mean,
        mean_concentration_se=se / volume_mm3,
        mg_per_100g=mean * grams / (10.0 * density) if component.molar_mass_g_per_mol else None,
        hydroxyapatite_mg=hydroxyapatite_mg(mass) if calcium else None,
        hydroxyapatite_mg_per_cm3=hydroxyapatite_mg_per_cm3(mean) if calcium else None,
        parts=[
            MassPart(source=s, standard_error_mg=float(np.sqrt(v)) * to_mg, systematic=c) for s, v, c, _ in variances
        ],
    )


def _many_masses(
    name: str, number: int, mean: Array, se: Array, total: _Total, system: System, density: float
) -> list[LesionMass]:
    """Ranges of the masses when more materials are candidates than there are readings; errors are the readings'."""
    found = feasible_amounts(
        float(mean[0]),
        float(mean[1]),
        hu_se=float(max(se[0], 1e-300)),
        ppm_se=float(max(se[1], 1e-300)),
        system=system,
        baseline=Baseline(0.0, 0.0),
    )
    m = len(system.components)
    # The ends move with the readings: their spread by drawing the readings over their errors.
    rng = np.random.default_rng(number)
    slope = np.sqrt([float(np.max(np.diag(c) * found.high.reshape(m) ** 2)) for c in system.slope_covariance])
    drawn = mean[:, None] + np.hypot(se, slope)[:, None] * rng.standard_normal((2, 4000))
    many = feasible_amounts(
        drawn[0],
        drawn[1],
        hu_se=float(max(se[0], 1e-300)),
        ppm_se=float(max(se[1], 1e-300)),
        system=system,
        baseline=Baseline(0.0, 0.0),
    )
    masses = []
    for i, component in enumerate(system.components):
        to_mg = (component.molar_mass_g_per_mol or float("nan")) / _LITRE_MM3 * total.volume_mm3
        low, high = float(found.low.reshape(m)[i]), float(found.high.reshape(m)[i])
        ends = float(np.quantile(many.low[i], 0.025)), float(np.quantile(many.high[i], 0.975))
        spread = float(np.hypot(many.low[i].std(), many.high[i].std()) / np.sqrt(2.0))
        middle = (low + high) / 2
        masses.append(
            LesionMass(
                lesion_id=name,
                label=number,
                material=component.name,
                mass_mg=middle * to_mg,
                standard_error_mg=spread * to_mg,
                ci95=(ends[0] * to_mg, ends[1] * to_mg),
                unconstrained_mg=middle * to_mg,
                random_se_mg=spread * to_mg,
                systematic_se_mg=0.0,
                degrees_of_freedom=None,
                detected=ends[0] > 0,
                mean_concentration_mmol_per_l=middle,
                mean_concentration_se=spread,
                mg_per_100g=middle * (component.molar_mass_g_per_mol or float("nan")) / (10.0 * density),
                low_mg=low * to_mg,
                high_mg=high * to_mg,
            )
        )
    return masses
