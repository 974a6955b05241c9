"""Rigid alignment of CT to the MR space of the QSM map, and how far to trust it."""
