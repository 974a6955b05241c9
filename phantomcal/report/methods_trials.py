"""Methods paragraphs and sources of trial planning and trial analysis."""

from phantomcal.report.methods import without_repeats
from phantomcal.results.trial_analysis import Trial
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


MATTHEWS = (
    "Matthews JNS, Altman DG, Campbell MJ, Royston P. Analysis of serial measurements in medical research. BMJ "
    "1990;300:230-235. doi 10.1136/bmj.300.6719.230"
)
WELCH = (
    "Welch BL. The generalization of 'Student's' problem when several different population variances are involved. "
    "Biometrika 1947;34:28-35. doi 10.1093/biomet/34.1-2.28"
)
LAIRD_WARE = (
    "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38:963-974. doi 10.2307/2529876"
)
VICKERS_ALTMAN = (
    "Vickers AJ, Altman DG. Analysing controlled trials with baseline and follow up measurements. BMJ "
    "2001;323:1123-1124. doi 10.1136/bmj.323.7321.1123"
)
HODGES_LEHMANN = (
    "Hodges JL, Lehmann EL. Estimates of location based on rank tests. Ann Math Stat 1963;34:598-611. "
    "doi 10.1214/aoms/1177704172"
)
NEWCOMBE = (
    "Newcombe RG. Interval estimation for the difference between independent proportions: comparison of eleven "
    "methods. Stat Med 1998;17:873-890."
)
PRZYBOROWSKI = (
    "Przyborowski J, Wilenski H. Homogeneity of results in testing samples from Poisson series. Biometrika "
    "1940;31:313-323. doi 10.1093/biomet/31.3-4.313"
)
CONSORT = (
    "Schulz KF, Altman DG, Moher D. CONSORT 2010 statement: updated guidelines for reporting parallel group randomised "
    "trials. BMJ 2010;340:c332. doi 10.1136/bmj.c332"
)


def trial_methods(trial: Trial) -> str:
    """How the trial was analysed, saying only what was done; paragraphs parted by blank lines."""
    analyses = {row.analysis: row for row in trial.contrasts}
    parts = [
        "Primary analysis: the change of lesional susceptibility per year, in per cent of the value at the visit "
        "before, was averaged over the visits of a lesion and then over the lesions of a patient, and the arms were "
        "compared by Welch's t test of these averages (Matthews et al. 1990). A patient is one value, so that visits "
        "and lesions of one patient are not taken as independent. Patients were analysed in the arm to which they were "
        "randomised, with the visits they had; nothing was imputed. Intervals whose values cannot be compared (a "
        "baseline of zero or below, a change of the reconstruction or unit) are left out and counted."
    ]
    beside = []
    if any(row.population == "per protocol" for row in trial.contrasts):
        beside.append("per protocol and as treated")
    if "mixed model of all visits" in analyses:
        beside.append("a mixed model with random slopes of patients and lesions (Laird and Ware 1982)")
    beside.append("analysis of covariance with the baseline value (Vickers and Altman 2001)")
    beside.append("the rank test of Mann and Whitney with Hodges and Lehmann's shift (1963)")
    parts.append(f"Sensitivity analyses: {'; '.join(beside)}.")
    if any(row.unit == "risk difference" for row in trial.contrasts):
        parts.append(
            f"A threshold event is a rise of {trial.threshold_percent:g} % or more between consecutive visits. Shares "
            "of patients with an event were compared by their difference with Newcombe's hybrid score interval and "
            "Fisher's exact test; events per patient-year by their ratio with the exact interval given all events "
            "(Przyborowski and Wilenski 1940)."
        )
    if any(row.p_adjusted is not None for row in trial.contrasts):
        parts.append("P values of the primary analysis are adjusted over the treated arms by Holm's method.")
    parts.append("P values of sensitivity and secondary analyses are not adjusted.")
    return "\n\n".join(parts)


def trial_citations(trial: Trial) -> list[str]:
    """What `trial_methods` cites."""
    cited = [MATTHEWS, WELCH, LAIRD_WARE, VICKERS_ALTMAN, HODGES_LEHMANN, CONSORT]
    if any(row.unit == "risk difference" for row in trial.contrasts):
        cited += [NEWCOMBE, PRZYBOROWSKI]
    return without_repeats([*cited, ZEINEDDINE, CASH])
