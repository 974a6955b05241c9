"""From a calibration to the equations: names, conversions, and what is refused."""

import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.lesions.slopes import system_from
from tests.lesions.lines import SLOPES, calibration_of


def test_iron_and_calcium_lines_are_taken_as_they_are() -> None:
    calibration = calibration_of("iron", "calcium")
    system = system_from(calibration)
    assert system.names == ("iron", "calcium")
    lines = {(line.material, line.modality): line for line in calibration.lines}
    assert system.slopes[1, 0] == lines["iron", "qsm"].slope
    assert system.slope_covariance[0, 1, 1] == pytest.approx(lines["calcium", "ct"].slope_se ** 2)
    assert system.slope_covariance[0, 0, 1] == 0
    assert (system.slope_dof == 4).all()
    assert system.components[1].molar_mass_g_per_mol == pytest.approx(40.078)


def test_calcium_chloride_vials_warn_that_mineral_is_undercounted() -> None:
    """CaCl2 reads 0.208 HU per mmol/L at 120 kVp, hydroxyapatite 0.136: two thirds of its calcium would be found."""
    (note,) = system_from(calibration_of("iron", "calcium")).notes
    assert "35 % too low" in note
    assert "--form calcium=hydroxyapatite" in note
    for form in ("hydroxyapatite", "as calibrated"):
        said = system_from(calibration_of("iron", "calcium"), forms={"calcium": form}).notes
        assert not any("too low" in note for note in said)


def test_gadolinium_stands_in_for_iron_and_says_so() -> None:
    system = system_from(calibration_of("gadolinium", "calcium"))
    assert system.names == ("iron", "calcium")
    iron = system.components[0]
    assert (iron.line, iron.form) == ("gadolinium", "ferritin")
    assert "Hooper" in system.notes[0]
    # The lines read what physics expects here, so the slopes are ferritin's, known no better than ferritin is.
    np.testing.assert_allclose(system.slopes[:, 0], [0.247, 0.0813], rtol=0.02)
    assert np.sqrt(system.slope_covariance[1, 0, 0]) / system.slopes[1, 0] == pytest.approx(0.0135 / 0.0813, rel=0.05)
    # 10 mmol/L of gadolinium reads as 41 mmol/L of ferritin iron.
    assert iron.calibrated_range[1] == pytest.approx(10 * 0.338 / 0.0813, rel=0.02)


def test_gadolinium_stays_gadolinium_when_asked_for() -> None:
    calibration = calibration_of("gadolinium", "calcium")
    system = system_from(calibration, ["gadolinium", "calcium"])
    assert system.names == ("gadolinium", "calcium")
    np.testing.assert_allclose(system.slopes[:, 0], SLOPES["gadolinium"], rtol=0.02)
    (note,) = system.notes
    assert note.startswith("calcium is counted as in the calcium vials")
    kept = system_from(calibration, forms={"iron": "as calibrated"})
    assert kept.names == ("gadolinium", "calcium")


def test_a_form_scales_physics_by_what_the_line_read_of_it() -> None:
    calibration = calibration_of("gadolinium", "calcium")
    # A scanner whose map reads 10 % low.
    low = calibration.model_copy(
        update={
            "lines": [
                line.model_copy(update={"slope": 0.9 * line.slope}) if line.modality == "qsm" else line
                for line in calibration.lines
            ]
        }
    )
    full, less = (system_from(c, forms={"calcium": "hydroxyapatite"}) for c in (calibration, low))
    np.testing.assert_allclose(less.slopes[1], 0.9 * full.slopes[1], rtol=1e-9)
    np.testing.assert_allclose(less.slopes[0], full.slopes[0])
    # Hydroxyapatite's calcium attenuates less than calcium chloride does.
    assert full.slopes[0, 1] == pytest.approx(0.1356, rel=0.02)
    assert full.components[1].form == "hydroxyapatite"


def test_saturated_particles_are_brought_to_the_field() -> None:
    calibration = calibration_of("SPIO", "calcium")
    at_3, at_7 = (system_from(calibration, field_tesla=f) for f in (3.0, 7.0))
    assert at_7.slopes[1, 0] == pytest.approx(3 / 7 * at_3.slopes[1, 0])
    assert any("saturated" in note for note in at_7.notes)
    assert at_7.names[0] == "SPIO"


def test_two_components_of_one_line_share_its_error() -> None:
    system = system_from(calibration_of("gadolinium", "calcium"), ["gadolinium", "iron", "calcium"])
    assert system.names == ("gadolinium", "iron", "calcium")
    assert system.slope_covariance[1, 0, 1] > 0
    assert system.slope_covariance[1, 0, 2] == 0


@pytest.mark.parametrize(
    ("have", "materials", "forms", "words"),
    [
        (("iron",), None, {}, "two unknowns need two materials"),
        (("iron", "calcium"), ["iron"], {}, "one material is no decomposition"),
        (("iron", "calcium"), ["iron", "lead"], {}, "no CT and QSM line of 'lead'"),
        (("iron", "calcium"), ["iron", "iron"], {}, "twice"),
        (("iron", "calcium"), None, {"iron": "rust"}, "unknown form 'rust'"),
        (("iron", "calcium"), None, {"copper": "ferritin"}, "'copper', which is not decomposed into"),
    ],
)
def test_what_cannot_be_done_is_refused(
    have: tuple[str, ...], materials: list[str] | None, forms: dict[str, str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        system_from(calibration_of(*have), materials, forms=forms)


def test_materials_in_one_direction_are_refused() -> None:
    calibration = calibration_of("iron", "calcium")
    twin = [
        line.model_copy(update={"material": "second", "slope": 2 * line.slope})
        for line in calibration.lines
        if line.material == "iron"
    ]
    with pytest.raises(InputError, match="one and the same ratio"):
        system_from(calibration.model_copy(update={"lines": [*calibration.lines, *twin]}), ["iron", "second"])


def test_a_line_of_one_modality_only_is_named() -> None:
    calibration = calibration_of("iron", "calcium", "iodine")
    lines = [line for line in calibration.lines if (line.material, line.modality) != ("iodine", "qsm")]
    system = system_from(calibration.model_copy(update={"lines": lines}))
    assert system.names == ("iron", "calcium")
    with pytest.raises(InputError, match="one line of iodine"):
        system_from(calibration.model_copy(update={"lines": lines}), ["iron", "iodine"])
