"""From measured vials to calibration lines, and how good these are."""
