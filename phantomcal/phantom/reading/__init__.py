"""Calibration lines read backwards."""
