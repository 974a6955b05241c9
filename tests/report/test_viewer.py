import base64
import io
import json
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from phantomcal.report.display_grid import content_box, cropped, display_grid, finer, on_display_grid, upright
from phantomcal.report.packed import ct_scale, even_scale, packed, symmetric_scale, unpacked
from phantomcal.report.page import Report, Section, render
from phantomcal.report.viewer import Outline, ct_layer, magnitude_layer, overlay_layer, qsm_layer, viewer
from phantomcal.report.viewers import alignment_viewer, cylinders, region_outlines


def image_of(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    image = sitk.GetImageFromArray(np.asarray(array))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def ball(rng, size=40, value=60.0):
    z, y, x = np.mgrid[:size, :size, :size] - size / 2
    inside = x**2 + y**2 + z**2 < (size / 3) ** 2
    return np.where(inside, value, -1000.0).astype(np.float32) + rng.normal(0, 3, (size,) * 3).astype(np.float32)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9)))
@settings(max_examples=80, deadline=None)
def test_what_is_packed_comes_out_again(codes):
    assert np.array_equal(unpacked(packed(codes), codes.shape), codes)


@given(st.floats(-1024, 3128))
def test_a_ct_value_is_kept_to_half_a_step(value):
    scale = ct_scale()
    back = float(scale.decode(scale.encode(np.array([value])))[0])
    assert abs(back - value) <= scale.step_at(value) / 2 + 1e-9


def test_scales_keep_their_promises():
    ct = ct_scale()
    assert ct.codes[0] == 1
    assert ct.codes[-1] == 255
    assert [ct.step_at(hu) for hu in (0, 40, 100)] == [2, 2, 2]
    assert ct.step_at(700) == 17
    qsm = symmetric_scale(0.4)
    assert float(qsm.decode(qsm.encode(np.array([0.0])))[0]) == pytest.approx(0, abs=qsm.step_at(0.0) / 2)
    assert qsm.step_at(0.01) < qsm.step_at(0.3)
    codes = even_scale(0, 10).encode(np.array([np.nan, -5.0, 10.0, 50.0]))
    assert codes.tolist() == [0, 1, 255, 255]
    assert np.isnan(even_scale(0, 10).decode(codes)[0])


def test_the_display_grid_fills_the_box_and_keeps_thick_slices(rng):
    image = image_of(ball(rng), (0.5, 0.5, 3.0), (-7.0, 5.0, 11.0))
    box = content_box(image, -300.0, margin_mm=1.0)
    assert all(20 < n < 40 for n in box.size)
    grid = display_grid(cropped(image, box), 2_000)
    assert np.prod(grid.GetSize()) <= 2_300
    assert grid.GetSpacing()[0] == grid.GetSpacing()[1] > 0.5
    assert grid.GetSpacing()[2] >= 3.0
    low = np.array(grid.TransformContinuousIndexToPhysicalPoint([-0.5] * 3))
    wanted = np.array(image.TransformContinuousIndexToPhysicalPoint([s - 0.5 for s in box.start]))
    assert np.all(abs(low - wanted) <= np.array(grid.GetSpacing()) / 2)
    fine = finer(grid, 2)
    assert np.allclose(fine.TransformContinuousIndexToPhysicalPoint([-0.5] * 3), low)


def test_values_stay_where_they_are_in_the_world(rng):
    # A linear ramp is not changed by averaging or interpolation, so any shift shows.
    z, y, x = np.mgrid[:24, :60, :60].astype(np.float32)
    image = image_of(x * 2 - y + 3 * z, (0.7, 0.7, 2.0), (3.0, -40.0, 9.0))
    turned = sitk.DICOMOrient(image, "RSA")
    grid = display_grid(image, 9_000)
    a, b = on_display_grid(image, grid), on_display_grid(turned, grid)
    inner = (slice(2, -2),) * 3
    assert np.allclose(a[inner], b[inner], atol=0.05)
    k, j, i = 4, 6, 7
    at = image.TransformPhysicalPointToContinuousIndex(grid.TransformIndexToPhysicalPoint((i, j, k)))
    assert a[k, j, i] == pytest.approx(at[0] * 2 - at[1] + 3 * at[2], abs=0.05)


