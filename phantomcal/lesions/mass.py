"""Total mass of every material in every lesion, with an interval that does not shrink where it must not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from phantomcal.errors import InputError
from phantomcal.lesions.decompose import Baseline, decompose
from phantomcal.lesions.quantities import (
    HAEM_FORMS,
    TISSUE_DENSITY_G_PER_ML,
    hydroxyapatite_mg,
    hydroxyapatite_mg_per_cm3,
)
from phantomcal.lesions.ranges import feasible_amounts
from phantomcal.lesions.system import Component, System
from phantomcal.lesions.template import Sharpness, reach_mm
from phantomcal.lesions.totals import Total, extents_of, lesion_total, near_lesions, voxel_sharpness
from phantomcal.results import DecomposedLesion, LesionMass, MassPart

Array = NDArray[np.float64]
AnyArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

_MANY = 1e6
_LITRE_MM3 = 1e6
_MOST_BLOOD_HU = 65.0  # clotted blood reads no more than 90 HU, above 25 or more of tissue
_FORM_DOF = 1e6


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
    left_out: list[InputError] | None = None,
) -> list[DecomposedLesion]:
    """Mass of every material in every lesion.

    The excess over the tissue is summed over the mask and what blur and misalignment carry out of it, so that partial
    volume at the edge does not matter (`phantomcal.lesions.template.fit_total`). By default the tissue is what lies
    close around the lesion. The sums of HU and of ppm are then solved for the masses.

    The uncertainty has the noise of such a sum with its correlation between voxels and the tissue's texture, from the
    variogram of the tissue around; how much the sum depends on the blur that is assumed and on how far the tissue is
    looked at; the slopes of CT and of QSM, common to all lesions; and that of a baseline that was given. Degrees of
    freedom are Welch and Satterthwaite's.

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
        A constant, a mirrored image, ...; by default the tissue close around each lesion.
    measured : ndarray of bool, optional
        Where both readings are; where both are finite by default.
    sharpness : Sharpness, optional
        By default that of images as sharp as their voxels.
    names : mapping of int to str, optional
        Of the labels.
    density_g_per_ml : float
        Of tissue.
    left_out : list of InputError, optional
        Gets an error for each lesion that cannot be summed, which is then left out; without it the first is raised.

    Returns
    -------
    list of DecomposedLesion
        In ascending order of labels, with a `LesionMass` for every material.

    Raises
    ------
    InputError
        Arrays of different shapes, no lesion, or a lesion without any reading or tissue around it.
    """
    if not hu.shape == ppm.shape == labels.shape or hu.ndim != 3:
        raise InputError("CT, map and labels have different shapes", "the lesions", "bring them to one grid")
    extents = extents_of(labels)
    if not extents:
        raise InputError("no lesion in the labels", "the label map", "every voxel is 0: check the file")
    usable = np.isfinite(hu) & np.isfinite(ppm)
    if measured is not None:
        usable &= measured
    how = sharpness if sharpness is not None else voxel_sharpness(spacing_mm)
    reach = reach_mm(spacing_mm)
    fields = (hu, ppm) if baseline is None else (hu - baseline.hu, ppm - baseline.ppm)
    free = usable & ~near_lesions(labels, extents, spacing_mm, reach)
    lesions = []
    for number, where in extents.items():
        name = (names or {}).get(number, f"lesion-{number}")
        try:
            total = lesion_total(fields, labels, number, where, usable, free, spacing_mm, how, reach, baseline, name)
        except InputError as error:
            if left_out is None:
                raise
            left_out.append(error)
            continue
        lesions.append(_lesion(name, number, total, system, spacing_mm, density_g_per_ml))
    return lesions


def _lesion(
    name: str,
    number: int,
    total: Total,
    system: System,
    spacing_mm: tuple[float, float, float],
    density: float,
) -> DecomposedLesion:
    volume = total.body_mm3
    mean = total.sums / volume
    excess_se = np.sqrt(total.variance + total.form_variance + total.shared_variance) / volume
    if len(system.components) == 2:
        masses, r = _two_masses(name, number, total, system, density)
    else:
        masses, r = _many_masses(name, number, mean, excess_se, total, system, density), None
    notes = list(total.notes)
    forms = {c.name: c.form for c in system.components}
    found = {m.material for m in masses if m.detected}
    if {"iron", "calcium"} <= found and forms["iron"] not in HAEM_FORMS and mean[0] < _MOST_BLOOD_HU:
        notes.append(
            "if this is blood, what is read as calcium may be the protein of haemoglobin: see --form "
            "iron=methaemoglobin"
        )
    for mass in masses:
        if mass.ci95[1] <= 0 < -mass.unconstrained_mg:
            notes.append(
                f"{mass.material} comes out below zero beyond its error: another material, or tissue that reads "
                "otherwise than its surroundings"
            )
    return DecomposedLesion(
        lesion_id=name,
        label=number,
        n_voxels=round(total.volume_mm3 / float(np.prod(spacing_mm))),
        volume_mm3=total.volume_mm3,
        summed_mm3=volume,
        n_surround=total.n_tissue,
        centre_index=total.centre_index,
        baseline_hu=float(total.tissue[0]),
        baseline_hu_se=float(total.tissue_se[0]),
        baseline_ppm=float(total.tissue[1]),
        baseline_ppm_se=float(total.tissue_se[1]),
        excess_hu=float(mean[0]),
        excess_hu_se=float(excess_se[0]),
        excess_ppm=float(mean[1]),
        excess_ppm_se=float(excess_se[1]),
        error_correlation=r,
        masses=masses,
        notes=notes,
    )


def _two_masses(name: str, number: int, total: Total, system: System, density: float) -> tuple[list[LesionMass], float]:
    inverse = np.asarray(np.linalg.inv(system.slopes), dtype=np.float64)
    amounts = inverse @ total.sums  # mmol/L times mm3
    # Source, variance of the two sums, systematic or not, degrees of freedom.
    parts: list[tuple[str, Array, bool, float]] = [
        ("noise and texture", total.variance, False, total.degrees_of_freedom),
        ("blur and surroundings", total.form_variance, False, _FORM_DOF),
        ("baseline", total.shared_variance, True, _MANY),
    ]
    for k, source in enumerate(("CT calibration", "QSM calibration")):
        own = np.zeros(2)
        own[k] = float(amounts @ system.slope_covariance[k] @ amounts)
        each = np.diag(system.slope_covariance[k]) * amounts**2
        below = float(np.sum(each**2 / system.slope_dof[k]))
        parts.append((source, own, True, max(own[k] ** 2 / below, 1.0) if below > 0 else _MANY))
    all_ = np.sum([v for _, v, _, _ in parts], axis=0)
    kept = decompose(
        total.sums[0],
        total.sums[1],
        hu_se=float(max(np.sqrt(all_[0]), 1e-300)),
        ppm_se=float(max(np.sqrt(all_[1]), 1e-300)),
        system=system,
        baseline=Baseline(0.0, 0.0),
    ).amounts.reshape(2)
    masses = [
        _mass(
            (name, number),
            component,
            (float(kept[i]), float(amounts[i])),
            [(source, float(np.square(inverse[i]) @ v), common, dof) for source, v, common, dof in parts],
            _variance_of_nothing(i, amounts, inverse, system, parts),
            total.body_mm3,
            density,
        )
        for i, component in enumerate(system.components)
    ]
    spread = inverse @ np.diag(all_) @ inverse.T
    sd = np.sqrt(np.diag(spread))
    return masses, float(spread[0, 1] / np.prod(sd)) if np.all(sd > 0) else 0.0


def _variance_of_nothing(
    i: int, amounts: Array, inverse: Array, system: System, parts: Sequence[tuple[str, Array, bool, float]]
) -> float:
    """Variance that a material's amount would have if there were none of it: its own slopes then do not matter, but
    what the slopes of the other are unsure of looks like some of this one.
    """
    others = np.maximum(amounts, 0.0)
    others[i] = 0.0
    slopes = np.array([others @ covariance @ others for covariance in system.slope_covariance])
    rest = slopes + np.sum([v for source, v, _, _ in parts if "calibration" not in source], axis=0)
    return float(np.square(inverse[i]) @ rest)


def _mass(
    lesion: tuple[str, int],
    component: Component,
    found: tuple[float, float],
    variances: Sequence[tuple[str, float, bool, float]],
    at_nothing: float,
    volume_mm3: float,
    density: float,
) -> LesionMass:
    """Mass from amounts in mmol/L times mm3: the non-negative one and the exact one."""
    kept, free = found
    grams = component.molar_mass_g_per_mol or float("nan")
    to_mg = grams / _LITRE_MM3
    total = sum(v for _, v, _, _ in variances)
    common = sum(v for _, v, shared, _ in variances if shared)
    below = sum(v**2 / dof for _, v, _, dof in variances)
    dof = total**2 / below if below > 0 else _MANY
    t = float(special.stdtrit(dof, 0.975))
    se = float(np.sqrt(total))
    detected = free > float(special.stdtrit(dof, 0.95)) * float(np.sqrt(at_nothing))
    mean = kept / volume_mm3
    mass = kept * to_mg
    calcium = component.name == "calcium"
    return LesionMass(
        lesion_id=lesion[0],
        label=lesion[1],
        material=component.name,
        mass_mg=mass,
        standard_error_mg=se * to_mg,
        # Where the other material would be negative the mass moves: the interval reaches as far.
        ci95=(max(min(free - t * se, kept) * to_mg, 0.0), max(free + t * se, kept) * to_mg),
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
    name: str, number: int, mean: Array, se: Array, total: Total, system: System, density: float
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
        to_mg = (component.molar_mass_g_per_mol or float("nan")) / _LITRE_MM3 * total.body_mm3
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
