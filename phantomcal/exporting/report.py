"""Measurements as a DICOM structured report (TID 1500): a group a region, lesion or vial, units and codes in place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.exporting.codes import own_code, quantity_code, structure_codes, unit_code
from phantomcal.exporting.identity import MANUFACTURER, MODEL, SERIAL, load_highdicom, new_identity
from phantomcal.exporting.source import Source

if TYPE_CHECKING:
    import pydicom


@dataclass(frozen=True)
class Measured:
    """One number of a group.

    Attributes
    ----------
    value : float
    unit : str
        One of `phantomcal.exporting.codes.UNITS`.
    derivation : {"mean", "sd", "se", ""}
    words : str
        What is counted or which material, where the unit does not tell.
    """

    value: float
    unit: str
    derivation: str = ""
    words: str = ""


@dataclass(frozen=True)
class Group:
    """What was measured in one place.

    Attributes
    ----------
    name : str
    kind : {"region", "lesion", "vial"}
    measured : sequence of Measured
    segment : int or None
        Number in the segmentation.
    point_mm : (float, float, float) or None
        A place in world LPS mm, for what has no segment.
    """

    name: str
    kind: str
    measured: Sequence[Measured]
    segment: int | None = None
    point_mm: tuple[float, float, float] | None = field(default=None)


def measurement_report(
    groups: Sequence[Group], source: Source, *, segmentation: "pydicom.Dataset | None" = None, series_number: int = 9201
) -> "pydicom.Dataset":
    """A Comprehensive 3D SR with one measurement group a place.

    Parameters
    ----------
    groups : sequence of Group
    source : Source
    segmentation : pydicom.Dataset, optional
        That the groups' segment numbers mean.
    series_number : int

    Returns
    -------
    pydicom.Dataset
        Values are stored as doubles beside their decimal text, so that they read back to the last bit.

    Raises
    ------
    InputError
        highdicom is missing, or nothing was measured.
    """
    hd = load_highdicom()
    from pydicom.sr.codedict import codes

    if not any(group.measured for group in groups):
        raise InputError("nothing was measured", "the tables given", "give a table with values")
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), manufacturer_name=MANUFACTURER, model_name=MODEL, serial_number=SERIAL
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=own_code("CT and susceptibility measurement"),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[_group(hd, g, source, segmentation) for g in groups if g.measured],
        referenced_images=list(source.images),
    )
    evidence = [*source.images, *([segmentation] if segmentation is not None else [])]
    made: pydicom.Dataset = hd.sr.Comprehensive3DSR(
        evidence=evidence,
        content=content,
        **new_identity(series_number).fields(),
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="phantomcal measurements",
    )
    return made


def read_measurements(dataset: "pydicom.Dataset") -> dict[str, list[tuple[str, float, str]]]:
    """Numbers of a report by the name of their group: (concept, value, unit code), in order.

    Parameters
    ----------
    dataset : pydicom.Dataset
        A structured report as `measurement_report` writes it.

    Returns
    -------
    dict of str to list of (str, float, str)
    """
    hd = load_highdicom()
    report = hd.sr.Comprehensive3DSR.from_dataset(dataset)
    found: dict[str, list[tuple[str, float, str]]] = {}
    template = report.content
    groups = [*template.get_volumetric_roi_measurement_groups(), *template.get_planar_roi_measurement_groups()]
    for group in groups:
        rows = []
        for m in group.get_measurements():
            item = m[0].MeasuredValueSequence[0]
            exact = float(item.FloatingPointValue) if "FloatingPointValue" in item else float(item.NumericValue)
            rows.append((m.name.meaning, exact, m.unit.value))
        found[group.tracking_identifier] = rows
    return found


def _group(hd: Any, group: Group, source: Source, segmentation: "pydicom.Dataset | None") -> Any:
    tracking = hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=group.name)
    _, what = structure_codes(group.name, group.kind)
    common = {
        "tracking_identifier": tracking,
        "finding_type": what,
        "measurements": [_measurement(hd, m) for m in group.measured],
    }
    if group.segment is not None and segmentation is not None:
        first = source.images[0]
        return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            **common,
            referenced_segment=hd.sr.ReferencedSegment(
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                segment_number=group.segment,
                source_series=hd.sr.SourceSeriesForSegmentation(first.SeriesInstanceUID),
            ),
        )
    if group.point_mm is None:
        raise InputError(f"{group.name!r} has neither a label nor a place", "the table", "give the label map too")
    import numpy as np

    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        **common,
        referenced_region=hd.sr.ImageRegion3D(
            graphic_type=hd.sr.GraphicTypeValues3D.POINT,
            graphic_data=np.array([group.point_mm], float),
            frame_of_reference_uid=source.frame_of_reference_uid,
        ),
    )


def _measurement(hd: Any, measured: Measured) -> Any:
    from pydicom.sr.codedict import codes

    derivations = {"mean": codes.SCT.Mean, "sd": codes.SCT.StandardDeviation, "se": own_code("standard error of mean")}
    return hd.sr.Measurement(
        name=quantity_code(measured.unit, measured.words),
        value=float(measured.value),
        unit=unit_code(measured.unit),
        derivation=derivations.get(measured.derivation),
    )
