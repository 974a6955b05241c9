import numpy as np
import pytest

from phantomcal.report.labels import place_labels


def covered(a, b, size):
    return np.all(np.abs(a - b) < size - 1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_labels_of_a_crowded_phantom_cover_neither_each_other_nor_a_vial(seed):
    rng = np.random.default_rng(seed)
    angles = np.deg2rad(np.arange(20) * 18 + rng.uniform(0, 18))
    radii = np.where(np.arange(20) % 2, 110.0, 190.0)
    anchors = 250 + np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    sizes = np.tile([34.0, 11.0], (20, 1))
    places = place_labels(anchors, np.full(20, 15.0), sizes, (0, 0, 500, 500), centre=np.array([250.0, 250.0]))
    for i in range(20):
        for j in range(20):
            if i < j:
                assert not covered(places[i], places[j], sizes[i])
            gap = np.maximum(0, np.abs(places[i] - anchors[j]) - sizes[i] / 2)
            assert np.hypot(*gap) > 14.5
        assert np.all(places[i] - sizes[i] / 2 >= 0)
        assert np.all(places[i] + sizes[i] / 2 <= 500)


def test_obstacles_are_avoided():
    anchor, size = np.array([[100.0, 100.0]]), np.array([[30.0, 10.0]])
    free = place_labels(anchor, np.array([5.0]), size, (0, 0, 200, 200))
    wall = np.array([[*free[0], 12.0]])
    moved = place_labels(anchor, np.array([5.0]), size, (0, 0, 200, 200), wall)
    gap = np.maximum(0, np.abs(moved[0] - wall[0, :2]) - size[0] / 2)
    assert np.hypot(*gap) >= 12.0


def test_labels_go_outwards_when_there_is_room():
    anchors = np.array([[50.0, 100.0], [150.0, 100.0]])
    sizes = np.array([[20.0, 8.0], [20.0, 8.0]])
    places = place_labels(anchors, np.array([5.0, 5.0]), sizes, (0, 0, 200, 200), centre=np.array([100.0, 100.0]))
    assert places[0, 0] < 50 - 5
    assert places[1, 0] > 150 + 5


def test_no_label_is_no_work():
    assert place_labels(np.empty((0, 2)), np.empty(0), np.empty((0, 2)), (0, 0, 1, 1)).shape == (0, 2)
