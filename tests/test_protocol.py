"""The built-in protocols load and hold their published values; every mistake in a file is named with its place."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.materials import SUBSTANCES
from phantomcal.protocol import Protocol, builtin_protocols, load_protocol

Change = Callable[[dict[str, Any]], object]

SOUND: dict[str, Any] = {
    "name": "two-tubes",
    "title": "Two tubes",
    "source": "tests",
    "geometry": {"vial_radius_mm": 5.0},
    "materials": {"iron": {"substance": "ferritin"}},
    "vials": [
        {"id": "low", "material": "iron", "concentration": 0.5, "x_mm": 0.0, "y_mm": 0.0},
        {"id": "high", "material": "iron", "concentration": 5.0, "x_mm": 20.0, "y_mm": 0.0, "radius_mm": 3.0},
    ],
}


def written(folder: Path, change: Change = lambda raw: None) -> Path:
    """The sound protocol, changed, as a YAML file."""
    raw = copy.deepcopy(SOUND)
    change(raw)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return path


def loaded(folder: Path, change: Change = lambda raw: None) -> Protocol:
    return load_protocol(written(folder, change))


@pytest.mark.parametrize("name", sorted(builtin_protocols()))
def test_a_built_in_protocol_loads_under_its_file_name_and_fits_its_body(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.source
    assert protocol.title
    for vial in protocol.vials:
        if protocol.has_layout and protocol.geometry.body_radius_mm:
            reach = (vial.x_mm**2 + vial.y_mm**2) ** 0.5 + protocol.radius_of(vial)
            assert reach <= protocol.geometry.body_radius_mm, vial.id
    if protocol.has_layout:
        for k, one in enumerate(protocol.vials):
            for other in protocol.vials[:k]:
                distance = ((one.x_mm - other.x_mm) ** 2 + (one.y_mm - other.y_mm) ** 2) ** 0.5
                assert distance >= protocol.radius_of(one) + protocol.radius_of(other), (one.id, other.id)


def test_the_promised_phantoms_are_built_in() -> None:
    assert {"simulated-gd-ca", "qsm-20-vial", "gd-deh-2019", "catphan-504"} <= set(builtin_protocols())


def test_deh_2019_has_its_published_levels() -> None:
    protocol = load_protocol("gd-deh-2019")
    assert sorted({protocol.abscissa_of(v) for v in protocol.vials} - {0.0}) == [0.625, 1.25, 2.5, 5.0, 10.0]
    assert protocol.abscissa_unit == "mmol/L"


def test_the_simulated_phantom_has_six_levels_of_both_materials() -> None:
    protocol = load_protocol("simulated-gd-ca")
    levels = {m: sorted(v.value for v in protocol.vials if v.material == m) for m in protocol.materials}
    assert {m: len(set(values)) for m, values in levels.items()} == {"gadolinium": 6, "calcium": 6}
    assert (levels["gadolinium"][-1], levels["calcium"][-1]) == (10.0, 1500.0)


def test_catphan_is_drawn_against_nominal_attenuation() -> None:
    protocol = load_protocol("catphan-504")
    assert not protocol.is_concentration
    assert protocol.modalities == ["ct"]
    assert protocol.abscissa_unit == "HU"
    assert len({protocol.series_of(v) for v in protocol.vials}) == 1


def test_a_file_is_read_and_a_number_stays_what_it_was(tmp_path: Path) -> None:
    protocol = loaded(tmp_path)
    low, high = protocol.vials
    assert (protocol.abscissa_of(low), protocol.abscissa_of(high)) == (0.5, 5.0)
    assert (protocol.radius_of(low), protocol.radius_of(high)) == (5.0, 3.0)
    assert protocol.series_of(low) == "iron"
    assert protocol.has_layout


def test_a_file_in_the_way_of_a_built_in_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path).rename(tmp_path / "qsm-20-vial")
    assert load_protocol("qsm-20-vial").name == "two-tubes"


@settings(deadline=None)
@given(value=st.floats(0.01, 1000), molar_mass=st.floats(1, 1000))
def test_masses_are_converted_with_the_materials_own_molar_mass(value: float, molar_mass: float) -> None:
    raw = copy.deepcopy(SOUND) | {"abscissa": {"unit": "mg/mL"}}
    raw["materials"]["iron"]["molar_mass_g_per_mol"] = molar_mass
    raw["vials"][0]["concentration"] = value
    protocol = Protocol.model_validate(raw)
    assert protocol.abscissa_of(protocol.vials[0]) == pytest.approx(value / molar_mass * 1000, rel=1e-9)
    assert protocol.abscissa_unit == "mmol/L"


def test_a_known_substance_brings_its_molar_mass(tmp_path: Path) -> None:
    protocol = loaded(tmp_path, lambda raw: raw.update(abscissa={"unit": "ug/mL"}))
    assert protocol.abscissa_of(protocol.vials[1]) == pytest.approx(5.0 / SUBSTANCES["ferritin"].molar_mass_g_per_mol)


def test_another_abscissa_is_left_as_it_is(tmp_path: Path) -> None:
    given_unit = {"quantity": "relative electron density", "unit": "1"}
    protocol = loaded(tmp_path, lambda raw: raw.update(abscissa=given_unit))
    assert protocol.abscissa_unit == "1"
    assert protocol.abscissa_of(protocol.vials[1]) == 5.0
    assert protocol.expected_slope("iron", "ct") is None  # HU per mmol/L says nothing about it


def test_expected_slopes_follow_temperature_field_and_voltage(tmp_path: Path) -> None:
    def gadolinium_at_37(raw: dict[str, Any]) -> None:
        raw["materials"]["iron"]["substance"] = "gadolinium"
        raw.update(temperature_celsius=37, tube_voltage_kvp=80)

    protocol = loaded(tmp_path, gadolinium_at_37)
    qsm, ct = protocol.expected_slope("iron", "qsm"), protocol.expected_slope("iron", "ct")
    assert qsm is not None
    assert ct is not None
    assert qsm.value == pytest.approx(0.3192, abs=6e-5)
    assert ct.value == pytest.approx(7.50)
    saturating = loaded(tmp_path, lambda raw: raw.update(field_tesla=7, materials={"iron": {"substance": "USPIO"}}))
    slope = saturating.expected_slope("iron", "qsm")
    assert slope is not None
    assert slope.value == pytest.approx(1.67 * 3 / 7)


def test_a_slope_in_the_file_overrides_physics(tmp_path: Path) -> None:
    given_slope = {"qsm": {"value": 0.1, "standard_error": 0.01, "source": "own scanner"}}
    protocol = loaded(tmp_path, lambda raw: raw["materials"]["iron"].update(expected_slope=given_slope))
    slope = protocol.expected_slope("iron", "qsm")
    assert slope is not None
    assert (slope.value, slope.standard_error, slope.source) == (0.1, 0.01, "own scanner")
    ct = protocol.expected_slope("iron", "ct")
    assert ct is not None
    assert ct.value == pytest.approx(0.247)  # 120 kVp


def test_materials_without_a_substance_have_no_expectation(tmp_path: Path) -> None:
    protocol = loaded(tmp_path, lambda raw: raw.update(materials={}))
    assert protocol.expected_slope("iron", "ct") is None
    assert protocol.expected_slope("nothing", "qsm") is None


def test_a_single_line_joins_the_materials(tmp_path: Path) -> None:
    protocol = loaded(tmp_path, lambda raw: raw.update(single_line="all"))
    assert {protocol.series_of(v) for v in protocol.vials} == {"all"}


def _vial(number: int, **fields: object) -> Change:
    return lambda raw: raw["vials"][number].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_vial(1, id="low"), ["duplicate vial id 'low'", "its own id"]),
        (lambda raw: raw["vials"][1].pop("concentration"), ["vial 'high' has no concentration"]),
        (_vial(1, concentration="much"), ["vial 'high' concentration", "number"]),
        (_vial(1, concentration=-1.0), ["negative concentration of vial 'high'"]),
        (_vial(1, concentration=None), ["vial 'high' concentration"]),
        (_vial(1, value=3.0), ["vial 'high'"]),  # value and concentration both
        (_vial(1, radius_mm=0), ["vial 'high' radius_mm", "greater than 0"]),
        (_vial(1, colour="red"), ["vial 'high' colour", "not permitted"]),
        (_vial(0, id=""), ["id", "at least 1 character"]),
        (lambda raw: raw["vials"][1].pop("id"), ["vial 'number 2' id", "required"]),
        (lambda raw: raw["vials"][1].pop("y_mm"), ["no x_mm and y_mm for vial 'high'", "or none"]),
        (lambda raw: raw.update(vials=raw["vials"][:1]), ["vials", "at least 2"]),
        (lambda raw: raw.update(vials=3), ["vials", "list"]),
        (lambda raw: raw.update(vials=["low", "high"]), ["vial 'low'"]),
        (lambda raw: raw.pop("vials"), ["vials", "required"]),
        (lambda raw: raw.pop("geometry"), ["geometry", "required"]),
        (lambda raw: raw.pop("source"), ["source", "required"]),
        (lambda raw: raw["geometry"].update(vial_radius_mm=-2), ["geometry.vial_radius_mm", "greater than 0"]),
        (lambda raw: raw["geometry"].update(erosion_mm={"pet": 1}), ["geometry.erosion_mm", "'ct' or 'qsm'"]),
        (lambda raw: raw.update(vails=[]), ["vails", "not permitted"]),
        (
            lambda raw: raw.update(tolerances={"slope_ratio": [1.5, 0.5]}),
            ["slope_ratio [1.5, 0.5]", "lower bound first"],
        ),
        (_vial(1, x_mm=1.5, y_mm=0.5), ["'low' and 'high' stand in each other", "mm between centres"]),
        (lambda raw: raw.update(name="draft"), ["no protocol can be called 'draft'"]),
        (lambda raw: raw.update(title=None), ["not filled in: title"]),
        (lambda raw: raw.update(name="Two tubes"), ["name", "pattern"]),
        (lambda raw: raw.update(schema_version=2), ["schema_version"]),
        (lambda raw: raw.update(modalities=["pet"]), ["modalities", "'ct' or 'qsm'"]),
        (lambda raw: raw.update(modalities=[]), ["modalities", "at least 1"]),
        (lambda raw: raw.update(reference="air"), ["reference", "'none', 'water' or 'phantom'"]),
        (lambda raw: raw.update(field_tesla=0), ["field_tesla", "greater than 0"]),
        (lambda raw: raw.update(temperature_celsius=300), ["temperature_celsius", "less than 100"]),
        (lambda raw: raw["materials"]["iron"].update(substance="phlogiston"), ["'phlogiston' of 'iron'", "ferritin"]),
        (lambda raw: raw["materials"]["iron"].update(molar_mass_g_per_mol=0), ["molar_mass_g_per_mol"]),
        (lambda raw: raw.update(abscissa={"unit": "boxes"}), ["unknown concentration unit 'boxes'", "material 'iron'"]),
        (lambda raw: raw.update(abscissa={"unit": "mg"}), ["'mg' is not a concentration unit"]),
        (
            lambda raw: raw.update(abscissa={"unit": "mg/mL"}, materials={}),
            ["needs a molar mass", "material 'iron'", "molar_mass_g_per_mol"],
        ),
    ],
)
def test_every_mistake_is_named_with_file_and_place(tmp_path: Path, change: Change, words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, change)
    message = str(refused.value)
    assert "mine.yaml" in message
    assert "\n" not in message
    assert refused.value.fix
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"vials: [", "unreadable YAML"),
        (b"\xff\xfe\x00", "unreadable YAML"),
        (b"name: a\n  title: b", "unreadable YAML"),
        (b"", "mapping of fields"),
        (b"- one\n- two\n", "mapping of fields"),
        (b"just words", "mapping of fields"),
    ],
)
def test_files_that_are_no_protocol(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        load_protocol(path)
    assert "bad.yaml" in str(refused.value)


@pytest.mark.parametrize("name", ["nosuch", "", "qsm-20-vial.yaml", "."])
def test_unknown_names_are_told_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="no protocol") as refused:
        load_protocol(name)
    assert all(known in str(refused.value) for known in builtin_protocols())


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("!!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(InputError, match="unreadable YAML"):
        load_protocol(path)


def test_a_protocol_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    protocol = loaded(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        protocol.field_tesla = 7.0
