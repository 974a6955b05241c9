"""DICOM series in: found, judged, placed by their headers, scaled."""

from phantomcal.volumes.dicom.series import DicomSeries, read_series

__all__ = ["DicomSeries", "read_series"]
