"""What does each region of a label map read in CT and in QSM?"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.tables import numeric_column, read_table, require_columns, row_in_file
from phantomcal.volumes import describe_grid, same_grid

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

AIR_HU = -900.0
# Zeros of a map rounded to few digits are single voxels; the zeros outside a map's mask hang together.
_BACKGROUND_VOXELS = 10
_LEFT, _RIGHT = {"left", "l", "lh"}, {"right", "r", "rh"}


def read_lookup(path: str | Path) -> pd.DataFrame:
    """Read the names of a label map's regions, as BIDS writes them in ``dseg.tsv``.

    Parameters
    ----------
    path : str or pathlib.Path
        Table with the columns ``index`` (label value) and ``name``; others are ignored.

    Returns
    -------
    pandas.DataFrame
        Columns ``index`` (int64) and ``name`` (text), background (0) left out, in the order of the file.

    Raises
    ------
    InputError
        Unreadable table, missing column, an index that is no whole number or comes twice, a blank name.
    """
    frame = read_table(path)
    where = Path(path).name
    require_columns(frame, ["index", "name"], where)
    index = numeric_column(frame, "index", where)
    names = frame["name"].astype(object).where(frame["name"].notna(), "").astype(str).str.strip()
    for bad, problem, fix in (
        (~(index >= 0) | (index % 1 != 0), "an index that is no whole number", "use the label values of the image"),
        (index.duplicated(), "an index that was there before", "give each label one row"),
        (names == "", "no name", "name every label"),
    ):
        if bad.any():
            position = int(np.flatnonzero(bad.to_numpy())[0])
            row = row_in_file(frame.index[position], position)
            raise InputError(f"the lookup table has {problem} in row {row}", where, fix)
    lookup = pd.DataFrame({"index": index.astype(np.int64), "name": names})
    return lookup[lookup["index"] != 0].reset_index(drop=True)


def sample_regions(
    labels: sitk.Image,
    lookup: pd.DataFrame | None = None,
    *,
    ct: sitk.Image | None = None,
    qsm: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
    mask: sitk.Image | None = None,
    min_voxels: int = 1,
    erode_voxels: int = 0,
    subject_id: str | None = None,
    session: str | None = None,
) -> pd.DataFrame:
    """Mean and standard deviation of CT and QSM in every region of a label map.

    The labels stay on their own grid, which is the QSM map's. CT is sampled there through the transform by one linear
    interpolation, within the box around the labels only. Voxels that were not measured never enter a mean: outside the
    CT, outside the mask, not finite, or, without a mask, in the coherent zero background of the QSM map.

    Parameters
    ----------
    labels : SimpleITK.Image
        3-D, whole numbers, 0 is background.
    lookup : pandas.DataFrame, optional
        Columns ``index`` and ``name``, as `read_lookup` returns. Without it a region is called ``label-<k>``.
    ct, qsm : SimpleITK.Image, optional
        HU on any grid, and ppm on the grid of `labels`. At least one of them.
    transform : SimpleITK.Transform, optional
        Maps points of the label (fixed, MR) space to the CT (moving) space. Without it the two are taken as one space.
    mask : SimpleITK.Image, optional
        Where the QSM map is valid (not 0), on the grid of `labels`.
    min_voxels : int
        A region with fewer voxels gets no values, and says so.
    erode_voxels : int
        How many layers to peel off each region, neighbouring regions included (face neighbours).
    subject_id, session : str, optional
        Written as leading columns when given.

    Returns
    -------
    pandas.DataFrame
        A row per label in ascending order: ``label, roi, hemisphere`` (``left``, ``right`` or empty, read off the name,
        which stays as it is), ``n_voxels`` (measured voxels), ``ct_hu, ct_sd_hu, qsm_ppm, qsm_sd_ppm`` (mean and
        standard deviation between voxels, n - 1), ``ct_sem_hu, qsm_sem_ppm`` (standard error of the mean: voxels
        counted as independent, in CT no more of them than CT voxels fit into the region; smoothing makes it too small),
        ``volume_mm3, ct_n_voxels, ct_coverage`` (share of the region inside the CT) and ``note``.
        ``attrs["warnings"]`` lists in words what was left out or is doubtful.

    Raises
    ------
    InputError
        Neither CT nor QSM; another grid; labels that are no whole numbers or all 0; no overlap with CT or QSM map.
    """
    _check_call(labels, ct, qsm, transform, mask)
    box, grid = _label_box(labels)
    label_of_region, before = np.unique(grid[grid > 0], return_counts=True)
    grid = _eroded(grid, erode_voxels)
    inside = grid > 0
    codes = np.searchsorted(label_of_region, grid[inside])
    n_labelled = np.bincount(codes, minlength=label_of_region.size)
    measured = np.ones(codes.size, dtype=np.bool_)
    if mask is not None:
        measured &= sitk.GetArrayViewFromImage(mask)[box][inside] != 0
    ppm = None
    if qsm is not None:
        ppm = sitk.GetArrayViewFromImage(qsm)[box][inside].astype(np.float64)
        measured &= np.isfinite(ppm)
        if mask is None:
            measured &= ~_in_zero_background(qsm, box, inside, ppm)
    if not measured.any():
        raise InputError(
            "no label lies on measured voxels of the QSM map", "the label map", "check that the two belong together"
        )
    n_measured = np.bincount(codes, weights=measured, minlength=label_of_region.size).astype(np.int64)
    voxel_mm3 = float(np.prod(labels.GetSpacing()))
    qsm_stats = _statistics(ppm, codes, measured, n_measured.size, min_voxels)
    ct_stats = _statistics(None, codes, measured, n_measured.size, min_voxels)
    coverage = np.full(n_measured.size, np.nan)
    n_air = np.zeros_like(n_measured)
    if ct is not None:
        hu = _ct_on_labels(ct, labels, box, transform)[inside]
        covered = measured & np.isfinite(hu)
        if not covered.any():
            raise InputError(
                "CT and labels do not overlap",
                f"the CT ({_grid_words(ct)}) and the label map ({_grid_words(labels)})",
                "give the transform from MR to CT (--transform), or check that both are of one person",
            )
        # Interpolation between CT voxels makes no new ones: no more are independent than fit into the region.
        independent = min(1.0, voxel_mm3 / float(np.prod(ct.GetSpacing())))
        ct_stats = _statistics(hu, codes, covered, n_measured.size, min_voxels, independent)
        coverage = np.where(n_measured > 0, ct_stats["n"] / np.maximum(n_measured, 1), np.nan)
        n_air = np.bincount(codes[covered & (hu < AIR_HU)], minlength=n_measured.size)

    names, warnings = _names(label_of_region, lookup)
    if ct is not None and transform is None:
        warnings.append("no transform was given: the CT is taken to lie in the space of the labels already")
    notes = [
        _note(int(n), int(n_labelled[k]), int(before[k]), min_voxels, float(coverage[k]), int(n_air[k]))
        for k, n in enumerate(n_measured)
    ]
    warnings += [f"{name}: {note}" for name, note in zip(names, notes, strict=True) if note]
    columns: dict[str, Any] = {
        "subject_id": subject_id,
        "session": session,
        "roi": names,
        "hemisphere": [hemisphere(name) for name in names],
        "n_voxels": n_measured,
        "ct_hu": ct_stats["mean"],
        "ct_sd_hu": ct_stats["sd"],
        "qsm_ppm": qsm_stats["mean"],
        "qsm_sd_ppm": qsm_stats["sd"],
        "ct_sem_hu": ct_stats["sem"],
        "qsm_sem_ppm": qsm_stats["sem"],
        "volume_mm3": n_measured * voxel_mm3,
        "ct_n_voxels": ct_stats["n"].astype(np.int64),
        "ct_coverage": coverage,
        "label": label_of_region,
        "note": notes,
    }
    frame = pd.DataFrame({name: value for name, value in columns.items() if value is not None})
    frame.attrs["warnings"] = warnings
    return frame


def hemisphere(name: str) -> str:
    """Side a region's name tells: ``left``, ``right``, or empty when it tells none or both.

    ``left putamen``, ``putamen_L``, ``ctx-lh-insula`` and ``Right-Caudate`` are understood; single letters only at
    either end of the name.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    ends = {*words[:1], *words[-1:]}
    long = {word for word in words if len(word) > 1}
    left, right = bool(_LEFT & (long | ends)), bool(_RIGHT & (long | ends))
    return "" if left == right else "left" if left else "right"


