"""Methods paragraphs and sources of trial planning and trial analysis."""

from phantomcal.report.methods import without_repeats
from phantomcal.results.trials import PowerTable

LIU_WU = (
    "Liu H, Wu T. Sample size calculation and power analysis of time-averaged difference. J Mod Appl Stat Methods "
    "2005;4:434-445. doi 10.22237/jmasm/1130803680"
)
DIGGLE = (
    "Diggle PJ, Heagerty P, Liang K-Y, Zeger SL. Analysis of longitudinal data, 2nd ed. Oxford University Press 2002."
)
FLEISS = "Fleiss JL, Levin B, Paik MC. Statistical methods for rates and proportions, 3rd ed. Wiley 2003."
ZHU_LAKKIS = (
    "Zhu H, Lakkis H. Sample size calculation for comparing two negative binomial rates. Stat Med 2014;33:376-387. "
    "doi 10.1002/sim.5947"
)
HEO_LEON = (
    "Heo M, Leon AC. Statistical power and sample size requirements for three level hierarchical cluster randomized "
    "trials. Biometrics 2008;64:1256-1262. doi 10.1111/j.1541-0420.2008.00993.x"
)
LUNN_DAVIES = (
    "Lunn AD, Davies SJ. A note on generating correlated binary variables. Biometrika 1998;85:487-490. "
    "doi 10.1093/biomet/85.2.487"
)
PATTERSON_THOMPSON = (
    "Patterson HD, Thompson R. Recovery of inter-block information when block sizes are unequal. Biometrika "
    "1971;58:545-554. doi 10.1093/biomet/58.3.545"
)
LIANG_ZEGER = (
    "Liang K-Y, Zeger SL. Longitudinal data analysis using generalized linear models. Biometrika 1986;73:13-22. "
    "doi 10.1093/biomet/73.1.13"
)
ZEINEDDINE = (
    "Zeineddine HA, Girard R, Cao Y, et al. Quantitative susceptibility mapping as a monitoring biomarker in cerebral "
    "cavernous malformations with recent hemorrhage. J Magn Reson Imaging 2018;47:1133-1138. doi 10.1002/jmri.25831"
)
CASH = (
    "Hage S, Kinkade S, Girard R, et al. Cavernous angioma symptomatic hemorrhage (CASH) trial readiness II: imaging "
    "biomarkers and trial modeling. medRxiv 2023. doi 10.1101/2023.06.01.23290854"
)


def power_methods(table: PowerTable) -> str:
    """How sizes were computed and checked; paragraphs parted by blank lines."""
    design = table.design
    parts = [f"{table.formula} Sizes refer to a test with {design.tails} tail{'s' if design.tails == 2 else ''}."]
    if design.dropout:
        parts.append(
            f"Dropout: {100 * design.dropout:g} % of patients are lost by the last visit, evenly over the visits and "
            "for good. The size is the one without dropout over the share that completes. Analysed with the visits "
            "made before the loss, a patient of k visits weighs by the inverse variance of their average."
        )
    found = next((row.simulation for row in table.rows if row.simulation), None)
    if found is not None:
        how = {
            "mean": "normal values with a patient's, a lesion's and a visit's part",
            "proportion": "correlated binary values with exactly the assumed proportion and correlations (Lunn and "
            "Davies 1998)",
            "rate": "counts that are sums of a patient's, a lesion's and a visit's Poisson or negative binomial part, "
            "with exactly the assumed rate, dispersion and correlations",
        }[design.outcome]
        parts.append(
            f"Simulation: {found.n_trials} trials of each size with the effect and as many without, seed {found.seed}; "
            f"{how}. Each trial was analysed by: {found.analysis}. Intervals are Clopper and Pearson's and hold the "
            "error of the simulation only."
        )
    return "\n\n".join(parts)


def power_citations(table: PowerTable) -> list[str]:
    """What `power_methods` cites."""
    design = table.design
    cited = {"mean": [LIU_WU, DIGGLE], "proportion": [LIU_WU, FLEISS, DIGGLE], "rate": [ZHU_LAKKIS, DIGGLE]}[
        design.outcome
    ]
    if design.lesions > 1:
        cited = [*cited, HEO_LEON]
    if any(row.simulation for row in table.rows):
        if design.outcome == "proportion":
            cited = [*cited, LUNN_DAVIES]
        cited = [*cited, PATTERSON_THOMPSON if design.outcome == "mean" else LIANG_ZEGER]
    return without_repeats(cited)
