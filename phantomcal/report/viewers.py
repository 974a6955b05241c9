"""The viewers of the reports: a phantom with its vials, CT laid over MR, a head with its regions and lesions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.page import Viewer
from phantomcal.report.style import GREEN, MODALITY_NAMES, ORANGE, PURPLE, SKY, VERMILION
from phantomcal.report.viewer import (
    MOST_BYTES,
    LabelMaker,
    Layer,
    Outline,
    ct_layer,
    magnitude_layer,
    overlay_layer,
    qsm_layer,
    viewer,
)

if TYPE_CHECKING:
    from phantomcal.phantom.calibration import Calibrated
    from phantomcal.phantom.finding.locate import Located

IRON, CALCIUM = "#FF7A1A", "#3FA9F5"  # brighter than the palette's: they are seen on dark scans
_SERIES_COLOURS = (SKY, ORANGE, PURPLE, GREEN)
_VIAL_MARGIN_MM = 16.0
_MOST_BYTES_OF_TWO = 540_000


def phantom_viewers(calibrated: "Calibrated", single_line: bool = False) -> list[Viewer]:
    """One viewer per modality, the measured masks of the vials outlined.

    Parameters
    ----------
    calibrated : Calibrated
        With its volumes; modalities without one are left out.
    single_line : bool
        Whether the phantom's inserts form one line, and so have one colour.
    """
    shown = []
    for modality, located in calibrated.located.items():
        image = calibrated.images.get(modality)
        if image is None:
            continue
        vials = [v for v in calibrated.record.vials if v.modality == modality]
        radii = np.asarray(calibrated.mask_radii_mm[modality])
        series = list(dict.fromkeys(v.series for v in vials))
        outlines = [
            _vial_outline(k + 1, v.vial_id, v.series, not v.used or bool(v.flag), series, single_line)
            for k, v in enumerate(vials)
        ]
        ends = _ends(located)
        name = MODALITY_NAMES.get(modality, modality)
        layer = ct_layer(image, window=3) if modality == "ct" else qsm_layer(image)
        shown.append(
            viewer(
                [layer],
                f"{name} volume with the measured vials",
                "Each outline is the cylinder a vial was measured in; it should run inside its vial from end to end.",
                labels=cylinders(ends, radii),
                outlines=outlines,
                around_mm=ends.reshape(-1, 3),
                margin_mm=float(radii.max()) + _VIAL_MARGIN_MM,
                centre_mm=ends[int(np.argmax([abs(v.value) for v in vials]))].mean(axis=0).tolist(),
                most_bytes=_MOST_BYTES_OF_TWO,
            )
        )
    return shown


def alignment_viewer(
    fixed: sitk.Image,
    ct: sitk.Image,
    transform: sitk.Transform,
    *,
    fixed_kind: str,
    title: str = "",
    regions: sitk.Image | None = None,
    region_names: Mapping[int, str] | None = None,
    lesions: sitk.Image | None = None,
    most_bytes: int = MOST_BYTES,
) -> Viewer:
    """The CT over the MR it was aligned to, with regions and lesions outlined where they are known.

    Parameters
    ----------
    fixed, ct : SimpleITK.Image
        Magnitude or QSM map, and CT (HU), each on its own grid.
    transform : SimpleITK.Transform
        MR to CT points.
    fixed_kind : {"magnitude", "qsm"}
    title : str
        Whose alignment it is.
    regions, lesions : SimpleITK.Image, optional
        Label maps in the space of the MR.
    region_names : mapping of int to str, optional
        Names of the regions' labels.
    most_bytes : int
        Budget of the volumes.
    """
    mr = qsm_layer(fixed) if fixed_kind == "qsm" else magnitude_layer(fixed)
    labels, outlines = region_outlines(regions, region_names, lesions)
    return viewer(
        [mr, ct_layer(ct, transform=transform)],
        f"{title}: CT over {mr.name}" if title else f"CT over {mr.name}",
        "Blend or flicker: what is aligned stays where it is.",
        labels=labels,
        outlines=outlines,
        most_bytes=most_bytes,
    )


def lesion_scans(
    labels: sitk.Image,
    lesions: Mapping[int, tuple[str, str]],
    *,
    qsm: sitk.Image | None = None,
    ct: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
) -> Viewer:
    """CT and QSM of one person with the lesions outlined in the colours of their verdicts.

    Parameters
    ----------
    labels : SimpleITK.Image
        A label per lesion, in the space of the map.
    lesions : mapping of int to (str, str)
        Name and verdict ("haemorrhage" or "iron", "calcification" or "calcium", "mixed", or anything else) by label;
        the first 255 are outlined.
    qsm, ct : SimpleITK.Image, optional
        One of them at least.
    transform : SimpleITK.Transform, optional
        Points of the label space to points of the CT.

    Returns
    -------
    Viewer
        It begins at the largest lesion.

    Raises
    ------
    ValueError
        Neither volume.
    """
    layers = [] if qsm is None else [qsm_layer(qsm)]
    layers += [] if ct is None else [ct_layer(ct, transform=transform if qsm is not None else None)]
    # A CT alone gives the grid itself, so that it must already lie in the space of the labels.
    if qsm is None and ct is not None and transform is not None:
        layers = [ct_layer(sitk.Resample(ct, labels, transform, sitk.sitkLinear, -1024.0))]
    outlines = [lesion_outline(label, name, verdict) for label, (name, verdict) in list(lesions.items())[:255]]
    return viewer(
        layers,
        f"{' and '.join(layer.name for layer in layers)} with the lesions",
        labels=labels if outlines else None,
        outlines=outlines,
        centre_mm=_middle_of_largest(labels, set(lesions)),
    )


def amounts_viewer(
    ct: sitk.Image,
    qsm: sitk.Image,
    amounts: Mapping[str, sitk.Image],
    labels: sitk.Image | None,
    lesions: Mapping[int, tuple[str, str]],
) -> Viewer:
    """Concentration maps over the CT, with the map and the lesions.

    Parameters
    ----------
    ct, qsm : SimpleITK.Image
        HU and ppm on one grid; NaN where there is nothing.
    amounts : mapping of str to SimpleITK.Image
        mmol/L by material, on that grid; 0 where nothing is to be shown.
    labels : SimpleITK.Image or None
        A label per lesion, on that grid.
    lesions : mapping of int to (str, str)
        Name and finding by label, as `lesion_scans` takes them.

    Returns
    -------
    Viewer
    """
    outlines = [lesion_outline(label, name, found) for label, (name, found) in list(lesions.items())[:255]]
    some = labels is not None and bool(outlines)
    return viewer(
        [ct_layer(ct), *(concentration_layer(image, name) for name, image in amounts.items()), qsm_layer(qsm)],
        "Amounts over the CT",
        "Colour fades in with the amount, from the critical value of a single voxel upwards.",
        labels=labels if some else None,
        outlines=outlines if some else (),
        centre_mm=None if labels is None else _middle_of_largest(labels, set(lesions)),
    )


def lesion_outline(label: int, name: str, verdict: str) -> Outline:
    """A lesion's outline in the colour of its verdict; dashed when undetermined."""
    colours = {"haemorrhage": IRON, "iron": IRON, "calcification": CALCIUM, "calcium": CALCIUM, "mixed": PURPLE}
    name = f"lesion {name}" if name.isdecimal() else name
    return Outline(label, name, colours.get(verdict, "#F2F2F2"), verdict, dashed=verdict not in colours)


