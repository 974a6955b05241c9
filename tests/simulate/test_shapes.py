"""Grids, poses and coverage: laws of geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.simulate.seeds import streams
from phantomcal.simulate.shapes import (
    Cylinder,
    Pose,
    box_of,
    coordinates,
    cylinder_coverage,
    grid_around,
    object_affine,
    random_pose,
    slabs,
    sphere_coverage,
    to_image,
    whole,
)

angle = st.floats(-360, 360)
shift = st.floats(-50, 50)


@given(angle, st.floats(0, 40), angle, st.booleans(), st.tuples(shift, shift, shift))
def test_a_pose_is_rigid_and_only_a_mirror_changes_handedness(roll, tilt, azimuth, mirror, moved):
    pose = Pose(roll, tilt, azimuth, mirror, moved)
    assert pose.matrix.T @ pose.matrix == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(pose.matrix) == pytest.approx(-1 if mirror else 1)
    assert np.degrees(np.arccos(np.clip(pose.matrix[2, 2], -1, 1))) == pytest.approx(tilt, abs=1e-4)
    assert pose.to_world([0, 0, 0]) == pytest.approx(moved)


def test_a_positive_roll_turns_x_towards_y():
    assert Pose(roll_deg=90).to_world([1, 0, 0]) == pytest.approx([0, 1, 0], abs=1e-12)


def test_a_mirrored_layout_has_its_x_reversed():
    assert Pose(mirror=True).to_world([[3, 2, 1]]) == pytest.approx(np.array([[-3, 2, 1]]))


def test_random_poses_are_never_mirrored_and_stay_within_the_limits():
    poses = [random_pose(np.random.default_rng(n), 3.0, 4.0) for n in range(40)]
    assert not any(p.mirror for p in poses)
    assert max(p.tilt_deg for p in poses) <= 3
    assert max(abs(s) for p in poses for s in p.shift_mm) <= 4
    assert np.ptp([p.roll_deg for p in poses]) > 180


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([-1, 1, 1]), np.roll(np.eye(3), 1, axis=0)])
def test_a_grid_covers_its_box_whatever_its_axes(direction):
    grid = grid_around((5, -7, 9), (40, 60, 80), (1.0, 2.0, 2.5), direction)
    assert grid.centre_mm == pytest.approx([5, -7, 9])
    covered = np.abs(np.reshape(grid.direction, (3, 3))) @ (np.array(grid.size) * grid.spacing_mm)
    assert (covered >= np.array([40, 60, 80]) - 1e-9).all()
    image = to_image(np.zeros(grid.shape, np.float32), grid)
    assert image.GetSize() == grid.size
    last = [n - 1 for n in grid.size]
    assert image.TransformIndexToPhysicalPoint(last) == pytest.approx(2 * grid.centre_mm - np.array(grid.origin_mm))


@pytest.mark.parametrize(
    ("spacing", "direction", "what"),
    [
        ((0, 1, 1), np.eye(3), "positive"),
        ((1, 1, float("nan")), np.eye(3), "positive"),
        ((1, 1, 1), np.ones((3, 3)), "orthonormal"),
        ((1e-4, 1e-4, 1e-4), np.eye(3), "voxels"),
    ],
)
def test_impossible_grids_are_refused(spacing, direction, what):
    with pytest.raises(InputError, match=what):
        grid_around((0, 0, 0), (100, 100, 100), spacing, direction)


@given(angle, st.floats(0, 15), angle, st.tuples(st.floats(-4, 4), st.floats(-4, 4), st.floats(-4, 4)))
def test_coverage_adds_up_to_the_volume_of_the_cylinder(roll, tilt, azimuth, moved):
    grid = grid_around((0, 0, 0), (44, 44, 60), (1.0, 1.0, 2.0), np.eye(3))
    cylinder = Cylinder(3.0, -2.0, 7.0, 15.0)
    matrix, offset = object_affine(grid, Pose(roll, tilt, azimuth, False, moved))
    covered = cylinder_coverage(cylinder, matrix, coordinates(matrix, offset, whole(grid.shape)))
    volume = np.broadcast_to(covered, grid.shape).sum() * 2.0
    assert volume == pytest.approx(np.pi * 49 * 30, rel=0.01)


def test_the_box_of_a_cylinder_holds_all_of_it_and_is_none_outside():
    grid = grid_around((0, 0, 0), (60, 60, 60), (1.0, 1.0, 1.0), np.diag([-1, 1, -1]))
    matrix, offset = object_affine(grid, Pose(30, 10, 50, True, (2, 3, 4)))
    cylinder = Cylinder(5.0, 6.0, 4.0, 10.0)
    box = box_of(cylinder.corners(), matrix, offset, grid.shape)
    assert box is not None
    everything = cylinder_coverage(cylinder, matrix, coordinates(matrix, offset, whole(grid.shape)))
    inside = cylinder_coverage(cylinder, matrix, coordinates(matrix, offset, box))
    assert inside.sum() == pytest.approx(everything.sum(), rel=1e-5)
    assert box_of(Cylinder(500.0, 0.0, 4.0, 5.0).corners(), matrix, offset, grid.shape) is None


def test_sphere_coverage_has_the_volume_of_the_ellipsoid():
    grid = grid_around((0, 0, 0), (30, 30, 30), (0.5, 0.5, 0.5), np.eye(3))
    matrix, offset = object_affine(grid, Pose())
    covered = sphere_coverage((1, 2, 3), (4, 5, 8), matrix, coordinates(matrix, offset, whole(grid.shape)))
    assert covered.sum() / 8 == pytest.approx(4 / 3 * np.pi * 4 * 5 * 8, rel=0.01)


def test_slabs_cut_a_box_without_gap_or_overlap():
    box = (slice(3, 40), slice(1, 5), slice(0, 2))
    parts = slabs(box, 16)
    assert [k for part in parts for k in range(part[0].start, part[0].stop)] == list(range(3, 40))
    assert all(part[1:] == box[1:] for part in parts)


def test_streams_do_not_disturb_each_other():
    first, second = streams(4, 2)
    first.standard_normal(1000)
    again = streams(4, 2)[1]
    assert second.standard_normal(5) == pytest.approx(again.standard_normal(5))


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match="seed"):
        streams(seed, 2)
