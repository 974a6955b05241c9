"""What does each component read? Means whose intervals know that rows of one patient hang together."""

import numpy as np
from scipy import stats

from phantomcal.accuracy.inputs import FloatArray, IntArray
from phantomcal.correlation.clustered import jackknife_se
from phantomcal.results.plaque import ComponentStatistics

FEW_PATIENTS = 5


def statistics_of(component: str, values: FloatArray, patient: IntArray) -> ComponentStatistics:
    """Descriptive statistics of one component.

    Parameters
    ----------
    component : str
    values : ndarray, shape (n,)
        May be empty.
    patient : ndarray of int, shape (n,)

    Returns
    -------
    ComponentStatistics
        Mean of all rows; its interval by leaving out whole patients, Student's t on patients - 1 degrees of freedom,
        which for a row a patient is the ordinary one.
    """
    n, n_patients = values.size, np.unique(patient).size
    if n == 0:
        nothing = dict.fromkeys(("mean", "standard_error", "ci95", "sd", "median", "quartiles", "lowest", "highest"))
        return ComponentStatistics(component=component, n=0, n_patients=0, **nothing, note="no value")
    mean = float(values.mean())
    error, interval, note = None, None, ""
    if n_patients >= 2:
        error = jackknife_se(mean, means_without(values, patient))
        half = float(stats.t.ppf(0.975, n_patients - 1)) * error
        interval = (mean - half, mean + half)
        if n_patients < FEW_PATIENTS:
            note = f"{n_patients} patients only"
    else:
        note = "all of one patient: no interval"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return ComponentStatistics(
        component=component,
        n=n,
        n_patients=n_patients,
        mean=mean,
        standard_error=error,
        ci95=interval,
        sd=float(values.std(ddof=1)) if n > 1 else None,
        median=float(middle),
        quartiles=(float(low), float(high)),
        lowest=float(values.min()),
        highest=float(values.max()),
        note=note,
    )


def means_without(values: FloatArray, patient: IntArray) -> FloatArray:
    """The mean of all rows but those of each patient, shape (patients,); two patients or more."""
    _, place = np.unique(patient, return_inverse=True)
    sums, counts = np.bincount(place, weights=values), np.bincount(place)
    return np.asarray((values.sum() - sums) / (values.size - counts), dtype=np.float64)
