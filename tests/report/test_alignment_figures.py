import numpy as np
import pytest

from phantomcal.report.alignment_figures import alignment_panels
from phantomcal.report.blocks import alignment_picture, mid_slices
from tests.report.drawn import overlapping, words

SPACING = {"axial": (1.0, 1.0), "coronal": (1.5, 1.0)}


def head(shift=0.0):
    slices_mr, slices_ct = {}, {}
    for plane, (rows, columns) in {"axial": (120, 100), "coronal": (80, 100)}.items():
        y, x = np.mgrid[:rows, :columns]
        r = np.hypot((x - columns / 2 - shift) / 40, (y - rows / 2) / (rows * 0.4))
        slices_mr[plane] = np.where(r < 0.9, 600.0, 50.0)
        slices_ct[plane] = np.where(r < 0.9, 35.0, np.where(r < 1.0, 1000.0, -1000.0))
    return slices_mr, slices_ct


def test_three_rows_for_each_plane_with_the_bone_where_it_is():
    mr, after = head()
    before = head(shift=6)[1]
    canvas = alignment_panels(mr, before, after, SPACING, title="sub-01")
    assert len(canvas.axes) == 6
    assert {"Axial", "Coronal", "Before", "After", "sub-01"} <= set(words(canvas))
    assert overlapping(canvas) == []
    centres = []
    for axes in (canvas.axes[0], canvas.axes[2]):
        outline = axes.collections[0].get_paths()[0].vertices
        centres.append((outline[:, 0].min() + outline[:, 0].max()) / 2)
    assert centres[0] - centres[1] == pytest.approx(6, abs=0.5)
    assert centres[1] == pytest.approx(50, abs=1.0)


def test_pixels_keep_their_shape():
    mr, ct = head()
    canvas = alignment_panels(mr, ct, ct, SPACING)
    assert canvas.axes[1].get_aspect() in (1, 1.0, "equal")
    assert tuple(canvas.axes[1].images[0].get_extent()) == (0.0, 100.0, 120.0, 0.0)


def test_the_checkerboard_holds_both_images():
    mr, ct = head()
    board = np.asarray(alignment_panels(mr, ct, ct, SPACING, tile_mm=10).axes[4].images[0].get_array())
    inside = board[55:65, 45:65]
    assert np.allclose(inside[:5, 5:15, 0], inside[:5, 5:15, 2])
    tiles = {tuple(np.round(pixel, 2)) for pixel in inside.reshape(-1, 3)}
    assert len(tiles) == 2
    assert any(red != blue for red, _, blue in tiles)


def test_outside_the_field_of_view_and_without_bone_is_said():
    mr, ct = head()
    nowhere = {plane: np.full(values.shape, np.nan) for plane, values in ct.items()}
    assert words(alignment_panels(mr, nowhere, ct, SPACING)).count("no bone in this slice") == 2


def test_grids_must_agree():
    mr, ct = head()
    with pytest.raises(ValueError, match="one grid in the axial plane"):
        alignment_panels(mr, ct, {**ct, "axial": ct["axial"][:-1]}, SPACING)
    with pytest.raises(ValueError, match="one grid in the coronal plane"):
        alignment_panels(mr, {"axial": ct["axial"]}, ct, SPACING)
    with pytest.raises(ValueError, match="no plane"):
        alignment_panels({}, {}, {}, {})


def test_slices_show_the_head_upright():
    volume = np.zeros((30, 40, 50))
    volume[-1, 20, 25] = 1.0  # towards the head
    volume[15, 0, 25] = 2.0  # towards the face
    slices, spacing = mid_slices(volume, (1.0, 2.0, 3.0))
    assert slices["coronal"][0, 25] == 1.0
    assert slices["sagittal"][0, 20] == 1.0
    assert slices["axial"][0, 25] == 2.0
    assert slices["sagittal"][14, 0] == 2.0
    assert spacing == {"axial": (2.0, 1.0), "coronal": (3.0, 1.0), "sagittal": (3.0, 2.0)}


def test_the_picture_says_what_it_shows():
    mr, ct = head()
    assert "axial and coronal MR slices" in alignment_picture(mr, ct, ct, SPACING, "sub-01").alt
    assert alignment_picture(mr, ct, ct, SPACING, "").alt.startswith("axial")
