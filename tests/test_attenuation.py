"""Attenuation computed anew: published coefficients, the shipped table, and what happens without the extra."""

import sys

import numpy as np
import pytest

from phantomcal import attenuation
from phantomcal.attenuation import COMPUTED, ct_slope
from phantomcal.errors import InputError
from phantomcal.materials import SUBSTANCES, TUBE_VOLTAGES_KVP, expected_ct_slope, hu_per_mg_per_ml, why_no_ct_slope

# Mass attenuation coefficients at 60 keV, cm2/g: NIST XCOM / Hubbell and Seltzer, doi 10.18434/T4D01F.
NIST_60_KEV = {"H2O": 0.2059, "Gd": 11.75, "I": 7.579, "Fe": 1.205, "Ca": 0.6578}
GRAMS_PER_MOL = {"Gd": 157.25, "I": 126.904, "Fe": 55.845, "Ca": 40.078}
AT_60_KEV = (np.array([60.0]), np.array([1.0]))


@pytest.mark.parametrize("element", GRAMS_PER_MOL)
def test_one_energy_gives_the_ratio_of_the_published_coefficients(element: str) -> None:
    pytest.importorskip("xraydb", reason="needs phantomcal[physics]")
    expected = 1e-3 * NIST_60_KEV[element] * GRAMS_PER_MOL[element] / NIST_60_KEV["H2O"]
    assert ct_slope(element, 60, spectrum=AT_60_KEV) == pytest.approx(expected, rel=0.02)


def test_water_displaced_by_a_mole_costs_its_own_ct_number() -> None:
    pytest.importorskip("xraydb", reason="needs phantomcal[physics]")
    # 18.02 cm3 of water dissolved in water change nothing: what is added is what is displaced.
    assert ct_slope("H2O", 60, spectrum=AT_60_KEV, displaced_cm3_per_mol=18.015) == pytest.approx(0, abs=1e-5)
    empty = ct_slope("Ca", 60, spectrum=AT_60_KEV)
    assert ct_slope("Ca", 60, spectrum=AT_60_KEV, displaced_cm3_per_mol=10) == pytest.approx(empty - 0.01)


def test_a_formula_that_is_none_is_refused_in_words() -> None:
    pytest.importorskip("xraydb", reason="needs phantomcal[physics]")
    with pytest.raises(InputError, match="'Qq7' is no chemical formula"):
        ct_slope("Qq7", 60, spectrum=AT_60_KEV)


class TestWithSpectra:
    @pytest.fixture(autouse=True)
    def _spectra(self) -> None:
        pytest.importorskip("xraydb", reason="needs phantomcal[physics]")
        pytest.importorskip("spekpy", reason="needs phantomcal[physics]")

    @pytest.mark.parametrize("kvp", TUBE_VOLTAGES_KVP)
    def test_the_shipped_table_is_reproduced_within_two_percent(self, kvp: float) -> None:
        for name, (formula, displaced) in COMPUTED.items():
            shipped = expected_ct_slope(name, kvp)
            assert shipped is not None
            assert ct_slope(formula, kvp, displaced_cm3_per_mol=displaced) == pytest.approx(shipped.value, rel=0.02), (
                name
            )

    def test_interpolated_voltages_are_within_two_percent_of_the_computation(self) -> None:
        for name in ("gadolinium", "iodine", "CaCl2"):
            formula, displaced = COMPUTED[name]
            shipped = expected_ct_slope(name, 90)
            assert shipped is not None
            assert "interpolated between 80 and 100" in shipped.source
            assert shipped.value == pytest.approx(ct_slope(formula, 90, displaced_cm3_per_mol=displaced), rel=0.02)

    def test_gadolinium_behind_less_and_more_water(self) -> None:
        assert ct_slope("Gd", 120, water_cm=15) == pytest.approx(5.85, rel=0.01)
        assert ct_slope("Gd", 120, water_cm=30) == pytest.approx(5.35, rel=0.01)

    def test_the_command_prints_the_table(self) -> None:
        table = attenuation.main(["--kvp", "120"]).splitlines()
        assert len(table) == 1 + len(COMPUTED)
        assert float(table[1].split()[1]) == pytest.approx(5.69, rel=0.02)

    def test_no_tube_has_such_a_voltage(self) -> None:
        with pytest.raises(InputError, match="400 kVp is no CT tube voltage"):
            ct_slope("Gd", 400)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xraydb", None)
    with pytest.raises(InputError, match=r"pip install 'phantomcal\[physics\]'"):
        ct_slope("Gd", 120)


def test_hydroxyapatite_per_mg_matches_the_table_and_the_measurement() -> None:
    for kvp, hu in zip(TUBE_VOLTAGES_KVP, (1.86, 1.54, 1.35, 1.22), strict=True):
        assert hu_per_mg_per_ml("hydroxyapatite", kvp) == pytest.approx(hu)
    # Tran 2009, 140 kVp: 0, 50, 100, 200 mg/mL read 5.0, 60.0, 122, 265 HU.
    measured = np.polyfit([0, 50, 100, 200], [5.0, 60.0, 122.0, 265.0], 1)[0]
    assert hu_per_mg_per_ml("hydroxyapatite", 140) == pytest.approx(measured, rel=0.125)


def test_why_there_is_no_expectation_is_said() -> None:
    assert why_no_ct_slope("gadolinium", 120) == ""
    assert "150 kVp is outside the shipped table, 80 to 140 kVp" in why_no_ct_slope("gadolinium", 150)
    assert "unobtainium" in why_no_ct_slope("unobtainium", 120)


def test_every_computed_substance_is_shipped() -> None:
    assert set(COMPUTED) <= set(SUBSTANCES)
