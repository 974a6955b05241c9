"""How the vials of a layout are found in a volume."""
