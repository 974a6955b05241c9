import numpy as np
import pytest
from matplotlib.colors import same_color
from scipy import stats

from phantomcal.report.line_figures import calibration_lines, confidence_band, slope_ratios
from phantomcal.report.style import VERMILION, as_svg
from tests.report.drawn import outside, overlapping, words
from tests.report.records import calibration, line, series, vial


def panels(canvas):
    """Upper panels and their residual strips, in the order of the lines."""
    return canvas.axes[::2], canvas.axes[1::2]


def dashed(axes):
    return [drawn for drawn in axes.get_lines() if drawn.get_linestyle() == "--"]


def four(rng):
    return calibration(
        [
            (series(rng, "gadolinium", "ct", 5.69, noise=1.0), 5.69),
            (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
            (series(rng, "calcium", "ct", 0.208, levels=range(0, 1600, 300), noise=1.5), 0.208),
            (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300)), -2.68e-4),
        ]
    )


def test_the_band_is_the_textbook_one(rng):
    x = np.array([0.0, 1.0, 2.5, 4.0, 7.0, 10.0])
    y = 2.0 + 0.5 * x + rng.normal(0, 0.3, 6)
    fitted = line([vial(f"v{i}", a, b) for i, (a, b) in enumerate(zip(x, y, strict=True))])
    at = np.linspace(-1, 12, 7)
    scatter = np.sqrt(((y - fitted.intercept - fitted.slope * x) ** 2).sum() / 4)
    spread = ((x - x.mean()) ** 2).sum()
    expected = stats.t.ppf(0.975, 4) * scatter * np.sqrt(1 / 6 + (at - x.mean()) ** 2 / spread)
    np.testing.assert_allclose(confidence_band(fitted, at), expected, rtol=1e-9)


def test_a_band_is_only_drawn_where_the_record_determines_it(rng):
    fitted = line(series(rng))
    assert confidence_band(fitted.model_copy(update={"covariance_slope_intercept": None}), np.zeros(1)) is None
    assert confidence_band(line(series(rng, levels=(0, 1))), np.zeros(1)) is None


def test_modalities_stand_side_by_side_and_every_line_has_a_panel_with_its_numbers(rng):
    canvas = calibration_lines(four(rng))
    upper, lower = panels(canvas)
    assert len(upper) == len(lower) == 4
    first, second = (axes.get_position() for axes in upper[:2])
    assert first.y0 == pytest.approx(second.y0)
    assert first.x1 < second.x0
    told = words(canvas)
    for name in (
        "gadolinium · CT",
        "calcium · QSM",
        "CT number (HU)",
        "Susceptibility (ppm)",
        "Concentration (mmol/L)",
    ):
        assert name in told
    assert sum(text.startswith("n = 6 · residual SD") for text in told) == 4


def test_nothing_written_covers_anything_else(rng):
    cal = calibration(
        [(series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 5000, 600), failed=(0, 1)), -2.68e-4)] * 1
    )
    for record in (four(rng), cal):
        canvas = calibration_lines(record)
        assert overlapping(canvas) == []
        assert outside(canvas) == []


def test_points_bars_and_the_expected_slope_are_where_they_belong(rng):
    vials = series(rng)
    canvas = calibration_lines(calibration([(vials, 0.5)]))
    upper = panels(canvas)[0][0]
    shown = np.vstack([drawn.get_xydata() for drawn in upper.get_lines() if drawn.get_marker() == "o"])
    np.testing.assert_allclose(shown, [(v.abscissa, v.value) for v in vials])
    bar = upper.collections[-1].get_segments()[0]
    assert (bar[1, 1] - bar[0, 1]) / 2 == pytest.approx(stats.t.ppf(0.975, 24) * 0.004)
    expected = dashed(upper)[0].get_xydata()
    assert np.polyfit(*expected.T, 1)[0] == pytest.approx(0.5)
    middle = np.mean([v.abscissa for v in vials])
    assert np.interp(middle, *expected.T) == pytest.approx(np.mean([v.value for v in vials]))


