"""Two scans of one phantom are joined by their vials, with honest errors; what straight vials leave open is named."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.frame import Frame
from phantomcal.phantom.finding.locate import locate
from phantomcal.protocol import load_protocol
from phantomcal.registration.quality import moved_mm
from phantomcal.registration.vial_lines import VialLines, vial_lines
from phantomcal.registration.vials import align_vials
from tests.phantom.drawn import drawn_phantom

LAYOUT = np.array([[47.0, 0], [35, 31], [5, 47], [-30, 37], [-47, 7], [-38, -28], [21, 8], [-8, 21]])
IDS = tuple("ABCDEFGH")
LENGTH = 60.0


def _lines(
    world_from_layout: tuple[np.ndarray, np.ndarray],
    *,
    flipped: bool = False,
    noise_mm: float = 0.0,
    rng: np.random.Generator | None = None,
    ends: tuple[float, float] = (-30.0, 30.0),
    layout: np.ndarray = LAYOUT,
    ids: tuple[str, ...] = IDS,
    ends_seen: tuple[bool, bool] = (True, True),
) -> VialLines:
    """What `vial_lines` would say of vials along z of the layout's space, in a frame of another in-plane turn."""
    rotation, shift = world_from_layout
    turn = Rotation.from_euler("z", 17, degrees=True).as_matrix()
    axes = (rotation @ turn).T * np.array([1.0, -1.0, -1.0] if flipped else [1.0, 1.0, 1.0])[:, None]
    origin = shift + rotation @ np.array([2.0, -3.0, 0.0])
    frame = Frame(origin, axes, 2)
    world = np.column_stack([layout, np.zeros(len(layout))]) @ rotation.T + shift
    centres = frame.from_world(world)[:, :2]
    if noise_mm and rng is not None:
        centres = centres + rng.normal(0, noise_mm, centres.shape)
    low, high = ends
    return VialLines(
        ids=ids,
        centres_mm=centres,
        errors_mm=np.full(len(ids), noise_mm or 0.05),
        frame=frame,
        lean_errors=np.full(2, 1e-3),
        ends_mm=(-high, -low) if flipped else ends,
        ends_seen=ends_seen[::-1] if flipped else ends_seen,
        end_errors_mm=(0.5, 0.5),
        mirrored=flipped,
    )


CT_POSE = (Rotation.from_euler("xyz", [4, -7, 30], degrees=True).as_matrix(), np.array([10.0, -20.0, 5.0]))
MR_POSE = (Rotation.from_euler("xyz", [-3, 2, -75], degrees=True).as_matrix(), np.array([-4.0, 8.0, 60.0]))


def _between(points_mr: np.ndarray) -> np.ndarray:
    layout = (points_mr - MR_POSE[1]) @ MR_POSE[0]
    return layout @ CT_POSE[0].T + CT_POSE[1]


