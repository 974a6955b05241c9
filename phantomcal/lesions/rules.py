"""Rules a radiologist can read: the sign of the susceptibility, 100 HU, and the line of calcified choroid plexus."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phantomcal.lesions.likelihood import Readings
from phantomcal.results import LesionRule, RuleOutcome
from phantomcal.results.lesions import LesionClass

Array = NDArray[np.float64]

CALCIUM_HU = 100.0
CLOT_HU = (60.0, 90.0)
DENSER_THAN_TISSUE_HU = 45.0
# Calcified choroid plexus: -0.10 ppm at 60 HU, -0.15 ppm at 100 HU.
CHOROID = ((60.0, -0.10), (100.0, -0.15))
CHOROID_TOLERANCE_PPM = 0.05
BAND_SDS = 1.96

_VERDICTS: dict[str, LesionClass] = {
    "no reading": "undetermined",
    "dense and paramagnetic": "mixed",
    "dense": "calcification",
    "paramagnetic": "haemorrhage",
    "choroid plexus line": "calcification",
    "dense and diamagnetic": "calcification",
    "diamagnetic": "calcification",
    "diamagnetic without density": "undetermined",
    "density of clot": "haemorrhage",
    "within the dead band": "undetermined",
    "CT number of tissue": "undetermined",
    "between clot and calcium": "undetermined",
}


@dataclass(frozen=True)
class Ruled:
    """Outcome of the rules for many lesions.

    Attributes
    ----------
    rule : ndarray of str, shape (n,)
        The rule that fired.
    band_ppm : ndarray, shape (n,)
        Half-width of the dead band.
    sign : ndarray of int, shape (n,)
        1, 0 (inside the dead band or not measured) or -1.
    """

    rule: NDArray[np.object_]
    band_ppm: Array
    sign: NDArray[np.int64]

    def verdicts(self) -> list[LesionClass]:
        """What each lesion is by its rule."""
        return [_VERDICTS[str(rule)] for rule in self.rule]


def choroid_ppm(hu: Array) -> Array:
    """Susceptibility of calcified choroid plexus at a CT number, on the line through its two known points."""
    (x0, y0), (x1, y1) = CHOROID
    return np.asarray(y0 + (y1 - y0) / (x1 - x0) * (hu - x0))


def apply_rules(readings: Readings, dead_band_ppm: float | None = None) -> Ruled:
    """Which rule fires for each lesion; the first that fits, in the order of `rules_in_words`.

    Parameters
    ----------
    readings : Readings
        Susceptibility is judged against zero of the map, or measured surroundings.
    dead_band_ppm : float, optional
        Half-width of the band about zero in which the sign is open; by default 1.96 standard errors of each reading,
        scan-rescan SD included.

    Returns
    -------
    Ruled
    """
    ppm, hu = readings.ppm - readings.tissue_ppm, readings.hu
    band = BAND_SDS * readings.ppm_se if dead_band_ppm is None else np.full(ppm.shape, dead_band_ppm)
    sign = np.where(ppm > band, 1, np.where(ppm < -band, -1, 0)).astype(np.int64)
    has_ct, has_qsm = ~np.isnan(hu), ~np.isnan(ppm)
    dense = hu > CALCIUM_HU
    clot = (hu >= CLOT_HU[0]) & (hu <= CLOT_HU[1])
    near_line = np.abs(readings.ppm - choroid_ppm(hu)) <= CHOROID_TOLERANCE_PPM + band
    above_tissue = hu > DENSER_THAN_TISSUE_HU
    ladder = (
        (~has_ct & ~has_qsm, "no reading"),
        (dense & (sign > 0), "dense and paramagnetic"),
        (dense & (sign < 0), "dense and diamagnetic"),
        (dense, "dense"),
        (sign > 0, "paramagnetic"),
        ((sign < 0) & has_ct & above_tissue & near_line, "choroid plexus line"),
        ((sign < 0) & has_ct & above_tissue, "dense and diamagnetic"),
        ((sign < 0) & has_ct, "diamagnetic without density"),
        (sign < 0, "diamagnetic"),
        (has_qsm, "within the dead band"),
        (clot, "density of clot"),
        (hu > CLOT_HU[1], "between clot and calcium"),
    )
    rule = np.select([fires for fires, _ in ladder], [name for _, name in ladder], "CT number of tissue")
    return Ruled(rule.astype(object), band, np.where(has_qsm, sign, 0))


def outcomes(ruled: Ruled, readings: Readings) -> list[RuleOutcome]:
    """The rules' verdicts in words, with each lesion's own numbers."""
    verdicts = ruled.verdicts()
    return [
        RuleOutcome(
            verdict=verdicts[k],
            rule=str(rule),
            reason=_reason(
                float(readings.hu[k]),
                float(readings.ppm[k] - readings.tissue_ppm[k]),
                float(ruled.band_ppm[k]),
                float(readings.hu_se[k]),
            ),
        )
        for k, rule in enumerate(ruled.rule)
    ]


def _reason(hu: float, ppm: float, band: float, hu_se: float) -> str:
    told = []
    if np.isfinite(ppm):
        side = "above" if ppm > band else "below minus" if ppm < -band else "within"
        told.append(f"{ppm:.3g} ppm is {side} the dead band of {band:.2g} ppm")
    if np.isfinite(hu):
        where = "above" if hu > CALCIUM_HU else "not above"
        close = ", but within noise of it" if abs(hu - CALCIUM_HU) < BAND_SDS * hu_se else ""
        told.append(f"{hu:.3g} HU is {where} {CALCIUM_HU:g}{close}")
    return "; ".join(told) or "neither HU nor ppm"


def rules_in_words() -> list[LesionRule]:
    """Every rule, in the order in which they are tried."""
    (x0, y0), (x1, y1) = CHOROID
    band = "the dead band (1.96 standard errors of the reading, scan-rescan SD included, unless set)"
    texts = {
        "no reading": "neither HU nor ppm: undetermined",
        "dense and paramagnetic": f"above {CALCIUM_HU:g} HU is calcium, above {band} is iron: mixed",
        "dense and diamagnetic": f"above {CALCIUM_HU:g} HU, or above {DENSER_THAN_TISSUE_HU:g} HU off the choroid "
        "plexus line, and below minus the dead band: calcification",
        "dense": f"above {CALCIUM_HU:g} HU, with the sign of the susceptibility open or not measured: calcification",
        "paramagnetic": "mean susceptibility above the dead band: haemorrhage",
        "choroid plexus line": f"below minus the dead band and within {CHOROID_TOLERANCE_PPM:g} ppm (and the dead "
        f"band) of calcified choroid plexus, {y0:.2f} ppm at {x0:g} HU and {y1:.2f} ppm at {x1:g} HU: calcification",
        "diamagnetic without density": f"below minus the dead band, but not above {DENSER_THAN_TISSUE_HU:g} HU: "
        "undetermined",
        "diamagnetic": "below minus the dead band, without CT: calcification",
        "within the dead band": f"sign of the susceptibility open and not above {CALCIUM_HU:g} HU: undetermined",
        "density of clot": f"{CLOT_HU[0]:g} to {CLOT_HU[1]:g} HU, without QSM: haemorrhage",
        "between clot and calcium": f"above {CLOT_HU[1]:g} but not {CALCIUM_HU:g} HU, without QSM: undetermined",
        "CT number of tissue": f"below {CLOT_HU[0]:g} HU, without QSM: undetermined",
    }
    return [LesionRule(key=key, text=text) for key, text in texts.items()]
