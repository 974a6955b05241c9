"""Simulated plaque sections with known means, spread between patients and grades."""

import numpy as np
import pandas as pd

MEANS_PPM = {"haemorrhage": 0.25, "calcification": -0.60, "lipid core": -0.02, "fibrous": 0.02}
MEANS_HU = {"haemorrhage": 30.0, "calcification": 420.0, "lipid core": 35.0, "fibrous": 70.0}
WORDS = {"haemorrhage": "IPH", "calcification": "calcified", "lipid core": "LRNC", "fibrous": "Fibrous"}


def plaque_table(
    rng: np.random.Generator,
    n_patients: int = 16,
    sections: int = 8,
    means: dict[str, float] | None = None,
    between: float = 0.06,
    within: float = 0.08,
) -> pd.DataFrame:
    """Sections: a random component each, susceptibility with a patient's own offset, grades that follow it."""
    means = MEANS_PPM if means is None else means
    names = list(means)
    patient = np.repeat(np.arange(n_patients), sections)
    component = rng.integers(0, len(names), patient.size)
    own = between * rng.standard_normal(n_patients)[patient]
    qsm = np.array([means[n] for n in names])[component] + own + within * rng.standard_normal(patient.size)
    hu = np.array([MEANS_HU[n] for n in names])[component] + 25 * rng.standard_normal(patient.size)
    blood = np.clip(np.round(1.5 + 6 * qsm + 0.5 * rng.standard_normal(patient.size)), 0, 3)
    return pd.DataFrame(
        {
            "patient_id": [f"P{i:02d}" for i in patient],
            "section": np.tile(np.arange(sections), n_patients),
            "component": [WORDS[names[c]] for c in component],
            "qsm_ppm": qsm.round(4),
            "ct_hu": hu.round(1),
            "Glycophorin A": blood.astype(int),
            "von Kossa": np.clip(np.round(hu / 130), 0, 3).astype(int),
        }
    )
