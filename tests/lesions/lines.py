"""Calibrations for decompositions, fitted to drawn vials."""

import numpy as np
import pandas as pd

from phantomcal.outputs import provenance
from phantomcal.phantom.fitting.table import fit_table
from phantomcal.results import Calibration

LEVELS = {
    "iron": [0, 2, 4, 8, 12, 16],
    "calcium": [0, 300, 600, 900, 1200, 1500],
    "gadolinium": [0, 0.625, 1.25, 2.5, 5, 10],
    "iodine": [0, 2, 5, 10, 20, 30],
    "SPIO": [0, 0.1, 0.2, 0.4, 0.6, 0.8],
}
SLOPES = {
    "iron": (0.247, 0.0813),
    "calcium": (0.208, -2.68e-4),
    "gadolinium": (5.69, 0.338),
    "iodine": (3.38, -1e-4),
    "SPIO": (0.247, 2.273),
}


def calibration_of(*materials: str, noise: tuple[float, float] = (0.2, 0.002), seed: int = 5) -> Calibration:
    """Lines of both modalities; the noise is that of a vial's mean, HU and ppm."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "material": name,
            "modality": modality,
            "concentration_mmol_per_l": x,
            "value": slope * x + rng.normal(0, sd),
        }
        for name in materials
        for modality, slope, sd in zip(("ct", "qsm"), SLOPES[name], noise, strict=True)
        for x in LEVELS[name]
    ]
    return fit_table(pd.DataFrame(rows), provenance("fit", [], {}, 0.0), where="vials.csv")
