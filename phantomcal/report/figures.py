"""One door to every figure of the report; each function takes records or arrays and returns a matplotlib figure."""

from phantomcal.report.alignment_figures import alignment_panels
from phantomcal.report.correlation_figures import forest, region_scatter
from phantomcal.report.line_figures import calibration_lines, slope_ratios
from phantomcal.report.phantom_figures import vial_overlay
from phantomcal.report.style import as_png, as_svg
from phantomcal.report.truth_figures import truth_comparison

__all__ = [
    "alignment_panels",
    "as_png",
    "as_svg",
    "calibration_lines",
    "forest",
    "region_scatter",
    "slope_ratios",
    "truth_comparison",
    "vial_overlay",
]
