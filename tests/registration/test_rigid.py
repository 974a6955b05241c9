"""A known pose is found again, the same way every time; what cannot be aligned is not called aligned."""

from pathlib import Path

import numba
import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.registration.prepared import prepare
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.rigid import register, resample_ct
from phantomcal.volumes import read_ct, read_magnitude
from tests.registration.drawn import CENTRE_MM, Pair, as_image, drawn_pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return drawn_pair()


def _in_another_room(image: sitk.Image) -> tuple[sitk.Image, sitk.Euler3DTransform]:
    """The same image under headers that place it elsewhere, and the way there."""
    way = sitk.Euler3DTransform()
    way.SetRotation(0.2, -0.1, 0.3)
    way.SetTranslation((20.0, 500.0, -400.0))
    moved = sitk.Image(image)
    turn = np.array(way.GetMatrix()).reshape(3, 3) @ np.array(image.GetDirection()).reshape(3, 3)
    moved.SetDirection(turn.ravel().tolist())
    moved.SetOrigin(way.TransformPoint(image.GetOrigin()))
    return moved, way


@pytest.mark.parametrize(
    ("rotation_deg", "shift_mm", "slice_mm"),
    [((8, -6, 10), (6, -9, 7), 3.0), ((-25, 14, -28), (30, -22, 18), 3.0), ((5, 12, -4), (-15, 8, 5), 5.0)],
)
def test_a_known_pose_is_found_within_a_millimetre(
    rotation_deg: tuple[float, ...], shift_mm: tuple[float, ...], slice_mm: float
) -> None:
    pair = drawn_pair(1, rotation_deg=rotation_deg, shift_mm=shift_mm, slice_mm=slice_mm)
    found = register(pair.ct, pair.magnitude)
    error = target_error_mm(found.transform, pair.truth, pair.points_mm)
    assert error.max() < 1.0
    assert error.mean() < 0.5
    assert found.alignment.verdict == "pass"
    assert found.alignment.predicted_error_mm < 1.0
    assert found.alignment.mutual_information > found.alignment.mutual_information_start
    assert found.alignment.overlap_fraction > 0.9


def test_the_record_holds_the_transform(pair: Pair) -> None:
    found = register(pair.ct, pair.magnitude, repeats=2)
    rebuilt = sitk.Euler3DTransform()
    rebuilt.SetCenter(found.alignment.centre_mm)
    rebuilt.SetRotation(*np.radians(found.alignment.rotation_deg))
    rebuilt.SetTranslation(found.alignment.translation_mm)
    assert target_error_mm(found.transform, rebuilt, pair.points_mm).max() < 1e-6
    assert found.alignment.n_repeats == 2


