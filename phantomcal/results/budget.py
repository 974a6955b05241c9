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
    degrees_of_freedom: float | None = Field(None, description="Null where the source is taken as exactly known")
    note: str = ""


class Budget(Record):
    """Combined and expanded uncertainty of one result."""

    quantity: str = Field(description="What the budget is of, in words")
    value: float
    unit: str
    entries: list[BudgetEntry]
    combined: float = Field(description="Combined standard uncertainty")
    degrees_of_freedom: float | None = Field(None, description="Effective (Welch-Satterthwaite); null: unlimited")
    coverage_factor: float = Field(description="k of the expanded uncertainty")
    expanded: float = Field(description="k times the combined standard uncertainty")
    coverage_factor_95: float | None = Field(
        None, description="k for 95 % by Student's t at the effective degrees of freedom, for when these are few"
    )
    expanded_95: float | None = Field(None, description="Expanded uncertainty with coverage_factor_95")
    not_included: list[str] = Field(default_factory=list, description="Sources that nobody stated, in words")