@pytest.mark.parametrize(("flip_ct", "flip_mr"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_pose_is_found_from_whichever_end_the_scans_look(flip_ct: bool, flip_mr: bool) -> None:
    fit = align_vials(_lines(CT_POSE, flipped=flip_ct), _lines(MR_POSE, flipped=flip_mr))
    points = np.column_stack([LAYOUT, np.linspace(-25, 25, len(LAYOUT))]) @ MR_POSE[0].T + MR_POSE[1]
    np.testing.assert_allclose(moved_mm(fit.transform, points), _between(points), atol=1e-6)
    assert fit.judgement.verdict == "pass"
    assert fit.record.n_vials == 8


@given(st.tuples(*[st.floats(-180, 180)] * 3), st.tuples(*[st.floats(-100, 100)] * 3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_any_pose_of_the_phantom_comes_back(turn: tuple[float, ...], shift: tuple[float, ...], flip: bool) -> None:
    pose = (Rotation.from_euler("xyz", turn, degrees=True).as_matrix(), np.array(shift))
    fit = align_vials(_lines(pose, flipped=flip), _lines(MR_POSE))
    points = np.column_stack([LAYOUT, np.zeros(len(LAYOUT))])
    found = moved_mm(fit.transform, points @ MR_POSE[0].T + MR_POSE[1])
    np.testing.assert_allclose(found, points @ pose[0].T + pose[1], atol=1e-6)


def test_the_shift_along_the_vials_is_named_and_bounded_by_their_ends() -> None:
    fit = align_vials(_lines(CT_POSE, ends=(-30, 30)), _lines(MR_POSE, ends=(-32, 27)))
    assert "shift along the vials" in fit.record.undetermined
    last = fit.record.parameters[-1]
    assert (last.determined, last.standard_error) == (False, None)
    # Lower ends ask for +2, upper ends for +3, each good to sqrt(0.5) mm, taken twice.
    half = 0.5 + 2 * np.sqrt(0.5)
    np.testing.assert_allclose(fit.record.along_range_mm, (-half, half), atol=1e-6)
    assert last.high - last.low == pytest.approx(2 * half)
    assert any("not determined" in text for text in fit.judgement.warnings)
    axis = np.array(fit.record.axis_ct)
    assert abs(axis @ CT_POSE[0][:, 2]) == pytest.approx(1.0)


def test_vials_that_leave_the_image_bound_less() -> None:
    one = align_vials(_lines(CT_POSE, ends_seen=(True, False)), _lines(MR_POSE))
    assert "one end" in one.record.undetermined
    none = align_vials(_lines(CT_POSE, ends_seen=(False, False)), _lines(MR_POSE))
    assert "no end" in none.record.undetermined
    assert none.record.along_range_mm[1] == pytest.approx(60.0)


def test_a_vial_that_moved_is_left_out_by_name() -> None:
    layout = LAYOUT.copy()
    layout[3] += (2.5, -1.0)
    fit = align_vials(_lines(CT_POSE, layout=layout), _lines(MR_POSE))
    assert [v.vial_id for v in fit.record.vials if not v.used] == ["D"]
    assert "vial D left out" in " ".join(fit.judgement.warnings)
    points = np.column_stack([LAYOUT, np.zeros(8)]) @ MR_POSE[0].T + MR_POSE[1]
    np.testing.assert_allclose(moved_mm(fit.transform, points), _between(points), atol=1e-6)


def test_another_phantom_is_not_passed() -> None:
    layout = LAYOUT + np.random.default_rng(2).normal(0, 5, LAYOUT.shape)
    assert align_vials(_lines(CT_POSE, layout=layout), _lines(MR_POSE)).judgement.verdict == "fail"


def test_voxels_of_the_wrong_size_are_noticed() -> None:
    fit = align_vials(_lines(CT_POSE), _lines(MR_POSE, layout=1.02 * LAYOUT))
    assert fit.record.scale_mr_over_ct == pytest.approx(1.02, abs=0.002)
    assert fit.judgement.verdict == "review"
    assert any("1.02" in reason for reason in fit.judgement.reasons)


def test_two_vials_are_enough_but_unchecked() -> None:
    ct, mr = _lines(CT_POSE, layout=LAYOUT[:2], ids=IDS[:2]), _lines(MR_POSE, layout=LAYOUT[:2], ids=IDS[:2])
    assert align_vials(ct, mr).judgement.verdict == "review"
    with pytest.raises(InputError, match="1 vials are seen in both scans"):
        align_vials(ct, _lines(MR_POSE, layout=LAYOUT[1:3], ids=IDS[1:3]))


def test_standard_errors_cover_what_happens() -> None:
    """Over many noisy pairs the true in-plane turn and shift lie in their 95 % intervals about 95 times in 100."""
    rng = np.random.default_rng(4)
    inside = np.zeros(6)
    runs, across = 300, []
    true = align_vials(_lines(CT_POSE), _lines(MR_POSE)).record.parameters
    for _ in range(runs):
        fit = align_vials(_lines(CT_POSE, noise_mm=0.08, rng=rng), _lines(MR_POSE, noise_mm=0.15, rng=rng))
        inside += [p.low <= q.value <= p.high for p, q in zip(fit.record.parameters, true, strict=True)]
        points = np.column_stack([LAYOUT, np.zeros(8)]) @ MR_POSE[0].T + MR_POSE[1]
        off = moved_mm(fit.transform, points) - _between(points)
        off -= np.outer(off @ CT_POSE[0][:, 2], CT_POSE[0][:, 2])
        across.append((off**2).sum(axis=1).mean() / fit.record.across_error_mm**2)
    # The turn about the vials and the shifts across them are drawn; widening by chi square errs on the safe side.
    for k in (2, 3, 4):
        assert 0.93 <= inside[k] / runs <= 1.0, (k, inside[k] / runs)
    assert 0.4 < np.sqrt(np.mean(across)) < 1.1


SQUARE = np.array([[40.0, 0], [0, 40], [-40, 0], [0, -40], [20, 0], [0, 20], [-20, 0], [0, -20]])


def test_names_settle_a_symmetric_layout() -> None:
    fit = align_vials(_lines(CT_POSE, layout=SQUARE), _lines(MR_POSE, layout=SQUARE))
    assert fit.judgement.verdict == "pass"
    points = np.column_stack([SQUARE, np.zeros(8)]) @ MR_POSE[0].T + MR_POSE[1]
    np.testing.assert_allclose(moved_mm(fit.transform, points), _between(points), atol=1e-6)


def test_without_names_the_poses_that_remain_are_said() -> None:
    fit = align_vials(_lines(CT_POSE, layout=SQUARE), _lines(MR_POSE, layout=SQUARE), named=False)
    poses = fit.record.symmetric_poses
    assert len(poses) == 7
    assert sum("end for end" in pose for pose in poses) in (3, 4)
    assert fit.judgement.verdict == "review"
    assert "7 other poses fit as well" in fit.judgement.reasons[0]


def test_without_names_an_asymmetric_layout_has_one_pose() -> None:
    mr = _lines(MR_POSE, layout=LAYOUT[::-1], ids=IDS)
    fit = align_vials(_lines(CT_POSE, flipped=True), mr, named=False)
    assert fit.record.symmetric_poses == []
    points = np.column_stack([LAYOUT, np.zeros(8)]) @ MR_POSE[0].T + MR_POSE[1]
    np.testing.assert_allclose(moved_mm(fit.transform, points), _between(points), atol=1e-6)


def test_without_names_what_does_not_fit_is_refused() -> None:
    other = LAYOUT + np.random.default_rng(3).normal(0, 12, LAYOUT.shape)
    with pytest.raises(InputError, match="no pose puts the 8 vials"):
        align_vials(_lines(CT_POSE, layout=other), _lines(MR_POSE), named=False)


def test_drawn_scans_of_the_shipped_phantom() -> None:
    """Through `locate`: turned by 50 and -20 degrees, the MR leaning by 4 degrees, other voxels, noise."""
    protocol = load_protocol("simulated-gd-ca")
    scans, truths, lines = {}, {}, {}
    for modality, turn, tilt, spacing, size, noise in (
        ("ct", 50.0, 0.0, (1.0, 1.0, 2.0), (150, 150, 48), 6.0),
        ("qsm", -20.0, 4.0, (1.5, 1.5, 1.5), (110, 110, 60), 0.02),
    ):
        values = expected_values(protocol, modality)
        outside = -1000.0 if modality == "ct" else 0.0
        scans[modality], truths[modality] = drawn_phantom(
            protocol, values, angle_deg=turn, tilt_deg=tilt, spacing=spacing, size=size, noise=noise, outside=outside
        )
        lines[modality] = vial_lines(scans[modality], locate(scans[modality], protocol, modality), protocol)
    fit = align_vials(lines["ct"], lines["qsm"])
    off = moved_mm(fit.transform, truths["qsm"]) - truths["ct"]
    across = np.linalg.norm(off[:, :2], axis=1)
    assert np.sqrt((across**2).mean()) < 0.15
    assert np.sqrt((across**2).mean()) < 3 * fit.record.across_error_mm
    assert fit.judgement.verdict == "pass"
    # The vials are drawn 60 mm long in both: the range that their ends leave holds the truth.
    along = float(np.mean(off[:, 2]))
    assert fit.record.along_range_mm[0] <= -along <= fit.record.along_range_mm[1]
    assert fit.record.along_range_mm[1] < 4.0


def test_vials_that_cannot_be_followed_are_refused() -> None:
    protocol = load_protocol("simulated-gd-ca")
    image, _ = drawn_phantom(protocol, expected_values(protocol, "qsm"), noise=0.01)
    located = locate(image, protocol, "qsm")
    with pytest.raises(InputError, match=r"only \d+ mm of the vials are whole"):
        vial_lines(image, dataclasses.replace(located, along_mm=(0.0, 3.0)), protocol, where="map.nii")
    with pytest.raises(InputError, match="0 of the vials can be seen"):
        vial_lines(image, dataclasses.replace(located, seen=np.zeros(12, bool)), protocol)
