"""Haemorrhage or calcification, and how much of each."""
