"""Options that name what the program would find out, read and checked."""

import pytest

from phantomcal.errors import InputError
from phantomcal.phantom.finding.overrides import Orientation, overrides, parse_orient
from phantomcal.protocol import load_protocol


@pytest.mark.parametrize(
    ("text", "modality", "orientation"),
    [
        ("90", None, Orientation(90.0, False)),
        ("-12.5,mirrored", None, Orientation(-12.5, True)),
        ("ct=45", "ct", Orientation(45.0, False)),
        (" QSM = 0 , Mirrored ", "qsm", Orientation(0.0, True)),
    ],
)
def test_orientations_are_read(text: str, modality: str | None, orientation: Orientation) -> None:
    assert parse_orient(text) == (modality, orientation)


@pytest.mark.parametrize("text", ["", "north", "90,upside", "mr=90", "nan", "inf,mirrored", "90;mirrored"])
def test_what_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="--orient 90,mirrored"):
        parse_orient(text)


def test_each_modality_has_its_own_orientation() -> None:
    said = overrides(orient=["ct=10", "qsm=20,mirrored"])
    assert said.orientation_of("ct") == Orientation(10.0, False)
    assert said.orientation_of("qsm") == Orientation(20.0, True)
    assert overrides(orient=["30"]).orientation_of("qsm") == Orientation(30.0, False)
    assert overrides(mirrored=True).orientation_of("ct") == Orientation(None, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": 3}, "axis"),
        ({"orient": ["90"], "rotation_deg": 90.0}, "--rotation"),
        ({"orient": ["90"], "mirrored": True}, "--mirror"),
        ({"orient": ["90", "80"]}, "two values"),
        ({"first_slice": -1}, "--first-slice"),
        ({"first_slice": 9, "last_slice": 3}, "before"),
        ({"erosion_mm": float("nan")}, "--erosion-mm"),
        ({"rotation_deg": float("inf")}, "no angle"),
    ],
)
def test_impossible_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        overrides(**options)


def test_an_erosion_that_leaves_nothing_is_refused() -> None:
    protocol = load_protocol("simulated-gd-ca")
    assert overrides(erosion_mm=2.0).eroded(protocol).geometry.erosion_mm == {"ct": 2.0, "qsm": 2.0}
    assert overrides().eroded(protocol) is protocol
    with pytest.raises(InputError, match=r"vials of 7 mm"):
        overrides(erosion_mm=6.0).eroded(protocol)
