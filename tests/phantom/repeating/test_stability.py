import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.phantom.repeating.stability import repeatability
from tests.history.made import LEVELS, made


def runs(rng, n=2, sd=0.01, **more):
    return [made(0.33, noise=rng.normal(0, sd, len(LEVELS)), **more) for _ in range(n)]


def test_vials_lines_and_the_whole(rng):
    records = runs(rng, 4)
    found = repeatability(records, ["a", "b", "c", "d"])
    (group,) = found.agreement
    table = np.array([[v.value for v in r.vials] for r in records]).T
    assert group.within.wsd == pytest.approx(np.sqrt(table.var(axis=1, ddof=1).mean()))
    assert [(p.first, p.second) for p in group.bland_altman] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert group.bland_altman[0].bias == pytest.approx((table[:, 1] - table[:, 0]).mean())
    assert [i.form for i in group.icc] == ["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]
    assert [r.level for r in found.rows] == ["vial"] * 6 + ["slope", "intercept"]
    slope = found.rows[6]
    assert slope.unit == "ppm/(mmol/L)"
    assert slope.measured == [r.lines[0].slope for r in records]
    assert any("4 runs only" in w for w in found.warnings)


def test_two_runs_say_how_few_they_are(rng):
    found = repeatability(runs(rng), ["a", "b"])
    assert any("two runs only" in w and "32 times" in w for w in found.warnings)
    row = found.rows[0]
    assert row.wsd_ci95[1] / row.wsd == pytest.approx(31.9, abs=0.1)


def test_a_failed_vial_is_shown_but_not_pooled(rng):
    first, second = runs(rng)
    vials = [
        v.model_copy(update={"used": False, "flag": "failed"}) if k == 2 else v for k, v in enumerate(second.vials)
    ]
    found = repeatability([first, second.model_copy(update={"vials": vials})], ["a", "b"])
    assert [r.pooled for r in found.rows[:6]] == [True, True, False, True, True, True]
    assert found.agreement[0].vials == [v.vial_id for k, v in enumerate(vials) if k != 2]
    assert any("not pooled: G1.5" in w for w in found.warnings)


def test_a_shift_between_runs_is_said(rng):
    first, second = runs(rng, sd=0.002)
    vials = [v.model_copy(update={"value": v.value + 0.1}) for v in second.vials]
    found = repeatability([first, second.model_copy(update={"vials": vials})], ["a", "b"])
    assert any("systematically higher" in n for n in found.agreement[0].notes)


def test_vials_that_a_run_lacks_are_named(rng):
    first, second = runs(rng)
    found = repeatability([first, second.model_copy(update={"vials": second.vials[1:]})], ["a", "b"])
    assert any("G0 (qsm)" in w for w in found.warnings)
    assert len(found.agreement[0].vials) == 5


def test_what_is_no_repetition_is_refused(rng):
    first, second = runs(rng)
    with pytest.raises(InputError, match="two runs"):
        repeatability([first], ["a"])
    with pytest.raises(InputError, match="different protocols"):
        repeatability([first, runs(rng, protocol="other")[0]], ["a", "b"])
    changes = (
        ("no vial in common", lambda v, k: {"vial_id": f"H{k}"}),
        ("has units ppb and ppm", lambda v, k: {"unit": "ppb"}),
        (r"vial 'G0\.6' holds 0\.6 and 0\.7", lambda v, k: {"abscissa": v.abscissa + 0.1 * (k == 1)}),
    )
    for said, change in changes:
        vials = [v.model_copy(update=change(v, k)) for k, v in enumerate(second.vials)]
        with pytest.raises(InputError, match=said):
            repeatability([first, second.model_copy(update={"vials": vials})], ["a", "b"])


def test_a_copy_is_no_repeated_scan(rng):
    from tests.report.records import provenance

    record = made(0.33, noise=rng.normal(0, 0.01, 6), provenance=provenance())
    with pytest.raises(InputError, match="same scan"):
        repeatability([record, record], ["a", "b"])
