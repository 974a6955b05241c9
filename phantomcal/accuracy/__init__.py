"""How right are calls, scores and probabilities? Tables, ROC, cut-offs, paired comparisons, kappa, calibration."""
