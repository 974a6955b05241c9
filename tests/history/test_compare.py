import numpy as np
import pytest
from scipy import stats

from phantomcal.errors import InputError
from phantomcal.history.compare import compare_calibrations, compare_scanners
from tests.history.made import LEVELS, in_control, made, rows

NAMES = ("before", "after")


def noisy(rng, slope, sd=0.01, **more):
    return made(slope, noise=rng.normal(0, sd, len(LEVELS)), **more)


def fitted(record):
    """The line's slope and error as `linregress` has them, not as asked for."""
    x = np.array([v.abscissa for v in record.vials])
    y = np.array([v.value for v in record.vials])
    fit = stats.linregress(x, y)
    line = record.lines[0].model_copy(update={"slope": float(fit.slope), "slope_se": float(fit.stderr)})
    return record.model_copy(update={"lines": [line]}), x, y


def test_the_f_test_is_statsmodels_interaction(rng):
    import pandas as pd
    import statsmodels.formula.api as smf

    (a, x, y), (b, _, z) = fitted(noisy(rng, 0.33)), fitted(noisy(rng, 0.338))
    (line,) = compare_calibrations(a, b, NAMES).lines
    f = next(t for t in line.other_tests if t.name == "F test of equal slopes")
    frame = pd.DataFrame({"x": [*x, *x], "y": [*y, *z], "g": [0] * 6 + [1] * 6})
    theirs = smf.ols("y ~ x * C(g)", frame).fit()
    assert f.p_value == pytest.approx(theirs.pvalues["x:C(g)[T.1]"])
    assert f.degrees_of_freedom == (1.0, 8.0)
    welch = next(t for t in line.other_tests if t.name == "Welch")
    assert welch.statistic == pytest.approx((b.lines[0].slope - a.lines[0].slope)
                                            / np.hypot(a.lines[0].slope_se, b.lines[0].slope_se))  # fmt: skip


def test_pairing_finds_what_wrong_concentrations_hide(rng):
    """Both scans share the vials' errors, which are far larger than the scans' own noise."""
    shared = np.array([0.05, -0.06, 0.04, -0.05, 0.06, -0.04])
    a, _, _ = fitted(made(0.33, noise=shared + rng.normal(0, 0.001, 6)))
    b, _, _ = fitted(made(0.33 * 1.03, noise=shared + rng.normal(0, 0.001, 6)))
    (line,) = compare_calibrations(a, b, NAMES, {"qsm": 1.0}).lines
    assert line.main_test.name == "paired vials"
    assert line.verdict == "differ"
    assert line.difference_percent == pytest.approx(3.0, abs=0.3)
    assert all(t.p_value > 0.1 for t in line.other_tests)


def test_words_depend_on_what_is_known(rng):
    same, again = fitted(noisy(rng, 0.33, 0.001))[0], fitted(noisy(rng, 0.33, 0.001))[0]
    (line,) = compare_calibrations(same, again, NAMES, {"qsm": 5.0}).lines
    assert line.verdict in ("agree", "differ within tolerance")
    coarse = [fitted(noisy(rng, 0.33, 0.15))[0] for _ in range(2)]
    (line,) = compare_calibrations(*coarse, NAMES, {"qsm": 2.0}).lines
    assert line.verdict == "undetermined"
    assert "cannot be ruled out" in line.words
    (line,) = compare_calibrations(same, fitted(noisy(rng, 0.36, 0.001))[0], NAMES, {"qsm": 5.0}).lines
    assert line.verdict == "differ"
    assert line.p_adjusted < 0.001


def test_other_vials_are_compared_by_welch(rng):
    a = fitted(noisy(rng, 0.33))[0]
    other = made(0.33, noise=rng.normal(0, 0.01, 5), levels=(0, 1, 2, 4, 8.5))
    other = other.model_copy(update={"vials": [v.model_copy(update={"vial_id": f"H{k}"}) for k, v in
                                              enumerate(other.vials)]})  # fmt: skip
    (line,) = compare_calibrations(a, other, NAMES).lines
    assert line.main_test.name == "Welch"


