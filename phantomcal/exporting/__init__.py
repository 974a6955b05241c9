"""Results as DICOM objects: segmentations, parametric maps and measurement reports that point at their source."""
