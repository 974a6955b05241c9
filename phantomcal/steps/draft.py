"""`protocols draft`: a protocol to complete, from a scan."""

from pathlib import Path
from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.outputs import output_file
from phantomcal.results import Modality

if TYPE_CHECKING:
    from phantomcal.volumes.quirks import Strictness


def draft_step(
    *,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    out: Path | None = None,
    vial_radius_mm: float | None = None,
    axis: int | None = None,
    strictness: "Strictness" = "warn",
) -> tuple[str, int]:
    """Find the vials of a new phantom; returns the YAML text, written to `out` when given, and how many there are."""
    from phantomcal.phantom.finding.draft import draft_text, find_discs
    from phantomcal.volumes import read_ct, read_qsm

    if (ct is None) == (qsm is None):
        raise InputError("a draft is made from one scan", "", "give either --ct or --qsm")
    if axis is not None and axis not in (0, 1, 2):
        raise InputError(f"--axis {axis} is no image axis", "", "use 0, 1 or 2")
    if out is not None and out.suffix.lower() not in (".yaml", ".yml"):
        raise InputError("a protocol is a YAML file", out.name, "give -o a name that ends in .yaml")
    if out is not None and out.exists():
        raise InputError("the file exists and may hold work", out.name, "choose another name")
    volume = (
        read_ct(ct, strictness=strictness) if ct is not None else read_qsm(str(qsm), qsm_unit, strictness=strictness)
    )
    modality: Modality = "ct" if volume.modality == "ct" else "qsm"
    found = find_discs(volume.image, modality, vial_radius_mm=vial_radius_mm, axis=axis, where=volume.source.name)
    text = draft_text(found, modality, out.stem if out is not None else "my-phantom", volume.source.name)
    if out is not None:
        with output_file(out) as path:
            path.write_text(text, encoding="utf-8")
    return text, len(found.values)
