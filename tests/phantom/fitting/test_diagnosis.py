"""What is said of a failed vial must follow from what it reads."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.diagnosis import with_diagnoses
from tests.report.records import calibration, series, vial

LEVELS = (0, 2, 4, 6, 8, 10)


def diagnosed(values, *, others=(), more=None):
    """A gadolinium line of slope 0.33 on which some vials read something else and are left out."""
    rng = np.random.default_rng(7)
    vials = []
    for level in LEVELS:
        failed = level in values
        vials.append(
            vial(
                f"Gd{level}",
                level,
                values.get(level, 0.33 * level + rng.normal(0, 0.003)),
                **{
                    "used": not failed,
                    "flag": "failed" if failed else "",
                    **(more or {}).get(level, {}),
                },
            )
        )
    record = with_diagnoses(calibration([(vials, 0.3377), *others]))
    return {d.vial_id: d for d in record.diagnoses}


def test_sound_vials_are_not_explained(rng):
    assert with_diagnoses(calibration([(series(rng), 0.3377)])).diagnoses == []


def test_the_numbers_are_those_of_the_line():
    found = diagnosed({6: 0.99})["Gd6"]
    assert found.line_value == pytest.approx(1.98, abs=0.02)
    assert found.deviation == pytest.approx(-0.99, abs=0.02)
    assert found.implied == pytest.approx(3.0, abs=0.05)
    assert found.deviation_sd < -50
    assert found.deviation_share == pytest.approx(-0.3, abs=0.01)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.99, "diluted, leaked or partly empty"),
        (2.70, "dried out or filled too strong"),
        (0.02, "what the line has for a blank"),
        (-1.2, "no amount lies below zero"),
    ],
)
def test_likely_causes(value, words):
    assert any(words in cause for cause in diagnosed({6: value})["Gd6"].causes)


def test_two_exchanged_vials_name_each_other():
    found = diagnosed({2: 0.33 * 8, 8: 0.33 * 2})
    assert any("exchanged with Gd8" in cause for cause in found["Gd2"].causes)
    assert any("exchanged with Gd2" in cause for cause in found["Gd8"].causes)
    assert not any("diluted" in cause for cause in found["Gd8"].causes)


def test_a_vial_that_holds_what_another_holds_is_taken_for_a_wrong_label():
    assert any("holds what Gd4 holds" in cause for cause in diagnosed({8: 0.33 * 4})["Gd8"].causes)


def test_uneven_contents_are_named():
    found = diagnosed({6: 1.2}, more={6: {"sd": 0.09}})["Gd6"]
    assert found.noise_ratio == pytest.approx(4.5)
    assert any("uneven contents" in cause for cause in found.causes)


def test_what_the_image_shows_is_the_cause_and_nothing_is_read_into_the_value():
    flag = "air bubble: 37 of 400 voxels left out of its mean; its field spoils the rest: left out"
    found = diagnosed({6: 1.2}, more={6: {"n_bubble_voxels": 37, "flag": flag}})["Gd6"]
    assert len(found.causes) == 1
    assert "37 of 400 voxels" in found.causes[0]
    assert "diluted" not in found.causes[0]


def test_other_lines_tell_what_a_vial_without_contents_reads(rng):
    offset = 0.15
    others = []
    for name in ("ferritin", "USPIO"):
        vials = series(rng, name, slope=0.5, noise=0.03)
        others.append(([v.model_copy(update={"value": v.value + offset}) for v in vials], None))
    found = diagnosed({8: offset, 10: offset + 0.01}, others=others)
    assert any("plain gel" in cause for cause in found["Gd8"].causes)
    assert any("Gd10 reads the same" in cause for cause in found["Gd8"].causes)


def test_what_to_do_says_which_line_to_use_meanwhile():
    actions = diagnosed({6: 0.99})["Gd6"].actions
    assert any("line of the other 5 vials, from 0 to 10 mmol/L only" in action for action in actions)
    assert any("magnitude image" in action for action in actions)


def test_a_vial_flagged_but_on_its_line_is_not_called_empty():
    rng = np.random.default_rng(3)
    vials = [v.model_copy(update={"flag": "air bubble"}) if i == 3 else v for i, v in enumerate(series(rng))]
    found = with_diagnoses(calibration([(vials, 0.3377)])).diagnoses
    assert [d.vial_id for d in found] == ["Gaq2.5"]
    assert found[0].causes == ["seen in the image: air bubble"]
    assert found[0].used


def test_a_suspect_vial_is_held_against_the_line_of_the_others():
    """Anscombe's third set: the third point is 4.24 off the line of the others, which have nearly no scatter."""
    x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]
    vials = [
        vial(f"p{i}", a, b, x_mm=None, flag="suspect: off the line" if i == 2 else "")
        for i, (a, b) in enumerate(zip(x, y, strict=True))
    ]
    (found,) = with_diagnoses(calibration([(vials, None)])).diagnoses
    assert found.vial_id == "p2"
    assert found.deviation == pytest.approx(4.24, abs=0.01)
    assert found.deviation_sd > 1000
    assert any("dried out or filled too strong" in cause for cause in found.causes)
    assert "in the table" in found.actions[0]
