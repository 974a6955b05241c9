"""Visit tables of simulated trials whose difference between the arms is known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.simulate.seeds import streams


@dataclass(frozen=True)
class TrialOptions:
    """A trial with yearly visits of several lesions a patient; changes in per cent of the value a year before.

    Attributes
    ----------
    per_arm, lesions, visits : int
        Patients in each arm, lesions of a patient, visits after baseline.
    control_percent, treated_percent : float
        Mean change per year.
    patient_sd, lesion_sd, visit_sd : float
        SD of the change between patients, between lesions of one patient, and from year to year, percentage points.
    noise_percent : float
        SD of one measurement, of its value.
    dropout : float
        Share of patients lost by the last visit, evenly over the visits.
    crossed, untreated : float
        Shares of the treated arm that received the control treatment, and that did not keep to the protocol.
    """

    per_arm: int = 30
    lesions: int = 2
    visits: int = 2
    control_percent: float = 8.0
    treated_percent: float = 8.0
    patient_sd: float = 6.0
    lesion_sd: float = 3.0
    visit_sd: float = 4.0
    noise_percent: float = 1.0
    dropout: float = 0.0
    crossed: float = 0.0
    untreated: float = 0.0


def simulate_trial(seed: int, options: TrialOptions | None = None) -> pd.DataFrame:
    """Draw a trial.

    Parameters
    ----------
    seed : int
    options : TrialOptions, optional

    Returns
    -------
    pandas.DataFrame
        `subject_id, lesion_id, years, qsm_ppm, arm, received_arm, per_protocol, reason`, a row per lesion and visit;
        patients who were lost have no later rows. Who received the control treatment changes as the control arm does.

    Raises
    ------
    InputError
        Fewer than two patients, or shares outside 0 to 1.
    """
    o = options or TrialOptions()
    if min(o.per_arm, o.visits, o.lesions) < 1 or o.per_arm < 2:
        raise InputError("a trial needs two patients an arm, a lesion and a visit", "the options", "give more")
    if not all(0 <= share <= 1 for share in (o.dropout, o.crossed, o.untreated)):
        raise InputError("a share lies between 0 and 1", "the options", "give e.g. 0.1")
    change_random, noise_random, fate_random = streams(seed, 3)
    n = 2 * o.per_arm
    arm = np.repeat(["placebo", "drug"], o.per_arm)
    fate = fate_random.random(n)
    crossed = (arm == "drug") & (fate < o.crossed)
    untreated = (arm == "drug") & ~crossed & (fate < o.crossed + o.untreated)
    mean = np.where((arm == "drug") & ~crossed, o.treated_percent, o.control_percent)
    shape = (n, o.lesions, o.visits)
    change = mean[:, None, None] + o.patient_sd * change_random.standard_normal((n, 1, 1))
    change = change + o.lesion_sd * change_random.standard_normal((n, o.lesions, 1))
    change = change + o.visit_sd * change_random.standard_normal(shape)
    first = change_random.uniform(0.2, 0.8, (n, o.lesions, 1))
    growth = np.cumprod(np.maximum(1.0 + change / 100.0, 0.1), axis=2)
    values = np.concatenate([first, first * growth], axis=2)
    values = values * (1.0 + o.noise_percent / 100.0 * noise_random.standard_normal(values.shape))
    made = np.full(n, o.visits)
    lost = fate_random.random(n) < o.dropout
    made[lost] = fate_random.integers(0, o.visits, int(lost.sum()))
    patient, lesion, visit = (index.ravel() for index in np.indices(values.shape))
    frame = pd.DataFrame(
        {
            "subject_id": [f"p{k + 1:04d}" for k in patient],
            "lesion_id": [f"L{k + 1}" for k in lesion],
            "years": visit.astype(np.float64),
            "qsm_ppm": values.ravel().round(6),
            "arm": arm[patient],
            "received_arm": np.where(crossed, "placebo", arm)[patient],
            "per_protocol": np.where(crossed | untreated, 0, 1)[patient],
            "reason": np.where(lost, "moved away", np.where(untreated, "stopped the drug", ""))[patient],
        }
    )
    return frame[visit <= made[patient]].reset_index(drop=True)
