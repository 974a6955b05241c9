import numpy as np
import pytest

from phantomcal.report.correlation_figures import MOST_PANELS, forest, left_out_panels, region_scatter
from tests.report.drawn import outside, overlapping, words
from tests.report.records import correlation, empty_region, region_table

NINE = {
    "globus pallidus": 0.72,
    "putamen": 0.3,
    "caudate nucleus": 0.1,
    "substantia nigra": 0.2,
    "red nucleus": 0.05,
    "dentate nucleus": 0.2,
    "choroid plexus": -0.75,
    "haemorrhagic lesions": 0.65,
    "calcified lesions": -0.65,
}


def scatter(table, record, **more):
    return region_scatter(table, record, "ct_hu", "qsm_ppm", "roi", **more)


def test_nine_regions_are_told_apart_without_overlap(rng):
    table = region_table(rng, NINE)
    record = correlation(table)
    canvas = scatter(table, record, group="group", subject="subject_id")
    told = words(canvas)
    assert set(NINE) <= set(told)
    assert {"CT number (HU)", "Susceptibility (ppm)", "patient", "volunteer"} <= set(told)
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    for region in record.regions:
        assert any(region.behaviour in text and "n = 40" in text for text in told)
        assert any(f"r = {region.pearson_r:.2f} [".replace("-", "−") in text for text in told)


def test_the_line_is_the_record_s_and_the_band_contains_it(rng):
    table = region_table(rng, {"one": 0.7})
    record = correlation(table)
    axes = scatter(table, record).axes[0]
    fit = next(drawn.get_xydata() for drawn in axes.get_lines() if drawn.get_linestyle() == "-")
    slope, intercept = np.polyfit(*fit.T, 1)
    assert slope == pytest.approx(record.regions[0].slope)
    assert intercept == pytest.approx(record.regions[0].intercept)
    band = next(drawn for drawn in axes.collections if len(drawn.get_offsets()) != 40).get_paths()[0].vertices
    middle = table["ct_hu"].mean()
    near = band[np.abs(band[:, 0] - middle) < 0.5]
    half = np.abs(near[:, 1] - intercept - slope * near[:, 0]).max()
    residual = table["qsm_ppm"] - intercept - slope * table["ct_hu"]
    assert half == pytest.approx(2.024 * np.sqrt((residual**2).sum() / 38 / 40), rel=0.1)


def test_few_people_with_many_points_are_told_apart(rng):
    table = region_table(rng, {"one": 0.5}).assign(subject_id=lambda t: ["a" if i % 2 else "b" for i in range(len(t))])
    told = words(scatter(table, correlation(table), subject="subject_id"))
    assert {"a", "b"} <= set(told)
    assert any("n = 40 from 2" in text for text in told)


def test_rows_without_a_region_column_are_one_region(rng):
    table = region_table(rng, {"all": 0.5})
    record = correlation(table)
    axes = scatter(table.drop(columns="roi"), record).axes[0]
    assert len(axes.collections[0].get_offsets()) == 40


def test_a_region_that_could_not_be_computed_is_still_shown(rng):
    table = region_table(rng, {"one": 0.5, "empty": 0.0}, n=12)
    table.loc[table["roi"] == "empty", "qsm_ppm"] = np.nan
    record = correlation(table[table["roi"] == "one"])
    record = record.model_copy(update={"regions": [*record.regions, empty_region("empty")]})
    assert "no correlation computed" in words(scatter(table, record))
    assert "empty" in words(forest(record))


def test_many_regions_are_cut_and_it_is_said(rng):
    table = region_table(rng, {f"region {i}": 0.5 for i in range(MOST_PANELS + 2)}, n=8)
    record = correlation(table)
    canvas = scatter(table, record)
    assert sum(axes.axison for axes in canvas.axes) == MOST_PANELS
    assert "2 more regions" in left_out_panels(record)
    assert left_out_panels(record.model_copy(update={"regions": record.regions[:3]})) == ""


def test_the_forest_shows_both_coefficients_with_their_intervals(rng):
    record = correlation(region_table(rng, NINE))
    canvas = forest(record)
    axes = canvas.axes[0]
    intervals = [tuple(drawn.get_xdata()) for drawn in axes.get_lines() if len(drawn.get_xdata()) == 2]
    for region in record.regions:
        assert (region.pearson_ci95_low, region.pearson_ci95_high) in intervals
        assert (region.spearman_ci95_low, region.spearman_ci95_high) in intervals
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    assert {"Pearson r", "Spearman ρ", "paramagnetic", "diamagnetic", "undetermined"} <= set(words(canvas))


def test_nothing_to_draw_is_refused(rng):
    record = correlation(region_table(rng, {"one": 0.5})).model_copy(update={"regions": []})
    with pytest.raises(ValueError, match="without regions"):
        forest(record)
    with pytest.raises(ValueError, match="without regions"):
        scatter(region_table(rng, {"one": 0.5}), record)


def test_the_band_of_clustered_rows_is_wider_and_there_is_none_with_covariates(rng):
    table = region_table(rng, {"one": 0.7}, n=60)
    people = np.arange(60) // 6
    level = rng.normal(0, 0.05, 10)
    table = table.assign(subject_id=people, qsm_ppm=table["qsm_ppm"] + level[people])
    record = correlation(table)

    def height(**more):
        axes = scatter(table, more.pop("record", record), **more).axes[0]
        bands = [drawn for drawn in axes.collections if len(drawn.get_offsets()) != 60]
        return max((np.ptp(band.get_paths()[0].vertices[:, 1]) for band in bands), default=0.0)

    assert height(subject="subject_id") > 1.2 * height()
    assert height(record=record.model_copy(update={"covariates": ["age"]})) == 0
