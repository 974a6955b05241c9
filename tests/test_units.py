"""Units people write, turned into mmol/L and ppm once, or refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.units import concentration_factor, susceptibility_factor


@pytest.mark.parametrize(
    ("unit", "mmol_per_l"),
    [
        ("mmol/L", 1.0),
        ("mmol/l", 1.0),
        ("mM", 1.0),
        ("millimolar", 1.0),
        ("M", 1000.0),
        ("mol/L", 1000.0),
        ("umol/mL", 1.0),
        ("umol/L", 1e-3),
        ("uM", 1e-3),
        ("µM", 1e-3),  # micro sign
        ("\u03bcM", 1e-3),  # Greek mu, as other keyboards write it
        ("mol/m^3", 1.0),
    ],
)
def test_amounts_need_no_molar_mass(unit: str, mmol_per_l: float) -> None:
    assert concentration_factor(unit) == pytest.approx(mmol_per_l, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "grams_per_litre"),
    [
        ("mg/mL", 1.0),
        ("mg / mL", 1.0),
        ("g/L", 1.0),
        ("ug/mL", 1e-3),
        ("µg/mL", 1e-3),
        ("mg/dL", 1e-2),
        ("% w/v", 10.0),
        ("%w/v", 10.0),
        ("% (w/v)", 10.0),
    ],
)
def test_masses_are_divided_by_the_molar_mass(unit: str, grams_per_litre: float) -> None:
    # CaCO3: 100.09 g/mol, so that 1 g/L is 9.991 mmol/L.
    assert concentration_factor(unit, 100.09) == pytest.approx(grams_per_litre * 9.991008, rel=1e-6)


@given(concentration=st.floats(1e-6, 1e4), molar_mass=st.floats(1.0, 1e4))
def test_to_a_mass_and_back_is_no_change(concentration: float, molar_mass: float) -> None:
    grams_per_litre = concentration / 1000 * molar_mass
    for unit, per_gram_per_litre in (("mg/mL", 1.0), ("ug/mL", 1000.0), ("% w/v", 0.1)):
        written = grams_per_litre * per_gram_per_litre
        assert written * concentration_factor(unit, molar_mass) == pytest.approx(concentration, rel=1e-9)


@given(molar_mass=st.floats(1.0, 1e4))
def test_a_molar_mass_does_not_touch_an_amount(molar_mass: float) -> None:
    assert concentration_factor("mM", molar_mass) == concentration_factor("mM")


@pytest.mark.parametrize("unit", ["boxes", "5 mg/mL", "mg/cm3", "g/100 mL", "(", "mmol/L/"])
def test_text_that_is_no_unit(unit: str) -> None:
    with pytest.raises(InputError, match="unknown concentration unit") as refused:
        concentration_factor(unit, 100.0, "vial list")
    assert repr(unit) in str(refused.value)
    assert refused.value.where == "vial list"
    assert "mmol/L" in refused.value.fix


@pytest.mark.parametrize("unit", ["mg", "bushels", "kelvin", "degC", "mol/kg", "ppm", "%", "mm/L", "1", ""])
def test_units_of_something_else(unit: str) -> None:
    with pytest.raises(InputError, match="is not a concentration unit"):
        concentration_factor(unit, 100.0)


@pytest.mark.parametrize("unit", ["mg/mL", "ug/mL", "% w/v"])
def test_a_mass_without_a_molar_mass(unit: str) -> None:
    with pytest.raises(InputError, match="needs a molar mass") as refused:
        concentration_factor(unit)
    assert "molar_mass_g_per_mol" in refused.value.fix


def test_susceptibility_is_in_ppm_or_ppb() -> None:
    assert susceptibility_factor("ppm") == 1.0
    assert susceptibility_factor(" PPB ") == 1e-3


@pytest.mark.parametrize("unit", ["Hz", "rad", "T", "", "ppt"])
def test_a_field_is_no_susceptibility(unit: str) -> None:
    with pytest.raises(InputError, match="unknown susceptibility unit") as refused:
        susceptibility_factor(unit, "map.nii.gz")
    assert refused.value.where == "map.nii.gz"
    assert "--qsm-unit" in refused.value.fix