def test_vials_left_out_are_hollow_named_and_do_not_flatten_the_residuals(rng):
    vials = series(rng, failed=(1, 4))
    canvas = calibration_lines(calibration([(vials, 0.33)]))
    (upper,), (lower,) = panels(canvas)
    hollow = [
        drawn for drawn in upper.get_lines() if drawn.get_marker() == "o" and same_color(drawn.get_mec(), VERMILION)
    ]
    assert [drawn.get_markerfacecolor() for drawn in hollow] == ["white"]
    assert {v.vial_id for v in vials if not v.used} <= set(words(canvas))
    failed_by = 0.5 * 0.33 * 10
    assert lower.get_ylim()[1] < failed_by / 4
    assert any(drawn.get_marker() == "^" for drawn in lower.get_lines())
    dotted = [drawn for drawn in upper.get_lines() if drawn.get_linestyle() == ":"]
    assert len(dotted) == 1


def test_two_vials_have_a_line_without_a_band(rng):
    canvas = calibration_lines(calibration([(series(rng, levels=(0.2, 0.6)), None)]))
    upper, lower = (axes[0] for axes in panels(canvas))
    assert any("no standard error" in text for text in words(canvas))
    assert not [patch for patch in upper.collections if patch.get_facecolor().size and patch.get_alpha() == 0.16]
    assert lower.get_ylim()[1] > 1e-6


def test_a_line_without_its_vials_and_nominal_values_can_be_drawn(rng):
    values = [-1000.0, -200.0, -35.0, 120.0, 990.0]
    inserts = [
        vial(f"i{x:g}", x, x + rng.normal(0, 3), "inserts", "ct", abscissa_unit="HU", concentration_mmol_per_l=None)
        for x in values
    ]
    record = calibration([(inserts, 1.0)])
    assert "Nominal value (HU)" in words(calibration_lines(record))
    alone = calibration_lines(record.model_copy(update={"vials": []}))
    assert len(panels(alone)[0]) == 1


def test_a_table_s_vials_may_lack_modality_error_and_count(rng):
    vials = [
        vial(f"v{i}", x, 2 * x, sem=None, sd=None, n_voxels=None, n_effective=None)
        for i, x in enumerate((1.0, 2.0, 4.0))
    ]
    vials = [v.model_copy(update={"modality": "", "value": v.value + rng.normal(0, 0.1)}) for v in vials]
    canvas = calibration_lines(calibration([(vials, None)], locations=[]))
    assert "gadolinium" in words(canvas)


def test_eight_lines_fill_four_rows(rng):
    groups = [(series(rng, f"material{i}"), 0.33) for i in range(8)]
    canvas = calibration_lines(calibration(groups))
    assert len(panels(canvas)[0]) == 8
    assert len({round(axes.get_position().y0, 2) for axes in panels(canvas)[0]}) == 4
    assert overlapping(canvas) == []


def test_the_forest_of_ratios_shows_each_ratio_with_its_interval(rng):
    record = four(rng)
    canvas = slope_ratios(record)
    told = words(canvas)
    for fitted in record.lines:
        low, high = fitted.slope_ratio_ci95
        drawn = [d.get_xdata() for d in canvas.axes[0].get_lines() if len(d.get_xdata()) == 2]
        assert any(np.allclose(ends, (low, high)) for ends in drawn)
        assert any(text.endswith("]") and text.startswith(f"{fitted.slope_ratio:.2f}"[:3]) for text in told)
    assert overlapping(canvas) == []


def test_nothing_to_draw_is_refused(rng):
    record = calibration([(series(rng), None)])
    with pytest.raises(ValueError, match="expected slope"):
        slope_ratios(record)
    with pytest.raises(ValueError, match="without lines"):
        calibration_lines(record.model_copy(update={"lines": []}))


def test_drawing_twice_gives_the_same_bytes(rng):
    record = four(rng)
    assert as_svg(calibration_lines(record)) == as_svg(calibration_lines(record))