def test_false_alarms_of_the_paired_test_are_five_percent(rng):
    alarms = 0
    for _ in range(250):
        a, b = fitted(noisy(rng, 0.33))[0], fitted(noisy(rng, 0.33))[0]
        (line,) = compare_calibrations(a, b, NAMES).lines
        alarms += line.main_test.p_value < 0.05
    assert 0.02 <= alarms / 250 <= 0.1


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="different protocols"):
        compare_calibrations(made(), made(protocol="other"), NAMES)
    with pytest.raises(InputError, match="no line in common"):
        compare_calibrations(made(), made(material="calcium"), NAMES)


def test_sessions_of_two_scanners_are_compared_by_welch_s_t(rng):
    a, b = in_control(rng, 8, 0.33), in_control(rng, 6, 0.345)
    found = compare_scanners([*rows(a), *rows(b, scanner="B")], ["A", "B"])
    (line,) = found.lines
    theirs = stats.ttest_ind(b, a, equal_var=False)
    assert line.main_test.p_value == pytest.approx(theirs.pvalue)
    low, high = theirs.confidence_interval()
    assert line.difference_ci95 == pytest.approx((100 * low / a.mean(), 100 * high / a.mean()))
    assert line.verdict == "differ"
    assert [s.n_sessions for s in line.slopes] == [8, 6]
    assert line.slopes[0].between_session_sd == pytest.approx(a.std(ddof=1))
    assert line.heterogeneity_percent is not None


def test_three_scanners_are_compared_by_welch_s_f(rng):
    data = [*rows(in_control(rng, 6)), *rows(in_control(rng, 6), scanner="B"), *rows(in_control(rng, 6), scanner="C")]
    (line,) = compare_scanners(data, ["A", "B", "C"]).lines
    assert line.main_test.statistic_name == "F"
    assert (line.difference_percent, line.difference_ci95) == (None, None)
    import pandas as pd
    import pingouin

    frame = pd.DataFrame([(r.scanner, r.slope) for r in data], columns=["scanner", "slope"])
    theirs = pingouin.welch_anova(frame, dv="slope", between="scanner")
    assert line.main_test.statistic == pytest.approx(float(theirs["F"].iloc[0]))


def test_single_sessions_are_compared_by_their_standard_errors():
    found = compare_scanners([*rows([0.33]), *rows([0.345], scanner="B")], ["A", "B"])
    (line,) = found.lines
    assert line.main_test.name.startswith("Cochran")
    assert line.main_test.statistic == pytest.approx((0.015 / np.hypot(0.003, 0.003)) ** 2)
    assert any("one session each" in w for w in found.warnings)


def test_several_lines_share_one_adjustment(rng):
    def both(scanner, centre):
        return rows(in_control(rng, 6, centre), scanner=scanner) + rows(
            in_control(rng, 6, 5.7, 0.02), scanner=scanner, modality="ct", slope_unit="HU/(mmol/L)"
        )

    found = compare_scanners([*both("A", 0.33), *both("B", 0.331)], ["A", "B"])
    assert found.adjustment == "Holm over 2 lines"
    raw = sorted(line.main_test.p_value for line in found.lines)
    adjusted = sorted(line.p_adjusted for line in found.lines)
    assert adjusted == pytest.approx([min(1, 2 * raw[0]), max(min(1, 2 * raw[0]), raw[1])])


@pytest.mark.parametrize(
    ("scanners", "said"), [(["A"], "two scanners"), (["A", "A"], "two scanners"), (["A", "X"], "no calibration")]
)
def test_scanners_that_cannot_be_compared(scanners, said):
    with pytest.raises(InputError, match=said):
        compare_scanners(rows([0.33, 0.34]), scanners)


def test_scanners_of_several_phantoms_are_refused():
    mixed = [*rows([0.33]), *rows([0.34], scanner="B", protocol="other")]
    with pytest.raises(InputError, match="--protocol"):
        compare_scanners(mixed, ["A", "B"])
