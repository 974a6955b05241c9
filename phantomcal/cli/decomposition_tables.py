"""What `decompose` prints."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results import Decomposition
from phantomcal.terminal import _console, _table, _warn

_MOST_ROWS = 40


def show_decomposition(record: Decomposition, out: Path) -> None:
    """Masses of lesions, or amounts of rows, or what the maps hold."""
    console = _console()
    if record.lesions:
        table = _table("lesion", "mm³", "HU above", "ppm above", "material", "mg", "± SE", "95 % interval", "told")
        for lesion in record.lesions[:_MOST_ROWS]:
            for k, mass in enumerate(lesion.masses):
                table.add_row(
                    escape(lesion.lesion_id) if k == 0 else "",
                    f"{lesion.volume_mm3:.4g}" if k == 0 else "",
                    f"{lesion.excess_hu:.3g}" if k == 0 else "",
                    f"{lesion.excess_ppm:.3g}" if k == 0 else "",
                    escape(mass.material),
                    f"{mass.mass_mg:.3g}",
                    f"{mass.standard_error_mg:.2g}",
                    f"{mass.ci95[0]:.3g} to {mass.ci95[1]:.3g}",
                    "yes" if mass.detected else "no",
                )
        console.print(table)
    elif record.regions:
        table = _table("row", "material", "mmol/L", "± SE", "95 % interval", "probability", "note")
        table.columns[-1].justify = "left"
        for row in record.regions[:_MOST_ROWS]:
            interval = (
                f"{row.low_mmol_per_l:.4g} to {row.high_mmol_per_l:.4g} (range)"
                if row.low_mmol_per_l is not None and row.high_mmol_per_l is not None
                else f"{row.ci95_low:.4g} to {row.ci95_high:.4g}"
                if row.ci95_low is not None and row.ci95_high is not None
                else "–"
            )
            table.add_row(
                escape(row.id),
                escape(row.material),
                "–" if row.concentration_mmol_per_l is None else f"{row.concentration_mmol_per_l:.4g}",
                "–" if row.standard_error is None else f"{row.standard_error:.2g}",
                interval,
                "–" if row.probability is None else f"{row.probability:.3f}",
                escape(row.note),
            )
        console.print(table)
    else:
        table = _table("material", "HU per mmol/L", "ppm per mmol/L", "± a voxel, mmol/L", "voxels told from nothing")
        for material in record.materials:
            error, share = material.voxel_standard_error_mmol_per_l, material.above_critical_share
            table.add_row(
                escape(material.name),
                f"{material.ct_slope_hu:.3g}",
                f"{material.qsm_slope_ppm:.3g}",
                "–" if error is None else f"{error:.2g}",
                "–" if share is None else f"{100 * share:.1f} %",
            )
        console.print(table)
    hidden = max(len(record.lesions), len(record.regions)) - _MOST_ROWS
    if hidden > 0:
        console.print(f"and {hidden} more in decomposition.json")
    if record.told_apart:
        console.print(escape(record.told_apart))
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))
