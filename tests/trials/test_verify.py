"""Simulated trials agree with the formula where it holds, and say so where it does not."""

import pytest

from phantomcal.errors import InputError
from phantomcal.results.trials import PowerRow, TrialDesign
from phantomcal.trials.table import Simulation, power_frame, power_table

BASE = {"visits": 2, "correlation": 0.8, "power": 0.9, "alpha": 0.1}


def simulated(outcome: str, n_trials: int = 4000, seed: int = 3, **said: object) -> list[PowerRow]:
    inputs = {k: said.pop(k) for k in ("baselines", "effects", "differences", "sd", "sizes") if k in said}
    plan = TrialDesign(outcome=outcome, **{**BASE, **said})
    return power_table(plan, simulation=Simulation(n_trials, seed), **inputs).rows


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("mean", {"differences": [0.5], "sd": 1.0}),
        ("mean", {"differences": [0.5], "sd": 1.0, "lesions": 3, "lesion_correlation": 0.5, "allocation": 2.0}),
        ("mean", {"differences": [0.4], "sd": 1.0, "dropout": 0.3, "visits": 3, "correlation": 0.5}),
        ("proportion", {"baselines": [0.62], "effects": [0.2, 0.3]}),
        ("proportion", {"baselines": [0.31], "effects": [0.5], "lesions": 2, "lesion_correlation": 0.3}),
        ("proportion", {"baselines": [0.4], "effects": [0.4], "dropout": 0.2}),
        ("rate", {"baselines": [0.8], "effects": [0.4], "dispersion": 0.5}),
        ("rate", {"baselines": [0.8], "effects": [0.4], "tails": 1, "correlation": 0.3}),
    ],
)
def test_power_and_level_hold_where_the_assumptions_do(outcome: str, said: dict[str, object]) -> None:
    for row in simulated(outcome, **said):
        found = row.simulation
        assert found is not None
        # 2 points, and three standard errors of the simulation: 1.4 points at 4000 trials.
        assert abs(found.points_off) < 2.0 + 1.4
        assert found.agreement != "differs"
        assert found.type_one_error == pytest.approx(0.1, abs=0.015)


def test_few_patients_are_told() -> None:
    (row,) = simulated("mean", differences=[2.2], sd=1.0)
    assert row.n_control == 4
    found = row.simulation
    assert found is not None
    assert found.agreement == "differs"
    assert found.points_off < -3
    # Student's t is right where the normal formula is not.
    assert row.power_student is not None
    assert abs(found.power - row.power_student) < 0.015
    assert any("Student's t" in note for note in row.notes)
    assert any("trust the simulation" in note for note in row.notes)
    assert found.type_one_error == pytest.approx(0.1, abs=0.015)


def test_complete_patients_alone_reach_the_power_and_all_visits_more() -> None:
    (row,) = simulated("mean", differences=[0.4], sd=1.0, dropout=0.4, visits=4, correlation=0.4)
    found = row.simulation
    assert found is not None
    assert found.completers_power is not None
    assert found.completers_power == pytest.approx(0.9, abs=0.02)
    assert found.power > found.completers_power + 0.03
    assert row.n_complete < row.n_available_visits < row.n_per_arm
    assert any("suffice" in note for note in row.notes)


def test_rare_events_are_told() -> None:
    (row,) = simulated("rate", baselines=[0.1], effects=[0.9], visits=1, n_trials=2000)
    assert any("independent events" in note for note in row.notes)
    (row,) = simulated("proportion", baselines=[0.05], effects=[0.9], visits=1, sizes=[40], n_trials=500)
    assert any("doubtful below 5" in note for note in row.notes)


def test_the_seed_decides(rng: object) -> None:
    one, same, other = (
        simulated("proportion", baselines=[0.5], effects=[0.4], n_trials=500, seed=s)[0].simulation for s in (1, 1, 2)
    )
    assert one == same
    assert one is not None
    assert other is not None
    assert one.power != other.power


def test_columns_of_power_csv() -> None:
    plan = TrialDesign(outcome="mean", **BASE)
    frame = power_frame(power_table(plan, differences=[0.5, 1.0], sd=1.0, simulation=Simulation(200)))
    assert list(frame["n_per_arm"]) == [62, 16]
    assert {"difference", "n_total", "power", "simulated_power_ci95_low", "note"} <= set(frame.columns)
    assert "effect" not in frame.columns


def test_simulations_without_end_are_refused() -> None:
    plan = TrialDesign(outcome="proportion")
    with pytest.raises(InputError, match="ask for fewer"):
        power_table(plan, baselines=[0.01], effects=[0.05], simulation=Simulation(100_000))
