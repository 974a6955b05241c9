"""Sentences on how accuracy was measured, and what they cite; each only when it was done."""

from collections.abc import Sequence

from phantomcal.results import Cutoff, DiagnosticTable, Kappa, PairedCalls, Reliability, RocResult

DELONG_1988 = (
    "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating "
    "characteristic curves: a nonparametric approach. Biometrics 1988;44:837-845. doi 10.2307/2531595"
)
SUN_XU_2014 = (
    "Sun X, Xu W. Fast implementation of DeLong's algorithm for comparing the areas under correlated receiver "
    "operating characteristic curves. IEEE Signal Process Lett 2014;21:1389-1393. doi 10.1109/LSP.2014.2337313"
)
OBUCHOWSKI_1997 = (
    "Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578. doi 10.2307/2533958"
)
WILSON_1927 = (
    "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc "
    "1927;22:209-212. doi 10.1080/01621459.1927.10502953"
)
NEWCOMBE_1998 = (
    "Newcombe RG. Two-sided confidence intervals for the single proportion: comparison of seven methods. Stat Med "
    "1998;17:857-872. doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E"
)
RAO_SCOTT_1992 = (
    "Rao JNK, Scott AJ. A simple method for the analysis of clustered binary data. Biometrics 1992;48:577-585. "
    "doi 10.2307/2532311"
)
FAGERLAND_2013 = (
    "Fagerland MW, Lydersen S, Laake P. The McNemar test for binary matched-pairs data: mid-p and asymptotic are "
    "better than exact conditional. BMC Med Res Methodol 2013;13:91. doi 10.1186/1471-2288-13-91"
)
YOUDEN_1950 = "Youden WJ. Index for rating diagnostic tests. Cancer 1950;3:32-35."
FLEISS_1969 = (
    "Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and weighted kappa. Psychol Bull "
    "1969;72:323-327. doi 10.1037/h0028106"
)
FLEISS_1971 = (
    "Fleiss JL. Measuring nominal scale agreement among many raters. Psychol Bull 1971;76:378-382. doi 10.1037/h0031619"
)
MURPHY_1973 = "Murphy AH. A new vector partition of the probability score. J Appl Meteorol 1973;12:595-600."
COX_1958 = (
    "Cox DR. Two further applications of a model for binary regression. Biometrika 1958;45:562-565. "
    "doi 10.1093/biomet/45.3-4.562"
)


def accuracy_methods(
    rocs: Sequence[RocResult] = (),
    cutoffs: Sequence[Cutoff] = (),
    tables: Sequence[DiagnosticTable] = (),
    paired: Sequence[PairedCalls] = (),
    kappas: Sequence[Kappa] = (),
    reliabilities: Sequence[Reliability] = (),
) -> tuple[str, list[str]]:
    """A methods paragraph for what was measured, and its references.

    Parameters
    ----------
    rocs, cutoffs, tables, paired, kappas, reliabilities
        The results reported.

    Returns
    -------
    text : str
    references : list of str
    """
    parts: list[str] = []
    cited: list[str] = []
    if tables:
        clustered = any(t.n_subjects is not None for t in tables)
        parts.append(
            "Sensitivity, specificity, predictive values and accuracy have Wilson's 95 % intervals (Wilson 1927, "
            "Newcombe 1998)"
            + (
                ", at the effective number of cases where subjects have several (Rao and Scott 1992)." * clustered
                or "."
            )
        )
        cited += [WILSON_1927, NEWCOMBE_1998] + [RAO_SCOTT_1992] * clustered
    if rocs:
        clustered = any(r.n_subjects is not None for r in rocs)
        parts.append(
            "Areas under receiver operating characteristic curves and their differences have standard errors by "
            + (
                "Obuchowski's method for clustered data (1997), subjects as clusters."
                if clustered
                else "DeLong's method (1988), computed from mid-ranks (Sun and Xu 2014)."
            )
        )
        cited += [OBUCHOWSKI_1997] if clustered else [DELONG_1988, SUN_XU_2014]
    if cutoffs:
        whole = any(c.n_subjects is not None for c in cutoffs)
        parts.append(
            f"Cut-offs: {', '.join(dict.fromkeys(c.rule for c in cutoffs))}; intervals and the correction for optimism "
            f"from {max(c.n_bootstrap for c in cutoffs)} bootstrap samples of "
            f"{'whole subjects' if whole else 'cases'}."
        )
        cited += [YOUDEN_1950] if any("Youden" in c.rule for c in cutoffs) else []
    if paired:
        whole = any(c.n_subjects is not None for c in paired)
        parts.append(
            "Calls on the same cases were compared by McNemar's exact test with mid-p (Fagerland et al. 2013)"
            + (", the signs of subjects' differences permuted where subjects have several cases." * whole or ".")
        )
        cited.append(FAGERLAND_2013)
    if kappas:
        parts.append("Agreement beyond chance is kappa" + _kappa_words(kappas))
        cited += [FLEISS_1969] * any(k.n_readers == 2 for k in kappas)
        cited += [FLEISS_1971] * any(k.n_readers > 2 for k in kappas)
    if reliabilities:
        parts.append(
            "Calibration of probabilities: expected calibration error and Brier score with bootstrap intervals, the "
            "Brier score in its parts (Murphy 1973), slope and intercept of a logistic regression on the logit of the "
            "probability (Cox 1958)."
        )
        cited += [MURPHY_1973, COX_1958]
    return " ".join(parts), cited


def _kappa_words(kappas: Sequence[Kappa]) -> str:
    weighted = sorted({k.weights for k in kappas} - {"none"})
    return f" with {' and '.join(weighted)} weights." if weighted else "."
