"""Units and forms: numbers typed in from their definitions and sources."""

import pytest

from phantomcal.errors import InputError
from phantomcal.lesions.quantities import (
    ferritin_iron_ppb,
    form_of,
    hydroxyapatite_mg,
    hydroxyapatite_mg_per_cm3,
    iron_mg_per_100g,
    mass_mg,
    saturated_slope,
)


def test_iron_per_100_g_of_tissue() -> None:
    # 10 mmol/L is 558.45 mg/L; a litre of tissue weighs 1040 g.
    assert iron_mg_per_100g(10.0) == pytest.approx(558.45 / 10.4)
    assert iron_mg_per_100g(10.0, density_g_per_ml=1.0) == pytest.approx(55.845)


def test_the_rule_of_thumb_of_15_ppb_per_mg_per_100_g() -> None:
    assert ferritin_iron_ppb(1.0) == pytest.approx(15.0, rel=0.02)


def test_hydroxyapatite_holds_ten_calcium_atoms_a_formula_unit() -> None:
    # Ca10(PO4)6(OH)2 is 39.9 % calcium by mass.
    assert 1.0 / hydroxyapatite_mg(1.0) == pytest.approx(0.399, abs=0.001)
    assert hydroxyapatite_mg_per_cm3(10.0) == pytest.approx(1.00461)


def test_mass_of_a_concentration_over_a_volume() -> None:
    # A cubic centimetre at 100 mmol/L holds 0.1 mmol.
    assert mass_mg(100.0, 1000.0, 40.078) == pytest.approx(4.0078)


def test_spio_falls_with_the_field() -> None:
    # Hooper 2024: 1.67 at 3 T, 0.74 +- 0.09 at 7 T.
    assert saturated_slope(1.67, 3.0, 7.0) == pytest.approx(0.74, abs=0.09)
    assert form_of("USPIO", field_tesla=7.0).qsm_ppm == pytest.approx(saturated_slope(1.67, 3.0, 7.0))
    with pytest.raises(InputError, match="not saturated at 0"):
        saturated_slope(1.67, 3.0, 0.2)


def test_forms_carry_their_source_and_what_they_count() -> None:
    ferritin, haemosiderin, haem = (form_of(n) for n in ("ferritin", "haemosiderin", "methaemoglobin"))
    assert (ferritin.qsm_ppm, ferritin.qsm_se) == (0.0813, 0.0135)
    assert "Hooper" in ferritin.source
    assert haemosiderin.qsm_ppm == ferritin.qsm_ppm
    assert haemosiderin.qsm_se > ferritin.qsm_se
    # The protein of blood attenuates a dozen times more than its iron.
    assert haem.ct_hu > 10 * ferritin.ct_hu
    # A tenth of 1.35 HU per mg/cm3 times 1.00461 mg/cm3 per mmol/L, at 120 kVp.
    assert form_of("hydroxyapatite").ct_hu == pytest.approx(0.1356, rel=0.001)


def test_a_form_may_bring_its_own_susceptibility() -> None:
    own = form_of("ferritin=0.09:0.01")
    assert (own.name, own.qsm_ppm, own.qsm_se) == ("ferritin", 0.09, 0.01)
    assert "as given" in own.source
    for text in ("ferritin=much", "ferritin=0", "ferritin=1:2:3", "ferritin=0.1:-1"):
        with pytest.raises(InputError, match="no susceptibility"):
            form_of(text)
    with pytest.raises(InputError, match="unknown form 'rust'"):
        form_of("rust")
