"""Label maps as DICOM segmentations, and maps of numbers as parametric maps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from phantomcal import __version__
from phantomcal.errors import InputError
from phantomcal.exporting.codes import quantity_code, structure_codes, unit_code
from phantomcal.exporting.identity import MODEL, equipment, load_highdicom, new_identity
from phantomcal.exporting.source import Source, require_inside

if TYPE_CHECKING:
    import pydicom
    import SimpleITK as sitk

_MOST_SEGMENTS = 1000


def segmentation(
    labels: "sitk.Image", names: Mapping[int, str], source: Source, *, kind: str = "region", series_number: int = 9001
) -> "pydicom.Dataset":
    """A label map as a DICOM Segmentation on its own grid.

    Parameters
    ----------
    labels : SimpleITK.Image
        3-D whole numbers, 0 background.
    names : mapping of int to str
        Of the labels; others are called ``label-<k>``.
    source : Source
        What it was drawn on.
    kind : {"region", "lesion", "vial"}
    series_number : int

    Returns
    -------
    pydicom.Dataset
        Segment numbers follow the label values in rising order, from 1; `segment_numbers` gives them.

    Raises
    ------
    InputError
        highdicom is missing, the labels lie outside the source, or there are none.
    """
    hd = load_highdicom()
    import SimpleITK as sitk

    require_inside(labels, source, "the label map")
    numbers = segment_numbers(labels)
    if not 0 < len(numbers) <= _MOST_SEGMENTS:
        raise InputError(f"{len(numbers)} labels", "the label map", f"give 1 to {_MOST_SEGMENTS}")
    algorithm = hd.AlgorithmIdentificationSequence(
        name=MODEL, version=__version__, family=quantity_code("1", "label map given to phantomcal")
    )
    descriptions = []
    for label, number in numbers.items():
        name = names.get(label, f"label-{label}")
        category, what = structure_codes(name, kind)
        descriptions.append(
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=name[:64],
                segmented_property_category=category,
                segmented_property_type=what,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
                algorithm_identification=algorithm,
                tracking_uid=hd.UID(),
                tracking_id=name[:64],
            )
        )
    values = sitk.GetArrayFromImage(labels)
    compact = np.searchsorted(np.array([0, *numbers]), values).astype(np.uint16 if len(numbers) > 255 else np.uint8)
    drawn = sitk.GetImageFromArray(compact)
    drawn.CopyInformation(labels)
    made: pydicom.Dataset = hd.seg.Segmentation(
        source_images=list(source.images),
        pixel_array=hd.Volume.from_simpleitk(drawn, frame_of_reference_uid=source.frame_of_reference_uid),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        **new_identity(series_number).fields(),
        **equipment(),
        content_label=kind.upper(),
        content_description=f"{kind}s measured by phantomcal",
        series_description=f"phantomcal {kind}s",
    )
    return made


def segment_numbers(labels: "sitk.Image") -> dict[int, int]:
    """Segment number of each label value in a map."""
    import SimpleITK as sitk

    present = np.unique(sitk.GetArrayViewFromImage(labels))
    return {int(value): k for k, value in enumerate(present[present > 0], start=1)}


def parametric_map(
    image: "sitk.Image", unit: str, source: Source, *, name: str, series_number: int = 9101
) -> "pydicom.Dataset":
    """A map of numbers as a DICOM Parametric Map: the values themselves, float32, with their unit.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D.
    unit : str
        One of `phantomcal.exporting.codes.UNITS`.
    source : Source
        What it was computed from.
    name : str
        What it shows, for example ``calcium``.
    series_number : int

    Returns
    -------
    pydicom.Dataset

    Raises
    ------
    InputError
        highdicom is missing, or the map lies outside the source.
    """
    hd = load_highdicom()
    import SimpleITK as sitk

    require_inside(image, source, f"the map {name!r}")
    stored = sitk.Cast(image, sitk.sitkFloat32)
    values = sitk.GetArrayViewFromImage(stored)
    if not np.isfinite(values).all():
        raise InputError("values that are not finite", f"the map {name!r}", "set them to 0 first")
    low, high = float(values.min()), float(values.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label=name[:16],
        lut_explanation=f"{name} in {unit}"[:64],
        unit=unit_code(unit),
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity_code(unit, name if unit == "mmol/L" else ""),
    )
    made: pydicom.Dataset = hd.pm.ParametricMap(
        source_images=list(source.images),
        pixel_array=hd.Volume.from_simpleitk(stored, frame_of_reference_uid=source.frame_of_reference_uid),
        **new_identity(series_number).fields(),
        **equipment(),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            hd.VOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-6))
        ],
        content_label="MAP",
        content_description=f"{name} in {unit}"[:64],
        series_description=f"phantomcal {name} ({unit})"[:64],
    )
    if "Laterality" not in made:
        made.Laterality = ""  # of an unpaired part of the body
    return made
