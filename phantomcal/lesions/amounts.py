"""Rows of a table decomposed: regions, lesions, samples."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from phantomcal.lesions.decompose import Baseline, decompose
from phantomcal.lesions.quantities import TISSUE_DENSITY_G_PER_ML, hydroxyapatite_mg_per_cm3
from phantomcal.lesions.ranges import feasible_amounts
from phantomcal.lesions.system import System
from phantomcal.phantom.reading.concentration import Sample
from phantomcal.results import DecomposedRegion


def decompose_samples(
    samples: Sequence[Sample],
    system: System,
    baseline: Baseline,
    *,
    density_g_per_ml: float = TISSUE_DENSITY_G_PER_ML,
) -> list[DecomposedRegion]:
    """Amounts of every material in each sample that has both readings.

    Parameters
    ----------
    samples : sequence of Sample
        A standard error of None takes the reading to be as good as that of one vial. The scatter between vials that
        their noise does not explain is added where the vials' medium is the baseline, as a sample stands somewhere else
        than they do.
    system : System
    baseline : Baseline
        Constant, or arrays with a value for every sample that has both readings.
    density_g_per_ml : float
        Of tissue.

    Returns
    -------
    list of DecomposedRegion
        A row per sample and material.
    """
    both = [s for s in samples if s.hu is not None and s.ppm is not None]
    hu, ppm = (np.array([getattr(s, name) for s in both], float) for name in ("hu", "ppm"))
    errors = []
    for k, name in enumerate(("hu_se", "ppm_se")):
        own = np.array([system.vial_error[k] if getattr(s, name) is None else getattr(s, name) for s in both], float)
        place = system.scatter[k] if baseline.from_medium else 0.0
        given = np.array([getattr(s, name) is not None for s in both])
        errors.append(np.maximum(np.where(given, np.hypot(own, place), own), 1e-12))
    rows: list[DecomposedRegion] = []
    if len(system.components) > 2:
        ranges = feasible_amounts(hu, ppm, hu_se=errors[0], ppm_se=errors[1], system=system, baseline=baseline)
        for k, sample in enumerate(both):
            for i, name in enumerate(system.names):
                low, high = float(ranges.low[i, k]), float(ranges.high[i, k])
                note = "" if ranges.exact[k] else "no mixture of these materials gives both readings: the nearest one"
                rows.append(_row(sample, name, None, low=low, high=high, note=note))
        return rows
    found = decompose(hu, ppm, hu_se=errors[0], ppm_se=errors[1], system=system, baseline=baseline)
    dof = _dof(found.se_random, found.se_systematic, float(system.slope_dof.min()))
    for k, sample in enumerate(both):
        for i, component in enumerate(system.components):
            kept, free = float(found.amounts[i, k]), float(found.unconstrained[i, k])
            se = float(found.standard_error[i, k])
            t = float(special.stdtrit(dof[i, k], 0.975))
            told = []
            if found.probability[i, k] < 0.5:
                told.append("not told from nothing")
            elif not component.calibrated_range[0] <= kept <= component.calibrated_range[1]:
                told.append(
                    "extrapolated: outside the calibrated range {:.4g} to {:.4g}".format(*component.calibrated_range)
                )
            if free + t * se < 0:
                told.append("below zero beyond its error: another material, or another baseline")
            grams = component.molar_mass_g_per_mol
            rows.append(
                _row(
                    sample,
                    component.name,
                    # Where the other material would be negative the amount moves: the interval reaches as far.
                    (kept, se, max(min(free - t * se, kept), 0.0), max(free + t * se, kept)),
                    unconstrained_mmol_per_l=free,
                    random_se=float(found.se_random[i, k]),
                    systematic_se=float(found.se_systematic[i, k]),
                    probability=float(found.probability[i, k]),
                    mg_per_100g=None if grams is None else kept * grams / (10.0 * density_g_per_ml),
                    hydroxyapatite_mg_per_cm3=hydroxyapatite_mg_per_cm3(kept) if component.name == "calcium" else None,
                    note="; ".join(told),
                )
            )
    return rows


def _dof(random: np.ndarray, systematic: np.ndarray, slope_dof: float) -> np.ndarray:
    """Welch and Satterthwaite's degrees of freedom, noise taken as known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (random**2 + systematic**2) ** 2 / (systematic**4 / slope_dof)
    return np.asarray(np.clip(np.nan_to_num(found, nan=1e6, posinf=1e6), 1.0, 1e6))


def _row(
    sample: Sample,
    material: str,
    amount: tuple[float, float, float, float] | None,
    *,
    low: float | None = None,
    high: float | None = None,
    note: str = "",
    **more: float | None,
) -> DecomposedRegion:
    assert sample.hu is not None
    assert sample.ppm is not None
    fields = {
        "unconstrained_mmol_per_l": None,
        "random_se": None,
        "systematic_se": None,
        **more,
    }
    return DecomposedRegion(
        id=sample.id,
        material=material,
        concentration_mmol_per_l=amount[0] if amount else None,
        standard_error=amount[1] if amount else None,
        ci95_low=amount[2] if amount else None,
        ci95_high=amount[3] if amount else None,
        low_mmol_per_l=low,
        high_mmol_per_l=high,
        ct_hu=sample.hu,
        qsm_ppm=sample.ppm,
        note=note,
        **fields,
    )
