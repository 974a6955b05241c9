"""Read and check CT, QSM, magnitude and label volumes: NIfTI, MHA, NRRD and DICOM series."""

from phantomcal.volumes.grid import corners_mm, describe_grid, same_grid, world_box_mm
from phantomcal.volumes.read import LabelVolume, Volume, VolumeModality, read_ct, read_labels, read_magnitude, read_qsm

__all__ = [
    "LabelVolume",
    "Volume",
    "VolumeModality",
    "corners_mm",
    "describe_grid",
    "read_ct",
    "read_labels",
    "read_magnitude",
    "read_qsm",
    "same_grid",
    "world_box_mm",
]
