"""The table of a paper: region, n, r and rho with intervals, p, slope, verdict; as CSV, HTML and LaTeX."""

import html
import re
from typing import TYPE_CHECKING

from phantomcal.report.numerals import (
    NONE,
    correlation_interval,
    missing,
    p_number,
    quantity,
    share,
    with_uncertainty,
)
from phantomcal.results import Correlation, RegionCorrelation

if TYPE_CHECKING:
    import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": r"\textsuperscript{2}",
    "ρ": r"$\rho$",
    "<": "$<$",
    ">": "$>$",
    NONE: "--",
}
_SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def paper_frame(correlation: Correlation) -> "pd.DataFrame":
    """The table in words, a row per region.

    Parameters
    ----------
    correlation : Correlation

    Returns
    -------
    pandas.DataFrame
        Text columns: ``Region, n, Subjects, Pearson r (95 % CI), p, p adjusted, Spearman rho (95 % CI), p, p adjusted,
        R2, Slope ± SE, Verdict``; an en dash where there is no number.
    """
    import pandas as pd

    slope = f"Slope ± SE ({_slope_unit(correlation)})"
    return pd.DataFrame([_cells(region, slope) for region in correlation.regions])


def paper_html(correlation: Correlation) -> str:
    """The table as HTML to paste into a word processor, caption and notes included."""
    frame = paper_frame(correlation)
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in frame.columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Correlation</title></head><body>\n'
        f"<table>\n<caption>{html.escape(_caption(correlation))}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n<p>{html.escape(_notes(correlation))}</p>\n</body></html>\n"
    )


def paper_latex(correlation: Correlation) -> str:
    """The table as LaTeX (booktabs), caption and notes included."""
    frame = paper_frame(correlation)
    head = " & ".join(latex_text(str(name)) for name in frame.columns)
    body = "\n".join(
        " & ".join(latex_text(str(value)) for value in row) + r" \\" for row in frame.itertuples(index=False)
    )
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\\footnotesize\n"
        f"\\caption{{{latex_text(_caption(correlation))}}}\n\\begin{{tabular}}{{l{'r' * (len(frame.columns) - 2)}l}}\n"
        f"\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
        f"\n\\smallskip\n{latex_text(_notes(correlation))}\n\\end{{table}}\n"
    )


def latex_text(text: str) -> str:
    """Text with every character that LaTeX takes for itself escaped, powers of ten included."""
    parts = re.split(r"([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    out = []
    for part in parts:
        if part and (part[0] in "⁻⁰¹³⁴⁵⁶⁷⁸⁹" or (len(part) > 1 and part[0] == "²")):
            out.append(f"$^{{{part.translate(_SUPERSCRIPT)}}}$")
        else:
            out.append("".join(_LATEX.get(letter, letter) for letter in part))
    return "".join(out)


def _cells(region: RegionCorrelation, slope: str) -> dict[str, str]:
    return {
        "Region": region.roi,
        "n": str(region.n),
        "Subjects": NONE if region.n_subjects is None else str(region.n_subjects),
        "Pearson r (95 % CI)": correlation_interval(
            region.pearson_r, region.pearson_ci95_low, region.pearson_ci95_high
        ),
        "p": p_number(region.pearson_p),
        "p adjusted": p_number(region.pearson_p_adjusted),
        "Spearman ρ (95 % CI)": correlation_interval(
            region.spearman_rho, region.spearman_ci95_low, region.spearman_ci95_high
        ),
        "p (ρ)": p_number(region.spearman_p),
        "p adjusted (ρ)": p_number(region.spearman_p_adjusted),
        "R²": share(region.r2),
        slope: with_uncertainty(region.slope, region.slope_se),
        "Verdict": region.behaviour,
    }


def _slope_unit(correlation: Correlation) -> str:
    (x, x_unit), (y, y_unit) = quantity(correlation.x), quantity(correlation.y)
    return f"{y_unit or y} per {x_unit or x}"


def _caption(correlation: Correlation) -> str:
    return f"Correlation of {quantity(correlation.x)[0]} with {quantity(correlation.y)[0]} by region."


def _notes(correlation: Correlation) -> str:
    text = f"P values are two-sided. Adjusted: {correlation.adjustment.rstrip('.')}. {correlation.rule}"
    clustered = [
        r for r in correlation.regions if r.method not in ("", "independent rows") and not missing(r.pearson_r)
    ]
    for words in dict.fromkeys(region.method for region in clustered):
        names = ", ".join(region.roi for region in clustered if region.method == words)
        text += f" {names}: {words}."
    return text