def _statistics(
    values: FloatArray | None,
    codes: IntArray,
    keep: BoolArray,
    size: int,
    min_voxels: int,
    independent_per_voxel: float = 1.0,
) -> dict[str, FloatArray]:
    """All regions in one pass for the mean and one for the spread about it, so that large offsets cost no digits."""
    blank = np.full(size, np.nan)
    if values is None:
        return {"n": np.zeros(size), "mean": blank, "sd": blank, "sem": blank}
    values, codes = values[keep], codes[keep]
    n = np.bincount(codes, minlength=size).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(codes, weights=values, minlength=size) / n
        squares = np.bincount(codes, weights=(values - mean[codes]) ** 2, minlength=size)
        sd = np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)
        sem = sd / np.sqrt(np.maximum(n * independent_per_voxel, 1.0))
    enough = n >= max(min_voxels, 1)
    return {"n": n} | {k: np.where(enough, v, np.nan) for k, v in (("mean", mean), ("sd", sd), ("sem", sem))}


def _check_call(
    labels: sitk.Image,
    ct: sitk.Image | None,
    qsm: sitk.Image | None,
    transform: sitk.Transform | None,
    mask: sitk.Image | None,
) -> None:
    if ct is None and qsm is None:
        raise InputError("neither a CT nor a QSM map to sample", "the call", "give --ct, --qsm or both")
    if transform is not None and ct is None:
        raise InputError("a transform without a CT", "the call", "give --ct as well, or leave --transform out")
    for image, name in ((labels, "label map"), (ct, "CT"), (qsm, "QSM map"), (mask, "mask")):
        if image is not None and image.GetDimension() != 3:
            raise InputError(f"the {name} has {image.GetDimension()} dimensions", name, "give a 3-D volume")
    for image, name in ((qsm, "QSM map"), (mask, "mask")):
        if image is not None and not same_grid(labels, image):
            raise InputError(
                f"labels on another grid than the {name}",
                f"the label map ({_grid_words(labels)}) against the {name} ({_grid_words(image)})",
                f"resample the labels onto the {name} with nearest-neighbour interpolation, never linear",
            )


