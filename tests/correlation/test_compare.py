"""From a region table to comparisons: simulated truth, the test that fits the people, refusals."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.correlation.compare import compare, comparison_frame
from phantomcal.correlation.expected_iron import expected_ppm, iron_region
from phantomcal.errors import InputError
from phantomcal.results import ComparisonRow, RegionComparison
from phantomcal.simulate.targets import draw_cohort


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    return draw_cohort(np.random.default_rng(21))


def row(found: RegionComparison, kind: str, roi: str, quantity: str, other: str = "") -> ComparisonRow:
    return next(
        r for r in found.rows if (r.kind, r.roi, r.quantity) == (kind, roi, quantity) and r.other in (other, r.other)
    )


def pair(found: RegionComparison, one: str, other: str) -> ComparisonRow:
    return next(r for r in found.rows if r.kind == "regions" and {r.roi, r.other} == {one, other})


def test_regions_of_opposite_sign_differ_and_the_test_fits_the_people(cohort: pd.DataFrame) -> None:
    found = compare(cohort)
    assert len(found.rows) == 36
    iron_against_calcium = pair(found, "globus pallidus", "choroid plexus")
    assert iron_against_calcium.p_adjusted < 1e-6
    assert abs(iron_against_calcium.estimate) == pytest.approx(0.721 + 0.728, abs=0.25)
    assert "Steiger" in iron_against_calcium.method
    assert "subjects left out" in pair(found, "haemorrhage", "calcification").method
    assert pair(found, "putamen", "red nucleus").p_adjusted > 0.05
    alone = compare(cohort[cohort["lesion_id"] == ""], subject=None)
    assert "Fisher z" in alone.rows[0].method
    assert any("as if of different people" in words for words in alone.warnings)


def test_a_group_difference_comes_back_and_none_is_made_up(cohort: pd.DataFrame) -> None:
    table = cohort.copy()
    patients = (table["roi"] == "putamen") & (table["group"] == "patient")
    table.loc[patients, "qsm_ppm"] += 0.02
    found = compare(table, groups=["group"])
    shifted = row(found, "groups", "putamen", "mean qsm_ppm")
    assert shifted.other == "patient - volunteer"
    assert shifted.ci95_low < 0.02 < shifted.ci95_high
    assert shifted.p_adjusted < 0.01
    assert (shifted.unit, shifted.n_first, shifted.n_second) == ("ppm", 84, 20)
    assert row(found, "groups", "putamen", "pearson_r").p_adjusted > 0.05
    assert row(found, "groups", "red nucleus", "mean ct_hu").p_adjusted > 0.05
    # Volunteers have no lesions, so nothing is compared there.
    assert not any(r.kind == "groups" and r.roi == "haemorrhage" for r in found.rows)


def test_travelling_people_are_paired_between_scanners(rng: np.random.Generator) -> None:
    level = rng.normal(0.1, 0.03, 20)
    rows = [
        {
            "subject_id": i,
            "roi": "putamen",
            "scanner": s,
            "ct_hu": 40 + rng.normal(),
            "qsm_ppm": level[i] + 0.004 * (s == "B"),
        }
        for i in range(20)
        for s in "AB"
    ]
    table = pd.DataFrame(rows)
    table["qsm_ppm"] += rng.normal(0, 0.002, 40)
    found = row(compare(table, groups=["scanner"]), "groups", "putamen", "mean qsm_ppm")
    assert "paired" in found.method
    assert found.ci95_low < -0.004 < found.ci95_high
    assert found.p < 0.01  # unpaired, the spread between people would hide it


def test_age_effects_and_the_iron_expected_at_that_age(cohort: pd.DataFrame) -> None:
    table = cohort.copy()
    here = table["roi"] == "putamen"
    noise = np.random.default_rng(2).normal(0, 0.005, here.sum())
    table.loc[here, "qsm_ppm"] = expected_ppm("putamen", table.loc[here, "age"].to_numpy(), 9.0) + noise - 0.02
    found = compare(table, age="age")
    change = row(found, "age", "putamen", "qsm_ppm per year")
    assert change.p_adjusted < 1e-6
    assert change.unit == "ppm per year"
    assert row(found, "age", "red nucleus", "qsm_ppm per year").p_adjusted > 0.05
    beside = row(found, "iron", "putamen", "mean")
    assert beside.estimate == pytest.approx(-0.02, abs=0.002)
    scale = row(found, "iron", "putamen", "slope on expected iron")
    assert scale.ci95_low < 9.0 < scale.ci95_high
    assert {r.roi for r in found.rows if r.kind == "iron"} == {"putamen", "globus pallidus", "caudate nucleus"}
    other = compare(table, age="age", ppb_per_mg=15.0)
    assert row(other, "iron", "putamen", "mean").second == pytest.approx(beside.second * 15 / 9)
    # Lesions of one patient share an age: the slope leaves out patients, not lesions.
    assert "subjects left out" in row(found, "age", "haemorrhage", "ct_hu per year").method


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("left globus pallidus", "pallidum"),
        ("GPi_pallidum_L", "pallidum"),
        ("caudate nucleus", "caudate"),
        ("ctx-lh-superiorfrontal", "frontal cortex"),
        ("frontal white matter", None),
        ("red nucleus", None),
    ],
)
def test_names_of_regions_with_known_iron(name: str, tissue: str | None) -> None:
    assert iron_region(name) == tissue


def test_readers_agree_or_not(cohort: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    table = cohort.assign(second=cohort["qsm_ppm"] + 0.01 + rng.normal(0, 0.005, len(cohort)))
    found = compare(table, second="second")
    bias = row(found, "agreement", "putamen", "bias of qsm_ppm")
    assert bias.ci95_low < 0.01 < bias.ci95_high
    assert (
        row(found, "agreement", "putamen", "ICC(3,1)").estimate
        > row(found, "agreement", "putamen", "ICC(2,1)").estimate
    )
    # The noise of the second reader weakens its correlation with CT; the two share the CT and the people.
    weaker = row(found, "agreement", "globus pallidus", "pearson_r with ct_hu")
    assert weaker.first > weaker.second
    assert "Steiger" in weaker.method
    assert weaker.ci95_low > -0.1
    assert weaker.ci95_high < 0.2  # far narrower than for different people
    assert "subjects left out" in row(found, "agreement", "haemorrhage", "pearson_r with ct_hu").method
    lesions = row(found, "agreement", "haemorrhage", "bias of qsm_ppm")
    assert "subjects left out" in lesions.method
    assert row(found, "agreement", "haemorrhage", "ICC(2,1)").ci95_low is None
    assert len(found.agreement) == 9


def test_p_values_are_adjusted_within_a_kind_and_quantity(cohort: pd.DataFrame) -> None:
    frame = comparison_frame(compare(cohort, groups=["group"], age="age"))
    part = frame[(frame["kind"] == "groups") & (frame["quantity"] == "mean ct_hu")].sort_values("p")
    assert part["p_adjusted"].iloc[0] == pytest.approx(min(1.0, 7 * part["p"].iloc[0]))
    plain = comparison_frame(compare(cohort, adjust="none"))
    assert (plain["p_adjusted"] == plain["p"]).all()


def test_row_order_does_not_matter(cohort: pd.DataFrame) -> None:
    shuffled = cohort.sample(frac=1.0, random_state=3)
    one, other = (comparison_frame(compare(t, groups=["group"], age="age")) for t in (cohort, shuffled))
    pd.testing.assert_frame_equal(one, other, rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"groups": ["arm"]}, "no column 'arm'.*--group"),
        ({"group": "patient"}, {"groups": ["group"]}, "'group' has one group only"),
        ({"age": 400.0}, {"age": "age"}, "an age of 400"),
        ({"age": 50.0}, {"age": "age"}, "no ages that differ"),
        ({}, {"second": "qsm_ppm", "reader": "group"}, "--second or --reader, not both"),
        ({"reader": "x"}, {"reader": "reader"}, "names 1 readers"),
        ({"roi": "a"}, {}, "nothing to compare"),
        ({}, {"adjust": "tukey"}, "'tukey'"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    cohort: pd.DataFrame, change: dict[str, object], options: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        compare(cohort.assign(**change), **options)


def test_a_reader_who_measured_twice_is_refused(cohort: pd.DataFrame) -> None:
    table = cohort[cohort["roi"] == "putamen"]
    table = pd.concat([table.assign(reader="A"), table.assign(reader="B"), table.head(1).assign(reader="B")])
    with pytest.raises(InputError, match="reader 'B' measured 'putamen' of subject 'sub-001' twice"):
        compare(table.reset_index(drop=True), reader="reader")


def test_covariates_are_taken_out_of_every_comparison(cohort: pd.DataFrame) -> None:
    """Patients are older here and age raises both columns: the groups differ until age is taken out."""
    table = cohort[cohort["roi"].isin(["putamen", "red nucleus"])].reset_index(drop=True)
    table["age"] += 30.0 * (table["group"] == "patient")
    table["qsm_ppm"] += 0.002 * table["age"]
    plain = row(compare(table, groups=["group"]), "groups", "putamen", "mean qsm_ppm")
    found = compare(table, groups=["group"], covariates=["age", "sex"])
    adjusted = row(found, "groups", "putamen", "mean qsm_ppm")
    assert plain.p < 1e-3
    assert adjusted.p > 0.05
    assert "covariates" in adjusted.method
    # Steiger's test has no partial version: people are left out instead.
    assert "subjects left out" in pair(found, "putamen", "red nucleus").method
