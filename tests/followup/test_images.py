from datetime import date

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.followup.align import align_session
from phantomcal.followup.images import SessionImages, follow
from phantomcal.followup.matching import appearance, match, overlaps, spots_of
from tests.followup.drawn import SIZE, head, pose

A, B, C = (-30.0, 10.0, 0.0), (25.0, -30.0, 10.0), (0.0, 40.0, -15.0)


def session(
    label: str, year: int, images: tuple[sitk.Image, sitk.Image, sitk.Image], magnitude: bool = True
) -> SessionImages:
    return SessionImages(label, images[0], images[1], images[2] if magnitude else None, date(year, 1, 1))


@pytest.mark.parametrize("kind", [2, 0], ids=["magnitude", "map"])
def test_a_known_pose_is_found_again(kind: int) -> None:
    there = pose()
    first = head([(A, 9, 0.4)], noise=0.02, seed=1)[kind]
    later = head([(A, 9, 0.4)], there, noise=0.02, seed=2)[kind]
    found = align_session(first, later)
    errors = [
        np.linalg.norm(np.subtract(there.TransformPoint(p), found.transform.TransformPoint(p))) for p in (A, B, C)
    ]
    assert max(errors) < 0.5
    assert found.note == ""
    assert found.agreement > found.agreement_before
    if kind == 0:  # twice is enough
        assert align_session(first, later).transform.GetParameters() == found.transform.GetParameters()


def test_another_head_is_not_taken_for_the_same() -> None:
    rng = np.random.default_rng(0)
    other = sitk.GetImageFromArray(rng.random((SIZE, SIZE, SIZE)).astype(np.float32))
    other.CopyInformation(head([])[2])
    assert "agree little" in align_session(head([(A, 9, 0.4)])[2], other).note


def test_lesions_are_found_again_new_gone_and_growing() -> None:
    first = head([(A, 9, 0.40), (C, 8, 0.30)])
    second = head([(B, 8, 0.50), (A, 9, 0.44)], pose())  # labels exchanged, C gone, B new
    third = head([(A, 12, 0.44), (B, 8, 0.50)], pose(-4, (2.0, 6.0, -3.0)))
    found = follow("p1", [session("2022", 2022, third), session("2020", 2020, first), session("2021", 2021, second)])
    table = found.visits.set_index(["lesion_id", "session"])
    assert found.appearances == {"growing": 1, "gone": 1, "new": 1}
    by_place = {name: table.loc[name] for name in table.index.get_level_values(0).unique()}
    a = next(t for t in by_place.values() if len(t) == 3)
    assert a["qsm_ppm"].tolist() == pytest.approx([0.40, 0.44, 0.44], abs=1e-6)
    assert a[["x_mm", "y_mm", "z_mm"]].to_numpy() == pytest.approx(np.tile(A, (3, 1)), abs=1.5)
    assert a["volume_mm3"].iloc[2] / a["volume_mm3"].iloc[1] == pytest.approx((12 / 9) ** 3, rel=0.2)
    assert "volume +" in a["note"].iloc[2]
    c = next(t for t in by_place.values() if len(t) == 1)
    assert (c.index[0], c["note"].iloc[0]) == ("2020", "not found later")
    assert {label for label, _ in found.alignments} == {"2021", "2022"}


def test_parts_that_split_are_followed_as_one() -> None:
    near = ((-35.0, 10.0, 0.0), (-21.0, 10.0, 0.0))
    whole = head([((-28.0, 10.0, 0.0), 14, 0.40)])
    parts = head([(near[0], 6, 0.5), (near[1], 6, 0.3)], pose())
    found = follow("p", [session("a", 2020, whole), session("b", 2021, parts)])
    assert list(found.appearances) == ["split + shrinking"]
    later = found.visits.iloc[1]
    assert later["qsm_ppm"] == pytest.approx(0.4, abs=0.02)  # both parts together
    assert "1 became 2" in later["note"]
    assert found.visits["lesion_id"].nunique() == 1
    back = follow("p", [session("a", 2020, parts), session("b", 2021, whole)])
    assert list(back.appearances) == ["merged + growing"]


def labels(boxes: list[tuple[int, int]]) -> sitk.Image:
    values = np.zeros((6, 6, 60), np.uint8)
    for k, (start, stop) in enumerate(boxes, start=1):
        values[2:4, 2:4, start:stop] = k
    return sitk.GetImageFromArray(values)


def test_overlap_first_then_the_least_total_distance() -> None:
    one, two = labels([(5, 10), (20, 22), (25, 27)]), labels([(8, 14), (23, 25), (29, 31)])
    spots = spots_of(one, 0, None) + spots_of(two, 1, None)
    tracked = match(spots, {(0, 1): overlaps(one, two)}, near_mm=5.0)
    assert tracked.lesion.tolist() == [0, 1, 2, 0, 1, 2]
    far = match(spots, {(0, 1): overlaps(one, two)}, near_mm=0.5)
    assert far.lesion.tolist() == [0, 1, 2, 0, 3, 4]
    assert appearance(far, 4, 2)[0] == "new"


def test_a_lesion_missed_in_between_is_the_same_lesion() -> None:
    one, none = labels([(5, 10)]), labels([(40, 45)])
    spots = spots_of(one, 0, None) + spots_of(none, 1, None) + spots_of(one, 2, None)
    shared = {(0, 1): overlaps(one, none), (1, 2): overlaps(none, one), (0, 2): overlaps(one, one)}
    tracked = match(spots, shared)
    assert tracked.lesion.tolist() == [0, 1, 0]
    word, remarks = appearance(tracked, 0, 3)
    assert word == "same"
    assert remarks[2] == "not found at 1 sessions in between"


def test_sessions_that_cannot_be_followed_are_refused() -> None:
    images = head([(A, 9, 0.4)])
    with pytest.raises(InputError, match="a change needs two"):
        follow("p", [session("a", 2020, images)])
    with pytest.raises(InputError, match="have one time"):
        follow("p", [session("a", 2020, images), session("b", 2020, images)])
    with pytest.raises(InputError, match="has no date"):
        follow("p", [SessionImages("a", *images[:2]), session("b", 2020, images)])
    moved = sitk.Image(images[1])
    moved.SetOrigin((0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="another grid"):
        follow("p", [session("a", 2020, (images[0], moved, images[2])), session("b", 2021, images)])
