"""What does each region of a label map read in CT and in QSM?"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from phantomcal.correlation.flags import AIR_HU, Facts, flag, note
from phantomcal.correlation.labels import (
    BoolArray,
    FloatArray,
    Voxels,
    deep_inside,
    read_label_map,
    sort_voxels,
)
from phantomcal.correlation.lookup import hemisphere, lookup_of, read_lookup
from phantomcal.correlation.naming import regions_of
from phantomcal.correlation.reference import reference_of, referenced
from phantomcal.correlation.sampling import NO_REFERENCE, Sampling
from phantomcal.correlation.spread import Spread, spread
from phantomcal.errors import InputError
from phantomcal.volumes import describe_grid, same_grid

__all__ = ["Sampling", "hemisphere", "lookup_of", "read_lookup", "sample_regions"]

# Zeros of a map rounded to few digits are single voxels; the zeros outside a map's mask hang together.
_BACKGROUND_VOXELS = 10


def sample_regions(
    labels: sitk.Image,
    lookup: pd.DataFrame | None = None,
    *,
    ct: sitk.Image | None = None,
    qsm: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
    qsm_transform: sitk.Transform | None = None,
    mask: sitk.Image | None = None,
    sampling: Sampling | None = None,
    subject_id: str | None = None,
    session: str | None = None,
    reference_ppm: tuple[float, float] | None = None,
    errors: bool = True,
) -> pd.DataFrame:
    """Mean, spread and standard error of CT and QSM in every region of a label map.

    The labels stay on their own grid. CT is read at their voxels through the transform by one linear interpolation, and
    so is a QSM map on another grid. Voxels that were not measured never enter a mean: outside the CT, outside the mask,
    not finite, or, without a mask, in the coherent zero background of the QSM map.

    Parameters
    ----------
    labels : SimpleITK.Image
        3-D, whole numbers, 0 is background.
    lookup : pandas.DataFrame, optional
        Columns ``index`` and ``name``, as `read_lookup` returns. Without it a region is called ``label-<k>``.
    ct, qsm : SimpleITK.Image, optional
        HU on any grid, and ppm on the grid of `labels` unless `qsm_transform` is given. At least one of them.
    transform : SimpleITK.Transform, optional
        Maps points of the label (fixed, MR) space to the CT (moving) space. Without it the two are taken as one space.
    qsm_transform : SimpleITK.Transform, optional
        Maps points of the label space to the space of a QSM map on another grid.
    mask : SimpleITK.Image, optional
        Where the QSM map is valid (not 0), on the grid of `labels`.
    sampling : Sampling, optional
        Erosion, trimming, HU window, sides, reference, percentiles.
    subject_id, session : str, optional
        Written as leading columns when given.
    reference_ppm : tuple of float, optional
        Mean and standard error of the reference when it is known already, from another map of the same person.
    errors : bool
        Whether to work out standard errors, which take most of the time.

    Returns
    -------
    pandas.DataFrame
        A row per region in ascending order of labels: ``roi, hemisphere`` (``left``, ``right`` or empty, read off the
        name), ``n_voxels`` (measured voxels), ``ct_hu, ct_sd_hu, qsm_ppm, qsm_sd_ppm`` (mean and standard deviation
        between voxels, n - 1), ``ct_sem_hu, qsm_sem_ppm`` (standard error of the mean from the noise, see `spread`;
        that of a reference is added in quadrature), ``volume_mm3, ct_n_voxels, ct_coverage`` (share inside the CT),
        ``label`` (the lowest, when several are one region), percentiles (``ct_median_hu``, ``qsm_p95_ppm``),
        ``ct_n_effective, qsm_n_effective, qsm_coverage`` (share of the region in the measured map), ``reference,
        qsm_reference_ppm, qsm_reference_sem_ppm, sampling`` (what was chosen, in words), ``flag`` (empty, ``vanished``,
        ``too small``, ``outside the map``, ``outside the CT``, ``partly outside the map``, ``partly outside the CT``)
        and ``note``. ``attrs["warnings"]`` lists in words what was left out or is doubtful.

    Raises
    ------
    InputError
        Neither CT nor QSM; another grid; labels that are no whole numbers or all 0; no overlap with CT or QSM map; a
        region asked for, or a reference, that is not in the map.
    """
    how = sampling or Sampling()
    _check_call(labels, ct, qsm, transform, qsm_transform, mask, how)
    found = read_label_map(labels)
    regions = regions_of(found, lookup, how)
    whole = sort_voxels(found, regions.of_label, len(regions.names))
    voxels = whole
    if how.erode_voxels or how.erode_mm:
        voxels = whole.only(deep_inside(whole, found, labels.GetSpacing(), how.erode_voxels, how.erode_mm))
    labelled = voxels.counts

    voxels, ppm = _measured(voxels, labels, qsm, qsm_transform, mask)
    n_measured = voxels.counts
    hu, covered = None, np.zeros(0, dtype=np.bool_)
    n_covered = n_air = np.zeros_like(n_measured)
    if ct is not None:
        from phantomcal.correlation.interpolate import values_on

        hu = values_on(ct, labels, voxels, transform)
        covered = np.isfinite(hu)
        if not covered.any():
            raise InputError(
                "CT and labels do not overlap",
                f"the CT ({_grid_words(ct)}) and the label map ({_grid_words(labels)})",
                "give the transform from MR to CT (--transform), or check that both are of one person",
            )
        n_covered = voxels.only(covered).counts
        n_air = voxels.only(hu < AIR_HU).counts
        if how.hu_window is not None:
            within = (hu >= how.hu_window[0]) & (hu <= how.hu_window[1])
            chosen = covered & (within if how.hu_window_mode == "in" else ~within)
            voxels, hu, covered = voxels.only(chosen), hu[chosen], covered[chosen]
            ppm = None if ppm is None else ppm[chosen]

    voxel_mm3 = float(np.prod(labels.GetSpacing()))
    options: dict[str, Any] = {"trim_percent": how.trim_percent, "percentiles": how.percentiles, "errors": errors}
    ct_stats = qsm_stats = None
    if hu is not None and ct is not None:
        # Interpolation between CT voxels makes no new ones: no more are independent than fit into the region.
        independent = min(1.0, voxel_mm3 / float(np.prod(ct.GetSpacing())))
        inside = voxels.only(covered)
        ct_stats = spread(hu if inside is voxels else hu[covered], inside, **options, most_independent=independent)
    if ppm is not None and qsm is not None:
        independent = min(1.0, voxel_mm3 / float(np.prod(qsm.GetSpacing())))
        qsm_stats = spread(ppm, voxels, **options, most_independent=independent)

    n = voxels.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = np.where(n_measured > 0, n_covered / n_measured, np.nan) if ct is not None else _blank(n.size)
        measured_share = np.where(labelled > 0, n_measured / labelled, np.nan)
    facts = [
        Facts(*(int(count) for count in counts), how=how, has_ct=ct is not None)
        for counts in zip(whole.counts, labelled, n_measured, n_covered, n, n_air, strict=True)
    ]
    notes, warnings = [note(f) for f in facts], list(regions.warnings)
    if ct is not None and transform is None:
        warnings.append("no transform was given: the CT is taken to lie in the space of the labels already")
    columns: dict[str, Any] = {
        "subject_id": subject_id,
        "session": session,
        "roi": regions.names,
        "hemisphere": [hemisphere(name) for name in regions.names],
        "n_voxels": n,
        **_modality_columns(ct_stats, qsm_stats, n.size, how),
        "volume_mm3": n * voxel_mm3,
        "ct_n_voxels": ct_stats.n if ct_stats else np.zeros_like(n),
        "ct_coverage": coverage,
        "label": regions.label,
        **_further_columns(ct_stats, qsm_stats, n.size, how),
        "qsm_coverage": measured_share if qsm is not None else _blank(n.size),
        "reference": how.reference,
        "qsm_reference_ppm": np.nan,
        "qsm_reference_sem_ppm": np.nan,
        "sampling": how.words(),
        "flag": [flag(f) for f in facts],
        "note": notes,
    }
    frame = pd.DataFrame({name: value for name, value in columns.items() if value is not None})
    if how.reference != NO_REFERENCE and qsm_stats is not None and qsm is not None:
        members = np.zeros(n.size, dtype=np.bool_)
        if reference_ppm is None:
            reference_ppm, members = reference_of(regions, voxels, ppm, qsm, mask, how)
        frame = referenced(frame, *reference_ppm, members)
    if how.regions:
        frame = frame[[name in regions.wanted for name in regions.names]].reset_index(drop=True)
    warnings += [f"{roi}: {note}" for roi, note in zip(frame["roi"], frame["note"], strict=True) if note]
    frame.attrs["warnings"] = warnings
    return frame


def _measured(
    voxels: Voxels,
    labels: sitk.Image,
    qsm: sitk.Image | None,
    qsm_transform: sitk.Transform | None,
    mask: sitk.Image | None,
) -> tuple[Voxels, npt.NDArray[np.floating] | None]:
    """The voxels in the measured part of the map, and its values there."""
    from phantomcal.correlation.interpolate import values_on
    from phantomcal.correlation.kernels import gather, in_large_piece

    keep: BoolArray = np.ones(voxels.flat.size, dtype=np.bool_)
    ppm: npt.NDArray[np.floating] | None = None
    if mask is not None:
        keep &= sitk.GetArrayViewFromImage(mask).reshape(-1)[voxels.flat] != 0
    if qsm is not None:
        if qsm_transform is None:
            volume = sitk.GetArrayViewFromImage(qsm)
            ppm = np.empty(voxels.flat.size, volume.dtype if volume.dtype.kind == "f" else np.float64)
            gather(volume.reshape(-1), voxels.flat, ppm)
            zero = np.flatnonzero(ppm == 0) if mask is None else np.zeros(0, np.int64)
            if zero.size:
                background = np.empty(zero.size, np.bool_)
                in_large_piece(volume, voxels.flat[zero], _BACKGROUND_VOXELS, background)
                keep[zero[background]] = False
        else:
            ppm = values_on(qsm, labels, voxels, qsm_transform, invalid=0.0 if mask is None else None)
        keep &= np.isfinite(ppm)
    if not keep.any():
        raise InputError(
            "no label lies on measured voxels of the QSM map"
            if voxels.flat.size
            else "erosion leaves nothing of any region",
            "the label map",
            "check that the two belong together" if voxels.flat.size else "erode less",
        )
    kept = voxels.only(keep)
    return kept, ppm if ppm is None or kept is voxels else ppm[keep]


def _modality_columns(ct: Spread | None, qsm: Spread | None, size: int, how: Sampling) -> dict[str, FloatArray]:
    sides = (("ct", "hu", ct), ("qsm", "ppm", qsm))
    values = {f"{m}_{unit}": _enough(s, s.mean if s else None, size, how) for m, unit, s in sides}
    spreads = {f"{m}_sd_{unit}": _enough(s, s.sd if s else None, size, how) for m, unit, s in sides}
    errors = {f"{m}_sem_{unit}": _enough(s, s.sem if s else None, size, how) for m, unit, s in sides}
    order = ("ct_hu", "ct_sd_hu", "qsm_ppm", "qsm_sd_ppm", "ct_sem_hu", "qsm_sem_ppm")
    return {name: (values | spreads | errors)[name] for name in order}


def _further_columns(ct: Spread | None, qsm: Spread | None, size: int, how: Sampling) -> dict[str, FloatArray]:
    columns = {}
    for modality, unit, stats in (("ct", "hu", ct), ("qsm", "ppm", qsm)):
        for p in how.percentiles:
            name = "median" if p == 50 else f"p{p:g}"
            columns[f"{modality}_{name}_{unit}"] = _enough(stats, stats.percentiles[p] if stats else None, size, how)
    for modality, stats in (("ct", ct), ("qsm", qsm)):
        columns[f"{modality}_n_effective"] = _enough(stats, stats.n_effective if stats else None, size, how)
    return columns


def _enough(stats: Spread | None, values: FloatArray | None, size: int, how: Sampling) -> FloatArray:
    if stats is None or values is None:
        return _blank(size)
    return np.where(stats.n >= max(how.min_voxels, 1), values, np.nan)


def _blank(size: int) -> FloatArray:
    return np.full(size, np.nan)


def _check_call(
    labels: sitk.Image,
    ct: sitk.Image | None,
    qsm: sitk.Image | None,
    transform: sitk.Transform | None,
    qsm_transform: sitk.Transform | None,
    mask: sitk.Image | None,
    how: Sampling,
) -> None:
    if ct is None and qsm is None:
        raise InputError("neither a CT nor a QSM map to sample", "the call", "give --ct, --qsm or both")
    if transform is not None and ct is None:
        raise InputError("a transform without a CT", "the call", "give --ct as well, or leave --transform out")
    if qsm_transform is not None and qsm is None:
        raise InputError("a QSM transform without a QSM map", "the call", "give --qsm as well")
    if how.hu_window is not None and ct is None:
        raise InputError("an HU window without a CT", "the call", "give --ct as well, or leave --hu-window out")
    if how.reference != NO_REFERENCE and qsm is None:
        raise InputError("a reference without a QSM map", "the call", "give --qsm as well, or leave --reference out")
    for image, name in ((labels, "label map"), (ct, "CT"), (qsm, "QSM map"), (mask, "mask")):
        if image is not None and image.GetDimension() != 3:
            raise InputError(f"the {name} has {image.GetDimension()} dimensions", name, "give a 3-D volume")
    for image, name in ((qsm if qsm_transform is None else None, "QSM map"), (mask, "mask")):
        if image is not None and not same_grid(labels, image):
            raise InputError(
                f"labels on another grid than the {name}",
                f"the label map ({_grid_words(labels)}) against the {name} ({_grid_words(image)})",
                "give --qsm-transform (identity when both are in one space), "
                f"or resample the labels onto the {name} with nearest-neighbour interpolation, never linear",
            )


def _grid_words(image: sitk.Image) -> str:
    # Flipped axes fill the same box, so the box alone would not tell two grids apart.
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return f"{describe_grid(image)}, axes {axes}"
