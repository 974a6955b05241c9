"""Vials that are not there: places of the layout that read like their surroundings."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.results import VialMeasurement

Array = NDArray[np.float64]
_LEAST_OTHERS = 3
_NOISES = 6.0  # predicted contrast must be this clear of noise and scatter before its lack says anything
_LIKE = 0.15  # share of the predicted contrast that still counts as none


def name_missing(measured: list[VialMeasurement]) -> list[VialMeasurement]:
    """Mark vials that should stand out of their surroundings and do not.

    Each vial's contrast to the ring around it is predicted from the other vials of its series by a line through medians
    of pairwise slopes (Theil and Sen), which a third of bad vials does not bend. A place whose predicted contrast is
    clear of noise and of the others' scatter, and which has none, holds no vial, or a vial of the bare medium.

    Parameters
    ----------
    measured : list of VialMeasurement
        Of one modality, with background and standard error.

    Returns
    -------
    list of VialMeasurement
        The same, missing ones flagged and marked as not used.
    """
    marked = list(measured)
    for series in dict.fromkeys(v.series for v in measured):
        members = [k for k, v in enumerate(measured) if v.series == series and v.used and v.background is not None]
        x = np.array([measured[k].abscissa for k in members])
        contrast = np.array([measured[k].value - (measured[k].background or 0.0) for k in members])
        error = np.array([measured[k].sem or 0.0 for k in members])
        for n, k in enumerate(members):
            awaited, scatter = _predict(np.delete(x, n), np.delete(contrast, n), float(x[n]))
            clear = _NOISES * max(scatter, float(error[n]), float(np.median(error)))
            like = max(_LIKE * abs(awaited), 0.5 * clear)
            if abs(awaited) > clear and abs(contrast[n]) < like and abs(contrast[n] - awaited) > clear:
                marked[k] = measured[k].model_copy(update={"flag": _words(measured[k], awaited), "used": False})
    return marked


def _predict(x: Array, y: Array, at: float) -> tuple[float, float]:
    """Value of a robust line at a place and the scatter about it; infinite scatter where too few decide."""
    if len(x) < _LEAST_OTHERS or len(np.unique(x)) < 2:
        return 0.0, float("inf")
    line = stats.theilslopes(y, x)
    intercept = float(np.median(y - line.slope * x))
    rest = y - line.slope * x - intercept
    scatter = 1.4826 * float(np.median(np.abs(rest))) * np.sqrt(len(x) / max(len(x) - 2, 1))
    return float(line.slope) * at + intercept, float(scatter)


def _words(vial: VialMeasurement, awaited: float) -> str:
    digits = 1 if vial.unit == "HU" else 3
    value, level = (f"{v:.{digits}f}".replace("-", "−") for v in (vial.value, (vial.background or 0.0) + awaited))
    return (
        f"missing: reads {value} {vial.unit} like its surroundings where the others of its series let {level} "
        f"{vial.unit} be expected: no vial there, or only the medium in it; left out"
    )
