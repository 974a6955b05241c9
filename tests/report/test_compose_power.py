"""The report of `power`."""

from phantomcal.report.compose_power import power_report
from phantomcal.report.page import Callout, Figure, TableBlock, render
from phantomcal.report.power_figures import largest_gap
from phantomcal.results.trials import PowerTable, TrialDesign
from phantomcal.trials.table import Simulation, power_table


def made(simulate: bool = True, **said: object) -> PowerTable:
    plan = TrialDesign(outcome="mean", visits=2, correlation=0.8, power=0.9, alpha=0.1, **said)
    return power_table(plan, differences=[0.5, 2.2], sd=1.0, simulation=Simulation(2000) if simulate else None)


def test_sizes_curves_simulations_and_the_statement() -> None:
    table = made()
    report = power_report(table)
    assert [s.title for s in report.sections] == [
        "Power curves",
        "Sizes",
        "What simulated trials say",
        "For the protocol",
    ]
    assert report.verdict == "review"  # 4 patients an arm
    curves, sizes, simulated, protocol = report.sections
    assert isinstance(curves.blocks[0], Figure)
    assert "62 per arm" in curves.blocks[0].alt
    block = sizes.blocks[0]
    assert isinstance(block, TableBlock)
    assert list(block.frame["control"]) == [62, 4]
    assert block.flags == ["", "warn"]
    said = [b.text for b in simulated.blocks if isinstance(b, Callout)]
    assert any("differ by more than 2 points: difference 2.2" in text for text in said)
    statement = protocol.blocks[0]
    assert isinstance(statement, Callout)
    assert "62 patients per arm (124 in total) have a power of 90 %" in statement.text
    assert "correlation of 0.8 between visits" in statement.text
    assert "Liu H, Wu T" in " ".join(report.references)
    assert render(report) == render(power_report(made()))
    gap = largest_gap(table.rows)
    assert gap is not None
    assert f"{gap:.1f} points" in [k.value for k in report.key_numbers]


def test_without_simulation_nothing_is_said_of_it() -> None:
    report = power_report(made(simulate=False, dropout=0.2))
    assert "What simulated trials say" not in [s.title for s in report.sections]
    assert "simulated" not in report.methods.lower()
    assert "20 % of patients are lost" in report.methods
    text = render(report)
    assert "Needed, all visits" in text


def test_many_effects_are_all_in_the_table_and_the_first_are_drawn() -> None:
    plan = TrialDesign(outcome="proportion")
    table = power_table(plan, baselines=[0.5], effects=[k / 20 for k in range(3, 15)])
    report = power_report(table)
    curves, sizes = report.sections[:2]
    assert "first 7 of 12" in curves.blocks[0].caption  # type: ignore[union-attr]
    assert len(sizes.blocks[0].frame) == 12  # type: ignore[union-attr]
