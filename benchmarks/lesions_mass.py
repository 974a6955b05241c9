"""Calcium and iron of simulated lesions against what was put in: bias, scatter and coverage by size.

The part `mass` of `lesions.py`. Each lesion is decomposed as `phantomcal decompose` does it: CT brought to the map by
the believed alignment (off by 0 to 1 mm), excess over the tissue around, two equations, two masses. Three settings:

`same matter`: the phantom holds ferritin and hydroxyapatite, as the lesions do. Errors are those of measuring.

`gadolinium, CaCl2`: the phantom holds what phantoms hold, and the tool carries it over by physics. What physics is
unsure of is drawn anew for every lesion (molar susceptibility of its iron and calcium, attenuation of its mineral),
with the standard uncertainties that the tool states: so its intervals can be judged.

`anywhere`: as `same matter`, but in all tissues, beside veins, with composition varying by 20 %.

Scanners have gains of their own (about 1 for CT, 0.95 for the map, SD 5 %), which their calibration sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.accuracy.proportions import wilson
from phantomcal.lesions.mass import lesion_masses
from phantomcal.lesions.measure import ct_on
from phantomcal.lesions.quantities import form_of
from phantomcal.lesions.slopes import system_from
from phantomcal.lesions.system import System
from phantomcal.lesions.totals import sharpness_of
from phantomcal.results import Calibration
from phantomcal.simulate.lesions import LesionOptions, SimulatedLesion, simulate_lesions, simulated_calibration
from phantomcal.simulate.lesions_physics import OLD_STAGES, Scanner

Array = NDArray[np.float64]
ALL_SIZES_MM = (3.0, 4.0, 6.0, 8.0, 10.0, 15.0)
SOME_SIZES_MM = (4.0, 6.0, 10.0)
MOST_AT_MM, MOST = 6.0, 3  # so many times as many lesions of this size
KINDS = ("calcification", "haemorrhage", "mixed")
MATERIALS = ("calcium", "iron")
OLD = LesionOptions(
    stages=dict.fromkeys(OLD_STAGES, 1.0),
    hosts={"white matter": 1.0},
    vein_share=0.0,
    composition_cv=0.0,
    margin_mm=12.0,
)
N_SCANNERS = 10


@dataclass(frozen=True)
class Setting:
    """One way of calibrating."""

    name: str
    vials: tuple[str, str]
    forms: dict[str, str] | None
    options: LesionOptions
    sizes_mm: tuple[float, ...] = SOME_SIZES_MM
    unsure: bool = False


SETTINGS = (
    Setting("same matter", ("ferritin", "hydroxyapatite"), None, OLD, ALL_SIZES_MM),
    Setting(
        "gadolinium, CaCl2",
        ("gadolinium", "calcium"),
        {"iron": "ferritin", "calcium": "hydroxyapatite"},
        OLD,
        unsure=True,
    ),
    Setting(
        "anywhere",
        ("ferritin", "hydroxyapatite"),
        None,
        replace(OLD, hosts=None, vein_share=0.25, composition_cv=0.2),
    ),
)


def scanners(seed: int, setting: Setting) -> list[tuple[Scanner, Calibration, System]]:
    """Scanners with their calibrations and what these make of a decomposition."""
    found = []
    for k in range(N_SCANNERS):
        rng = np.random.default_rng([seed, 98, k])
        scanner = Scanner(ct_gain=float(rng.normal(1.0, 0.05)), qsm_gain=float(rng.normal(0.95, 0.05)))
        calibration = simulated_calibration(1000 * seed + k, scanner=scanner, materials=setting.vials)
        found.append((scanner, calibration, system_from(calibration, forms=setting.forms)))
    return found


def drawn(setting: Setting, kind: str, size: float, number: int, seed: int, inversion: bool) -> Iterator[pd.DataFrame]:
    """Estimates and truth of the lesions of one cell."""
    known = scanners(seed, setting)
    rng = np.random.default_rng([seed, round(10 * size), KINDS.index(kind)])
    for k in range(number):
        scanner, _, system = known[k % N_SCANNERS]
        options = replace(setting.options, scanner=scanner, inversion=inversion)
        if setting.unsure:
            options = replace(options, **molar_values(rng, scanner))
        lesion = simulate_lesions(
            seed + 7919 * k + round(10 * size), 1, kind={kind: 1.0}, diameter_mm=size, misregistration_mm=(0.0, 1.0),
            options=options,
        )[0]  # fmt: skip
        yield estimates(lesion, system)


def estimates(lesion: SimulatedLesion, system: System) -> pd.DataFrame:
    """A row per material."""
    image = lesion.qsm
    # As the command does: voxels much smaller than the map's are averaged in blocks first.
    blocks = [max(1, int(min(image.GetSpacing()) / s + 0.05)) for s in lesion.ct.GetSpacing()]
    ct = sitk.BinShrink(lesion.ct, blocks)
    hu = ct_on(ct, image, lesion.ct_from_mr)
    turned = np.reshape(lesion.ct_from_mr.GetMatrix(), (3, 3)).T @ np.reshape(lesion.ct.GetDirection(), (3, 3))
    axes = np.reshape(image.GetDirection(), (3, 3)).T @ turned
    found = lesion_masses(
        hu,
        sitk.GetArrayFromImage(image),
        sitk.GetArrayFromImage(lesion.lesion_labels),
        image.GetSpacing(),
        system,
        sharpness=sharpness_of(ct.GetSpacing(), axes, image.GetSpacing()),
    )[0]
    truth = {"calcium": lesion.truth.calcium_mg, "iron": lesion.truth.iron_mg}
    return pd.DataFrame(
        [
            {
                "material": mass.material,
                "truth": truth[mass.material],
                "mass": mass.unconstrained_mg,
                "low": mass.ci95[0],
                "high": mass.ci95[1],
                "se": mass.standard_error_mg,
                "detected": mass.detected,
            }
            for mass in found.masses
        ]
    )


def molar_values(rng: np.random.Generator, scanner: Scanner) -> dict[str, object]:
    """Options of a lesion whose matter is what physics says, within what physics is unsure of."""
    iron, calcium = form_of("ferritin"), form_of("hydroxyapatite")
    ppm = [f.qsm_ppm * max(1 + f.qsm_se / abs(f.qsm_ppm) * rng.standard_normal(), 0.2) for f in (iron, calcium)]
    gain = 1 + calcium.ct_se / calcium.ct_hu * rng.standard_normal()
    return {
        "haemosiderin_ppm_per_mmol_per_l": float(ppm[0]),
        "calcium_ppm_per_mmol_per_l": float(ppm[1]),
        "scanner": replace(scanner, mineral_gain=float(max(gain, 0.2))),
    }


def row(material: str, frame: pd.DataFrame) -> list[str]:
    """Bias, scatter, coverage and detection of one material in one cell."""
    truth, mass = frame["truth"].to_numpy(), frame["mass"].to_numpy()
    covered = ((frame["low"] <= truth) & (truth <= frame["high"])).to_numpy()
    low, high = wilson(float(covered.sum()), float(covered.size))
    coverage = f"{covered.mean():.3f} ({low:.2f}-{high:.2f})"
    if not truth.any():
        found = float(frame["detected"].mean())
        return [material, "absent", "", "", f"{np.median(frame['se']):.2g} mg", coverage, f"{found:.2f}"]
    total = mass.sum() / truth.sum() - 1
    error = mass / truth - 1
    bias, se = float(np.mean(error)), float(np.std(error, ddof=1) / np.sqrt(error.size))
    return [
        material,
        f"{100 * total:+.1f}",
        f"{100 * bias:+.1f} +- {100 * se:.1f}",
        f"{100 * np.sqrt(np.mean(error**2)):.0f}",
        f"{100 * np.median(frame['se'] / truth):.0f}",
        coverage,
        f"{frame['detected'].mean():.2f}",
    ]


def masses(seed: int, number: int, inversion: bool) -> None:
    """The part `mass`."""
    from lesions import show

    head = ["kind", "diameter, mm", "n", "material", "total, %", "mean error, %", "RMS error, %", "stated SE, %"]
    for setting in SETTINGS:
        title = "maps by dipole inversion" if inversion else "maps with point spread and noise"
        print(f"Masses, {setting.name}, {title}, seed {seed}\n")
        rows, pooled = [], []
        for size in setting.sizes_mm:
            n = number * (MOST if size == MOST_AT_MM else 1)
            parts = []
            for kind in KINDS:
                frame = pd.concat(drawn(setting, kind, size, n, seed, inversion), ignore_index=True)
                parts.append(frame)
                rows += [[kind, f"{size:g}", str(n), *row(m, frame[frame["material"] == m])] for m in MATERIALS]
            present = pd.concat(parts, ignore_index=True).query("truth > 0")
            for m in MATERIALS:
                some = present[present["material"] == m]
                pooled.append(["both kinds", f"{size:g}", str(len(some)), *row(m, some)])
        show([*head, "95 % interval holds it", "detected"], rows + pooled)
