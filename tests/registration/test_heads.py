"""What counts as head: neither table nor noise, all of the brain and its outline."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.registration.heads import ct_head, mr_head, region_around, shrink
from tests.registration.drawn import CENTRE_MM, Pair, as_image, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


def _at(mask: sitk.Image, points_mm: np.ndarray) -> np.ndarray:
    return np.array([mask[mask.TransformPhysicalPointToIndex(p)] for p in points_mm.tolist()])


def test_the_table_is_no_part_of_the_head(pair: Pair) -> None:
    with_table, without = ct_head(pair.ct), ct_head(drawn_pair(table=False).ct)
    np.testing.assert_allclose(with_table.centre_mm, without.centre_mm, atol=0.3)
    depth = CENTRE_MM + np.array([0.0, 107.5, 0.0])
    assert pair.ct[pair.ct.TransformPhysicalPointToIndex(depth.tolist())] > 50
    assert with_table.image[with_table.image.TransformPhysicalPointToIndex(depth.tolist())] == -200.0


def test_both_heads_hold_the_brain_and_have_the_true_centre(pair: Pair) -> None:
    mr, ct = mr_head(pair.magnitude, "magnitude"), ct_head(pair.ct)
    in_ct = np.array([pair.truth.TransformPoint(p) for p in pair.points_mm.tolist()])
    assert _at(mr.mask, pair.points_mm).all()
    assert _at(ct.mask, in_ct).all()
    np.testing.assert_allclose(mr.centre_mm, CENTRE_MM, atol=4.0)
    np.testing.assert_allclose(ct.centre_mm, pair.truth.TransformPoint(CENTRE_MM.tolist()), atol=4.0)


def test_a_bright_coil_spot_does_not_hide_the_head(pair: Pair) -> None:
    values = sitk.GetArrayFromImage(pair.magnitude)
    values[:, :, :30] *= 12.0
    head = mr_head(as_image(values, pair.magnitude), "magnitude")
    assert _at(head.mask, pair.points_mm).mean() > 0.99


def test_outside_the_brain_a_map_lies_below_all_tissue(pair: Pair) -> None:
    head = mr_head(pair.qsm, "qsm")
    values, brain = sitk.GetArrayFromImage(head.image), sitk.GetArrayFromImage(pair.qsm) != 0
    assert values[~brain].max() < values[brain].min()


def test_the_region_reaches_beyond_the_outline(pair: Pair) -> None:
    head = mr_head(pair.magnitude, "magnitude")
    region = sitk.GetArrayFromImage(region_around(head, pair.magnitude)) > 0
    mask = (
        sitk.GetArrayFromImage(sitk.Resample(head.mask, pair.magnitude, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    )
    assert region[mask].all()
    assert 1.1 * mask.sum() < region.sum() < region.size


@pytest.mark.parametrize("spacing_mm", [2.0, 3.0, 6.0])
def test_shrinking_keeps_place_and_mean(pair: Pair, spacing_mm: float) -> None:
    small = shrink(pair.magnitude, spacing_mm)
    assert max(small.GetSpacing()) <= 1.5 * max(spacing_mm, 2.5)
    centres = []
    for image in (pair.magnitude, small):
        values = sitk.GetArrayFromImage(image)
        index = np.array([(values * axis).sum() / values.sum() for axis in np.indices(values.shape)])[::-1]
        centres.append(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))
    np.testing.assert_allclose(centres[0], centres[1], atol=0.6)
