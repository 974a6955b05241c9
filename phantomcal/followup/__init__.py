"""Lesions over years: change, events, rates."""
