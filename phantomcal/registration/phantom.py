"""CT and MR of one phantom: its vials found in both, and the two scans joined by them."""

import numpy as np
import SimpleITK as sitk

from phantomcal.phantom.finding.locate import locate
from phantomcal.protocol import Protocol
from phantomcal.registration.quality import inside_image, moved_mm
from phantomcal.registration.rigid import Registration
from phantomcal.registration.vial_lines import VialLines, vial_lines
from phantomcal.registration.vials import VialFit, align_vials
from phantomcal.results import Alignment


def align_phantom(
    ct: sitk.Image, mr: sitk.Image, protocol: Protocol, *, where_ct: str = "the CT", where_mr: str = "the QSM map"
) -> Registration:
    """Align a CT to the QSM map of the same phantom by the centres of its vials.

    Parameters
    ----------
    ct, mr : SimpleITK.Image
        HU, and ppm.
    protocol : Protocol
        With a layout. The expected values tell apart the poses that a symmetric layout allows.
    where_ct, where_mr : str
        Names of the images in messages.

    Returns
    -------
    Registration
        Its predicted error is that across the vials; the shift along them is named as not determined.

    Raises
    ------
    InputError
        The layout is not in one of the images, its pose is ambiguous, or fewer than two vials are seen in both.
    """
    lines_ct = vial_lines(ct, locate(ct, protocol, "ct", where=where_ct), protocol, where=where_ct)
    lines_mr = vial_lines(mr, locate(mr, protocol, "qsm", where=where_mr), protocol, where=where_mr)
    return registration_of(align_vials(lines_ct, lines_mr), ct, lines_mr)


def registration_of(fit: VialFit, ct: sitk.Image, mr: VialLines) -> Registration:
    """A fit to vials as the record that every alignment has."""
    transform, judgement = fit.transform, fit.judgement
    along = np.linspace(*mr.ends_mm, 9)
    points = np.array([mr.frame.to_world(np.append(c, z)) for c in mr.centres_mm for z in along])
    angles = np.degrees([transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ()])
    alignment = Alignment(
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        method="vials",
        rotation_deg=(float(angles[0]), float(angles[1]), float(angles[2])),
        translation_mm=transform.GetTranslation(),
        centre_mm=transform.GetCenter(),
        mutual_information=None,
        mutual_information_start=None,
        overlap_fraction=float(inside_image(ct, moved_mm(transform, points)).mean()),
        start_spread_mm=None,
        predicted_error_mm=judgement.predicted_error_mm,
        predicted_error_ci95_mm=fit.record.across_error_ci95_mm,
        n_repeats=0,
        fixed_kind="qsm",
        least_determined="a shift along the vials",
        vials=fit.record,
        warnings=judgement.warnings,
    )
    return Registration(transform, alignment)
