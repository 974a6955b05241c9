"""`sample`: from label maps to a region table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import output_file
from phantomcal.steps.registration import read_transform

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

    from phantomcal.correlation.sampling import Sampling
    from phantomcal.volumes.quirks import Strictness


def sample_step(
    labels: str,
    out: Path,
    *,
    lookup: Path | None = None,
    ct: str | None = None,
    qsm: str | None = None,
    qsm_unit: str | None = None,
    transform: Path | None = None,
    qsm_transform: str | None = None,
    mask: str | None = None,
    subject: str = "",
    session: str = "",
    sampling: "Sampling | None" = None,
    strictness: "Strictness" = "warn",
) -> "pd.DataFrame":
    """`phantomcal sample`: writes the region table `out`."""
    from phantomcal.correlation.regions import lookup_of, read_lookup, sample_regions
    from phantomcal.volumes import on_lattice_of, read_ct, read_labels, read_qsm

    if ct is None and qsm is None:
        raise InputError("nothing to sample", "", "give --ct, --qsm or both")
    table_writer(out)
    regions = read_labels(labels, strictness=strictness)
    table = lookup or _lookup_beside(labels)
    names = read_lookup(table) if table else lookup_of(regions.names)
    moving = read_ct(ct, strictness=strictness) if ct is not None else None
    susceptibility = read_qsm(qsm, qsm_unit, strictness=strictness) if qsm is not None else None
    measured = read_labels(mask, strictness=strictness) if mask is not None else None
    frame = sample_regions(
        on_lattice_of(regions.image, susceptibility.image) if susceptibility and regions.names else regions.image,
        names,
        ct=moving.image if moving else None,
        qsm=susceptibility.image if susceptibility else None,
        transform=read_transform(transform) if transform else None,
        qsm_transform=_qsm_transform(qsm_transform),
        mask=measured.image if measured else None,
        sampling=sampling,
        subject_id=subject,
        session=session,
    )
    notes = [n for v in (regions, moving, susceptibility) if v is not None for n in v.notes]
    frame.attrs["warnings"] = [*notes, *frame.attrs.get("warnings", [])]
    with output_file(out) as path:
        table_writer(out)(frame, path)
    return frame


def _qsm_transform(given: str | None) -> "sitk.Transform | None":
    import SimpleITK as sitk

    if given is None:
        return None
    return sitk.Transform(3, sitk.sitkIdentity) if given == "identity" else read_transform(Path(given))


def _lookup_beside(labels: str) -> Path | None:
    """The TSV of the label map's name, or dseg.tsv beside it unless the labels are named in their own file."""
    path = Path(labels)
    segmentation = path.name.lower().endswith(".seg.nrrd")
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0].removesuffix(".seg")
    tables = [path.with_name(f"{stem}.tsv"), *([] if segmentation else [path.with_name("dseg.tsv")])]
    return next((p for p in tables if p.is_file()), None)


def table_writer(path: Path) -> Any:
    """Writer for a table's suffix; refuses a suffix it does not know before any work is done."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return lambda frame, target: frame.to_parquet(target, index=False)
    if suffix in (".csv", ".tsv"):
        separator = "," if suffix == ".csv" else "\t"
        # Numbers as they are, so that reading the file gives them back to the last bit.
        return lambda frame, target: frame.to_csv(target, index=False, sep=separator, lineterminator="\n")
    raise InputError(f"unknown table type {path.suffix!r}", path.name, "name the output .csv, .tsv or .parquet")