def concentration_layer(image: sitk.Image, material: str) -> Layer:
    """A concentration map (mmol/L) as an overlay: calcium blue, everything else orange."""
    name = f"{material[:1].upper()}{material[1:]}"
    return overlay_layer(image, name, "mmol/L", CALCIUM if material == "calcium" else IRON)


def cylinders(ends_mm: NDArray[np.float64], radii_mm: NDArray[np.float64]) -> LabelMaker:
    """Labels of cylinders, numbered from 1, on any grid.

    Parameters
    ----------
    ends_mm : ndarray, shape (n, 2, 3)
        World points at both ends of each axis.
    radii_mm : ndarray, shape (n,)
    """

    def labels(grid: sitk.Image) -> NDArray[np.uint8]:
        size = np.array(grid.GetSize())
        affine = np.array(grid.GetDirection()).reshape(3, 3) * np.array(grid.GetSpacing())
        origin, inverse = np.array(grid.GetOrigin()), np.linalg.inv(affine)
        volume = np.zeros(size[::-1], np.uint8)
        for k, ((a, b), radius) in enumerate(zip(ends_mm, radii_mm, strict=True)):
            length = float(np.linalg.norm(b - a))
            along = (b - a) / max(length, 1e-9)
            reach = np.sqrt(np.clip(1 - along**2, 0, 1)) * radius  # half the cylinder's box beyond its axis
            corners = np.array([np.minimum(a, b) - reach, np.maximum(a, b) + reach])
            box = np.array(np.meshgrid(*corners.T, indexing="ij")).reshape(3, -1).T
            index = (box - origin) @ inverse.T
            low = np.clip(np.floor(index.min(axis=0)), 0, size).astype(int)
            high = np.clip(np.ceil(index.max(axis=0)) + 1, low, size).astype(int)
            x, y, z = (np.arange(i, j) for i, j in zip(low, high, strict=True))
            points = (
                origin
                - a
                + sum(
                    part[..., None] * affine[:, axis]
                    for axis, part in enumerate((x[None, None], y[None, :, None], z[:, None, None]))
                )
            )
            height = points @ along
            inside = (height >= 0) & (height <= length) & ((points**2).sum(axis=-1) - height**2 <= radius**2)
            volume[low[2] : high[2], low[1] : high[1], low[0] : high[0]][inside] = k + 1
        return volume

    return labels