def _grid_words(image: sitk.Image) -> str:
    # Flipped axes fill the same box, so the box alone would not tell two grids apart.
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return f"{describe_grid(image)}, axes {axes}"


def _label_box(labels: sitk.Image) -> tuple[Box, IntArray]:
    """The labels as whole numbers within the box around them, in numpy's axis order."""
    array = sitk.GetArrayViewFromImage(labels)
    if array.ndim != 3:
        raise InputError("the label map has several values per voxel", "the label map", "give one label per voxel")
    if array.dtype.kind == "f" and not np.array_equal(array, np.round(array)):
        raise InputError(
            "labels that are no whole numbers",
            "the label map",
            "it was probably resampled with linear interpolation: use nearest neighbour",
        )
    if array.dtype.kind in "if" and array.min() < 0:
        raise InputError(f"a negative label ({array.min():g})", "the label map", "labels count from 1, background is 0")
    inside = array != 0
    if not inside.any():
        raise InputError("no label in it", "the label map", "every voxel is 0: check the file")
    edges = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        edges.append(slice(int(hit[0]), int(hit[-1]) + 1))
    box = (edges[0], edges[1], edges[2])
    return box, array[box].astype(np.int64)


def _eroded(grid: IntArray, layers: int) -> IntArray:
    if layers < 0:
        raise InputError(f"cannot erode by {layers} layers", "the call", "give 0 or more")
    for _ in range(layers):
        padded = np.pad(grid, 1)
        core = (slice(1, -1),) * 3
        keep = np.ones(grid.shape, dtype=np.bool_)
        for axis in range(3):
            for step in (slice(0, -2), slice(2, None)):
                neighbour = tuple(step if a == axis else core[a] for a in range(3))
                keep &= padded[neighbour] == grid
        grid = np.where(keep, grid, 0)
    return grid


