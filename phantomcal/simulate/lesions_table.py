"""Simulated lesions as a clinic would hand them over: a table, and the calibration of the scanners."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from phantomcal import __version__
from phantomcal.errors import InputError
from phantomcal.lesions.measure import measure_lesions
from phantomcal.materials import expected_ct_slope, expected_qsm_slope
from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.phantom.fitting.lines import build_line
from phantomcal.results import Calibration, Line, Provenance, VialMeasurement
from phantomcal.simulate.lesions_physics import CALCIUM_PER_HYDROXYAPATITE, CALCIUM_PPM_PER_MMOL_PER_L, Scanner
from phantomcal.simulate.lesions_truth import SimulatedLesion

# Substance, levels in mmol/L: those of the protocol simulated-gd-ca, then what other phantoms may hold.
SERIES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "gadolinium": ("gadolinium", (0.0, 0.625, 1.25, 2.5, 5.0, 10.0)),
    "calcium": ("CaCl2", (0.0, 300.0, 600.0, 900.0, 1200.0, 1500.0)),
    "ferritin": ("ferritin", (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)),
    "hydroxyapatite": ("hydroxyapatite", (0.0, 25.0, 50.0, 100.0, 200.0, 400.0)),
}
_CELSIUS, _FIELD_TESLA = 20.0, 3.0
_FIRST = ("subject_id", "lesion_id", "ct_hu", "qsm_ppm", "ct_sd_hu", "qsm_sd_ppm", "n_voxels", "truth")
_TRUE = ("diameter_mm", "calcium_mg", "iron_mg", "ferritin_equivalent_iron_mg", "stage", "host")


def lesion_table(
    lesions: Sequence[SimulatedLesion], *, background: bool = True, with_truth: bool = True
) -> pd.DataFrame:
    """Measure every lesion in CT and QSM with the transform that is believed, as `phantomcal classify` does.

    Parameters
    ----------
    lesions : sequence of SimulatedLesion
    background : bool
        Whether to keep what the tissue around each lesion reads, ``ct_background_hu`` and ``qsm_background_ppm``.
    with_truth : bool
        Whether to add ``true_`` columns: size, masses, stage, tissue, misregistration. ``truth`` itself is always
        there, ``nothing`` for tissue without a lesion.

    Returns
    -------
    pandas.DataFrame
        ``subject_id, lesion_id, ct_hu, qsm_ppm, ct_sd_hu, qsm_sd_ppm, n_voxels, truth``, then the other columns of
        `phantomcal.lesions.measure.measure_lesions`.
    """
    rows = []
    for lesion in lesions:
        found = measure_lesions(lesion.lesion_labels, ct=lesion.ct, qsm=lesion.qsm, transform=lesion.ct_from_mr)
        row: dict[Any, Any] = {"subject_id": lesion.subject_id, **found.iloc[0].to_dict()}
        row |= {"lesion_id": lesion.lesion_id, "truth": "nothing" if lesion.truth.kind == "none" else lesion.truth.kind}
        if with_truth:
            row |= {f"true_{name}": getattr(lesion.truth, name) for name in _TRUE}
            row["true_misregistration_mm"] = float(np.linalg.norm(lesion.truth.misregistration_mm))
        rows.append(row)
    frame = pd.DataFrame(rows)
    if not background:
        frame = frame.drop(columns=[c for c in frame.columns if "_background_" in c])
    first = [c for c in _FIRST if c in frame.columns]
    return frame[[*first, *(c for c in frame.columns if c not in (*_FIRST, "label"))]]


def simulated_calibration(
    seed: int,
    *,
    scanner: Scanner | None = None,
    materials: Sequence[str] = ("gadolinium", "calcium"),
    vial_scatter: float = 0.01,
    ct_noise_hu: float = 0.5,
    qsm_noise_ppm: float = 0.003,
    qsm_offset_ppm: float = 0.0,
) -> Calibration:
    """Calibration of the scanners that lesions were seen on: vials drawn about the true lines, and fitted.

    The phantom and the lesions share the scanner's gains and nothing else. The phantom's gadolinium and calcium
    chloride are not the iron and the hydroxyapatite of lesions: a line of the phantom says how the scanner's scale
    compares with physics, and physics must carry that over.

    Parameters
    ----------
    seed : int
        Of the vials' scatter.
    scanner : Scanner, optional
        Its gains multiply the slopes.
    materials : sequence of str
        Of `SERIES`.
    vial_scatter : float
        Relative SD of what a vial holds (filling).
    ct_noise_hu, qsm_noise_ppm : float
        SD of a vial's mean.
    qsm_offset_ppm : float
        Of the map's zero.

    Returns
    -------
    Calibration
        Fitted as the vials of a phantom are, with the slopes that physics expects.

    Raises
    ------
    InputError
        An unknown material.
    """
    seen = scanner or Scanner()
    unknown = sorted(set(materials) - set(SERIES))
    if unknown:
        raise InputError(f"no series of {unknown[0]!r}", "the materials", f"known are {', '.join(SERIES)}")
    rng = np.random.default_rng([int(seed), 7])
    lines: list[Line] = []
    vials: list[VialMeasurement] = []
    for material in materials:
        substance, levels = SERIES[material]
        names = [f"{material}-{level:g}" for level in levels]
        x = np.array(levels)
        held = x * (1 + vial_scatter * rng.standard_normal(x.size))
        sides = (
            ("ct", "HU", seen.hu_per_mmol_per_l(substance), 0.0, ct_noise_hu),
            ("qsm", "ppm", seen.qsm_gain * _true_ppm(substance), qsm_offset_ppm, qsm_noise_ppm),
        )
        for modality, unit, slope, offset, noise in sides:
            y = offset + slope * held + noise * rng.standard_normal(x.size)
            expected = (
                expected_ct_slope(substance, seen.tube_voltage_kvp)
                if modality == "ct"
                else expected_qsm_slope(substance, _CELSIUS, _FIELD_TESLA)
            )
            line, flags = build_line(
                names,
                x,
                y,
                material=material,
                modality=modality,
                unit=unit,
                abscissa_unit="mmol/L",
                sd_y=np.full(x.size, noise),
                expected=expected,
            )
            lines.append(line)
            vials += [
                VialMeasurement(
                    vial_id=name,
                    material=material,
                    series=material,
                    concentration_mmol_per_l=float(level),
                    abscissa=float(level),
                    abscissa_unit="mmol/L",
                    modality=modality,
                    value=float(value),
                    unit=unit,
                    sem=noise,
                    used=True,
                    flag=flags.get(name, ""),
                )
                for name, level, value in zip(names, levels, y, strict=True)
            ]
    return appraised(
        Calibration(
            protocol="simulated-gd-ca" if set(materials) <= {"gadolinium", "calcium"} else "",
            title="Simulated calibration",
            lines=lines,
            vials=vials,
            references={"conditions": {"tube_voltage_kvp": seen.tube_voltage_kvp, "field_tesla": _FIELD_TESLA}},
            provenance=Provenance(
                command="simulate lesions",
                versions={"phantomcal": __version__},
                parameters={"seed": seed, "materials": list(materials), "vial_scatter": vial_scatter},
            ),
        )
    )


def _true_ppm(substance: str) -> float:
    """Molar susceptibility in the phantom."""
    if substance == "hydroxyapatite":
        return CALCIUM_PER_HYDROXYAPATITE * CALCIUM_PPM_PER_MMOL_PER_L
    expected = expected_qsm_slope(substance, _CELSIUS, _FIELD_TESLA)
    assert expected is not None
    return expected.value
