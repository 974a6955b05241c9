"""Vials in phantoms: find them, measure them, fit lines, use the lines."""
