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
        Of the counted entity: the salt for salts, the formula unit Ca10(PO4)6(OH)2 for hydroxyapatite, the atom for
        gadolinium, iron, iodine and calcium.
    ct_hu_per_mmol_per_l : tuple of float
        HU per mmol/L at 80, 100, 120 and 140 kVp.
    qsm_ppm_per_mmol_per_l : float or None
        Molar volume susceptibility (SI) at 3 T; None where Curie's law gives it or where no value is shipped.
    qsm_standard_error : float
        Of the value above.
    spin : float or None
        Total spin of a free paramagnetic ion (Curie law with g = 2).
    source : str
        Where the susceptibility comes from.
    saturates : bool
        Superparamagnetic: the apparent molar susceptibility falls as 1/B0 above saturation.
    paramagnetic : bool
        The susceptibility comes from unpaired spins, so that it falls with the temperature.
    """

    name: str
    molar_mass_g_per_mol: float
    ct_hu_per_mmol_per_l: tuple[float, float, float, float]
    qsm_ppm_per_mmol_per_l: float | None = None
    qsm_standard_error: float = 0.0
    spin: float | None = None
    source: str = ""
    saturates: bool = False
    paramagnetic: bool = False


_HOOPER = "Hooper 2024, doi 10.1101/2024.02.18.580843"
_GD_CT = (7.50, 6.58, 5.69, 4.96)
_FE_CT = (0.378, 0.295, 0.247, 0.214)

# HU per mg/cm3 is what the table of the sources gives for hydroxyapatite; 1 mg/cm3 is 1/1.00461 mmol/L of it.
_HYDROXYAPATITE_G_PER_MOL = 1004.61
_HYDROXYAPATITE_CT = (
    1.86 * _HYDROXYAPATITE_G_PER_MOL / 1000,
    1.54 * _HYDROXYAPATITE_G_PER_MOL / 1000,
    1.35 * _HYDROXYAPATITE_G_PER_MOL / 1000,
    1.22 * _HYDROXYAPATITE_G_PER_MOL / 1000,
)

SUBSTANCES: dict[str, Substance] = {
    s.name: s
    for s in (
        Substance(
            "gadolinium",
            157.25,
            _GD_CT,
            spin=3.5,
            source="Curie law, Gd3+ (S = 7/2, g = 2)",
            paramagnetic=True,
        ),
        Substance(
            "iron",
            55.845,
            _FE_CT,
            spin=2.5,
            source="Curie law, high-spin Fe3+ (S = 5/2, g = 2)",
            paramagnetic=True,
        ),
        Substance("ferritin", 55.845, _FE_CT, 0.0813, 0.0135, source=_HOOPER, paramagnetic=True),
        Substance("USPIO", 55.845, _FE_CT, 1.67, 0.24, source=_HOOPER + ", 3 T", saturates=True, paramagnetic=True),
        Substance(
            "SPIO",
            55.845,
            _FE_CT,
            2.273,
            0.0,
            source="Kim 2019, doi 10.1371/journal.pone.0220639 (MEDI)",
            saturates=True,
            paramagnetic=True,
        ),
        Substance("CaCl2", 110.98, (0.294, 0.239, 0.208, 0.186), -2.68e-4, 0.24e-4, source=_HOOPER),
        Substance("CaCO3", 100.09, (0.163, 0.136, 0.119, 0.108), -9.52e-5, 1.44e-5, source=_HOOPER),
        Substance("calcium", 40.078, (0.146, 0.118, 0.102, 0.091)),
        Substance("hydroxyapatite", _HYDROXYAPATITE_G_PER_MOL, _HYDROXYAPATITE_CT),
        Substance("iodine", 126.904, (5.31, 4.11, 3.38, 2.86)),
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
    substance: str,
    temperature_celsius: float = 20.0,
    field_tesla: float = 3.0,
    temperature_sd_celsius: float | None = None,
) -> ExpectedSlope | None:
    """Expected ppm per mmol/L of a substance, or None when nothing is known.

    Parameters
    ----------
    substance : str
        A name of `SUBSTANCES`.
    temperature_celsius : float
        Temperature of the vials; it enters Curie's law.
    field_tesla : float
        Field of the scanner; it enters the apparent susceptibility of saturating particles.
    temperature_sd_celsius : float, optional
        Standard uncertainty of the temperature. It is carried into the standard error by Curie's law, for which the
        relative uncertainty of the slope is that of the absolute temperature.

    Returns
    -------
    ExpectedSlope or None
    """
    entry = SUBSTANCES.get(substance)
    if entry is None:
        return None
    if entry.spin is not None:
        value = curie_molar_susceptibility(entry.spin, temperature_celsius)
        spread = temperature_sd_celsius or 0.0
        return ExpectedSlope(
            value,
            value * spread / (temperature_celsius + 273.15),
            "ppm/(mmol/L)",
            f"{entry.source} at {temperature_celsius:g}{f' ± {spread:g}' if spread else ''} C",
        )
    if entry.qsm_ppm_per_mmol_per_l is None:
        return None
    scale = 3.0 / field_tesla if entry.saturates else 1.0
    note = f", scaled from 3 T to {field_tesla:g} T as 1/B0" if not math.isclose(scale, 1.0) else ""
    return ExpectedSlope(
        entry.qsm_ppm_per_mmol_per_l * scale, entry.qsm_standard_error * scale, "ppm/(mmol/L)", entry.source + note
    )


def expected_ct_slope(substance: str, tube_voltage_kvp: float = 120.0) -> ExpectedSlope | None:
    """Expected HU per mmol/L of a substance at a tube voltage, or None when nothing is known.

    Parameters
    ----------
    substance : str
        A name of `SUBSTANCES`.
    tube_voltage_kvp : float
        Between 80 and 140 kVp; outside the table there is no expectation, see `why_no_ct_slope`. Between its columns
        the slope is interpolated as a power of the voltage, which is within 1 % of the full computation.

    Returns
    -------
    ExpectedSlope or None
        With 12.5 % standard error: real spectra, detectors and patients' sizes differ by 10 to 15 %.
    """
    entry = SUBSTANCES.get(substance)
    if entry is None or not TUBE_VOLTAGES_KVP[0] <= tube_voltage_kvp <= TUBE_VOLTAGES_KVP[-1]:
        return None
    value = float(
        np.exp(np.interp(np.log(tube_voltage_kvp), np.log(TUBE_VOLTAGES_KVP), np.log(entry.ct_hu_per_mmol_per_l)))
    )
    between = ""
    if tube_voltage_kvp not in TUBE_VOLTAGES_KVP:
        above = next(k for k in TUBE_VOLTAGES_KVP if k > tube_voltage_kvp)
        between = f", interpolated between {above - 20:g} and {above:g}"
    return ExpectedSlope(value, 0.125 * value, "HU/(mmol/L)", f"{CT_SOURCE}; {tube_voltage_kvp:g} kVp{between}")


def why_no_ct_slope(substance: str, tube_voltage_kvp: float) -> str:
    """Why `expected_ct_slope` knows nothing, in words; empty when it does."""
    if substance not in SUBSTANCES:
        return f"no CT attenuation is shipped for {substance or 'a material without substance'}"
    low, high = TUBE_VOLTAGES_KVP[0], TUBE_VOLTAGES_KVP[-1]
    if not low <= tube_voltage_kvp <= high:
        return (
            f"{tube_voltage_kvp:g} kVp is outside the shipped table, {low:g} to {high:g} kVp, and is not extrapolated; "
            "state the slope under expected_slope in the protocol (`python -m phantomcal.attenuation` computes it)"
        )
    return ""


def hu_per_mg_per_ml(substance: str, tube_voltage_kvp: float = 120.0) -> float | None:
    """Expected HU per mg/cm3, the unit hydroxyapatite is usually given in; None as for `expected_ct_slope`."""
    slope = expected_ct_slope(substance, tube_voltage_kvp)
    return None if slope is None else slope.value * 1000 / SUBSTANCES[substance].molar_mass_g_per_mol
