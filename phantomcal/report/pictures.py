"""From located vials and aligned volumes to the pictures of a report."""

from typing import TYPE_CHECKING

import pandas as pd

from phantomcal.report.page import Figure
from phantomcal.report.phantom_figures import vial_overlay
from phantomcal.report.style import MODALITY_NAMES, as_svg, width_px

if TYPE_CHECKING:
    from phantomcal.phantom.calibration import Calibrated
    from phantomcal.protocol import Protocol


def vial_pictures(calibrated: "Calibrated", protocol: "Protocol") -> list[Figure]:
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
        canvas = vial_overlay(
            located.picture, located.picture_extent_mm, vials, f"{name}: {len(vials)} vials", unit=measured[0].unit
        )
        turned = f"turned {record.rotation_deg:.1f}°" + (", seen in the mirror" if record.mirrored else "")
        figures.append(
            Figure(
                as_svg(canvas),
                f"{name} slice of the phantom with {len(vials)} vials outlined and named",
                f"{name}: layout {turned}, vials {record.tilt_deg:.1f}° off the image axis, centres "
                f"{record.position_residual_mm:.2f} mm (RMS) from the layout; measured in slices "
                f"{record.first_slice} to {record.last_slice} inside the circles drawn.",
                width_px(canvas),
            )
        )
    return figures
