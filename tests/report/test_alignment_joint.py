import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from phantomcal.report.alignment_joint import flicker, joint_histogram
from phantomcal.report.alignment_pictures import alignment_pictures
from tests.registration.drawn import drawn_pair
from tests.report.drawn import overlapping, words

SVG = "{http://www.w3.org/2000/svg}"


def _slices():
    ct, mr = np.full((40, 50), -1000.0), np.zeros((40, 50))
    ct[10:30, 10:40], mr[10:30, 10:40] = 70.0, 500.0
    ct[:, :5] = np.nan
    return {"axial": mr}, {"axial": ct}, {"axial": (2.0, 1.0)}


def test_flicker_shows_both_images_in_one_place_and_moves_without_a_script():
    svg, width = flicker(*_slices())
    tree = ElementTree.fromstring(svg)
    images = tree.findall(f".//{SVG}image")
    assert len(images) == 2
    assert [images[0].get(k) for k in ("x", "y", "width", "height")] == [
        images[1].get(k) for k in ("x", "y", "width", "height")
    ]
    style = tree.find(f"{SVG}style").text
    assert "@keyframes" in style
    assert "prefers-reduced-motion" in style
    assert b"script" not in svg
    assert float(images[0].get("height")) / float(images[0].get("width")) == pytest.approx(80 / 50, rel=0.01)
    assert width == float(images[0].get("width"))


def test_flicker_draws_ct_in_its_window_and_black_where_it_was_not_scanned():
    svg, _ = flicker(*_slices())
    _, ct = re.findall(rb"data:image/webp;base64,([^\"]+)", svg)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(ct))).convert("L"), dtype=float)
    rows, columns = picture.shape
    assert picture[rows // 2, columns // 2] == pytest.approx(255 * 150 / 300, abs=4)
    assert picture[:, : columns // 12].max() < 8


def test_flicker_needs_one_grid():
    mr, ct, spacing = _slices()
    with pytest.raises(ValueError, match="axial plane"):
        flicker(mr, {"axial": ct["axial"][:-1]}, spacing)
    with pytest.raises(ValueError, match="no plane"):
        flicker({}, {}, {})


def test_the_histogram_counts_pairs_before_and_after(rng):
    tissue = rng.integers(0, 3, 20_000)
    mr, ct = np.array([200.0, 500.0, 900.0])[tissue], np.array([700.0, 30.0, 8.0])[tissue]
    before = rng.permutation(ct)
    canvas = joint_histogram(mr, before, ct, nats=(0.1, 1.05))
    counts = [np.nan_to_num(np.asarray(axes.images[0].get_array().filled(0))) for axes in canvas.axes]
    assert [int((c > 0).sum()) for c in counts] == [9, 3]
    assert counts[0].sum() == counts[1].sum() == pytest.approx(20_000)
    assert {"Before", "After", "0.10 nats shared", "1.05 nats shared"} <= set(words(canvas))
    assert overlapping(canvas) == []


def test_the_histogram_leaves_out_what_was_not_scanned():
    mr = np.tile([0.0, 5.0, 6.0, 7.0], 100)
    canvas = joint_histogram(mr, np.full(400, np.nan), np.tile([1.0, 2.0, np.nan, 4.0], 100))
    assert "the images do not overlap" in words(canvas)
    assert np.nan_to_num(np.asarray(canvas.axes[1].images[0].get_array().filled(0))).sum() == 200
    with pytest.raises(ValueError, match="one shape"):
        joint_histogram(mr, mr, mr[:2])


def test_the_pictures_of_an_alignment():
    pair = drawn_pair()
    pictures = alignment_pictures(pair.magnitude, pair.ct, pair.truth, nats=(0.1, 0.9))
    assert len(pictures) == 3
    assert sum(len(p.data) for p in pictures) < 1_000_000
    assert all(p.alt and p.caption for p in pictures)
    assert b"0.90 nats shared" in pictures[2].data
    assert len(alignment_pictures(pair.magnitude, pair.ct, pair.truth, of_phantom=True)) == 1


def test_the_slices_of_the_ct_are_those_of_the_mr():
    """The MR with itself as the CT: both pictures of the flicker show the same slice."""
    grid = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 1, (24, 28, 32)).astype(np.float32))
    smooth = sitk.SmoothingRecursiveGaussian(grid, 2.0)
    values = sitk.GetArrayFromImage(smooth)
    ct = sitk.Cast((smooth - float(values.min())) * (300 / float(np.ptp(values))) - 80, sitk.sitkFloat32)
    (figure,) = alignment_pictures(
        smooth - float(values.min()), ct, sitk.Transform(3, sitk.sitkIdentity), of_phantom=True
    )
    found = re.findall(rb"data:image/webp;base64,([^\"]+)", figure.data)
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), float).ravel() for data in found
    ]
    for mr, same in zip(pictures[:3], pictures[3:], strict=True):
        assert np.corrcoef(mr, same)[0, 1] > 0.99
