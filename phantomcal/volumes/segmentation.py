"""Segmentations of 3D Slicer (`.seg.nrrd`): labels, the segments' names, and the lattice they were drawn on."""

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.volumes.files import silent_libraries
from phantomcal.volumes.grid import same_grid

SUFFIX = ".seg.nrrd"

_KEY = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
_OFF_LATTICE = 0.01  # share of a voxel


def is_segmentation(path: str | Path) -> bool:
    """Whether a file is a segmentation of 3D Slicer, by its name."""
    return Path(path).name.lower().endswith(SUFFIX)


def read_segmentation(path: Path) -> tuple[sitk.Image, dict[int, str]]:
    """Read a segmentation as one label map.

    Parameters
    ----------
    path : pathlib.Path
        ``.seg.nrrd`` as 3D Slicer writes it: a volume, or several layers where segments may overlap.

    Returns
    -------
    image : SimpleITK.Image
        3-D, whole numbers, cropped as Slicer stored it. Segments of several layers are numbered anew from 1 when two
        have the same label value.
    names : dict of int to str
        Name of each label.

    Raises
    ------
    InputError
        Unreadable; no segment, or only empty ones; segments that overlap, which one label map cannot hold.

    References
    ----------
    3D Slicer developer guide, "Segmentation labelmap file format".
    """
    try:
        with silent_libraries():
            stored = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError("the segmentation cannot be read", path.name, "save it again in 3D Slicer") from error
    segments = _segments(stored, path.name)
    layers = [stored]
    if stored.GetNumberOfComponentsPerPixel() > 1:
        layers = [sitk.VectorIndexSelectionCast(stored, k) for k in range(stored.GetNumberOfComponentsPerPixel())]
    if layers[0].GetDimension() != 3:
        raise InputError("a segmentation that is not 3-D", path.name, "save it again in 3D Slicer")
    arrays = [sitk.GetArrayViewFromImage(layer) for layer in layers]
    values = [value for _, value, _ in segments]
    renumber = len(set(values)) < len(values)
    labels = np.zeros(arrays[0].shape, np.uint16)
    names: dict[int, str] = {}
    for k, (name, value, layer) in enumerate(segments, start=1):
        if not layer < len(arrays):
            raise InputError(f"segment {name!r} lies in layer {layer}, which is not there", path.name, "save it again")
        mine = arrays[layer] == value
        taken = mine & (labels != 0)
        if taken.any():
            other = names[int(labels[taken][0])]
            raise InputError(
                f"segments {other!r} and {name!r} overlap in {int(taken.sum())} voxels",
                path.name,
                "part them, or save them as two segmentations",
            )
        label = k if renumber else value
        labels[mine] = label
        names[label] = name
    if not labels.any():
        raise InputError("all segments are empty", path.name, "draw them, or save the segmentation again")
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(layers[0])
    return image, names


def on_lattice_of(labels: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """A label map on the grid of a map, if it is a crop of that grid; otherwise as it is.

    Programs store segmentations cropped to what is drawn. Whole-voxel offsets are put right without resampling.

    Parameters
    ----------
    labels, reference : SimpleITK.Image
        3-D.

    Returns
    -------
    SimpleITK.Image
        On the grid of `reference`, 0 outside the crop; or `labels` itself when spacing, axes or offset differ, or when
        the crop reaches outside.
    """
    if same_grid(labels, reference):
        return labels
    spacing = np.asarray(reference.GetSpacing())
    alike = np.allclose(labels.GetSpacing(), spacing, rtol=1e-4) and np.allclose(
        labels.GetDirection(), reference.GetDirection(), atol=1e-4
    )
    if not alike:
        return labels
    start = np.asarray(reference.TransformPhysicalPointToContinuousIndex(labels.GetOrigin()))
    first = np.rint(start).astype(int)
    size, whole = np.asarray(labels.GetSize()), np.asarray(reference.GetSize())
    if np.abs(start - first).max() > _OFF_LATTICE or (first < 0).any() or (first + size > whole).any():
        return labels
    padded = sitk.ConstantPad(labels, first.tolist(), (whole - first - size).tolist(), 0)
    padded.CopyInformation(reference)
    return padded


def _segments(stored: sitk.Image, where: str) -> list[tuple[str, int, int]]:
    """Name, label value and layer of every segment, in the order of the file."""
    found: dict[int, dict[str, str]] = {}
    for key in stored.GetMetaDataKeys():
        match = _KEY.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = str(stored.GetMetaData(key)).strip()
    segments = []
    for number, facts in sorted(found.items()):
        # Before 3D Slicer 4.11 every segment had a layer of its own, filled with ones.
        value, layer = facts.get("LabelValue", "1"), facts.get("Layer", str(number))
        if not (value.isdigit() and layer.isdigit() and int(value) > 0):
            raise InputError(
                f"segment {number} has no label value or layer ({value!r}, {layer!r})",
                where,
                "save it again in 3D Slicer",
            )
        segments.append((facts.get("Name") or f"segment-{number + 1}", int(value), int(layer)))
    if not segments:
        raise InputError("no segment in the segmentation", where, "save it from the Segmentations module of 3D Slicer")
    return segments
