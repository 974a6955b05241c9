"""Methods paragraphs of `track`, each said only when it was done, with what they cite."""

from phantomcal.report.methods import MACKINNON_2023, OBUCHOWSKI_2016, without_repeats
from phantomcal.report.methods_trials import LAIRD_WARE, ZEINEDDINE
from phantomcal.report.numerals import count
from phantomcal.results.tracking import Tracking

FIELLER_1954 = (
    "Fieller EC. Some problems in interval estimation. J R Stat Soc B 1954;16:175-185. "
    "doi 10.1111/j.2517-6161.1954.tb00159.x"
)
GARWOOD_1936 = (
    "Garwood F. Fiducial limits for the Poisson distribution. Biometrika 1936;28:437-442. doi 10.1093/biomet/28.3-4.437"
)
CLOPPER_1934 = (
    "Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial. "
    "Biometrika 1934;26:404-413. doi 10.1093/biomet/26.4.404"
)
KAPLAN_1958 = (
    "Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. J Am Stat Assoc 1958;53:457-481. "
    "doi 10.1080/01621459.1958.10501452"
)
PRZYBOROWSKI_1940 = (
    "Przyborowski J, Wilenski H. Homogeneity of results in testing samples from Poisson series. Biometrika "
    "1940;31:313-323. doi 10.1093/biomet/31.3-4.313"
)
KUHN_1955 = (
    "Kuhn HW. The Hungarian method for the assignment problem. Nav Res Logist Q 1955;2:83-97. "
    "doi 10.1002/nav.3800020109"
)


def tracking_methods(record: Tracking) -> str:
    """How changes, events and rates were computed; paragraphs parted by blank lines."""
    return "\n\n".join(part for part in (_images(record), _changes(record), _scale(record), _cohort(record)) if part)


def tracking_citations(record: Tracking) -> list[str]:
    """What `tracking_methods` cites."""
    cited = [ZEINEDDINE, MACKINNON_2023, GARWOOD_1936, CLOPPER_1934, KAPLAN_1958]
    if record.se_source or record.repeatability_ppm is not None:
        cited.insert(1, FIELLER_1954)
    if record.repeatability_ppm is not None:
        cited.append(OBUCHOWSKI_2016)
    if any(r.name == "mixed model" and r.percent_per_year is not None for r in record.rates):
        cited.append(LAIRD_WARE)
    if any(c.quantity == "event rate ratio" for c in record.contrasts):
        cited.append(PRZYBOROWSKI_1940)
    if record.sessions:
        cited.append(KUHN_1955)
    return without_repeats(cited)


def _images(record: Tracking) -> str:
    if not record.sessions:
        return ""
    return (
        "Later sessions were aligned rigidly to each person's first one (correlation, three resolutions). Lesions of "
        "different sessions are the same where they share at least 10 % of the smaller one, else by the least total "
        "distance of their centres (Kuhn 1955). Parts that split or merged were pooled, so that the same tissue is "
        "compared. Values are means in each session's own map, which was not resampled."
    )


def _changes(record: Tracking) -> str:
    text = (
        "Change is that between consecutive visits of a lesion, relative to the earlier one; a rise of "
        f"{record.threshold_percent:g} % or more is a threshold event (Zeineddine et al. 2018). Visits of one day were "
        "averaged. Intervals that start at or below zero, or across which the reconstruction changed, have no place in "
        "rates."
    )
    if record.repeatability_ppm is not None:
        text += (
            f" A rise of the repeatability coefficient, {record.repeatability_ppm:.4g} ppm (1.96 √2 wSD; "
            f"{record.repeatability_source}), or more is an event by repeatability (Obuchowski et al. 2016)."
        )
    if record.se_source or record.repeatability_ppm is not None:
        source = record.se_source or "the repeatability coefficient"
        text += (
            f" Standard errors of single values: {source}"
            + (", at least the within-scanner SD" if record.se_source and record.repeatability_ppm is not None else "")
            + ". Intervals of changes are Fieller's; the probability that the true rise passes the threshold is normal."
        )
    return text


def _scale(record: Tracking) -> str:
    if record.correction is None:
        return ""
    return (
        "Values were divided by the scale of their scanner: one plus the drift of the phantom's slope from its "
        "baseline, at the calibration nearest in time. The error of a scale is shared by all sessions that use it, and "
        "cancels between two of these; elsewhere it was added to changes and, squared as a sum, to rates."
    )


def _cohort(record: Tracking) -> str:
    text = (
        "The change per patient-year is total change over total time, with every patient left out in turn and "
        "Student's t (MacKinnon et al. 2023). Event rates have exact Poisson intervals (Garwood 1936), shares exact "
        "binomial ones (Clopper and Pearson 1934). Time to the first threshold event follows Kaplan and Meier (1958) "
        "with log-log intervals."
    )
    models = [r for r in record.rates if r.name == "mixed model" and r.percent_per_year is not None]
    if models:
        text += f" Beside it stands a mixed model (Laird and Ware 1982): {models[0].method}."
    if record.contrasts:
        text += (
            f" {count(len(record.contrasts), 'contrast')} of groups: p values are two-sided, adjusted by Holm over all "
            "of them."
        )
    return text
