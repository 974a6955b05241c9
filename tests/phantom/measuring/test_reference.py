"""What is subtracted from a map is what the protocol names, with an honest standard error."""

import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import Located, locate
from phantomcal.phantom.measuring.reference import refer
from phantomcal.phantom.measuring.sample import measure
from phantomcal.protocol import Protocol, load_protocol
from phantomcal.results import VialMeasurement
from tests.phantom.drawn import drawn_phantom

PLAIN = load_protocol("simulated-gd-ca")
OFFSET = 0.08


@pytest.fixture(scope="module")
def scan() -> tuple:
    image, _ = drawn_phantom(PLAIN, expected_values(PLAIN, "qsm") + OFFSET, noise=0.02, background=OFFSET)
    located = locate(image, PLAIN, "qsm")
    return image, located, measure(image, located, PLAIN, "qsm")


def referred(protocol: Protocol, scan: tuple, measured: list[VialMeasurement] | None = None) -> tuple:
    image, located, own = scan
    assert isinstance(located, Located)
    return refer(measured or own, protocol, image, located, "map.nii")


def with_reference(name: str) -> Protocol:
    return PLAIN.model_copy(update={"reference": name})


def test_none_changes_nothing_and_says_so(scan: tuple) -> None:
    values, record, note = referred(with_reference("none"), scan)
    assert values == scan[2]
    assert record["reference"] == "none"
    assert record["reference_value_ppm"] is None
    assert note == ""


@pytest.mark.parametrize("name", ["water", "phantom"])
def test_the_zero_of_the_map_is_found(scan: tuple, name: str) -> None:
    values, record, note = referred(with_reference(name), scan)
    assert record["reference_value_ppm"] == pytest.approx(OFFSET, abs=0.003)
    assert 0 < record["reference_standard_error_ppm"] < 0.004
    assert np.allclose([v.value for v in values], expected_values(PLAIN, "qsm"), atol=0.008)
    assert max(abs(v.background) for v in values) < 0.02
    assert "subtracted" in note


def test_a_spoilt_water_vial_is_no_reference(scan: tuple) -> None:
    names = {v.vial_id for v in scan[2] if v.abscissa == 0}
    first = sorted(names)[0]
    one_bad = [
        v.model_copy(update={"used": False, "flag": "air bubble", "value": 3.0}) if v.vial_id == first else v
        for v in scan[2]
    ]
    _, record, _ = referred(with_reference("water"), scan, one_bad)
    assert record["reference_value_ppm"] == pytest.approx(OFFSET, abs=0.005)
    none_good = [v.model_copy(update={"used": False, "flag": "empty"}) if v.vial_id in names else v for v in scan[2]]
    with pytest.raises(InputError, match="no water vial can be used"):
        referred(with_reference("water"), scan, none_good)
