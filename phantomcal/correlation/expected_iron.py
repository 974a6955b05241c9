"""How much iron does a region hold at an age, and what susceptibility would it have?"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# mg of iron in 100 g of fresh tissue: gain (1 - exp(-rate age)) + at birth. Hallgren and Sourander 1958.
IRON_WITH_AGE: dict[str, tuple[float, float, float]] = {
    "pallidum": (21.41, 0.09, 0.37),
    "putamen": (14.62, 0.04, 0.46),
    "caudate": (9.66, 0.05, 0.33),
    "frontal cortex": (3.84, 0.04, 0.03),
}
# In vivo slopes are near 9; ferritin iron alone would give about 15.
DEFAULT_PPB_PER_MG = 9.0


def iron_region(name: str) -> str | None:
    """The region of Hallgren and Sourander that a region's name means, if any: ``left globus pallidus`` is pallidum."""
    words = name.lower().replace("_", " ").replace("-", " ")
    for part in ("pallid", "putamen", "caudate"):
        if part in words:
            return "pallidum" if part == "pallid" else part
    if "frontal" in words and any(part in words for part in ("cortex", "ctx", "grey", "gray")):
        return "frontal cortex"
    return None


def iron_mg_per_100g(region: str, age_years: FloatArray) -> FloatArray:
    """Non-haem iron expected at an age.

    Parameters
    ----------
    region : str
        A key of `IRON_WITH_AGE`.
    age_years : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        mg per 100 g of fresh tissue.

    References
    ----------
    B. Hallgren, P. Sourander, J. Neurochem. 3 (1958) 41, 10.1111/j.1471-4159.1958.tb12607.x.
    """
    gain, rate, birth = IRON_WITH_AGE[region]
    return np.asarray(gain * -np.expm1(-rate * np.asarray(age_years, dtype=np.float64)) + birth, dtype=np.float64)


def expected_ppm(region: str, age_years: FloatArray, ppb_per_mg: float = DEFAULT_PPB_PER_MG) -> FloatArray:
    """Susceptibility that iron alone would give, ppm; the reference region's own value is not in it."""
    return iron_mg_per_100g(region, age_years) * ppb_per_mg / 1000.0
