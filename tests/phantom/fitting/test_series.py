"""Series of measured vials: what arrives unusable, what fails, what changed places."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.series import series_lines, status_of
from phantomcal.protocol import Protocol, load_protocol
from phantomcal.results import VialMeasurement

PROTOCOL = load_protocol("simulated-gd-ca")


def measured(rng: np.random.Generator, protocol: Protocol = PROTOCOL, sem: float | None = 0.3) -> list[VialMeasurement]:
    rows = []
    for vial in protocol.vials:
        expected = protocol.expected_slope(vial.material, "ct")
        assert expected is not None
        x = protocol.abscissa_of(vial)
        rows.append(
            VialMeasurement(
                vial_id=vial.id,
                material=vial.material,
                series=vial.material,
                concentration_mmol_per_l=x,
                abscissa=x,
                abscissa_unit="mmol/L",
                modality="ct",
                value=expected.value * x + rng.normal(0, 0.3),
                unit="HU",
                sem=sem,
                used=True,
            )
        )
    return rows


def changed(vials: list[VialMeasurement], name: str, **update: object) -> list[VialMeasurement]:
    return [v.model_copy(update=update) if v.vial_id == name else v for v in vials]


def value(vials: list[VialMeasurement], name: str) -> float:
    return next(v.value for v in vials if v.vial_id == name)


def test_a_sound_phantom_has_two_ordinary_lines_and_no_flag(rng: np.random.Generator) -> None:
    lines, vials = series_lines(measured(rng), PROTOCOL, "ct")
    assert {line.material for line in lines} == {"gadolinium", "calcium"}
    assert not any(v.flag for v in vials)
    for line in lines:
        assert line.default_rule.startswith("ordinary")
        assert line.vial_noise == pytest.approx(0.3)
        assert len(line.influence) == 6
        assert {d.standard for d in line.detection} == {"DIN 32645", "ICH Q2", "CLSI EP17"}
        assert any(a.method.startswith("through zero") for a in line.alternatives)
    assert status_of(lines, vials) == "pass"


@pytest.mark.parametrize("bad", [-950.0, float("nan")])
def test_vials_that_arrive_unusable_keep_their_flag_and_touch_no_line(rng: np.random.Generator, bad: float) -> None:
    whole = measured(rng)
    spoilt = changed(whole, "Ca600", used=False, flag="empty: holds air", value=bad)
    lines, vials = series_lines(spoilt, PROTOCOL, "ct")
    line = next(k for k in lines if k.material == "calcium")
    assert line.excluded == ["Ca600"]
    assert line.n_vials == 5
    assert line.all_vials is None
    assert "Ca600 not usable and left out" in line.notes
    vial = next(v for v in vials if v.vial_id == "Ca600")
    assert (vial.flag, vial.used) == ("empty: holds air", False)
    assert sum(bool(v.flag) for v in vials) == 1


def test_a_failed_vial_beside_an_unusable_one_is_named_too(rng: np.random.Generator) -> None:
    spoilt = changed(measured(rng), "Ca600", used=False, flag="air bubble")
    spoilt = changed(spoilt, "Ca1200", value=20.0)
    lines, vials = series_lines(spoilt, PROTOCOL, "ct")
    line = next(k for k in lines if k.material == "calcium")
    assert set(line.excluded) == {"Ca600", "Ca1200"}
    assert line.slope == pytest.approx(0.208, rel=0.02)
    assert "left out" in next(v.flag for v in vials if v.vial_id == "Ca1200")


def test_neighbours_that_changed_places_are_found_and_named(rng: np.random.Generator) -> None:
    vials = measured(rng)
    one, two = value(vials, "Gd0.625"), value(vials, "Gd1.25")
    vials = changed(changed(vials, "Gd0.625", value=two), "Gd1.25", value=one)
    lines, marked = series_lines(vials, PROTOCOL, "ct")
    line = next(k for k in lines if k.material == "gadolinium")
    assert set(line.excluded) == {"Gd0.625", "Gd1.25"}
    assert any("values exchanged" in n for n in line.notes)
    assert all(not v.used for v in marked if v.vial_id in line.excluded)


def test_vials_of_two_materials_that_changed_places_are_named_as_such(rng: np.random.Generator) -> None:
    vials = measured(rng)
    one, two = value(vials, "Gd2.5"), value(vials, "Ca1200")
    vials = changed(changed(vials, "Gd2.5", value=two), "Ca1200", value=one)
    lines, _ = series_lines(vials, PROTOCOL, "ct")
    for line in lines:
        assert any("read as each other's content" in n for n in line.notes)


def test_errors_of_concentration_from_the_protocol_reach_the_fit(rng: np.random.Generator) -> None:
    raw = PROTOCOL.model_dump()
    raw["abscissa"]["relative_sd"] = 0.05
    declared = Protocol.model_validate(raw)
    vials = measured(rng, declared)
    rng = np.random.default_rng(4)
    vials = [v.model_copy(update={"value": v.value * (1 + rng.normal(0, 0.03))}) for v in vials]
    lines, _ = series_lines(vials, declared, "ct")
    assert all(line.default_rule.startswith("errors in both axes") for line in lines)
    assert all((line.abscissa_noise or 0) > 0 for line in lines)


def test_a_series_left_with_one_level_has_no_line(rng: np.random.Generator) -> None:
    vials = [v.model_copy(update={"used": v.vial_id == "Ca0" or v.material != "calcium"}) for v in measured(rng)]
    lines, _ = series_lines(vials, PROTOCOL, "ct")
    assert [line.material for line in lines] == ["gadolinium"]
