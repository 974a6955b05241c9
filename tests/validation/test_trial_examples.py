"""Published trial sizes, as a user gets them from the command line."""

import json

import pytest
from scipy import stats

from tests.cli.conftest import Call, call
from tests.validation.conftest import Published

__all__ = ["call"]  # the fixture

DESIGN = ("--visits", 2, "--correlation", 0.8, "--power", 0.9, "--alpha", 0.1, "--tails", 2)
ZEINEDDINE = ("Zeineddine et al., J Magn Reson Imaging 2018", "10.1002/jmri.25831")


@pytest.mark.source(*ZEINEDDINE)
@pytest.mark.parametrize(
    ("baseline", "sizes"),
    [(0.31, [805, 345, 113]), (0.62, [246, 110, 39])],
)
def test_recurrent_bleeds_and_threshold_events_of_cavernous_malformations(
    call: Call, published: Published, baseline: float, sizes: list[int]
) -> None:
    """31 % clinical and 62 % threshold events, effects of 20, 30, 50 %."""
    effects = ("--effect", 0.2, "--effect", 0.3, "--effect", 0.5)
    done = call("power", "--outcome", "proportion", "--baseline", baseline, *effects, *DESIGN, "--json")
    assert done.code == 0
    rows = json.loads(done.out)["rows"]
    what = f"patients per arm, {baseline:.0%} events, effects of 20, 30 and 50 %"
    published(what, [row["n_per_arm"] for row in rows], sizes)
    assert [row["effect"] for row in rows] == [0.2, 0.3, 0.5]
    assert {row["outcome"] for row in rows} == {"proportion"}


@pytest.mark.source("Formula of Diggle et al., Analysis of Longitudinal Data, 2nd ed., section 2.4")
def test_the_published_standardised_difference(call: Call, published: Published) -> None:
    """sigma 1, difference 0.5, the same design: 61.66, so 62 per arm."""
    done = call("power", "--outcome", "mean", "--sd", 1, "--difference", 0.5, *DESIGN, "--json")
    (row,) = json.loads(done.out)["rows"]
    published("patients per arm, difference of half an SD", row["n_per_arm"], 62)
    published("the same before rounding up", row["n_unrounded"], 61.66, abs=0.005)
    assert row["difference"] == 0.5


@pytest.mark.source("Hage et al. 2023, CASH Trial Readiness", "10.1101/2023.06.01.23290854")
def test_one_tail_against_two_in_the_cash_trial_readiness(call: Call, published: Published) -> None:
    """42 subjects with two tails, 34 with one, power 0.8, alpha 0.05.

    The paper does not print the standard deviation behind its 30 % difference, so the difference that 21 patients per
    arm detect with two tails is found first; with one tail it must need 17.
    """
    # fmt: off
    common = ("--outcome", "mean", "--sd", 1, "--visits", 2, "--correlation", 0.8, "--power", 0.8, "--alpha", 0.05,
              "--json")
    # fmt: on
    (found,) = json.loads(call("power", *common, "--tails", 2, "--n", 21).out)["rows"]
    asked = ("--difference", found["difference"])
    sizes = {}
    for tails in (1, 2):
        (row,) = json.loads(call("power", *common, "--tails", tails, *asked).out)["rows"]
        sizes[tails] = (row["n_per_arm"], row["n_total"])
    published("two tails: patients per arm and in all", sizes[2], (21, 42))
    published("one tail, the same difference: patients per arm and in all", sizes[1], (17, 34))
    # The ratio depends on the levels alone: ((1.960 + 0.842) / (1.645 + 0.842))^2.
    z = stats.norm.ppf
    assert 21 / row["n_unrounded"] == pytest.approx(1.0)
    assert ((z(0.975) + z(0.8)) / (z(0.95) + z(0.8))) ** 2 == pytest.approx(1.2695, abs=1e-4)
