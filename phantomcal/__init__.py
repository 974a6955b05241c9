"""Calibrate CT and QSM with vial phantoms, align the two, and tell blood from calcium."""

__version__ = "0.2.0"
