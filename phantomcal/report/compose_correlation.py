"""From a correlation to its report: scatter plots, forest and table."""

from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.correlation_figures import forest, left_out_panels, region_scatter
from phantomcal.report.methods import correlation_citations, correlation_methods
from phantomcal.report.numbers import (
    NONE,
    correlation_interval,
    count,
    fixed,
    listed,
    missing,
    number,
    p_number,
    p_value,
    with_uncertainty,
)
from phantomcal.report.page import KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.results import Correlation, RegionCorrelation

if TYPE_CHECKING:
    from pandas import DataFrame


def correlation_report(
    correlation: Correlation, table: "DataFrame", group: str | None = None, subject: str | None = None
) -> Report:
    """The report of `correlate`.

    Parameters
    ----------
    correlation : Correlation
        The result; it names the columns it was made from.
    table : pandas.DataFrame
        The rows that were correlated.
    group : str, optional
        Column that colours the points.
    subject : str, optional
        Column of the person.

    Returns
    -------
    Report
    """
    people = f" · {count(table[subject].nunique(), 'subject')}" if subject is not None and subject in table else ""
    values = sum(region.n for region in correlation.regions)
    return Report(
        kind="Correlation report",
        title="CT and susceptibility, region by region",
        subtitle=f"{count(len(correlation.regions), 'region')} · {count(values, 'pair', 'pairs')} of values{people}",
        verdict="review" if correlation.warnings else "info",
        verdict_text=verdict_words(correlation),
        key_numbers=_key_numbers(correlation),
        warnings=[],
        sections=correlation_sections(correlation, table, group, subject),
        methods=correlation_methods(correlation),
        references=correlation_citations(),
        provenance=correlation.provenance,
    )


def correlation_sections(
    correlation: Correlation, table: "DataFrame", group: str | None = None, subject: str | None = None
) -> list[Section]:
    """The sections of a correlation: regions as pictures, then all of them in a forest and a table."""
    if not correlation.regions:
        return [Section("Regions", "", [Text("No region could be correlated.")], correlation.warnings)]
    told = "; ".join(_region_words(region) for region in correlation.regions)
    scatter = region_scatter(table, correlation, correlation.x, correlation.y, correlation.by, group, subject)
    caption = "Lines are least-squares fits with their 95 % bands. " + left_out_panels(correlation)
    return [
        Section(
            "CT against QSM in each region",
            "Rising lines point to paramagnetic content (iron, blood), falling ones to diamagnetic content (calcium).",
            [embedded(scatter, f"Scatter plots of {correlation.y} on {correlation.x}. {told}.", caption.strip())],
            correlation.warnings,
        ),
        Section(
            "Correlations of all regions",
            "An interval that does not cross zero is no verdict yet: p values are adjusted for the number of regions.",
            [
                embedded(
                    forest(correlation),
                    f"Correlation coefficients with 95 % intervals. {told}.",
                    f"Colour and marker show the verdict. {_sentence(correlation.rule)}",
                ),
                _table(correlation),
            ],
        ),
    ]


def verdict_words(correlation: Correlation) -> str:
    """How many regions have which behaviour, in a sentence."""
    parts = []
    for behaviour in ("paramagnetic", "diamagnetic", "undetermined"):
        names = [region.roi for region in correlation.regions if region.behaviour == behaviour]
        if names:
            parts.append(
                f"{len(names)} {behaviour}" + (f" ({listed(names, most=4)})" if behaviour != "undetermined" else "")
            )
    return (
        f"Of {count(len(correlation.regions), 'region')}: {', '.join(parts)}."
        if parts
        else "No region could be correlated."
    )


def strongest(correlation: Correlation) -> RegionCorrelation | None:
    """The region with the largest absolute Pearson correlation, if any has one."""
    known = [region for region in correlation.regions if not missing(region.pearson_r)]
    return max(known, key=lambda region: abs(float(region.pearson_r or 0.0)), default=None)


def decided_key(correlation: Correlation) -> KeyNumber:
    """How many regions have a verdict, as a key number."""
    decided = [region for region in correlation.regions if region.behaviour != "undetermined"]
    detail = listed(
        [f"{region.roi} ({'+' if region.behaviour == 'paramagnetic' else '−'})" for region in decided], most=4
    )
    return KeyNumber(
        "Regions with an established sign",
        f"{len(decided)} of {len(correlation.regions)}",
        detail or "no adjusted p below the limit",
    )


def _key_numbers(correlation: Correlation) -> list[KeyNumber]:
    keys = [decided_key(correlation)]
    best = strongest(correlation)
    if best is None:
        return keys
    r = correlation_interval(best.pearson_r, best.pearson_ci95_low, best.pearson_ci95_high)
    p = p_value(best.pearson_p_adjusted)
    keys.append(KeyNumber("Strongest correlation (Pearson)", r, f"{best.roi} · n = {best.n} · adjusted {p}"))
    slope = with_uncertainty(best.slope, best.slope_se)
    keys.append(KeyNumber("Its regression slope", slope, f"{correlation.y} per {correlation.x} · R² {fixed(best.r2)}"))
    return keys


def _table(correlation: Correlation) -> TableBlock:
    regions = correlation.regions
    frame = pd.DataFrame(
        {
            "roi": [region.roi for region in regions],
            "n": [_n(region) for region in regions],
            "r": [
                correlation_interval(region.pearson_r, region.pearson_ci95_low, region.pearson_ci95_high)
                for region in regions
            ],
            "p": [_both(region.pearson_p, region.pearson_p_adjusted) for region in regions],
            "rho": [
                correlation_interval(region.spearman_rho, region.spearman_ci95_low, region.spearman_ci95_high)
                for region in regions
            ],
            "q": [_both(region.spearman_p, region.spearman_p_adjusted) for region in regions],
            "slope": [with_uncertainty(region.slope, region.slope_se) for region in regions],
            "intercept": [number(region.intercept, 3) for region in regions],
            "behaviour": [region.behaviour for region in regions],
            "note": [region.note for region in regions],
        }
    )
    labels = {
        "roi": "Region",
        "n": "n",
        "r": "Pearson r [95 %]",
        "p": "p (adjusted)",
        "rho": "Spearman ρ [95 %]",
        "q": "p (adjusted)",
        "slope": "Slope ± SE",
        "intercept": "Intercept",
        "behaviour": "Verdict",
        "note": "Remark",
    }
    if not any(region.note for region in regions):
        del labels["note"]
    flags: list[RowFlag] = ["muted" if region.behaviour == "undetermined" else "" for region in regions]
    note = f"P values are two-sided; in brackets adjusted: {_sentence(correlation.adjustment)}"
    if any("/" in text for text in frame["n"]):
        note += " n: values / subjects."
    return TableBlock(
        frame,
        f"Correlation of {correlation.x} with {correlation.y}",
        labels,
        units={"slope": f"{correlation.y} per {correlation.x}"},
        numbers=("n", "r", "p", "rho", "q", "slope", "intercept"),
        flags=flags,
        note=note,
    )


def _n(region: RegionCorrelation) -> str:
    if region.n_subjects is None or region.n_subjects == region.n:
        return str(region.n)
    return f"{region.n} / {region.n_subjects}"


def _both(plain: float | None, adjusted: float | None) -> str:
    return NONE if missing(plain) else f"{p_number(plain)} ({p_number(adjusted)})"


def _region_words(region: RegionCorrelation) -> str:
    return f"{region.roi}: r {fixed(region.pearson_r)}, {region.behaviour}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") or not text else f"{text[0].upper()}{text[1:]}."
