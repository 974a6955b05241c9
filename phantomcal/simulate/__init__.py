"""Phantoms, heads and whole studies with known truth, through the physics of CT and QSM."""
