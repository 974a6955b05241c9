"""CT numbers of dissolved substances from tabulated attenuation: what the shipped table of `materials` is made with.

Needs the extra ``phantomcal[physics]`` (xraydb for attenuation coefficients, spekpy for tube spectra).
``python -m phantomcal.attenuation`` prints the table; ``--formula``, ``--kvp``, ``--water-cm`` ask for another case.
"""

import argparse
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError

Array = NDArray[np.float64]

ANODE_DEGREES = 12.0
FILTRATION_MM = {"Al": 3.5, "Ti": 0.9}
WATER_CM = 20.0
_LOWEST_KVP, _HIGHEST_KVP = 40.0, 150.0

# Formula, and the volume of water that a mole of it displaces: molar mass over density of the solid for powders, the
# apparent molar volume in solution for CaCl2. Atoms are counted without their ligands, so they displace nothing.
COMPUTED: dict[str, tuple[str, float]] = {
    "gadolinium": ("Gd", 0.0),
    "iodine": ("I", 0.0),
    "iron": ("Fe", 0.0),
    "calcium": ("Ca", 0.0),
    "CaCl2": ("CaCl2", 20.0),
    "CaCO3": ("CaCO3", 100.09 / 2.71),
    "hydroxyapatite": ("Ca10P6O26H2", 1004.61 / 3.16),
}


def ct_slope(
    formula: str,
    tube_voltage_kvp: float,
    *,
    displaced_cm3_per_mol: float = 0.0,
    filtration_mm: Mapping[str, float] | None = None,
    water_cm: float = WATER_CM,
    spectrum: tuple[Array, Array] | None = None,
) -> float:
    """CT number that one mmol/L of a substance adds to water.

    Parameters
    ----------
    formula : str
        Element or compound, such as ``Gd`` or ``CaCl2``; one mole is one mole of this formula.
    tube_voltage_kvp : float
        Tube voltage; ignored when a spectrum is given.
    displaced_cm3_per_mol : float
        Volume of water that a mole displaces.
    filtration_mm : mapping of str to float, optional
        Filter thicknesses by element; 3.5 mm Al and 0.9 mm Ti when not given.
    water_cm : float
        Water in front of the detector.
    spectrum : (energies in keV, fluence), optional
        A spectrum of one's own instead of the computed one; then spekpy is not needed.

    Returns
    -------
    float
        HU per mmol/L, of a vanishingly small amount:
        1000 (mean of mu/rho times g/mol * 1e-6, over that of water, less displaced water), means over the energy that
        the detector absorbs behind the water.

    Raises
    ------
    InputError
        The extra is not installed, the formula is not one, or the voltage is not between 40 and 150 kVp.

    References
    ----------
    Poludniowski et al., SpekPy, Med Phys 2021;48:3630. Elam et al., attenuation tables of xraydb, Radiat Phys Chem
    2002;63:121.
    """
    xraydb = _extra("xraydb")
    if spectrum is None:
        filters = FILTRATION_MM if filtration_mm is None else filtration_mm
        spectrum = tube_spectrum(float(tube_voltage_kvp), tuple(sorted(filters.items())))
    energies, fluence = (np.asarray(part, dtype=float) for part in spectrum)
    electronvolts = 1e3 * energies
    water = xraydb.material_mu("H2O", electronvolts, density=1.0)
    weight = fluence * energies * np.exp(-water * water_cm)
    try:
        per_gram = xraydb.material_mu(formula, electronvolts, density=1.0)
        atoms = xraydb.chemparse(formula)
    except ValueError as error:
        raise InputError(f"{formula!r} is no chemical formula", "", "write it like CaCl2") from error
    grams_per_mol = sum(n * xraydb.atomic_mass(symbol) for symbol, n in atoms.items())
    per_mmol: float = 1e-6 * grams_per_mol * float(weight @ per_gram) / float(weight @ water)
    return 1000.0 * (per_mmol - 1e-6 * displaced_cm3_per_mol)


@lru_cache(maxsize=32)
def tube_spectrum(tube_voltage_kvp: float, filtration_mm: tuple[tuple[str, float], ...]) -> tuple[Array, Array]:
    """Energies (keV) and fluence of a tungsten tube with a 12 degree anode behind filters (element, mm)."""
    if not _LOWEST_KVP <= tube_voltage_kvp <= _HIGHEST_KVP:
        raise InputError(
            f"{tube_voltage_kvp:g} kVp is no CT tube voltage", "", f"use {_LOWEST_KVP:g} to {_HIGHEST_KVP:g}"
        )
    spekpy = _extra("spekpy")
    tube = spekpy.Spek(kvp=tube_voltage_kvp, th=ANODE_DEGREES, dk=0.5)
    for element, thickness in filtration_mm:
        tube.filter(element, thickness)
    energies, fluence = tube.get_spectrum(edges=False)
    return np.asarray(energies, dtype=float), np.asarray(fluence, dtype=float)


def _extra(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"computing attenuation needs {name}",
            "",
            "pip install 'phantomcal[physics]'; the shipped table works without",
        ) from error


def main(arguments: list[str] | None = None) -> str:
    """The shipped table made anew, or one slope; returns what it prints."""
    parser = argparse.ArgumentParser(prog="python -m phantomcal.attenuation", description=__doc__)
    parser.add_argument("--formula", help="one substance instead of the table, such as CaCl2")
    parser.add_argument("--displaced", type=float, default=0.0, help="cm3 of water displaced per mole")
    parser.add_argument("--kvp", type=float, nargs="+", default=[80.0, 100.0, 120.0, 140.0])
    parser.add_argument("--water-cm", type=float, default=WATER_CM)
    given = parser.parse_args(arguments)
    rows = {given.formula: (given.formula, given.displaced)} if given.formula else COMPUTED
    lines = ["HU per mmol/L".ljust(16) + "".join(f"{kvp:>10g}" for kvp in given.kvp)]
    for name, (formula, displaced) in rows.items():
        slopes = [ct_slope(formula, kvp, displaced_cm3_per_mol=displaced, water_cm=given.water_cm) for kvp in given.kvp]
        lines.append(name.ljust(16) + "".join(f"{slope:>10.4g}" for slope in slopes))
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        print(main())  # noqa: T201
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
