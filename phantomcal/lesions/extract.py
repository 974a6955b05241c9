"""Lesions found in a map: connected voxels above the noise, of either sign, and dense ones of the CT."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.lesions.measure import ct_on, measure_lesions
from phantomcal.lesions.rules import CALCIUM_HU, DENSER_THAN_TISSUE_HU
from phantomcal.volumes import same_grid

Bool = NDArray[np.bool_]
Array = NDArray[np.float64]

_FULL = np.ones((3, 3, 3), dtype=np.bool_)
_ELONGATED = 3.5
_TWIN_MM = 8.0
# Share of the seed's threshold that a lesion is grown down to.
_GROWN_TO = 0.5
# Dentate and pallidum reach 0.15 ppm, in old age and in small veins more (QSM challenge 2.0 model).
_NORMAL_PPM = 0.2


@dataclass(frozen=True)
class Extracting:
    """How lesions are found.

    Attributes
    ----------
    noise_factor : float
        A lesion holds a voxel this many robust SDs of the map from its surroundings, and
    least_ppm : float
        at least this far.
    least_mm3 : float
        Smallest volume.
    edge_mm : float
        Voxels this near to the edge of the measured map are not searched: reconstruction fails there.
    background_mm : float
        Width (SD) of the Gaussian whose mean is taken as surroundings.
    most : int
        Largest number of lesions, those of the largest signal first.
    """

    noise_factor: float = 6.0
    least_ppm: float = 0.15
    least_mm3: float = 8.0
    edge_mm: float = 4.0
    background_mm: float = 8.0
    most: int = 200

    def __post_init__(self) -> None:
        for name, low in (("noise_factor", 1.0), ("least_ppm", 0.0), ("least_mm3", 0.0), ("edge_mm", 0.0), ("most", 1)):
            if not getattr(self, name) >= low:
                raise InputError(f"{name} of {getattr(self, name):g}", "the extraction", f"give {low:g} or more")


@dataclass(frozen=True)
class Extraction:
    """Lesions found.

    Attributes
    ----------
    labels : SimpleITK.Image
        1, 2, ... in order of signal (|mean excess ppm| times volume), on the grid of the map.
    table : pandas.DataFrame
        A row per lesion, as `phantomcal.lesions.measure.measure_lesions` makes it, with ``x_mm, y_mm, z_mm``
        (centroid, LPS) and ``extraction_note``: what it might be instead of a lesion.
    facts : dict
        Noise, thresholds, counts.
    warnings : list of str
    """

    labels: sitk.Image
    table: pd.DataFrame
    facts: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def extract_lesions(
    qsm: sitk.Image,
    ct: sitk.Image | None = None,
    *,
    transform: sitk.Transform | None = None,
    mask: sitk.Image | None = None,
    exclude: sitk.Image | None = None,
    how: Extracting | None = None,
    subject_id: str = "",
) -> Extraction:
    """Find lesions without a mask of them.

    The map's slow variation is taken off; its robust SD (of the median absolute deviation, so that lesions do not
    count) is the noise, tissue included. Voxels beyond the threshold are seeds, grown to half of it; what hangs
    together (26 neighbours) with one sign is one lesion. With a CT, voxels above 100 HU inside the measured map are
    seeds too, and parts of opposite sign that touch become one lesion where the negative one is dense: blood with
    calcium.

    Parameters
    ----------
    qsm : SimpleITK.Image
        ppm, 3-D.
    ct : SimpleITK.Image, optional
        HU, on any grid.
    transform : SimpleITK.Transform, optional
        Points of the map to points of the CT.
    mask : SimpleITK.Image, optional
        Where the map is valid, on its grid; by default where it is not 0.
    exclude : SimpleITK.Image, optional
        Where nothing is to be found (not 0): deep nuclei, sinuses; on its grid.
    how : Extracting, optional
    subject_id : str

    Returns
    -------
    Extraction

    Raises
    ------
    InputError
        Another grid, an empty mask, or nothing found.

    Notes
    -----
    Means are taken over the voxels that the map itself singled out, so that faint lesions read a little too strong.
    Iron-rich nuclei, veins, sinuses and the edge of the brain look like lesions: elongated ones and mirror twins are
    noted, as is what stays below 0.2 ppm without density in the CT; `exclude` leaves known structures out.
    """
    how = how or Extracting()
    values = np.asarray(sitk.GetArrayViewFromImage(qsm), dtype=np.float64)
    spacing = np.array(qsm.GetSpacing()[::-1])
    measured = _measured(values, qsm, mask)
    inner = _inner(measured, spacing, how.edge_mm)
    if exclude is not None:
        _require_grid(exclude, qsm, "the mask of what to leave out")
        inner &= sitk.GetArrayViewFromImage(exclude) == 0
    if not inner.any():
        raise InputError("nothing of the map is left to search", "the mask", "give a larger mask or a smaller edge")
    excess = values - _slow(values, measured, how.background_mm / spacing)
    noise = float(1.4826 * np.median(np.abs(excess[inner] - np.median(excess[inner]))))
    threshold = max(how.noise_factor * noise, how.least_ppm)
    signs = {
        1: _grown(excess > threshold, excess > _GROWN_TO * threshold, inner),
        -1: _grown(excess < -threshold, excess < -_GROWN_TO * threshold, inner),
    }
    hu = None if ct is None else ct_on(ct, qsm, transform)
    parts, names = _parts(signs, hu, inner)
    numbers = _joined(parts, names, hu)
    volumes = np.bincount(numbers.ravel())[1:] * float(np.prod(spacing))
    strength = np.bincount(numbers.ravel(), weights=np.abs(excess).ravel())[1:] * float(np.prod(spacing))
    large = np.flatnonzero(volumes >= how.least_mm3)
    order = large[np.argsort(-strength[large], kind="stable")][: how.most]
    if not order.size:
        raise InputError(
            f"no lesion of {how.least_mm3:g} mm3 beyond {threshold:.3g} ppm",
            "the QSM map",
            "lower the threshold or the least volume, or give a label map with --lesions",
        )
    renumbered = np.zeros(volumes.size + 1, np.uint16)
    renumbered[order + 1] = np.arange(1, order.size + 1)
    labels = sitk.GetImageFromArray(renumbered[numbers])
    labels.CopyInformation(qsm)
    table = measure_lesions(labels, ct=ct, qsm=qsm, transform=transform, subject_id=subject_id)
    table = _placed(table, labels, qsm)
    warnings = list(table.attrs.get("warnings", []))
    if large.size > how.most:
        warnings.append(f"{large.size} lesions found, the {how.most} strongest kept: many are vessels or nuclei")
    doubtful = int((table["extraction_note"] != "").sum())
    if doubtful:
        warnings.append(f"{doubtful} of {len(table)} lesions found may be vessels or nuclei: see their notes")
    facts = {
        "noise_ppm": noise,
        "threshold_ppm": threshold,
        "grown_to_ppm": _GROWN_TO * threshold,
        "least_mm3": how.least_mm3,
        "edge_mm": how.edge_mm,
        "searched_ml": float(inner.sum() * np.prod(spacing) / 1000),
        "found": int(order.size),
        "too_small": int(volumes.size - large.size),
    }
    return Extraction(labels, table, facts, warnings)


def _measured(values: Array, qsm: sitk.Image, mask: sitk.Image | None) -> Bool:
    if mask is not None:
        _require_grid(mask, qsm, "the mask")
        return np.asarray((sitk.GetArrayViewFromImage(mask) != 0) & np.isfinite(values))
    there = (values != 0) & np.isfinite(values)
    pieces, n = ndimage.label(there)
    if n == 0:
        raise InputError("the map is 0 everywhere", "the QSM map", "check the file")
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(largest), dtype=np.bool_)


def _inner(measured: Bool, spacing: Array, edge_mm: float) -> Bool:
    if edge_mm <= 0:
        return measured.copy()
    # The volume's own faces cut the map like any edge does.
    padded = np.pad(measured, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1]
    return np.asarray(depth > edge_mm, dtype=np.bool_)


def _slow(values: Array, measured: Bool, sigma: Array) -> Array:
    """Mean of the surroundings, lesions clipped so that they do not lift it."""
    inside = values[measured]
    middle = float(np.median(inside))
    far = 3.0 * 1.4826 * float(np.median(np.abs(inside - middle)))
    clipped = np.where(measured, np.clip(values, middle - far, middle + far), 0.0)
    weight = ndimage.gaussian_filter(measured.astype(np.float32), sigma)
    return np.asarray(ndimage.gaussian_filter(clipped.astype(np.float32), sigma) / np.maximum(weight, 1e-3))


def _grown(seeds: Bool, body: Bool, inner: Bool) -> Bool:
    """Bodies that hold a seed."""
    return np.asarray(ndimage.binary_propagation(seeds & inner, structure=_FULL, mask=body & inner), dtype=np.bool_)


def _parts(signs: dict[int, Bool], hu: Array | None, inner: Bool) -> tuple[NDArray[np.int32], list[str]]:
    """Connected parts numbered from 1, and the kind of each."""
    layers: list[tuple[str, Bool]] = [("positive", signs[1]), ("negative", signs[-1])]
    if hu is not None:
        layers.append(("dense", (hu > CALCIUM_HU) & inner & ~signs[1] & ~signs[-1]))
    parts = np.zeros(inner.shape, np.int32)
    names: list[str] = []
    for kind, layer in layers:
        found, n = ndimage.label(layer, structure=_FULL)
        parts[layer] = found[layer] + len(names)
        names += [kind] * n
    return parts, names


def _joined(parts: NDArray[np.int32], names: Sequence[str], hu: Array | None) -> NDArray[np.int32]:
    """Parts that touch made one lesion where the CT shows calcium in one of them."""
    if hu is None or not names:
        return parts
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(names)
    flat = parts.ravel()
    known = np.isfinite(hu).ravel() & (flat > 0)
    count = np.bincount(flat[known], minlength=n + 1)
    mean = np.bincount(flat[known], weights=hu.ravel()[known], minlength=n + 1) / np.maximum(count, 1)
    kinds = np.array(["", *names])
    calcium = (kinds == "dense") | ((kinds == "negative") & (mean > CALCIUM_HU))
    pairs = []
    for axis in range(3):
        a = np.moveaxis(parts, axis, 0)[:-1].ravel()
        b = np.moveaxis(parts, axis, 0)[1:].ravel()
        touch = (a > 0) & (b > 0) & (a != b)
        pairs.append(np.stack([a[touch], b[touch]]))
    touching = np.concatenate(pairs, axis=1)
    touching = touching[:, calcium[touching[0]] | calcium[touching[1]]]
    graph = coo_array((np.ones(touching.shape[1]), (touching[0], touching[1])), shape=(n + 1, n + 1))
    _, group = connected_components(graph, directed=False)
    group = group - group[0]
    # Background is a group of its own; the others are numbered from 1 without gaps.
    _, renumbered = np.unique(group[1:], return_inverse=True)
    return np.concatenate([[0], renumbered + 1]).astype(np.int32)[parts]


def _placed(table: pd.DataFrame, labels: sitk.Image, qsm: sitk.Image) -> pd.DataFrame:
    """Centroids, and what a find might be instead of a lesion."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    numbers = [int(k) for k in table["label"]]
    centres = np.array([shape.GetCentroid(k) for k in numbers]).reshape(-1, 3)
    moments = np.array([shape.GetPrincipalMoments(k) for k in numbers]).reshape(-1, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.sqrt(moments[:, 2] / np.maximum(moments[:, 1], 0.05))
    middle = np.array(qsm.TransformContinuousIndexToPhysicalPoint([(s - 1) / 2 for s in qsm.GetSize()]))
    mirrored = centres * [-1, 1, 1] + [2 * middle[0], 0, 0]
    apart = np.linalg.norm(centres[:, None] - mirrored[None], axis=2)
    off_middle = np.abs(centres[:, 0] - middle[0]) > _TWIN_MM
    ppm = table["qsm_ppm"].to_numpy(dtype=np.float64)
    hu = table["ct_hu"].to_numpy(dtype=np.float64) if "ct_hu" in table else np.full(ppm.shape, np.nan)
    sign = np.sign(ppm)
    volume = table["volume_mm3"].to_numpy(dtype=np.float64)
    alike = (sign[:, None] == sign[None]) & (np.abs(np.log(volume[:, None] / volume[None])) < np.log(2.5))
    twin = ((apart < _TWIN_MM) & alike).any(axis=1) & off_middle
    notes = []
    for k in range(len(numbers)):
        told = []
        if stretch[k] > _ELONGATED:
            told.append(f"elongated ({stretch[k]:.1f} to 1): may be a vessel")
        if twin[k]:
            told.append("has a twin on the other side: may be a deep nucleus or choroid plexus")
        if 0 < ppm[k] < _NORMAL_PPM and not hu[k] > DENSER_THAN_TISSUE_HU:
            told.append(f"below {_NORMAL_PPM:g} ppm and no denser than tissue: iron-rich nuclei and veins read so too")
        notes.append("; ".join(told))
    attrs = dict(table.attrs)
    table = table.assign(x_mm=centres[:, 0], y_mm=centres[:, 1], z_mm=centres[:, 2], extraction_note=notes)
    table.attrs.update(attrs)
    return table


def _require_grid(image: sitk.Image, qsm: sitk.Image, what: str) -> None:
    if not same_grid(image, qsm):
        raise InputError("another grid than the QSM map", what, "resample it onto the map with nearest neighbour")
