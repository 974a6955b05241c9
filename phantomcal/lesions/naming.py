"""Blood or calcium, for lesions whose excess over tissue a decomposition has summed."""

from collections.abc import Mapping, Sequence

import numpy as np

from phantomcal.lesions.assumptions import CLASSES, THRESHOLD, Assumptions, assumptions_for
from phantomcal.lesions.likelihood import MISFIT, Readings, posterior
from phantomcal.results import Calibration, DecomposedLesion
from phantomcal.results.lesions import LesionClass

_NAMED: dict[str, LesionClass] = {
    "haemorrhage": "haemorrhage",
    "calcification": "calcification",
    "mixed": "mixed",
    "nothing": "undetermined",
}


def decided(probabilities: Mapping[str, float], misfit_p: float, threshold: float = THRESHOLD) -> LesionClass:
    """The class that is named: the likeliest one, if it is likely enough and the readings do not contradict it.

    Parameters
    ----------
    probabilities : mapping of str to float
        Of the classes of `phantomcal.lesions.assumptions.CLASSES`, or some of them.
    misfit_p : float
        p of the readings under the class that suits them best.
    threshold : float

    Returns
    -------
    str
        "undetermined" also for what is not told from tissue.
    """
    best = max(probabilities, key=lambda name: probabilities[name])
    return _NAMED[best] if probabilities[best] >= threshold and misfit_p >= MISFIT else "undetermined"


def with_verdicts(lesions: Sequence[DecomposedLesion], calibration: Calibration | None) -> list[DecomposedLesion]:
    """Lesions of a decomposition with their classes and probabilities, by the likelihood that `classify` uses.

    HU and ppm are the tissue's plus the mean excess over it, so that partial volume at the edge does not dilute them.

    Parameters
    ----------
    lesions : sequence of DecomposedLesion
    calibration : Calibration or None
        Its lines replace physics in the likelihood.

    Returns
    -------
    list of DecomposedLesion

    Raises
    ------
    InputError
        A calibration without usable lines.
    """
    if not lesions:
        return []
    known, _ = assumptions_for(calibration)
    found = posterior(_readings(lesions, known), known)
    named = []
    for lesion, row, misfit in zip(lesions, found.probabilities["both"], found.misfit_p["both"], strict=True):
        values = {name: float(p) for name, p in zip(CLASSES, row, strict=True)}
        update = {f"probability_{name}": p for name, p in values.items()}
        named.append(lesion.model_copy(update={"verdict": decided(values, float(misfit)), **update}))
    return named


def _readings(lesions: Sequence[DecomposedLesion], known: Assumptions) -> Readings:
    def each(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.array([getattr(lesion, name) for lesion in lesions], dtype=np.float64)

    volume = each("summed_mm3")
    return Readings(
        each("baseline_hu") + each("excess_hu"),
        each("baseline_ppm") + each("excess_ppm"),
        np.hypot(each("excess_hu_se"), known.floor_hu),
        np.hypot(each("excess_ppm_se"), known.floor_ppm),
        each("baseline_hu"),
        np.full(volume.size, known.local_hu_sd),
        each("baseline_ppm"),
        np.full(volume.size, known.local_ppm_sd),
        (6.0 * volume / np.pi) ** (1 / 3),
    )
