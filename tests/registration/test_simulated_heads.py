"""Alignment of the simulator's heads: skull, folds and a head holder, oblique MR slices, table in view."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.rigid import Registration, register
from phantomcal.simulate.head import HeadOptions, HeadScan, simulate_head


@pytest.fixture(scope="module")
def head() -> HeadScan:
    """A head in large voxels, 17 degrees and 27 mm from its CT."""
    options = HeadOptions(
        ct_spacing_mm=(1.0, 1.0, 3.0),
        mr_spacing_mm=(2.0, 2.0, 2.0),
        rotation_deg=(10.0, -8.0, 11.0),
        translation_mm=(18.0, -12.0, 16.0),
    )
    return simulate_head(7, options=options)


@pytest.fixture(scope="module")
def found(head: HeadScan) -> Registration:
    return register(sitk.Cast(head.ct, sitk.sitkFloat32), head.magnitude)


def _errors_mm(registration: Registration, head: HeadScan) -> np.ndarray:
    """Distance of each target of the truth record from where it belongs."""
    moved = [registration.transform.TransformPoint(t["mr_mm"]) for t in head.truth["targets"]]
    return np.linalg.norm(np.subtract(moved, [t["ct_mm"] for t in head.truth["targets"]]), axis=1)


def test_the_targets_are_found_within_a_millimetre(found: Registration, head: HeadScan) -> None:
    errors = _errors_mm(found, head)
    assert errors.mean() < 1.0
    assert errors.max() < 1.5
    assert found.alignment.verdict == "pass"
    unaligned = np.subtract(*([t[k] for t in head.truth["targets"]] for k in ("mr_mm", "ct_mm")))
    assert np.linalg.norm(unaligned, axis=1).min() > 10.0


def test_the_prediction_is_of_the_size_of_the_error(found: Registration, head: HeadScan) -> None:
    assert found.alignment.predicted_error_mm < 1.0
    assert _errors_mm(found, head).mean() < 4 * found.alignment.predicted_error_mm


def test_the_angles_are_those_that_were_set(found: Registration) -> None:
    np.testing.assert_allclose(found.alignment.rotation_deg, (10.0, -8.0, 11.0), atol=0.6)


def test_the_order_of_voxels_in_the_files_changes_less_than_the_error(found: Registration, head: HeadScan) -> None:
    ct = sitk.PermuteAxes(sitk.Flip(sitk.Cast(head.ct, sitk.sitkFloat32), [False, True, True]), [1, 2, 0])
    again = register(ct, sitk.Flip(head.magnitude, [True, False, True]))
    points = np.array([t["mr_mm"] for t in head.truth["targets"]])
    assert target_error_mm(found.transform, again.transform, points).mean() < 1.0
    assert _errors_mm(again, head).mean() < 1.0
    assert again.alignment.verdict == found.alignment.verdict


def test_the_map_alone_is_aligned_within_three_millimetres(head: HeadScan) -> None:
    by_map = register(sitk.Cast(head.ct, sitk.sitkFloat32), head.qsm, fixed_kind="qsm")
    assert _errors_mm(by_map, head).mean() < 3.0
    assert by_map.alignment.fixed_kind == "qsm"


def test_a_ct_of_the_base_only_is_aligned_and_its_reach_told(head: HeadScan) -> None:
    """A CT that stops above the ears shows a part of the head: aligned there, extrapolated elsewhere."""
    base = sitk.Cast(head.ct, sitk.sitkFloat32)[:, :, :30]
    part = register(base, head.magnitude)
    assert part.alignment.verdict != "pass"
    assert 0.25 < part.alignment.overlap_fraction < 0.7
    assert any("of the MR head lies in the CT" in reason for reason in part.alignment.reasons)
    low = [t for t in head.truth["targets"] if t["mr_mm"][2] < -20]
    errors = [np.linalg.norm(np.subtract(part.transform.TransformPoint(t["mr_mm"]), t["ct_mm"])) for t in low]
    assert len(errors) >= 3
    assert max(errors) < 2.0
