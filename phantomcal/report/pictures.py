"""From located vials and aligned volumes to the pictures of a report."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.blocks import alignment_picture, mid_slices, vial_picture
from phantomcal.report.page import Figure
from phantomcal.report.style import MODALITY_NAMES

if TYPE_CHECKING:
    from phantomcal.phantom.calibration import Calibrated
    from phantomcal.protocol import Protocol


def phantom_pictures(calibrated: "Calibrated", protocol: "Protocol") -> list[Figure]:
    """One picture per modality with the measured masks outlined."""
    figures = []
    for modality, located in calibrated.located.items():
        measured = [v for v in calibrated.record.vials if v.modality == modality]
        vials = pd.DataFrame(
            {
                "x_mm": located.centres_mm[:, 0],
                "y_mm": located.centres_mm[:, 1],
                "radius_mm": calibrated.mask_radii_mm[modality],
                "label": [v.vial_id for v in measured],
                "group": [v.series if not protocol.single_line else "insert" for v in measured],
                "used": [v.used for v in measured],
                "flag": [v.flag for v in measured],
            }
        )
        record = located.record
        name = MODALITY_NAMES.get(modality, modality)
        turned = f"turned {record.rotation_deg:.1f}°" + (", seen from the other end" if record.mirrored else "")
        caption = (
            f"{name}: layout {turned}, vials {record.tilt_deg:.1f}° off the image axis, centres "
            f"{record.position_residual_mm:.2f} mm (RMS) from the layout; measured in slices {record.first_slice} to "
            f"{record.last_slice} inside the circles drawn."
        )
        figures.append(
            vial_picture(
                located.picture,
                located.picture_extent_mm,
                vials,
                f"{name}: {len(vials)} vials",
                unit=measured[0].unit,
                caption=caption,
            )
        )
    return figures


def aligned_picture(fixed: sitk.Image, ct: sitk.Image, transform: sitk.Transform, title: str = "") -> Figure:
    """The MR with the bone outline of the CT before and after alignment, and a checkerboard after.

    Parameters
    ----------
    fixed : SimpleITK.Image
        Magnitude or QSM map.
    ct : SimpleITK.Image
        HU, on its own grid.
    transform : SimpleITK.Transform
        Maps points of the fixed image to the CT.
    title : str
        Whose alignment it is.
    """
    shown = sitk.DICOMOrient(fixed, "LPS")
    slices, spacing = mid_slices(_array(shown), shown.GetSpacing())
    before, after = (
        mid_slices(_array(_on_grid(ct, shown, t)), shown.GetSpacing())[0]
        for t in (sitk.Transform(3, sitk.sitkIdentity), transform)
    )
    caption = "Bone of the CT outlined on the MR: where the headers put it, and after alignment; below, tiles of both."
    return alignment_picture(slices, before, after, spacing, title, caption)


def _array(image: sitk.Image) -> NDArray[np.float32]:
    array: NDArray[np.float32] = sitk.GetArrayFromImage(image)
    return array


def _on_grid(ct: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """CT on another grid, NaN where it was not scanned."""
    return sitk.Resample(ct, grid, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
