"""A small phantom, and measurements at known places, for the simulator's tests."""

from typing import Any

import numpy as np
import SimpleITK as sitk

from phantomcal.protocol import Protocol
from phantomcal.simulate.head import HeadOptions

COARSE = HeadOptions(ct_spacing_mm=(1.0, 1.0, 5.0), mr_spacing_mm=(1.5, 1.5, 2.0))


def small_protocol(**changes: Any) -> Protocol:
    """Three gadolinium and three calcium vials in a cylinder of 32 mm radius."""
    places = [(20.0, 0.0), (9.0, 19.0), (-12.0, 17.0), (-21.0, -3.0), (-7.0, -20.0), (13.0, -16.0)]
    levels = [("gadolinium", 0.0), ("calcium", 0.0), ("gadolinium", 1.0), ("calcium", 700.0), ("gadolinium", 2.0)]
    levels.append(("calcium", 1400.0))
    fields: dict[str, Any] = {
        "name": "small",
        "title": "Small phantom",
        "source": "tests",
        "geometry": {"vial_radius_mm": 5.0, "body_radius_mm": 32, "vial_length_mm": 40},
        "materials": {"gadolinium": {"substance": "gadolinium"}, "calcium": {"substance": "CaCl2"}},
        "vials": [
            {"id": f"{material[:2]}{level:g}", "material": material, "value": level, "x_mm": x, "y_mm": y}
            for (material, level), (x, y) in zip(levels, places, strict=True)
        ],
    }
    return Protocol.model_validate(fields | changes)


def means_at(image: sitk.Image, truth: dict[str, Any], modality: str, radius_mm: float, half_mm: float) -> np.ndarray:
    """Mean of an image in cylinders along the vials, at the true positions of the truth record."""
    pose = np.array(truth["ct" if modality == "ct" else "mr"]["pose"]["object_to_world_matrix"])
    across, along = np.arange(-radius_mm, radius_mm + 0.1, 0.7), np.arange(-half_mm, half_mm + 0.1, 1.0)
    lattice = np.stack(np.meshgrid(across, across, along), axis=-1).reshape(-1, 3)
    lattice = lattice[np.hypot(lattice[:, 0], lattice[:, 1]) <= radius_mm] @ pose.T
    array = sitk.GetArrayFromImage(image)
    to_index = np.linalg.inv(np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing()))
    means = []
    for vial in truth["vials"]:
        world = lattice + np.array(vial[f"{'ct' if modality == 'ct' else 'mr'}_centre_mm"])
        index = np.rint((world - np.array(image.GetOrigin())) @ to_index.T).astype(int)
        assert (index >= 0).all()
        means.append(array[index[:, 2], index[:, 1], index[:, 0]].mean())
    return np.array(means)


def true_of(truth: dict[str, Any], key: str, material: str | None = None) -> np.ndarray:
    """A column of the truth's vials."""
    return np.array([v[key] for v in truth["vials"] if material in (None, v["material"])])
