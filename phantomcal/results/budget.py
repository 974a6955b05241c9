"""Uncertainty budgets in the manner of the GUM."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import Record


class BudgetEntry(Record):
    """One source of uncertainty."""

    source: str = Field(description="noise, position, partial volume, concentration, temperature, reference, ...")
    evaluation: Literal["A", "B"] = Field(description="A: from repeated observation; B: from other knowledge")
    distribution: str = "normal"
    standard_uncertainty: float | None = Field(description="Of the source in its own unit; null when not stated")
    unit: str
    sensitivity: float | None = Field(None, description="Change of the result per change of the source")
    contribution: float = Field(description="Standard uncertainty of the result from this source")
    degrees_of_freedom: float | None = None
    note: str = ""


class Budget(Record):
    """Combined and expanded uncertainty of one result."""

    quantity: str = Field(description="What the budget is of, in words")
    value: float
    unit: str
    entries: list[BudgetEntry]
    combined: float = Field(description="Combined standard uncertainty")
    degrees_of_freedom: float | None = Field(None, description="Effective (Welch-Satterthwaite)")
    coverage_factor: float
    expanded: float
    not_included: list[str] = Field(default_factory=list, description="Sources that nobody stated, in words")
