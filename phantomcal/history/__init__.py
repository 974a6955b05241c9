"""Calibrations over time and between scanners: kept in a database, charted, compared."""
