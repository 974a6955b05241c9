"""HU and ppm as sums over materials, and how well two materials can be told apart."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Above this correlation of the two amounts' errors little but their sum (or difference) is known.
POOR, HOPELESS = 0.9, 0.98


@dataclass(frozen=True)
class Component:
    """One material that may be there.

    Attributes
    ----------
    name : str
        Of its maps and columns: ``iron``, ``calcium``, else the material of the line.
    line : str
        The material of the calibration line its slopes come from.
    form : str
        The form of iron or calcium that was assumed; empty when the slopes are the line's own.
    molar_mass_g_per_mol : float or None
        Of what is counted; None when the material is not known by name, which then has no mass.
    calibrated_range : (float, float)
        mmol/L of this component that the vials span.
    assumption : str
        What was taken for granted, in words; empty when nothing.
    """

    name: str
    line: str
    form: str
    molar_mass_g_per_mol: float | None
    calibrated_range: tuple[float, float]
    assumption: str = ""


@dataclass(frozen=True)
class System:
    """HU and ppm as sums over materials: ``[HU - HU0, ppm - ppm0] = slopes @ amounts``.

    Attributes
    ----------
    components : tuple of Component
        m materials.
    slopes : ndarray, shape (2, m)
        HU and ppm per mmol/L.
    slope_covariance : ndarray, shape (2, m, m)
        Of the m slopes of CT, and of QSM; CT and QSM are independent.
    slope_dof : ndarray, shape (2, m)
        Degrees of freedom behind each slope's error.
    medium : ndarray, shape (2,)
        HU and ppm of the vials' medium: the intercepts, weighted by their precision.
    medium_variance : ndarray, shape (2,)
    medium_covariance : ndarray, shape (2, m)
        Of the medium with the slopes.
    scatter : ndarray, shape (2,)
        SD of a vial about its line that its noise does not explain, HU and ppm.
    vial_error : ndarray, shape (2,)
        Standard error of a reading as good as one vial's, HU and ppm.
    notes : tuple of str
        Assumptions and doubts, in words.
    """

    components: tuple[Component, ...]
    slopes: Array
    slope_covariance: Array
    slope_dof: Array
    medium: Array
    medium_variance: Array
    medium_covariance: Array
    scatter: Array
    vial_error: Array
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components, in order."""
        return tuple(c.name for c in self.components)

    def pair(self, first: int, second: int) -> "System":
        """The same system with two of the materials only."""
        chosen = [first, second]
        return System(
            tuple(self.components[k] for k in chosen),
            self.slopes[:, chosen],
            self.slope_covariance[:, chosen][:, :, chosen],
            self.slope_dof[:, chosen],
            self.medium,
            self.medium_variance,
            self.medium_covariance[:, chosen],
            self.scatter,
            self.vial_error,
            self.notes,
        )


@dataclass(frozen=True)
class Conditioning:
    """How well two materials can be told apart.

    Attributes
    ----------
    condition_number : float
        Of the slopes in units of the noise, each material scaled to length one: 1 is ideal.
    error_correlation : float
        Of the errors of the two amounts.
    words : str
    """

    condition_number: float
    error_correlation: float
    words: str


def conditioning(system: System, hu_se: float, ppm_se: float) -> Conditioning:
    """How far noise of this size lets the two amounts of a 2 x 2 system be told apart.

    Parameters
    ----------
    system : System
        Of two materials.
    hu_se, ppm_se : float
        Noise, positive.

    Returns
    -------
    Conditioning
        The correlation of the errors is minus the cosine between the materials' whitened directions, the condition
        number that of the two unit vectors.
    """
    white = system.slopes / np.array([[hu_se], [ppm_se]])
    lengths = np.linalg.norm(white, axis=0)
    cosine = float(np.clip(white[:, 0] @ white[:, 1] / np.prod(lengths), -1.0, 1.0))
    number = float(np.sqrt((1 + abs(cosine)) / max(1 - abs(cosine), 1e-15)))
    first, second = system.names
    r = -cosine
    if abs(r) < POOR:
        words = f"{first} and {second} are told apart: their errors correlate by {r:.2f}"
    else:
        what = "difference" if r > 0 else "sum"
        if abs(r) < HOPELESS:
            words = (
                f"{first} and {second} are hardly told apart (errors correlate by {r:.3f}): a weighted {what} of the "
                "two is well known, how it splits is not"
            )
        else:
            words = (
                f"{first} and {second} cannot be told apart (errors correlate by {r:.4f}): both lie in nearly one "
                f"direction of HU and ppm, and only a weighted {what} of the two is known"
            )
    return Conditioning(number, r, words)