def test_a_viewer_holds_its_volumes_within_the_budget(rng):
    ct = image_of(ball(rng, 64), (2.0, 2.0, 2.0))
    made = viewer([ct_layer(ct)], "CT", most_bytes=20_000)
    layer = made.volumes["layers"][0]
    data = base64.b64decode(layer["data"])
    assert len(data) <= 20_000
    nx, ny, nz = made.volumes["size"]
    assert len(zlib.decompress(data)) == nx * ny * nz
    codes = unpacked(data, (nz, ny, nx))
    i, j, k = made.volumes["start"]
    middle = np.interp(codes[k, j, i], layer["codes"], layer["values"])
    assert middle == pytest.approx(60, abs=8)
    json.dumps(made.volumes, allow_nan=False)


def test_equal_volumes_give_equal_viewers(rng):
    ct, mr = image_of(ball(rng)), image_of(np.abs(ball(rng)))
    way = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))
    first, second = (alignment_viewer(mr, ct, way, fixed_kind="magnitude") for _ in range(2))
    assert first == second


def test_outside_the_second_volume_there_is_nothing(rng):
    mr, ct = image_of(np.full((20, 20, 20), 5.0, np.float32)), image_of(np.zeros((20, 20, 20), np.float32))
    made = viewer([magnitude_layer(mr), ct_layer(ct, transform=sitk.TranslationTransform(3, (12.0, 0.0, 0.0)))], "x")
    nx, ny, nz = made.volumes["size"]
    codes = unpacked(base64.b64decode(made.volumes["layers"][1]["data"]), (nz, ny, nx))
    assert (codes[:, :, : nx // 3] > 0).all()
    assert (codes[:, :, -nx // 3 :] == 0).all()


def test_outlines_are_numbered_as_they_are_named(rng):
    labels = np.zeros((40, 40, 40), np.uint16)
    labels[10:30, 10:30, 10:20], labels[10:30, 10:30, 20:30], labels[0, 0, 0] = 300, 7, 9
    outlines = [Outline(300, "left <b>", "#ff0000", "a"), Outline(7, "right", "#00ff00", "a", dashed=True)]
    made = viewer([ct_layer(image_of(ball(rng)))], "x", labels=image_of(labels), outlines=outlines)
    block = made.volumes["labels"]
    assert [item["name"] for item in block["items"]] == ["left <b>", "right"]
    drawn = np.frombuffer(zlib.decompress(base64.b64decode(block["data"])), np.uint8)
    nx, ny, nz = (n * block["factor"] for n in made.volumes["size"])
    drawn = drawn.reshape(nz, ny, nx)
    assert set(np.unique(drawn)) == {0, 1, 2}
    assert drawn[nz // 2, ny // 2, nx // 2 - 4] == 1
    assert drawn[nz // 2, ny // 2, nx // 2 + 4] == 2
    assert made.legend == (("a", "#ff0000", False), ("a", "#00ff00", True))


def test_the_still_shows_an_outline_in_its_colour(rng):
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[12:28, 12:28, 12:28] = 1
    made = viewer([ct_layer(image_of(ball(rng)))], "x", labels=image_of(labels), outlines=[Outline(1, "a", "#00ff00")])
    pixels = np.asarray(Image.open(io.BytesIO(made.still.data)).convert("RGB")).astype(int)
    green = (pixels[..., 1] > 150) & (pixels[..., 0] < 90) & (pixels[..., 2] < 90)
    assert 200 < green.sum() < 0.05 * green.size
    assert "axial, coronal and sagittal slices of CT with 1 outline." in made.still.alt


def test_cylinders_have_the_volume_of_cylinders():
    grid = sitk.Image(80, 80, 60, sitk.sitkUInt8)
    grid.SetSpacing((0.5, 0.5, 0.5))
    direction = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]])
    grid.SetDirection(direction.ravel().tolist())
    centre = np.array(grid.TransformContinuousIndexToPhysicalPoint([40, 40, 30]))
    lean = np.array([0.3, 0.1, 1.0]) / np.linalg.norm([0.3, 0.1, 1.0])
    ends = np.array([[centre - 10 * lean, centre + 10 * lean]])
    labels = cylinders(ends, np.array([5.0]))(grid)
    assert labels.sum() * 0.125 == pytest.approx(np.pi * 25 * 20, rel=0.02)
    where = np.argwhere(labels)[:, ::-1].mean(axis=0)
    assert np.allclose(grid.TransformContinuousIndexToPhysicalPoint(where.tolist()), centre, atol=0.1)


def test_lesions_lie_on_top_of_regions():
    regions, lesions = np.zeros((10, 10, 10), np.uint16), np.zeros((10, 10, 10), np.uint16)
    regions[2:8], lesions[4:6] = 40, 3
    labels, outlines = region_outlines(image_of(regions), {40: "putamen"}, image_of(lesions))
    assert [o.name for o in outlines] == ["putamen", "lesion 3"]
    drawn = labels(image_of(np.zeros((10, 10, 10), np.uint8)))
    assert drawn[3, 5, 5] == 1
    assert drawn[5, 5, 5] == 2
    assert drawn[0, 0, 0] == 0
    assert region_outlines(None, None, None) == (None, [])


def test_windows_of_a_map_fit_its_values(rng):
    strong = qsm_layer(image_of(rng.normal(0, 1.0, (20, 20, 20)).astype(np.float32)))
    weak = qsm_layer(image_of(rng.normal(0, 0.03, (20, 20, 20)).astype(np.float32)))
    assert strong.windows[0][2] > 4 * weak.windows[0][2]
    assert all(low == -high for _, low, high in (*strong.windows, *weak.windows))
    iron = overlay_layer(image_of(np.abs(rng.normal(0, 2, (9, 9, 9))).astype(np.float32)), "Iron", "mmol/L", "#ff7a1a")
    assert iron.windows[0][1] == 0
    assert magnitude_layer(image_of(np.zeros((5, 5, 5), np.float32))).windows


def test_upright_only_turns_axes(rng):
    image = sitk.DICOMOrient(image_of(ball(rng, 12)), "RIP")
    assert sitk.GetArrayFromImage(upright(image)).sum() == pytest.approx(sitk.GetArrayFromImage(image).sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: viewer([], "x"), "needs a volume"),
        (
            lambda: viewer(
                [ct_layer(image_of(np.zeros((4, 4, 4), np.float32)))], "x", outlines=[Outline(1, "a", "#000000")]
            ),
            "of which labels",
        ),
    ],
)
def test_a_viewer_of_nothing_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_viewer_of_the_worst_volumes_stays_below_its_share_of_the_page(rng):
    # Noise over the whole scale compresses least; 200 regions have much outline.
    ct, chi = rng.uniform(-1000, 3000, (90, 140, 140)), rng.normal(0, 0.3, (90, 140, 140))
    z, y, x = np.mgrid[:90, :140, :140]
    labels = (1 + (x // 24) + 6 * (y // 24) + 36 * (z // 18)).astype(np.uint16)
    made = alignment_viewer(
        image_of(chi.astype(np.float32)),
        image_of(ct.astype(np.float32)),
        sitk.Transform(3, sitk.sitkIdentity),
        fixed_kind="qsm",
        regions=image_of(labels),
    )
    with_it, without = (render(Report("x", "", "info", "", [], [Section("S", "", b)])) for b in ([made], []))
    assert 500_000 < len(with_it) - len(without) < 1_500_000
