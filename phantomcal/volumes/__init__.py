"""Read and check CT, QSM, magnitude and label volumes: NIfTI, MHA, NRRD and DICOM series."""

from phantomcal.volumes.grid import corners_mm, describe_grid, same_grid, world_box_mm
from phantomcal.volumes.read import LabelVolume, Volume, VolumeModality, read_ct, read_labels, read_magnitude, read_qsm
from phantomcal.volumes.segmentation import on_lattice_of

__all__ = [
    "LabelVolume",
    "Volume",
    "VolumeModality",
    "corners_mm",
    "describe_grid",
    "on_lattice_of",
    "read_ct",
    "read_labels",
    "read_magnitude",
    "read_qsm",
    "same_grid",
    "world_box_mm",
]
