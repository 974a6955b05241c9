"""The coarse search lands near the true pose from anywhere, and its alternatives are really others."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from phantomcal.registration.heads import ct_head, mr_head
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.starts import best_starts
from tests.registration.drawn import drawn_pair


@pytest.mark.parametrize(
    ("rotation_deg", "shift_mm"),
    [((30, -25, 30), (35, -30, 25)), ((0, 180, 10), (0, 0, 20)), ((85, 0, 40), (10, 0, 0))],
)
def test_the_best_start_lies_near_the_truth(rotation_deg: tuple[float, ...], shift_mm: tuple[float, ...]) -> None:
    pair = drawn_pair(2, rotation_deg=rotation_deg, shift_mm=shift_mm)
    starts = best_starts(mr_head(pair.magnitude, "magnitude"), ct_head(pair.ct), keep=3, from_headers=True)
    assert target_error_mm(starts[0][0], pair.truth, pair.points_mm).max() < 10.0


def test_alternatives_differ_and_fall_in_score() -> None:
    pair = drawn_pair()
    starts = best_starts(mr_head(pair.magnitude, "magnitude"), ct_head(pair.ct), keep=4, from_headers=False)
    scores = [score for _, score in starts]
    assert scores == sorted(scores, reverse=True)
    for k, (a, _) in enumerate(starts):
        for b, _ in starts[:k]:
            turned = Rotation.from_matrix(
                np.array(a.GetMatrix()).reshape(3, 3) @ np.array(b.GetMatrix()).reshape(3, 3).T
            )
            moved = np.subtract(a.TransformPoint(a.GetCenter()), b.TransformPoint(a.GetCenter()))
            assert np.degrees(turned.magnitude()) >= 6.0 or np.linalg.norm(moved) >= 10.0
