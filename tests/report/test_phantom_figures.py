import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Circle

from phantomcal.report.blocks import vial_picture
from phantomcal.report.phantom_figures import vial_overlay
from phantomcal.report.style import as_svg
from tests.report.drawn import outside, overlapping, words


def layout(n_arms=4):
    rows = []
    for arm in range(n_arms):
        for radius, turn, name in ((17, 0, "a"), (35, 18, "b"), (35, -18, "c"), (55, 14, "d"), (55, -14, "e")):
            angle = np.deg2rad(90 * arm + turn)
            rows.append(
                {
                    "x_mm": radius * np.cos(angle) + 4,
                    "y_mm": radius * np.sin(angle) - 3,
                    "radius_mm": 3.5,
                    "label": f"Vial{arm}{name}",
                    "group": f"material{arm}",
                    "used": (arm, name) != (1, "d"),
                    "flag": "failed" if (arm, name) in ((1, "d"), (2, "a")) else "",
                }
            )
    return pd.DataFrame(rows)


EXTENT = (-96.0, 96.0, 96.0, -96.0)


def slice_with_vials(vials, rng):
    y, x = np.mgrid[-95.5:96, -95.5:96]
    picture = rng.normal(0, 5, x.shape)
    for vial in vials.itertuples():
        picture[np.hypot(x - vial.x_mm, y - vial.y_mm) < vial.radius_mm] = 100.0
    return picture


def test_every_vial_is_outlined_where_it_lies_and_named_without_overlap(rng):
    vials = layout()
    canvas = vial_overlay(slice_with_vials(vials, rng), EXTENT, vials, "QSM", (-1, 1), "ppm")
    circles = [patch for patch in canvas.axes[0].patches if isinstance(patch, Circle)]
    np.testing.assert_allclose([c.center for c in circles], vials[["x_mm", "y_mm"]])
    assert [c.radius for c in circles] == [3.5] * 20
    told = words(canvas)
    assert all(label in told or f"{label} !" in told for label in vials["label"])
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    assert "Susceptibility (ppm)" in told
    assert "20 mm" in told


def test_flagged_vials_differ_in_line_style_and_name_not_only_in_colour(rng):
    vials = layout()
    canvas = vial_overlay(slice_with_vials(vials, rng), EXTENT, vials)
    circles = [patch for patch in canvas.axes[0].patches if isinstance(patch, Circle)]
    styles = [c.get_linestyle() for c in circles]
    flagged = list(~vials["used"] | (vials["flag"] != ""))
    assert sum(flagged) == 2
    assert [style != "solid" for style in styles] == flagged
    assert {text for text in words(canvas) if text.endswith(" !")} == {"Vial1d !", "Vial2a !"}
    assert "flagged" in words(canvas)


def test_the_crop_keeps_vials_under_their_outlines(rng):
    vials = layout()
    canvas = vial_overlay(slice_with_vials(vials, rng), EXTENT, vials, window=(0, 100))
    image = canvas.axes[0].images[0]
    shown, (left, right, bottom, top) = np.asarray(image.get_array()), image.get_extent()
    assert right - left < 192
    for vial in vials.itertuples():
        column = int((vial.x_mm - left) / (right - left) * shown.shape[1])
        row = int((vial.y_mm - top) / (bottom - top) * shown.shape[0])
        assert shown[row, column] == 1.0
    whole = vial_overlay(slice_with_vials(vials, rng), EXTENT, vials, crop=False)
    assert tuple(whole.axes[0].images[0].get_extent()) == EXTENT


def test_contrast_is_spent_on_the_vials_unless_a_window_is_given(rng):
    vials = layout()
    picture = slice_with_vials(vials, rng)
    picture[:20] = -5000.0
    low, high = vial_overlay(picture, EXTENT, vials).axes[1].get_ylim()
    assert -30 < low < 0
    assert 90 < high < 130
    assert vial_overlay(picture, EXTENT, vials, window=(-7, 7)).axes[1].get_ylim() == (-7, 7)


def test_gaps_constant_slices_and_no_vials_are_no_reason_to_fail():
    vials = layout()
    hollow = np.full((192, 192), np.nan)
    assert as_svg(vial_overlay(hollow, EXTENT, vials)).startswith(b"<svg")
    assert as_svg(vial_overlay(np.zeros((192, 192)), EXTENT, vials.iloc[:0])).startswith(b"<svg")
    with pytest.raises(ValueError, match="two dimensions"):
        vial_overlay(np.zeros((3, 3, 3)), EXTENT, vials)


def test_many_materials_share_one_colour_and_need_no_legend(rng):
    vials = layout().assign(group=[f"m{i}" for i in range(20)], used=True, flag="")
    canvas = vial_overlay(slice_with_vials(vials, rng), EXTENT, vials)
    assert not canvas.legends
    assert len({c.get_edgecolor() for c in canvas.axes[0].patches if isinstance(c, Circle)}) == 1


def test_the_alternative_text_names_what_is_flagged(rng):
    vials = layout()
    figure = vial_picture(slice_with_vials(vials, rng), EXTENT, vials, "QSM, slice 50", unit="ppm", caption="c")
    assert "20 vials outlined" in figure.alt
    assert "flagged: Vial1d and Vial2a" in figure.alt
    assert len(figure.data) < 150_000
