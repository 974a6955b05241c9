"""Physics of the vial materials: expected slopes of HU and ppm on concentration, each with its source."""

import math
from dataclasses import dataclass

import numpy as np

BOLTZMANN = 1.380649e-23
AVOGADRO = 6.02214076e23
BOHR_MAGNETON = 9.2740100783e-24
VACUUM_PERMEABILITY = 1.25663706212e-6

TUBE_VOLTAGES_KVP = (80.0, 100.0, 120.0, 140.0)
CT_SOURCE = (
    "computed: tungsten spectrum (12 degree anode, 3.5 mm Al + 0.9 mm Ti), energy-integrating detector, behind 20 cm "
    "of water; expect 10-15 % on a real scanner"
)


@dataclass(frozen=True)
class Substance:
    """What a vial may hold.

    Attributes
    ----------
    name : str
        The name protocols use.
    molar_mass_g_per_mol : float
        Of the counted entity: the salt for salts, the metal atom for gadolinium and iron.
    ct_hu_per_mmol_per_l : tuple of float
        HU per mmol/L at 80, 100, 120 and 140 kVp.
    qsm_ppm_per_mmol_per_l : float or None
        Molar volume susceptibility (SI) at `field_tesla`; None where Curie's law gives it.
    qsm_standard_error : float
        Of the value above.
    spin : float or None
        Total spin of a free paramagnetic ion (Curie law with g = 2).
    source : str
        Where the susceptibility comes from.
    saturates : bool
        Superparamagnetic: the apparent molar susceptibility falls as 1/B0 above saturation.
    """

    name: str
    molar_mass_g_per_mol: float
    ct_hu_per_mmol_per_l: tuple[float, float, float, float]
    qsm_ppm_per_mmol_per_l: float | None = None
    qsm_standard_error: float = 0.0
    spin: float | None = None
    source: str = ""
    saturates: bool = False


_HOOPER = "Hooper 2024, doi 10.1101/2024.02.18.580843"
_GD_CT = (7.50, 6.58, 5.69, 4.96)
_FE_CT = (0.378, 0.295, 0.247, 0.214)

SUBSTANCES: dict[str, Substance] = {
    s.name: s
    for s in (
        Substance("gadolinium", 157.25, _GD_CT, spin=3.5, source="Curie law, Gd3+ (S = 7/2, g = 2)"),
        Substance("iron", 55.845, _FE_CT, spin=2.5, source="Curie law, high-spin Fe3+ (S = 5/2, g = 2)"),
        Substance("ferritin", 55.845, _FE_CT, 0.0813, 0.0135, source=_HOOPER),
        Substance("USPIO", 55.845, _FE_CT, 1.67, 0.24, source=_HOOPER + ", 3 T", saturates=True),
        Substance(
            "SPIO",
            55.845,
            _FE_CT,
            2.273,
            0.0,
            source="Kim 2019, doi 10.1371/journal.pone.0220639 (MEDI)",
            saturates=True,
        ),
        Substance("CaCl2", 110.98, (0.294, 0.239, 0.208, 0.186), -2.68e-4, 0.24e-4, source=_HOOPER),
        Substance("CaCO3", 100.09, (0.163, 0.136, 0.119, 0.108), -9.52e-5, 1.44e-5, source=_HOOPER),
    )
}


@dataclass(frozen=True)
class ExpectedSlope:
    """A slope that physics or literature predicts, per mmol/L."""

    value: float
    standard_error: float
    unit: str
    source: str


def curie_molar_susceptibility(spin: float, temperature_celsius: float, g_factor: float = 2.0) -> float:
    """Molar volume susceptibility of free spins by Curie's law.

    Parameters
    ----------
    spin : float
        Total spin S (7/2 for Gd3+, 5/2 for high-spin Fe3+).
    temperature_celsius : float
        Temperature of the sample.
    g_factor : float
        Electron g factor.

    Returns
    -------
    float
        ppm (SI) per mmol/L: mu0 NA g^2 muB^2 S(S+1) / (3 k T), one mmol/L being one mol/m^3.
    """
    kelvin = temperature_celsius + 273.15
    per_mol_per_m3 = (
        VACUUM_PERMEABILITY * AVOGADRO * (g_factor * BOHR_MAGNETON) ** 2 * spin * (spin + 1) / (3 * BOLTZMANN * kelvin)
    )
    return per_mol_per_m3 * 1e6


def expected_qsm_slope(
    substance: str, temperature_celsius: float = 20.0, field_tesla: float = 3.0
) -> ExpectedSlope | None:
    """Expected ppm per mmol/L of a substance, or None when nothing is known."""
    entry = SUBSTANCES.get(substance)
    if entry is None:
        return None
    if entry.spin is not None:
        value = curie_molar_susceptibility(entry.spin, temperature_celsius)
        return ExpectedSlope(value, 0.0, "ppm/(mmol/L)", f"{entry.source} at {temperature_celsius:g} C")
    if entry.qsm_ppm_per_mmol_per_l is None:
        return None
    scale = 3.0 / field_tesla if entry.saturates else 1.0
    note = f", scaled from 3 T to {field_tesla:g} T as 1/B0" if not math.isclose(scale, 1.0) else ""
    return ExpectedSlope(
        entry.qsm_ppm_per_mmol_per_l * scale, entry.qsm_standard_error * scale, "ppm/(mmol/L)", entry.source + note
    )


def expected_ct_slope(substance: str, tube_voltage_kvp: float = 120.0) -> ExpectedSlope | None:
    """Expected HU per mmol/L at a tube voltage (table interpolated, 80 to 140 kVp), or None when nothing is known."""
    entry = SUBSTANCES.get(substance)
    if entry is None or not TUBE_VOLTAGES_KVP[0] <= tube_voltage_kvp <= TUBE_VOLTAGES_KVP[-1]:
        return None
    value = float(np.interp(tube_voltage_kvp, TUBE_VOLTAGES_KVP, entry.ct_hu_per_mmol_per_l))
    return ExpectedSlope(value, 0.125 * value, "HU/(mmol/L)", f"{CT_SOURCE}; {tube_voltage_kvp:g} kVp")