def test_a_second_run_gives_the_same_bytes_on_any_number_of_threads(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        records, parameters = [], []
        for threads in (1, 2):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
            found = register(pair.ct, pair.magnitude, repeats=2)
            records.append(found.alignment.model_dump_json())
            parameters.append((found.transform.GetParameters(), found.transform.GetFixedParameters()))
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert records[0] == records[1]
    assert parameters[0] == parameters[1]


def test_images_made_ready_before_give_the_same(pair: Pair) -> None:
    prepared = prepare(pair.ct, pair.magnitude)
    found = register(pair.ct, pair.magnitude, repeats=2, prepared=prepared)
    again = register(pair.ct, pair.magnitude, repeats=2)
    assert found.transform.GetParameters() == again.transform.GetParameters()


@pytest.mark.parametrize("axis", [0, 2])
def test_an_axis_that_points_the_wrong_way_is_said(pair: Pair, axis: int) -> None:
    """The voxels are flipped and the header is not: a mirrored head, which no rigid transform brings back."""
    swapped = as_image(np.flip(sitk.GetArrayFromImage(pair.ct), 2 - axis).copy(), pair.ct)
    found = register(swapped, pair.magnitude, repeats=2)
    assert found.alignment.verdict == "fail"
    assert "mirrored, the images share" in found.alignment.reasons[0]


@pytest.mark.parametrize(("low_mm", "high_mm"), [(-80.0, 0.0), (-25.0, 35.0)])
def test_a_ct_of_part_of_the_head_is_aligned_there(pair: Pair, low_mm: float, high_mm: float) -> None:
    middle = pair.truth.TransformPoint(CENTRE_MM.tolist())[2]
    ends = [round((middle + z - pair.ct.GetOrigin()[2]) / pair.ct.GetSpacing()[2]) for z in (low_mm, high_mm)]
    found = register(pair.ct[:, :, max(ends[0], 0) : ends[1]], pair.magnitude, repeats=2)
    there = np.array([pair.truth.TransformPoint(p) for p in pair.points_mm.tolist()])[:, 2] - middle
    seen = pair.points_mm[(there > low_mm) & (there < high_mm)]
    assert target_error_mm(found.transform, pair.truth, seen).max() < 1.0
    assert found.alignment.verdict == "review"


def test_a_slab_of_mr_is_aligned(pair: Pair) -> None:
    slab = pair.magnitude[:, :, 30:56]
    found = register(pair.ct, slab, repeats=2)
    z = slab.GetOrigin()[2] + np.array([0.0, 65.0])
    seen = pair.points_mm[(pair.points_mm[:, 2] > z[0]) & (pair.points_mm[:, 2] < z[1])]
    assert target_error_mm(found.transform, pair.truth, seen).max() < 1.0


def test_mr_without_skull_is_aligned(pair: Pair) -> None:
    found = register(pair.ct, sitk.Mask(pair.magnitude, pair.qsm != 0), repeats=2)
    assert target_error_mm(found.transform, pair.truth, pair.points_mm).max() < 1.0


def test_metal_and_a_missing_bone_flap_do_not_mislead(pair: Pair) -> None:
    values = sitk.GetArrayFromImage(pair.ct)
    z, y, x = values.shape
    values[z // 2 : z // 2 + 4, y // 3 : y // 3 + 6, x // 3 : x // 3 + 6] = 3071.0
    streaks = 300.0 * np.sin(0.7 * np.hypot(np.arange(y)[:, None] - y / 3, np.arange(x)[None] - x / 3))
    values[z // 2 - 3 : z // 2 + 6] += streaks
    flap = values[z // 2 :, :, : x // 3]
    flap[flap > 300] = 20.0
    found = register(as_image(values, pair.ct), pair.magnitude, repeats=2)
    assert target_error_mm(found.transform, pair.truth, pair.points_mm).max() < 1.0


def test_the_order_of_voxels_in_the_files_does_not_matter(pair: Pair) -> None:
    ct = sitk.PermuteAxes(sitk.Flip(pair.ct, [True, False, True]), [2, 0, 1])
    found = register(ct, sitk.Flip(pair.magnitude, [False, True, True]), repeats=2)
    assert target_error_mm(found.transform, pair.truth, pair.points_mm).max() < 1.0


def test_images_in_different_rooms_are_refused_and_aligned_from_their_centres(pair: Pair) -> None:
    ct, way = _in_another_room(pair.ct)
    with pytest.raises(InputError, match=r"do not overlap.*--init centre"):
        register(ct, pair.magnitude)
    found = register(ct, pair.magnitude, init="centre", repeats=2)
    expected = sitk.CompositeTransform([way, pair.truth])
    assert target_error_mm(found.transform, expected, pair.points_mm).max() < 1.0


def test_a_head_that_lies_the_other_way_round_is_found_and_marked(pair: Pair) -> None:
    turned = drawn_pair(rotation_deg=(4.0, 178.0, -5.0))
    found = register(turned.ct, turned.magnitude, repeats=2)
    assert target_error_mm(found.transform, turned.truth, turned.points_mm).max() < 1.0
    assert found.alignment.verdict == "review"
    assert any("turned by 178 degrees" in reason for reason in found.alignment.reasons)


def test_a_susceptibility_map_can_stand_in_for_the_magnitude(pair: Pair) -> None:
    found = register(pair.ct, pair.qsm, fixed_kind="qsm")
    assert target_error_mm(found.transform, pair.truth, pair.points_mm).max() < 2.0
    assert found.alignment.fixed_kind == "qsm"


def test_noise_is_no_alignment(pair: Pair, rng: np.random.Generator) -> None:
    noise = as_image(np.abs(rng.normal(0, 1, pair.magnitude.GetSize()[::-1])), pair.magnitude)
    found = register(pair.ct, sitk.SmoothingRecursiveGaussian(noise, 8.0), repeats=2)
    assert found.alignment.verdict == "fail"
    assert found.alignment.reasons


def test_the_head_of_another_shape_is_not_called_aligned(pair: Pair) -> None:
    """A magnitude stretched by a tenth along and squeezed across stands for another person's."""
    stretched = sitk.AffineTransform(3)
    stretched.SetCenter(CENTRE_MM.tolist())
    stretched.Scale((1.1, 0.9, 1.05))
    found = register(pair.ct, sitk.Resample(pair.magnitude, pair.magnitude, stretched), repeats=2)
    assert found.alignment.verdict != "pass"


@pytest.mark.parametrize("options", [{"starts": 0}, {"repeats": 1}])
def test_too_few_runs_are_refused(pair: Pair, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="two repeats or more"):
        register(pair.ct, pair.magnitude, **options)


def test_images_without_a_head_are_refused(pair: Pair) -> None:
    empty = as_image(np.zeros(pair.magnitude.GetSize()[::-1]), pair.magnitude)
    with pytest.raises(InputError, match="no signal"):
        register(pair.ct, empty)
    with pytest.raises(InputError, match="no brain"):
        register(pair.ct, empty, fixed_kind="qsm")
    with pytest.raises(InputError, match="denser than -300 HU"):
        register(pair.ct * 0.0 - 1000.0, pair.magnitude)


def test_the_aligned_ct_lies_on_the_mr_grid(pair: Pair) -> None:
    aligned = resample_ct(pair.ct, pair.magnitude, pair.truth)
    assert aligned.GetSize() == pair.magnitude.GetSize()
    assert aligned.GetPixelID() == sitk.sitkFloat32
    hu = sitk.GetArrayFromImage(aligned)
    brain = sitk.GetArrayFromImage(pair.qsm) != 0
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(sitk.GetImageFromArray(brain.astype(np.uint8)), [4, 4, 4])) > 0
    assert abs(np.median(hu[inner]) - 34.0) < 2.0
    mismatch = sitk.GetArrayFromImage(resample_ct(pair.ct, pair.magnitude, sitk.Transform()))
    assert np.abs(mismatch - hu)[brain].mean() > 20.0


@pytest.mark.parametrize("spline", [False, True])
def test_resampling_onto_its_own_grid_changes_nothing(pair: Pair, spline: bool) -> None:
    same = resample_ct(pair.ct, pair.ct, sitk.Transform(), spline=spline)
    np.testing.assert_allclose(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(pair.ct), atol=0.05)


def test_outside_the_ct_is_air(pair: Pair) -> None:
    far = sitk.TranslationTransform(3, (1000.0, 0.0, 0.0))
    assert (sitk.GetArrayViewFromImage(resample_ct(pair.ct, pair.magnitude, far)) == -1024.0).all()


@pytest.mark.realdata
@pytest.mark.slow
def test_a_real_ct_and_mr_half_a_turn_apart(real_data: Path) -> None:
    folder = real_data / "ct-mr-porcine"
    ct, mr = read_ct(folder / "ct.nii.gz").image, read_magnitude(folder / "mr_t2.nii.gz").image
    found = register(ct, mr)
    assert found.alignment.verdict == "review"
    assert found.alignment.mutual_information > 3 * found.alignment.mutual_information_start
    # There is no truth; bone is dark on MR, so in the right pose the voxels of dense bone are.
    hu = sitk.GetArrayFromImage(resample_ct(ct, mr, found.transform))
    signal = sitk.GetArrayFromImage(mr)
    before = sitk.GetArrayFromImage(resample_ct(ct, mr, sitk.Transform()))
    darker = [np.median(signal[h > 700]) / np.median(signal[(h > 0) & (h < 100)]) for h in (hu, before)]
    assert darker[0] < 0.7 * darker[1]
    assert abs(found.transform.GetMatrix()[4]) > 0.99  # half a turn about the second axis
    assert found.transform.GetMatrix()[0] < -0.99


def test_the_drawn_truth_is_the_truth(pair: Pair) -> None:
    """Without this, the other tests could agree on a wrong sign: the nose must lie where the transform takes it."""
    nose = CENTRE_MM + np.array([0.0, -80.0, -38.0])
    index = pair.ct.TransformPhysicalPointToIndex(pair.truth.TransformPoint(nose.tolist()))
    assert pair.ct[index] < -900
    assert pair.magnitude[pair.magnitude.TransformPhysicalPointToIndex(nose.tolist())] < 150
