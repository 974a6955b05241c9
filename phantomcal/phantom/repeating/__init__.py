"""Repeated measurements of the same things."""
