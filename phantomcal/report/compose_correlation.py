"""From a correlation to its report: scatter plots, forest and table."""

from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.correlation_details import more_sections
from phantomcal.report.correlation_figures import forest, left_out_panels, region_scatter
from phantomcal.report.methods import correlation_citations, correlation_methods
from phantomcal.report.numerals import (
    NONE,
    correlation_interval,
    count,
    fixed,
    listed,
    missing,
    number,
    p_number,
    p_value,
    quantity,
    share,
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
        title="CT and susceptibility" + (", region by region" if len(correlation.regions) > 1 else ""),
        subtitle=f"{count(len(correlation.regions), 'region')} · {count(values, 'pair', 'pairs')} of values{people}",
        verdict="review" if correlation.warnings else "info",
        verdict_text=verdict_words(correlation),
        key_numbers=_key_numbers(correlation),
        warnings=[],
        sections=correlation_sections(correlation, table, group, subject),
        methods=correlation_methods(correlation),
        references=correlation_citations(correlation),
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
    caption = "Lines are least-squares fits with their 95 % bands"
    if correlation.covariates:
        caption = "Lines are least-squares fits at the means of the covariates"
    elif any(_clustered(region) for region in correlation.regions):
        caption += "; where subjects have several rows, the bands come from leaving out whole subjects"
    caption += ". " + left_out_panels(correlation)
    return [
        Section(
            "CT against QSM in each region",
            "Rising lines point to paramagnetic content (iron, blood), falling ones to diamagnetic content (calcium).",
            [
                embedded(
                    scatter,
                    f"Scatter plots of {quantity(correlation.y)[0]} on {quantity(correlation.x)[0]}. {told}.",
                    caption.strip(),
                )
            ],
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
                _correlation_table(correlation),
                _regression_table(correlation),
            ],
        ),
        *more_sections(correlation),
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
    slope = with_uncertainty(best.slope, best.slope_se, _slope_unit(correlation))
    detail = f"{quantity(correlation.y)[0]} on {quantity(correlation.x)[0]} · R² {share(best.r2)}"
    keys.append(KeyNumber("Its regression slope", slope, detail))
    return keys


def _correlation_table(correlation: Correlation) -> TableBlock:
    regions = correlation.regions
    frame = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "n": [_n(r) for r in regions],
            "r": [correlation_interval(r.pearson_r, r.pearson_ci95_low, r.pearson_ci95_high) for r in regions],
            "p": [_both(r.pearson_p, r.pearson_p_adjusted) for r in regions],
            "rho": [correlation_interval(r.spearman_rho, r.spearman_ci95_low, r.spearman_ci95_high) for r in regions],
            "q": [_both(r.spearman_p, r.spearman_p_adjusted) for r in regions],
            "behaviour": [r.behaviour for r in regions],
        }
    )
    labels = {
        "roi": "Region",
        "n": "n",
        "r": "Pearson r [95 %]",
        "p": "p (adjusted)",
        "rho": "Spearman ρ [95 %]",
        "q": "p (adjusted)",
        "behaviour": "Verdict",
    }
    flags: list[RowFlag] = ["muted" if region.behaviour == "undetermined" else "" for region in regions]
    note = f"P values are two-sided; in brackets adjusted: {_sentence(correlation.adjustment)}"
    if any("/" in text for text in frame["n"]):
        note += " n: values / subjects."
    title = f"Correlation of {quantity(correlation.x)[0]} with {quantity(correlation.y)[0]}"
    exact = {"r": [r.pearson_r for r in regions], "rho": [r.spearman_rho for r in regions]}
    exact |= {"p": [r.pearson_p for r in regions], "q": [r.spearman_p for r in regions]}
    exact |= {
        name: [getattr(r, name) for r in regions]
        for name in (
            "pearson_ci95_low",
            "pearson_ci95_high",
            "pearson_p_adjusted",
            "spearman_ci95_low",
            "spearman_ci95_high",
            "spearman_p_adjusted",
        )
    }
    return TableBlock(frame, title, labels, numbers=("n", "r", "p", "rho", "q"), flags=flags, note=note, exact=exact)


def _regression_table(correlation: Correlation) -> TableBlock:
    regions = correlation.regions
    frame = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "slope": [with_uncertainty(r.slope, r.slope_se) for r in regions],
            "intercept": [number(r.intercept, 3) for r in regions],
            "r2": [share(r.r2) for r in regions],
            "note": [r.note for r in regions],
        }
    )
    labels = {"roi": "Region", "slope": "Slope ± SE", "intercept": "Intercept", "r2": "R²", "note": "Remark"}
    if not any(region.note for region in regions):
        del labels["note"]
    units = {"slope": _slope_unit(correlation), "intercept": quantity(correlation.y)[1]}
    title = f"Regression of {quantity(correlation.y)[0]} on {quantity(correlation.x)[0]}"
    exact = {name: [getattr(r, name) for r in regions] for name in ("slope", "slope_se", "intercept", "r2")}
    return TableBlock(frame, title, labels, units, numbers=("slope", "intercept", "r2"), exact=exact)


def _slope_unit(correlation: Correlation) -> str:
    (x, x_unit), (y, y_unit) = quantity(correlation.x), quantity(correlation.y)
    return f"{y_unit or y} per {x_unit or x}"


def _clustered(region: RegionCorrelation) -> bool:
    return region.n_subjects is not None and region.n_subjects < region.n


def _n(region: RegionCorrelation) -> str:
    if region.n_subjects is None or region.n_subjects == region.n:
        return str(region.n)
    return f"{region.n} / {region.n_subjects}"


def _both(plain: float | None, adjusted: float | None) -> str:
    if missing(plain):
        return NONE
    one, other = p_number(plain), p_number(adjusted)
    return one if one == other else f"{one} ({other})"


def _region_words(region: RegionCorrelation) -> str:
    return f"{region.roi}: r {fixed(region.pearson_r)}, {region.behaviour}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") or not text else f"{text[0].upper()}{text[1:]}."
