"""Unit conversion at the door: everything inside is ppm, HU, mmol/L, mm and years."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError

if TYPE_CHECKING:
    import pint

SUSCEPTIBILITY_UNITS = {"ppm": 1.0, "ppb": 1e-3}
CONCENTRATION_UNIT = "mmol/L"

_SPELLINGS = {
    "mm": "mmol/L",  # in a concentration field mM is millimolar, never millimetre
    "millimolar": "mmol/L",
    "um": "umol/L",
    "µm": "umol/L",
    "% w/v": "g/dL",
    "%w/v": "g/dL",
    "%(w/v)": "g/dL",
    "% (w/v)": "g/dL",
}


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry[Any]":
    import pint  # 0.3 s: only when a unit other than the inner ones is met

    return pint.UnitRegistry()


def concentration_factor(unit: str, molar_mass_g_per_mol: float | None = None, where: str = "") -> float:
    """Factor that turns a concentration in `unit` into mmol/L.

    Parameters
    ----------
    unit : str
        Amount concentration (``mmol/L``, ``mM``, ``umol/mL``) or mass concentration (``mg/mL``, ``ug/mL``, ``% w/v``).
    molar_mass_g_per_mol : float, optional
        Needed for mass concentrations.
    where : str, optional
        File or field named in the error.

    Returns
    -------
    float
        mmol/L per one `unit`.

    Raises
    ------
    InputError
        Unknown unit, a unit that is not a concentration, or a mass unit without a molar mass.
    """
    if unit in ("mmol/L", "mmol/l"):
        return 1.0
    import pint

    spelled = _SPELLINGS.get(unit.strip().lower(), unit)
    ureg = _registry()
    hint = "use mmol/L, mg/mL, ug/mL or % w/v"
    try:
        one = ureg.Quantity(1.0, ureg.parse_units(spelled.replace("µ", "u")))
    except Exception as error:
        # pint raises its own, tokenizer and assertion errors for text that is no unit; all mean the same here.
        raise InputError(f"unknown concentration unit {unit!r}", where, hint) from error
    try:
        return float(one.to("mmol/L").magnitude)
    except pint.DimensionalityError:
        pass
    try:
        grams_per_litre = float(one.to("g/L").magnitude)
    except pint.DimensionalityError as error:
        raise InputError(f"{unit!r} is not a concentration unit", where, hint) from error
    if molar_mass_g_per_mol is None:
        raise InputError(
            f"concentration in {unit!r} needs a molar mass",
            where,
            "name a known substance or give molar_mass_g_per_mol",
        )
    return grams_per_litre / molar_mass_g_per_mol * 1000.0


def susceptibility_factor(unit: str, where: str = "") -> float:
    """Factor that turns a susceptibility in `unit` into ppm.

    Raises
    ------
    InputError
        For any unit but ppm and ppb: maps in Hz or rad are fields, not susceptibility.
    """
    key = unit.strip().lower()
    if key not in SUSCEPTIBILITY_UNITS:
        raise InputError(f"unknown susceptibility unit {unit!r}", where, "a QSM map is in ppm or ppb (--qsm-unit)")
    return SUSCEPTIBILITY_UNITS[key]
