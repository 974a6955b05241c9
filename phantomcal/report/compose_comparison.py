"""From comparisons to their report: a section each for regions, groups, ages and readers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.report.blocks import embedded
from phantomcal.report.comparison_figures import (
    MOST_PANELS,
    age_scatter,
    bland_altman_grid,
    difference_forest,
    pair_matrix,
)
from phantomcal.report.numerals import NONE, count, listed, number, p_number, quantity, with_interval
from phantomcal.report.page import Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.results import ComparisonRow, RegionComparison

if TYPE_CHECKING:
    from pandas import DataFrame

_LIMIT = 0.05
_REFERENCES = {
    "regions": [
        "Steiger JH. Tests for comparing elements of a correlation matrix. Psychol Bull 1980;87:245-251. "
        "doi 10.1037/0033-2909.87.2.245",
        "Zou GY. Toward using confidence intervals to compare correlations. Psychol Methods 2007;12:399-413. "
        "doi 10.1037/1082-989X.12.4.399",
    ],
    "iron": [
        "Hallgren B, Sourander P. The effect of age on the non-haemin iron in the human brain. J Neurochem "
        "1958;3:41-51. doi 10.1111/j.1471-4159.1958.tb12607.x"
    ],
    "agreement": [
        "Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement. "
        "Lancet 1986;327:307-310. doi 10.1016/S0140-6736(86)90837-8",
        "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol Bull "
        "1979;86:420-428. doi 10.1037/0033-2909.86.2.420",
    ],
}


def comparison_report(comparison: RegionComparison, table: "DataFrame", subject: str = "subject_id") -> Report:
    """The report of `compare`.

    Parameters
    ----------
    comparison : RegionComparison
    table : pandas.DataFrame
        The rows that were compared.
    subject : str
        Column of the person; may be missing.

    Returns
    -------
    Report
    """
    kinds = list(dict.fromkeys(row.kind for row in comparison.rows))
    decided = [row for row in comparison.rows if _decided(row)]
    tested = [row for row in comparison.rows if row.p_adjusted is not None]
    references = [text for kind in kinds for text in _REFERENCES.get("regions" if kind == "groups" else kind, [])]
    return Report(
        kind="Comparison report",
        title="Regions, groups and readers compared",
        subtitle=f"{count(len(comparison.rows), 'comparison')}: {listed(kinds)}",
        verdict="review" if comparison.warnings else "info",
        verdict_text=(
            f"Of {count(len(tested), 'difference')} that were tested, {len(decided)} "
            f"{'is' if len(decided) == 1 else 'are'} established (adjusted p below {_LIMIT})."
        ),
        key_numbers=_key_numbers(comparison),
        warnings=comparison.warnings,
        sections=_sections(comparison, table, subject),
        methods=_methods(comparison),
        references=list(dict.fromkeys(references)),
        provenance=comparison.provenance,
    )


def _decided(row: ComparisonRow) -> bool:
    return row.p_adjusted is not None and row.p_adjusted < _LIMIT


def _key_numbers(comparison: RegionComparison) -> list[KeyNumber]:
    keys = []
    for kind, name in (("regions", "Regions"), ("groups", "Groups"), ("age", "Age")):
        rows = [row for row in comparison.rows if row.kind == kind and row.p_adjusted is not None]
        if rows:
            found = [row for row in rows if _decided(row)]
            first = min(found, key=lambda row: row.p_adjusted or 0.0, default=None)
            detail = "no adjusted p below the limit"
            if first is not None:
                against = f" against {first.other}" if kind == "regions" else ""
                detail = f"clearest: {first.roi}{against}, {_words(first.quantity)}"
            keys.append(KeyNumber(f"{name}: established differences", f"{len(found)} of {len(rows)}", detail))
    icc = [row for row in comparison.rows if row.quantity == "ICC(2,1)" and row.estimate is not None]
    if icc:
        worst = min(icc, key=lambda row: row.estimate or 0.0)
        value = with_interval(worst.estimate, (worst.ci95_low, worst.ci95_high))
        keys.append(KeyNumber("Lowest agreement, ICC(2,1)", value, f"{worst.roi} · {worst.n_first} pairs"))
    return keys[:3]


def _sections(comparison: RegionComparison, table: "DataFrame", subject: str) -> list[Section]:
    rows = comparison.rows
    sections = []
    pairs = [row for row in rows if row.kind == "regions"]
    if pairs:
        blocks: list[Figure | TableBlock | Text] = []
        if any(row.estimate is not None for row in pairs):
            told = listed([f"{r.roi} and {r.other}" for r in pairs if _decided(r)], most=8) or "none"
            caption = "Row minus column. Dark bold numbers: adjusted p below 0.05."
            blocks.append(
                embedded(pair_matrix(pairs), f"Differences of r between regions; established: {told}.", caption)
            )
        blocks.append(_table(pairs, "Correlations of two regions", "Against"))
        sections.append(
            Section("Regions against regions", "Is the CT-QSM relation stronger in one region than in another?", blocks)
        )
    groups = [row for row in rows if row.kind == "groups"]
    if groups:
        blocks = []
        for name in dict.fromkeys(row.quantity for row in groups):
            mine = [row for row in groups if row.quantity == name]
            if any(row.estimate is not None for row in mine):
                unit = f" ({mine[0].unit})" if mine[0].unit else ""
                alt = f"Differences of {name} between groups with 95 % intervals, region by region."
                blocks.append(embedded(difference_forest(mine, f"Difference of {_words(name)}{unit}"), alt))
            blocks.append(_table(mine, f"Difference of {_words(name)}", "Groups"))
        intro = f"Levels of {listed(comparison.groups)}: the first minus the second."
        sections.append(Section("Groups", intro, blocks))
    ages = [row for row in rows if row.kind == "age"]
    iron = [row for row in rows if row.kind == "iron"]
    if ages:
        mine = [row for row in ages if row.quantity.startswith(comparison.y)]
        numbers = table.assign(**{n: pd.to_numeric(table[n], errors="coerce") for n in (comparison.age, comparison.y)})
        picture = age_scatter(
            numbers, mine, comparison.y, comparison.by, comparison.age, subject, comparison.iron_scale_ppb
        )
        caption = "Solid: linear regression with its 95 % band."
        if iron:
            caption += " Dashed: expected from iron at that age (Hallgren and Sourander)."
        if len(mine) > MOST_PANELS:
            caption += f" The first {MOST_PANELS} regions are drawn."
        blocks = [
            embedded(picture, f"{quantity(comparison.y)[0]} against age in {count(len(mine), 'region')}.", caption),
            _table(ages, "Change per year", "", estimate="Change"),
        ]
        if iron:
            blocks.append(_table(iron, "Measured beside expected from iron", "", estimate="Difference or slope"))
        sections.append(Section("Age", "How CT and susceptibility change with age.", blocks))
    agreement = [row for row in rows if row.kind == "agreement"]
    if agreement:
        unit = quantity(comparison.y)[1]
        picture = bland_altman_grid(comparison.agreement, f" ({unit})" if unit else "")
        caption = "Blue: bias. Orange: limits within which 95 % of differences are expected."
        blocks = [
            embedded(picture, "Difference against mean of two readers, region by region.", caption),
            _table(agreement, "Agreement", "Readers", estimate="Value"),
        ]
        intro = "A correlation is no agreement: bias and limits say how far two readers are apart."
        sections.append(Section("Agreement of two readers or reconstructions", intro, blocks))
    return sections


def _table(rows: Sequence[ComparisonRow], title: str, other: str, estimate: str = "Difference") -> TableBlock:
    keys = {words: "abcdefghijklmnopqrstuvwxyz"[i % 26] for i, words in enumerate(dict.fromkeys(map(_how, rows)))}
    frame = pd.DataFrame(
        {
            "roi": [row.roi for row in rows],
            "other": [row.other for row in rows],
            "quantity": [row.quantity for row in rows],
            "first": [number(row.first, 3) for row in rows],
            "second": [number(row.second, 3) for row in rows],
            "estimate": [
                number(row.estimate, 3)
                if row.ci95_low is None
                else with_interval(row.estimate, (row.ci95_low, row.ci95_high))
                for row in rows
            ],
            "p": [_p(row) for row in rows],
            "n": [str(row.n_first) if row.n_second is None else f"{row.n_first} / {row.n_second}" for row in rows],
            "method": [keys[_how(row)] for row in rows],
        }
    )
    labels = {
        "roi": "Region",
        "other": other,
        "quantity": "Quantity",
        "first": "First",
        "second": "Second",
        "estimate": f"{estimate} [95 %]",
        "p": "p (adjusted)",
        "n": "n",
        "method": "Method",
    }
    if not other:
        del labels["other"]
    elif len({row.other for row in rows}) == 1:
        del labels["other"]
        title += f": {rows[0].other}"
    if len({row.quantity for row in rows}) == 1:
        del labels["quantity"]
    if all(row.first is None for row in rows):
        del labels["first"], labels["second"]
    if all(row.p is None for row in rows):
        del labels["p"]
    if len(keys) == 1:
        del labels["method"]
        words = next(iter(keys))
        note = f"{words[0].upper()}{words[1:]}."
    else:
        note = ". ".join(f"{key}: {words}" for words, key in keys.items()) + "."
    flags: list[RowFlag] = ["" if _decided(row) or row.p is None else "muted" for row in rows]
    numbers = [name for name in ("first", "second", "estimate", "p", "n") if name in labels]
    return TableBlock(frame, title, labels, numbers=numbers, flags=flags, note=note)


def _how(row: ComparisonRow) -> str:
    return row.method + (f" ({row.note})" if row.note else "")


def _p(row: ComparisonRow) -> str:
    if row.p is None:
        return NONE
    one, other = p_number(row.p), p_number(row.p_adjusted)
    return one if one == other else f"{one} ({other})"


def _words(name: str) -> str:
    if name.startswith("mean "):
        return f"mean {quantity(name[5:])[0]}"
    return {"pearson_r": "Pearson's r", "slope": "the regression slope"}.get(name, name)


def _methods(comparison: RegionComparison) -> str:
    kinds = {row.kind for row in comparison.rows}
    text = f"P values are two-sided; adjustment: {comparison.adjustment}."
    if comparison.covariates:
        text += f" Adjusted for {listed(comparison.covariates)}."
    if kinds & {"regions", "groups"}:
        text += (
            " Correlations of different people were compared by Fisher's z, of the same people by Steiger's test with "
            "pooled correlation, intervals by Zou's method. Where people had several rows, or stood on both sides in "
            "part, every person was left out in turn on both sides (jackknife, Student's t)."
        )
    if "age" in kinds:
        text += " Change per year is the slope of a linear regression on age."
    if comparison.iron_scale_ppb is not None:
        text += (
            " Iron expected at an age follows Hallgren and Sourander (1958), "
            f"{comparison.iron_scale_ppb:g} ppb for 1 mg in 100 g of tissue."
        )
    if "agreement" in kinds:
        text += (
            " Agreement: bias and limits of agreement (Bland and Altman 1986), intraclass correlation (Shrout and "
            "Fleiss 1979)."
        )
    return text
