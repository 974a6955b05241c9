"""Region statistics of CT and QSM, and how the two relate across subjects."""
