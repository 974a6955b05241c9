"""A place that reads like its surroundings is named missing, where a vial would have been seen."""

import pytest

from phantomcal.phantom.measuring.absent import name_missing
from phantomcal.results import VialMeasurement


def measured(
    values: list[float], background: float = 0.0, sem: float = 0.3, levels: tuple[float, ...] = (0, 1, 2, 4, 6, 8)
) -> list[VialMeasurement]:
    return [
        VialMeasurement(
            vial_id=f"Gd{x:g}",
            material="gadolinium",
            series="gadolinium",
            concentration_mmol_per_l=x,
            abscissa=x,
            abscissa_unit="mmol/L",
            modality="ct",
            value=y,
            unit="HU",
            sem=sem,
            background=background,
            used=True,
        )
        for x, y in zip(levels, values, strict=True)
    ]


@pytest.mark.parametrize("background", [0.0, 80.0])
def test_the_vial_that_reads_like_its_surroundings_is_missing(background: float) -> None:
    values = [background + 5.7 * x for x in (0, 1, 2, 4, 6, 8)]
    values[3] = background + 0.2
    marked = name_missing(measured(values, background))
    assert [v.vial_id for v in marked if v.flag] == ["Gd4"]
    assert marked[3].flag.startswith("missing: reads")
    assert not marked[3].used


def test_blanks_and_sound_vials_are_not_missing() -> None:
    assert not any(v.flag for v in name_missing(measured([0.1, 5.6, 11.2, 22.9, 34.1, 45.8])))


def test_a_vial_of_another_value_is_not_missing() -> None:
    assert not any(v.flag for v in name_missing(measured([0.0, 5.7, 30.0, 22.8, 34.2, 45.6])))


def test_what_noise_hides_is_not_said_to_be_missing() -> None:
    assert not any(v.flag for v in name_missing(measured([0.0, 0.4, 11.0, 23.0, 34.0, 45.0], sem=4.0)))


def test_too_few_vials_say_nothing() -> None:
    few = measured([0.0, 5.7, 0.0], levels=(0, 1, 2))
    assert name_missing(few) == few