def region_outlines(
    regions: sitk.Image | None, names: Mapping[int, str] | None, lesions: sitk.Image | None
) -> tuple[LabelMaker | None, list[Outline]]:
    """Regions and lesions of two label maps as one set of labels with their outlines; lesions lie on top."""
    found = {kind: _present(image) for kind, image in (("region", regions), ("lesion", lesions)) if image is not None}
    some = [(kind, label) for kind, labels in found.items() for label in labels][:255]
    if not some:
        return None, []
    numbers = {pair: k + 1 for k, pair in enumerate(some)}
    outlines = []
    for (kind, label), k in numbers.items():
        name = (names or {}).get(label, f"region {label}") if kind == "region" else f"lesion {label}"
        outlines.append(Outline(k, name, SKY if kind == "region" else VERMILION, f"{kind}s"))

    def labels(grid: sitk.Image) -> NDArray[np.uint8]:
        there = sitk.Transform(3, sitk.sitkIdentity)
        drawn = np.zeros(grid.GetSize()[::-1], np.uint8)
        for kind, image in (("region", regions), ("lesion", lesions)):
            if image is None:
                continue
            array = sitk.GetArrayFromImage(sitk.Resample(image, grid, there, sitk.sitkNearestNeighbor, 0))
            table = np.zeros(max(found[kind], default=0) + 1, np.uint8)
            for label in found[kind]:
                table[label] = numbers.get((kind, label), 0)
            part = table[array]
            drawn = np.where(part > 0, part, drawn)
        return drawn

    return labels, outlines


def _present(image: sitk.Image) -> list[int]:
    labels = np.unique(sitk.GetArrayViewFromImage(image))
    return [int(v) for v in labels if v > 0]


def _middle_of_largest(labels: sitk.Image, wanted: set[int]) -> list[float] | None:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    sizes = {label: shape.GetNumberOfPixels(label) for label in shape.GetLabels() if label in wanted}
    if not sizes:
        return None
    return list(shape.GetCentroid(max(sizes, key=lambda label: (sizes[label], -label))))


def _ends(located: "Located") -> NDArray[np.float64]:
    """World points at both ends of each vial's measured range, shape (n, 2, 3)."""
    centres = located.centres_mm
    ends = [located.frame.to_world(np.column_stack([centres, np.full(len(centres), a)])) for a in located.along_mm]
    return np.stack(ends, axis=1)


def _vial_outline(label: int, name: str, series: str, doubtful: bool, every: list[str], single_line: bool) -> Outline:
    if doubtful:
        return Outline(label, name, VERMILION, "flagged or left out", dashed=True)
    colour = _SERIES_COLOURS[(0 if single_line else every.index(series)) % len(_SERIES_COLOURS)]
    return Outline(label, name, colour, "inserts" if single_line else series)
