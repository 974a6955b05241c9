"""One door from result records to reports; `page.render` makes the HTML."""

from phantomcal.report.blocks import alignment_picture, embedded, mid_slices, vial_picture
from phantomcal.report.compose_alignment import alignment_report
from phantomcal.report.compose_calibration import calibration_report
from phantomcal.report.compose_correlation import correlation_report
from phantomcal.report.compose_study import study_report, truth_section

__all__ = [
    "alignment_picture",
    "alignment_report",
    "calibration_report",
    "correlation_report",
    "embedded",
    "mid_slices",
    "study_report",
    "truth_section",
    "vial_picture",
]
