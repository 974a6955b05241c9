"""Sections of a correlation report for the careful reader: evidence, robustness, clustered rows, influential rows."""

import pandas as pd

from phantomcal.report.numerals import (
    NONE,
    correlation_interval,
    fixed,
    missing,
    number,
    p_number,
    quantity,
    trimmed,
    with_interval,
    with_uncertainty,
)
from phantomcal.report.page import Section, TableBlock, Text
from phantomcal.results import Correlation, RegionCorrelation


def more_sections(correlation: Correlation) -> list[Section]:
    """Sections after the main results; only those with something to show."""
    sections = []
    known = [region for region in correlation.regions if not missing(region.pearson_r)]
    clustered = [region for region in known if region.n_subjects is not None and region.n_subjects < region.n]
    if clustered:
        sections.append(_clustered_section(clustered))
    if any(region.bayes_factor_10 is not None or region.percentage_bend_r is not None for region in known):
        sections.append(_evidence_section(known))
    if any(region.both_axes_slope is not None or region.robust_slope is not None for region in known):
        sections.append(_lines_section(correlation, known))
    if correlation.influential:
        sections.append(_influence_section(correlation))
    return sections


def _clustered_section(regions: list[RegionCorrelation]) -> Section:
    frame = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "n": [f"{r.n} / {r.n_subjects}" for r in regions],
            "worth": [fixed(r.n_eff, 0) for r in regions],
            "pooled": [correlation_interval(r.pearson_r, r.pearson_ci95_low, r.pearson_ci95_high) for r in regions],
            "within": [correlation_interval(r.within_r, r.within_ci95_low, r.within_ci95_high) for r in regions],
            "within_p": [p_number(r.within_p) for r in regions],
        }
    )
    labels = {
        "roi": "Region",
        "n": "Rows / subjects",
        "worth": "Worth",
        "pooled": "Pooled r [95 %]",
        "within": "Within subjects r [95 %]",
        "within_p": "p within",
    }
    mixed = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "slope": [with_uncertainty(r.mixed_slope, r.mixed_slope_se) for r in regions],
            "p": [p_number(r.mixed_slope_p) for r in regions],
            "share": [fixed(r.subject_share) for r in regions],
            "note": [r.mixed_note for r in regions],
        }
    )
    mixed_labels = {"roi": "Region", "slope": "Slope ± SE", "p": "p", "share": "Between subjects", "note": "Remark"}
    if not any(r.mixed_note for r in regions):
        del mixed_labels["note"]
    methods = [
        f"{', '.join(r.roi for r in regions if r.method == words)}: {words}."
        for words in dict.fromkeys(r.method for r in regions if r.method)
    ]
    return Section(
        "Several rows of one subject",
        "The pooled r asks whether rows with more HU have more ppm, in whomever they lie. The r within subjects asks "
        "the same of the rows of one person, each person at their own level. They may differ, and neither is wrong.",
        [
            *([Text("\n\n".join(methods))] if methods else []),
            TableBlock(
                frame,
                "Pooled and within subjects",
                labels,
                numbers=tuple(labels)[1:],
                note="Worth: independent rows that would give the same standard error. P values are not adjusted.",
            ),
            TableBlock(
                mixed,
                "Mixed model, random intercept of the subject",
                mixed_labels,
                numbers=("slope", "p", "share"),
                note="Between subjects: share of the variance about the line. Wald test, not adjusted.",
            ),
        ],
    )


def _evidence_section(regions: list[RegionCorrelation]) -> Section:
    evidence = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "bf": [_factor(r.bayes_factor_10) for r in regions],
            "power": [fixed(r.achieved_power) for r in regions],
            "needed": [NONE if r.n_needed is None else str(r.n_needed) for r in regions],
            "curved": [p_number(r.quadratic_p) for r in regions],
        }
    )
    evidence_labels = {
        "roi": "Region",
        "bf": "Bayes factor BF₁₀",
        "power": "Power",
        "needed": "n for power 0.8",
        "curved": "Quadratic term, p",
    }
    robust = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "bca": [correlation_interval(r.pearson_r, r.pearson_bca95_low, r.pearson_bca95_high) for r in regions],
            "rho_bca": [
                correlation_interval(r.spearman_rho, r.spearman_bca95_low, r.spearman_bca95_high) for r in regions
            ],
            "bend": [fixed(r.percentage_bend_r) for r in regions],
            "skipped": [NONE if missing(r.skipped_rho) else fixed(r.skipped_rho) for r in regions],
            "left": [NONE if r.n_skipped is None else str(r.n_skipped) for r in regions],
        }
    )
    robust_labels = {
        "roi": "Region",
        "bca": "r [BCa 95 %]",
        "rho_bca": "ρ [BCa 95 %]",
        "bend": "Bent r",
        "skipped": "Skipped ρ",
        "left": "Left out",
    }
    return Section(
        "Evidence and robustness",
        "A sound result has the same sign and about the same size in every column.",
        [
            TableBlock(
                evidence,
                "Bayes factor, power and curvature",
                evidence_labels,
                numbers=tuple(evidence_labels)[1:],
                note="BF₁₀: evidence for a correlation over none, uniform prior. Power and n are for the observed r, "
                "which is itself uncertain. The quadratic term's p is not adjusted.",
            ),
            TableBlock(
                robust,
                "Bootstrap intervals and robust coefficients",
                robust_labels,
                numbers=tuple(robust_labels)[1:],
                note="BCa: bootstrap intervals, from 20 rows or subjects on. Bent: percentage bend correlation. "
                "Skipped: Spearman's ρ without bivariate outliers, which gives no p.",
            ),
        ],
    )


