"""Trials that measure lesions repeatedly: their size, by simulation too, and their analysis."""
