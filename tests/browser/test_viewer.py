"""The slice viewer under a hand: sliders, keys, windows, blend, flicker, outlines, the value under the pointer."""

import re

import numpy as np
import pytest

from tests.browser.pages import volumes


@pytest.fixture
def seen(opened, pages):
    page = opened(pages["lesions"])
    page.wait_for_volumes()
    return page


def differs(a, b):
    return a.shape != b.shape or np.abs(a.astype(int) - b.astype(int)).max() > 8


def told(seen):
    return seen.page.locator(".readout").inner_text().replace("\N{MINUS SIGN}", "-")


def test_a_slice_slider_changes_its_plane(seen, pixels):
    before = {plane: pixels(seen.page, plane) for plane in ("axial", "coronal", "sagittal")}
    slider = seen.page.locator(".plane.axial input")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowRight")
    seen.settle()
    assert differs(before["axial"], pixels(seen.page, "axial"))
    assert re.match(r"slice \d+ of \d+, z −?\d+\.\d mm", slider.get_attribute("aria-valuetext"))


def test_the_blend_slider_goes_from_one_volume_to_the_other(seen, pixels):
    mix = seen.page.locator("input.mix")
    shown = []
    for value in ("0", "50", "100"):
        mix.fill(value)
        seen.settle()
        shown.append(pixels(seen.page, "axial").astype(int))
    half = (shown[0] + shown[2]) / 2
    assert differs(shown[0], shown[2])
    inner = (slice(40, -40),) * 2
    assert np.abs(shown[1][inner] - half[inner]).mean() < 2


def test_flicker_shows_both_by_turns_until_it_is_stopped(seen, pixels):
    axial = "document.querySelector('.plane.axial canvas').toDataURL()"
    button = seen.page.locator("button.flicker")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for _ in range(2):
        seen.page.wait_for_function(f"shown => {axial} !== shown", arg=seen.page.evaluate(axial))
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    seen.settle()
    still = pixels(seen.page, "axial")
    seen.page.wait_for_timeout(1300)
    assert not differs(still, pixels(seen.page, "axial"))


def test_windows_change_the_shades(seen, pixels):
    select = seen.page.locator("select.base-window")
    names = select.locator("option").all_inner_texts()
    assert [name.split(",")[0] for name in names[:3]] == ["Brain", "Blood", "Bone"]
    brain = pixels(seen.page, "coronal")
    select.select_option(index=2)
    seen.settle()
    bone = pixels(seen.page, "coronal")
    assert brain[..., 0].mean() > bone[..., 0].mean()


def test_every_key_does_what_the_help_says(seen, pixels):
    page = seen.page
    canvas = page.locator(".plane.axial canvas")
    canvas.focus()
    at = int(page.locator(".plane.axial input").input_value())
    steps = [("ArrowUp", at + 1), ("ArrowDown", at), ("PageDown", at - 10), ("Home", 0)]
    for key, wanted in steps:
        canvas.press(key)
        seen.settle()
        assert int(page.locator(".plane.axial input").input_value()) == max(wanted, 0)
    canvas.press("3")
    assert page.evaluate("document.activeElement.parentElement.className") == "plane sagittal"
    sagittal = page.locator(".plane.sagittal canvas")
    for key, read in (
        ("b", "document.querySelector('input.mix').value"),
        ("w", "document.querySelector('select.base-window').value"),
        ("W", "document.querySelector('select.over-window').value"),
        ("o", "document.querySelector('input.outlines').checked"),
        ("f", "document.querySelector('button.flicker').getAttribute('aria-pressed')"),
    ):
        before = page.evaluate(read)
        sagittal.press(key)
        seen.settle()
        assert page.evaluate(read) != before, key
    page.locator("summary").click()
    for words in ("arrows", "flicker", "blend", "next window", "outlines"):
        assert words in page.locator(".stage details").inner_text()


def test_outlines_are_drawn_in_their_colours_and_can_be_taken_away(seen, pixels):
    def blue(picture):
        red, green, other = (picture[..., k].astype(int) for k in range(3))
        return int(((other > 200) & (red < 110) & (green > 120)).sum())

    with_outlines = blue(pixels(seen.page, "axial"))
    seen.page.locator("input.outlines").uncheck()
    seen.settle()
    assert with_outlines > 60
    assert blue(pixels(seen.page, "axial")) == 0


def test_a_click_moves_the_other_planes_and_reads_the_volumes(seen, pixels):
    ct, chi, _ = volumes()
    before = pixels(seen.page, "sagittal")
    box = seen.page.locator(".plane.axial canvas").bounding_box()
    seen.page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    seen.settle()
    assert differs(before, pixels(seen.page, "sagittal"))
    found = re.search(
        r"x (-?[\d.]+), y (-?[\d.]+), z (-?[\d.]+) mm · CT (-?\d+) HU \(± (\d+)\) · QSM (-?[\d.]+) ppm", told(seen)
    )
    assert found is not None, told(seen)
    point = [float(v) for v in found.groups()[:3]]
    index = ct.TransformPhysicalPointToIndex(point)
    assert float(found[4]) == pytest.approx(ct[index], abs=float(found[5]) + 12)  # interpolated between voxels
    assert float(found[6]) == pytest.approx(chi[index], abs=0.03)


def test_the_value_is_right_within_the_step_that_is_said(seen):
    # The view begins inside lesion 2: 70 HU, 0.4 ppm, no neighbour of another value near.
    text = told(seen)
    hu, half = re.search(r"CT (-?\d+) HU \(± (\d+)\)", text).groups()
    ppm, bound = re.search(r"QSM (?:at least )?(-?[\d.]+) ppm \(± ([\d.]+)\)", text).groups()
    assert abs(float(hu) - 70) <= float(half)
    assert float(ppm) == pytest.approx(0.4, abs=2 * float(bound))
    assert "in lesion 2" in text


def test_a_wheel_scrolls_the_page_until_a_plane_is_chosen(seen):
    page = seen.page
    box = page.locator(".plane.axial canvas").bounding_box()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    at, top = page.locator(".plane.axial input").input_value(), page.evaluate("scrollY")
    page.mouse.wheel(0, 120)
    page.wait_for_function("top => scrollY !== top", arg=top)
    assert page.locator(".plane.axial input").input_value() == at
    page.locator(".plane.axial canvas").focus()
    top = page.evaluate("scrollY")
    box = page.locator(".plane.axial canvas").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 120)
    page.mouse.wheel(0, 120)
    seen.settle()
    assert page.locator(".plane.axial input").input_value() != at
    assert page.evaluate("scrollY") == top
