"""The volumes of a decomposition in a viewer, and what was found in each lesion."""

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.content import Tone, Viewer
from phantomcal.report.decomposition_figures import Scene
from phantomcal.report.viewers import amounts_viewer
from phantomcal.results import DecomposedLesion, Decomposition

_PARAMAGNETIC = ("iron", "SPIO", "USPIO", "gadolinium")


def finding(lesion: DecomposedLesion) -> tuple[str, Tone]:
    """What is in a lesion, in words, and its colour."""
    found = [m.material for m in lesion.masses if m.detected]
    if not found:
        return "neither is told from nothing", "undetermined"
    if len(found) > 1:
        return " and ".join(found), "mixed"
    tone: Tone = "calcium" if found[0] == "calcium" else "iron" if found[0] in _PARAMAGNETIC else "info"
    return found[0], tone


def scene_viewer(record: Decomposition, scene: Scene) -> Viewer:
    """The volumes of a decomposition to scroll through; amounts below the critical value of a voxel are left out.

    Parameters
    ----------
    record : Decomposition
    scene : Scene
    """

    def image_of(array: NDArray[Any]) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        image.CopyInformation(scene.grid)
        return image

    critical = {m.name: m.critical_mmol_per_l or 0.0 for m in record.materials}
    shown = {
        name: image_of(np.where(scene.usable & (amount >= critical.get(name, 0.0)), amount, 0.0).astype(np.float32))
        for name, amount in scene.amounts.items()
    }
    labels = None if scene.labels is None else image_of(scene.labels.astype(np.uint16))
    findings = {lesion.label: (lesion.lesion_id, finding(lesion)) for lesion in record.lesions}
    lesions = {
        label: (name, "mixed" if tone == "mixed" else words if tone in ("iron", "calcium") else "undetermined")
        for label, (name, (words, tone)) in findings.items()
    }
    return amounts_viewer(image_of(scene.hu), scene.grid, shown, labels, lesions)
