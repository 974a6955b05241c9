"""Read and check CT, QSM, magnitude and label volumes: NIfTI, MHA, NRRD and DICOM series."""
