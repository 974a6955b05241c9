"""Expected slopes against published and computed values, typed here with their sources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.materials import SUBSTANCES, curie_molar_susceptibility, expected_ct_slope, expected_qsm_slope

# HU per mmol/L at 80, 100, 120, 140 kVp: tungsten spectrum (12 degree anode, 3.5 mm Al + 0.9 mm Ti), energy-integrating
# detector, behind 20 cm of water, from tabulated attenuation coefficients.
CT_TABLE = {
    "gadolinium": (7.50, 6.58, 5.69, 4.96),
    "iron": (0.378, 0.295, 0.247, 0.214),
    "ferritin": (0.378, 0.295, 0.247, 0.214),
    "CaCl2": (0.294, 0.239, 0.208, 0.186),
    "CaCO3": (0.163, 0.136, 0.119, 0.108),
}


@pytest.mark.parametrize(
    ("spin", "celsius", "ppm_per_mmol_per_l"),
    [
        (3.5, 20.0, 0.3377),  # Gd3+: S = 7/2, g = 2
        (3.5, 25.0, 0.3320),
        (3.5, 37.0, 0.3192),
        (2.5, 20.0, 0.1876),  # high-spin Fe3+: S = 5/2
        (2.5, 37.0, 0.1773),
    ],
)
def test_curie_law(spin: float, celsius: float, ppm_per_mmol_per_l: float) -> None:
    assert curie_molar_susceptibility(spin, celsius) == pytest.approx(ppm_per_mmol_per_l, abs=6e-5)


@given(spin=st.floats(0.5, 5), cold=st.floats(-20, 90), warm=st.floats(-20, 90))
def test_curie_law_is_inverse_to_the_absolute_temperature(spin: float, cold: float, warm: float) -> None:
    ratio = curie_molar_susceptibility(spin, cold) / curie_molar_susceptibility(spin, warm)
    assert ratio == pytest.approx((warm + 273.15) / (cold + 273.15), rel=1e-12)


def test_curie_law_counts_the_g_factor_twice() -> None:
    assert curie_molar_susceptibility(3.5, 20.0, 4.0) == pytest.approx(4 * curie_molar_susceptibility(3.5, 20.0))


def test_gadolinium_follows_the_temperature_and_not_the_field() -> None:
    slope = expected_qsm_slope("gadolinium", 37.0, 7.0)
    assert slope is not None
    assert slope.value == pytest.approx(0.3192, abs=6e-5)
    assert slope.unit == "ppm/(mmol/L)"
    assert "37 C" in slope.source
    # Deh 2019 (10.1002/mrm.27410) measured 0.350 on 12 scanners.
    at_room = expected_qsm_slope("gadolinium")
    assert at_room is not None
    assert at_room.value == pytest.approx(0.350, rel=0.05)


@pytest.mark.parametrize(
    ("substance", "value", "error"),
    [
        # Hooper 2024, 10.1101/2024.02.18.580843
        ("ferritin", 0.0813, 0.0135),
        ("USPIO", 1.67, 0.24),
        ("CaCl2", -2.68e-4, 0.24e-4),
        ("CaCO3", -9.52e-5, 1.44e-5),
        # Kim 2019, 10.1371/journal.pone.0220639, MEDI
        ("SPIO", 2.273, 0.0),
    ],
)
def test_measured_molar_susceptibilities_at_3_tesla(substance: str, value: float, error: float) -> None:
    slope = expected_qsm_slope(substance)
    assert slope is not None
    assert (slope.value, slope.standard_error) == (value, error)
    assert "doi" in slope.source


def test_uspio_saturates_and_ferritin_does_not() -> None:
    at_7 = expected_qsm_slope("USPIO", field_tesla=7.0)
    assert at_7 is not None
    assert at_7.value == pytest.approx(1.67 * 3 / 7)
    assert at_7.standard_error == pytest.approx(0.24 * 3 / 7)
    assert abs(at_7.value - 0.74) < 0.09  # Hooper 2024 at 7 T: 0.74 +- 0.09
    assert "1/B0" in at_7.source
    ferritin = expected_qsm_slope("ferritin", field_tesla=7.0)
    assert ferritin is not None
    assert ferritin.value == 0.0813
    assert "1/B0" not in ferritin.source


@given(field=st.floats(0.5, 12))
def test_uspio_times_field_is_constant(field: float) -> None:
    slope = expected_qsm_slope("USPIO", field_tesla=field)
    assert slope is not None
    assert slope.value * field == pytest.approx(1.67 * 3)


@pytest.mark.parametrize("substance", CT_TABLE)
def test_ct_slopes_lie_within_a_tenth_of_the_table(substance: str) -> None:
    for kvp, hu in zip((80.0, 100.0, 120.0, 140.0), CT_TABLE[substance], strict=True):
        slope = expected_ct_slope(substance, kvp)
        assert slope is not None
        assert slope.value == pytest.approx(hu, rel=0.10)
        assert slope.unit == "HU/(mmol/L)"
        assert f"{kvp:g} kVp" in slope.source
        # Real scanners differ by 10 to 15 % from the computed value.
        assert 0.10 <= slope.standard_error / slope.value <= 0.15


def test_gadolinium_behind_less_and_more_water() -> None:
    """120 kVp behind 15 and 30 cm of water: 5.85 and 5.35 HU per mmol/L; the slope for 20 cm lies between."""
    slope = expected_ct_slope("gadolinium", 120.0)
    assert slope is not None
    assert 5.35 < slope.value < 5.85


@given(substance=st.sampled_from(sorted(SUBSTANCES)), low=st.floats(80, 140), high=st.floats(80, 140))
def test_attenuation_falls_as_the_tube_voltage_rises(substance: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    soft, hard = expected_ct_slope(substance, low), expected_ct_slope(substance, high)
    assert soft is not None
    assert hard is not None
    assert soft.value >= hard.value > 0


@pytest.mark.parametrize("kvp", [60.0, 79.9, 140.1, 150.0])
def test_tube_voltages_beyond_the_table_have_no_expectation(kvp: float) -> None:
    assert expected_ct_slope("gadolinium", kvp) is None


def test_unknown_substances_have_no_expectation() -> None:
    assert expected_ct_slope("unobtainium") is None
    assert expected_qsm_slope("unobtainium") is None


@pytest.mark.parametrize(
    ("substance", "grams_per_mol"),
    [("gadolinium", 157.25), ("ferritin", 55.845), ("CaCl2", 110.98), ("CaCO3", 100.09)],
)
def test_molar_masses(substance: str, grams_per_mol: float) -> None:
    assert SUBSTANCES[substance].molar_mass_g_per_mol == pytest.approx(grams_per_mol, rel=1e-3)
