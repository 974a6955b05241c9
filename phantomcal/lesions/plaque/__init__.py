"""Carotid plaque: what its components read on QSM and CT, and what tells blood and calcium from the rest."""