def _lines_section(correlation: Correlation, regions: list[RegionCorrelation]) -> Section:
    frame = pd.DataFrame(
        {
            "roi": [r.roi for r in regions],
            "ols": [with_interval(r.slope, (r.slope_ci95_low, r.slope_ci95_high), 4) for r in regions],
            "axes": [
                with_interval(r.both_axes_slope, (r.both_axes_slope_ci95_low, r.both_axes_slope_ci95_high), 4)
                for r in regions
            ],
            "robust": [
                with_interval(r.robust_slope, (r.robust_slope_ci95_low, r.robust_slope_ci95_high), 4) for r in regions
            ],
        }
    )
    labels = {"roi": "Region", "ols": "Least squares", "axes": "Errors in both axes", "robust": "Theil-Sen (robust)"}
    (x, x_unit), (y, y_unit) = quantity(correlation.x), quantity(correlation.y)
    unit = f"{y_unit or y} per {x_unit or x}"
    kinds = [
        f"{', '.join(r.roi for r in regions if r.both_axes_method == words)}: {words}."
        for words in dict.fromkeys(r.both_axes_method for r in regions if r.both_axes_method)
    ]
    note = " ".join(kinds)
    if any(r.both_axes_slope is None for r in regions):
        note += " No reduced major axis where the sign of r is not sure: its slope is then about the spreads only."
    return Section(
        "Other lines",
        "Least squares blames all scatter on the ordinate, so its slope is too flat when HU has errors too; the "
        "reduced major axis is too steep when they are small.",
        [
            TableBlock(
                frame,
                "Slopes with 95 % intervals",
                labels,
                dict.fromkeys(("ols", "axes", "robust"), unit),
                numbers=("ols", "axes", "robust"),
                note=note,
            )
        ],
    )


def _influence_section(correlation: Correlation) -> Section:
    whole = {region.roi: region for region in correlation.regions}
    frame = pd.DataFrame(
        {
            "roi": [row.roi for row in correlation.influential],
            "row": [f"{row.row} ({row.subject})" if row.subject else row.row for row in correlation.influential],
            "x": [trimmed(row.x) for row in correlation.influential],
            "y": [trimmed(row.y) for row in correlation.influential],
            "cook": [number(row.cook, 2) for row in correlation.influential],
            "leverage": [fixed(row.leverage, 3) for row in correlation.influential],
            "r": [fixed(whole[row.roi].pearson_r) for row in correlation.influential],
            "without": [fixed(row.r_without) for row in correlation.influential],
            "all": [fixed(whole[row.roi].r_without_influential) for row in correlation.influential],
        }
    )
    labels = {
        "roi": "Region",
        "row": "Row (subject)",
        "x": quantity(correlation.x)[0],
        "y": quantity(correlation.y)[0],
        "cook": "Cook's distance",
        "leverage": "Leverage",
        "r": "r",
        "without": "r without it",
        "all": "r without all",
    }
    units = {"x": quantity(correlation.x)[1], "y": quantity(correlation.y)[1]}
    note = "Rows count the lines of the table, header included. Nothing was left out of the results."
    return Section(
        "Rows that drive the result",
        "Rows whose omission moves r by more than half its standard error (on Fisher's z), or with Cook's distance "
        "above 1; ten a region at most. Check them at the source before anything else.",
        [TableBlock(frame, "Influential rows", labels, units, numbers=("x", "y", *tuple(labels)[4:]), note=note)],
    )


def _factor(value: float | None) -> str:
    if missing(value):
        return NONE
    assert value is not None
    return "> 10⁶" if value > 1e6 else number(value, 3)