def _in_zero_background(qsm: sitk.Image, box: Box, inside: BoolArray, values: FloatArray) -> BoolArray:
    """Which labelled voxels lie in the zeros around (or in holes of) the map, where nothing was measured."""
    zero: BoolArray = values == 0
    if not zero.any():
        return zero
    from scipy import ndimage

    pieces, _ = ndimage.label(sitk.GetArrayViewFromImage(qsm) == 0)
    size = np.bincount(pieces.ravel())
    return np.asarray(zero & (size[pieces[box][inside]] >= _BACKGROUND_VOXELS), dtype=np.bool_)


def _ct_on_labels(ct: sitk.Image, labels: sitk.Image, box: Box, transform: sitk.Transform | None) -> FloatArray:
    """CT in HU on the box of the label grid, NaN outside the CT."""
    first = [int(edge.start) for edge in reversed(box)]
    sampled = sitk.Resample(
        ct,
        [int(edge.stop - edge.start) for edge in reversed(box)],
        transform if transform is not None else sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        labels.TransformIndexToPhysicalPoint(first),
        labels.GetSpacing(),
        labels.GetDirection(),
        float("nan"),
        sitk.sitkFloat64,
    )
    return np.asarray(sitk.GetArrayFromImage(sampled), dtype=np.float64)


def _names(label_of_region: IntArray, lookup: pd.DataFrame | None) -> tuple[npt.NDArray[np.object_], list[str]]:
    names = np.array([f"label-{k}" for k in label_of_region], dtype=object)
    if lookup is None:
        return names, []
    require_columns(lookup, ["index", "name"], "the lookup table")
    known = dict(zip(lookup["index"].astype(np.int64), lookup["name"].astype(str), strict=True))
    warnings = []
    unnamed = [name for k, name in zip(label_of_region, names, strict=True) if int(k) not in known]
    if unnamed:
        warnings.append(f"not in the lookup table: {', '.join(unnamed)}")
    present = {int(k) for k in label_of_region}
    absent = [f"{name} ({k})" for k, name in known.items() if k != 0 and k not in present]
    if absent:
        warnings.append(f"in the lookup table but not in the label map, so left out: {', '.join(absent)}")
    names = np.array([known.get(int(k), f"label-{k}") for k in label_of_region], dtype=object)
    twice = sorted({name for name in names if (names == name).sum() > 1})
    if twice:
        warnings.append(f"several labels share a name and stay separate rows: {', '.join(twice)}")
    return names, warnings


def _note(n: int, n_labelled: int, n_before: int, min_voxels: int, coverage: float, n_air: int) -> str:
    if n_labelled == 0:
        return f"erosion leaves nothing of its {n_before} voxels"
    notes = []
    if n < n_labelled:
        notes.append(
            f"{n_labelled - n} of {n_labelled} voxels lie outside the measured part of the map and are left out"
        )
    if 0 < n < min_voxels:
        notes.append(f"{n} voxels are fewer than the {min_voxels} asked for, so it has no values")
    if n > 0 and coverage == 0:
        notes.append("it lies outside the CT")
    elif n > 0 and coverage < 1:
        notes.append(f"{100 * (1 - coverage):.1f} % of it lies outside the CT and is left out of the CT values")
    if n_air:
        notes.append(f"{n_air} voxels read as air (below {AIR_HU:.0f} HU): check the alignment")
    return "; ".join(notes)
