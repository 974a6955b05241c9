"""How well does a measure tell one component from the rest?"""

import numpy as np

from phantomcal.accuracy.cutoff import best_cutoff
from phantomcal.accuracy.inputs import BoolArray, FloatArray, IntArray
from phantomcal.accuracy.roc import roc
from phantomcal.results.accuracy import Cutoff
from phantomcal.results.plaque import PlaqueRoc

MEASURE_WORDS = {"qsm_ppm": "QSM", "ct_hu": "CT"}


def told_apart(
    target: str,
    measure: str,
    below: bool,
    is_target: BoolArray,
    values: FloatArray,
    patient: IntArray | None,
    rest: list[str],
    n_bootstrap: int,
) -> PlaqueRoc:
    """ROC curve and cut-off of one component against all others.

    Parameters
    ----------
    target, measure : str
    below : bool
        Whether the target reads lower than the rest: calcification on QSM, which is diamagnetic.
    is_target : ndarray of bool, shape (n,)
        Both kinds.
    values : ndarray, shape (n,)
    patient : ndarray of int, shape (n,), or None
        None for independent rows.
    rest : list of str
        Components of the others.
    n_bootstrap : int

    Returns
    -------
    PlaqueRoc
    """
    name = f"{MEASURE_WORDS[measure]}, {target}"
    score = -values if below else values
    found = roc(is_target, score, patient, name=name)
    cutoff = None
    note = ""
    if np.ptp(values) == 0:
        note = "all values are equal: no cut-off"
    else:
        cutoff = best_cutoff(is_target, score, patient, n_bootstrap=n_bootstrap, name=name)
        cutoff = _turned(cutoff) if below else cutoff
    if found.auc < 0.5:
        note = (
            f"{target} reads {'higher' if below else 'lower'} than the rest here, against its magnetism or "
            "attenuation: check sign and unit of the column"
        )
    return PlaqueRoc(
        target=target,
        measure=measure,
        direction="below" if below else "above",
        roc=found,
        cutoff=cutoff,
        rest=rest,
        note=note,
    )


def _turned(cutoff: Cutoff) -> Cutoff:
    ends = cutoff.cutoff_ci95
    return cutoff.model_copy(
        update={
            "cutoff": -cutoff.cutoff,
            "cutoff_ci95": None if ends is None else (-ends[1], -ends[0]),
            "positive": "below",
        }
    )
