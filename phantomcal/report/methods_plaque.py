"""Sentences on how plaque components were compared, and what they cite."""

from phantomcal.report.methods import MACKINNON_2023, without_repeats
from phantomcal.report.methods_accuracy import accuracy_methods
from phantomcal.report.numerals import listed
from phantomcal.results import Plaque

AZUMA_2020 = (
    "Azuma M, Maekawa K, Yamashita A, et al. Characterization of carotid plaque components by quantitative "
    "susceptibility mapping. AJNR Am J Neuroradiol 2020;41:310-317. doi 10.3174/ajnr.A6374"
)
KRUSKAL_1952 = (
    "Kruskal WH, Wallis WA. Use of ranks in one-criterion variance analysis. J Am Stat Assoc 1952;47:583-621. "
    "doi 10.1080/01621459.1952.10483441"
)
DUNN_1964 = (
    "Dunn OJ. Multiple comparisons using rank sums. Technometrics 1964;6:241-252. doi 10.1080/00401706.1964.10490181"
)
LAIRD_1982 = (
    "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38:963-974. doi 10.2307/2529876"
)


def plaque_methods(record: Plaque) -> tuple[str, list[str]]:
    """The methods paragraph and its references.

    Parameters
    ----------
    record : Plaque

    Returns
    -------
    text : str
    references : list of str
    """
    cited = [AZUMA_2020, KRUSKAL_1952, DUNN_1964]
    words = " and ".join({"qsm": "susceptibility", "ct": "CT attenuation"}[m.modality] for m in record.measures)
    text = f"Plaque components ({listed(record.components)}) were compared by {words} (after Azuma et al. 2020). "
    if record.clustered:
        cited.append(MACKINNON_2023)
        text += (
            "Patients had several sections, which are not independent. Intervals of means, tests of mean ranks over "
            "all components and rank correlations come from leaving out whole patients in turn (jackknife; MacKinnon "
            "et al. 2023), with Student's t on patients - 1 degrees of freedom and Hotelling's F for all components "
            "together. Kruskal and Wallis' (1952) and Dunn's (1964) tests, which take sections as independent, are "
            "given beside. "
        )
    else:
        text += (
            "Sections were independent. Components were compared by the test of Kruskal and Wallis (1952) and pairs by "
            "Dunn's test (1964). "
        )
    if any(m.mixed is not None for m in record.measures):
        cited.append(LAIRD_1982)
        text += (
            "Means for an average patient come from a mixed model with a random intercept of the patient, fitted by "
            "restricted maximum likelihood (Laird and Ware 1982). "
        )
    text += f"P values are two-sided; adjustment: {record.adjustment}."
    rocs = [roc for m in record.measures for roc in m.rocs]
    more, sources = accuracy_methods([r.roc for r in rocs], [r.cutoff for r in rocs if r.cutoff is not None])
    if any(m.grades for m in record.measures):
        text += " Histology grades were correlated by Spearman's rho and Kendall's tau-b."
    return f"{text}\n\n{more}" if more else text, without_repeats([*cited, *sources])
