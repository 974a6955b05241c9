"""Two images share a grid when every voxel lies in the same place, whatever the headers say otherwise."""

import pytest
import SimpleITK as sitk

from phantomcal.volumes import describe_grid, same_grid, world_box_mm


def _grid(
    size: tuple[int, int, int] = (20, 30, 40),
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.0),
    origin: tuple[float, float, float] = (-10.0, 5.0, 0.0),
    angle_rad: float = 0.0,
) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.0, 0.0, angle_rad)
    image.SetDirection(turn.GetMatrix())
    return image


def test_rounding_in_headers_is_no_other_grid() -> None:
    assert same_grid(_grid(), _grid(spacing=(1.00001, 1.0, 2.0), origin=(-10.0001, 5.0, 0.0)))


@pytest.mark.parametrize(
    "other",
    [
        _grid(size=(20, 30, 41)),
        _grid(spacing=(1.0, 1.01, 2.0)),
        _grid(origin=(-10.0, 5.5, 0.0)),
        _grid(angle_rad=0.01),
    ],
)
def test_another_place_is_another_grid(other: sitk.Image) -> None:
    assert not same_grid(_grid(), other)


def test_a_flipped_axis_is_another_grid() -> None:
    assert not same_grid(_grid(), sitk.Flip(_grid(), [True, False, False]))


def test_the_world_box_holds_whole_voxels() -> None:
    low, high = world_box_mm(_grid())
    assert low.tolist() == [-10.5, 4.5, -1.0]
    assert high.tolist() == [9.5, 34.5, 79.0]


def test_a_grid_in_words() -> None:
    assert describe_grid(_grid()) == "20 x 30 x 40 voxels of 1 x 1 x 2 mm at x -10 to 10, y 4 to 34, z -1 to 79 mm"
