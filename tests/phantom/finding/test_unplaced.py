"""Phantoms without a printed layout."""

import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.unplaced import placed_by_value
from phantomcal.protocol import Protocol, load_protocol
from tests.phantom.drawn import drawn_phantom

DEH = load_protocol("gd-deh-2019")
PLACES = [(0.0, 30.0), (28.0, 9.0), (18.0, -24.0), (-18.0, -24.0), (-28.0, 9.0)]


def with_places(protocol: Protocol) -> Protocol:
    vials = [v.model_copy(update={"x_mm": x, "y_mm": y}) for v, (x, y) in zip(protocol.vials, PLACES, strict=True)]
    return protocol.model_copy(update={"vials": vials})


def test_compartments_are_named_in_order_of_value() -> None:
    image, truth = drawn_phantom(with_places(DEH), expected_values(DEH, "qsm"), noise=0.01, size=(100, 100, 40))
    placed, axis = placed_by_value(image, DEH, "qsm")
    assert axis == 2
    found = np.array([[v.x_mm, v.y_mm] for v in placed.vials], dtype=float)
    # In the image's frame, whose origin is the image centre: world 0 here.
    assert np.max(np.linalg.norm(found - truth[:, :2], axis=1)) < 2.0


def test_a_missing_compartment_is_an_error_with_the_count() -> None:
    values = expected_values(DEH, "qsm")
    values[2] = 0.0
    image, _ = drawn_phantom(with_places(DEH), values, noise=0.01, size=(100, 100, 40))
    with pytest.raises(InputError, match=r"4 discs .* has 5 vials"):
        placed_by_value(image, DEH, "qsm")


def test_more_discs_than_vials_are_refused() -> None:
    fewer = DEH.model_copy(update={"vials": DEH.vials[1:]})
    image, _ = drawn_phantom(with_places(DEH), expected_values(DEH, "qsm"), noise=0.001, size=(100, 100, 40))
    small = fewer.model_copy(update={"vials": [v for v in fewer.vials if v.id != "Gd10"]})
    with pytest.raises(InputError, match="more than 3 discs"):
        placed_by_value(image, small, "qsm")


def test_a_layout_free_phantom_of_two_materials_cannot_be_ranked() -> None:
    simulated = load_protocol("simulated-gd-ca")
    bare = simulated.model_copy(
        update={"vials": [v.model_copy(update={"x_mm": None, "y_mm": None}) for v in simulated.vials]}
    )
    image, _ = drawn_phantom(simulated, expected_values(simulated, "qsm"), noise=0.01)
    with pytest.raises(InputError, match="only one material"):
        placed_by_value(image, bare, "qsm")
