"""Codes of quantities, units and structures: SNOMED, DICOM and UCUM where they have one, else this project's own."""

import re
from typing import TYPE_CHECKING

from phantomcal.exporting.identity import SCHEME

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

# Region names of this project and of common atlases -> keyword in SNOMED as pydicom lists it.
_STRUCTURES = {
    "globus pallidus": "GlobusPallidus",
    "pallidum": "GlobusPallidus",
    "putamen": "Putamen",
    "caudate": "CaudateNucleus",
    "thalamus": "Thalamus",
    "substantia nigra": "SubstantiaNigra",
    "hippocampus": "Hippocampus",
    "white matter": "CerebralWhiteMatter",
}
_LESIONS = {"haemorrhage": "Hemorrhage", "hemorrhage": "Hemorrhage", "bleed": "Hemorrhage"}
_UNITS = {
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "ppm": ("[ppm]", "parts per million"),
    "mmol/L": ("mmol/L", "millimole per liter"),
    "mm3": ("mm3", "cubic millimeter"),
    "mg": ("mg", "milligram"),
    "voxels": ("{voxels}", "voxels"),
    "1": ("1", "no units"),
}
UNITS = tuple(_UNITS)


def unit_code(unit: str) -> "Code":
    """UCUM code of a unit this project writes.

    Raises
    ------
    KeyError
        A unit that is not in `UNITS`.
    """
    from pydicom.sr.coding import Code

    value, meaning = _UNITS[unit]
    return Code(value, "UCUM", meaning)


def quantity_code(unit: str, words: str = "") -> "Code":
    """What is measured in a unit: attenuation, susceptibility, concentration, volume, mass or a count."""
    from pydicom.sr.codedict import codes

    known: dict[str, Code] = {
        "HU": codes.DCM.AttenuationCoefficient,
        "ppm": codes.DCM.MagneticSusceptibility,
        "mm3": codes.SCT.Volume,
        "mmol/L": codes.DCM.Concentration,
    }
    if unit in known and not (unit == "mmol/L" and words):
        return known[unit]
    return own_code(f"{words} concentration" if unit == "mmol/L" else words or unit)


def own_code(words: str) -> "Code":
    """A code of this project's private scheme: the value is made from the words, so equal words have equal codes."""
    from pydicom.sr.coding import Code

    value = re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()[:16] or "other"
    return Code(value, SCHEME, words[:64])


def structure_codes(name: str, kind: str) -> "tuple[Code, Code]":
    """Category and type of a segment.

    Parameters
    ----------
    name : str
        Of the region, lesion or vial.
    kind : {"region", "lesion", "vial"}

    Returns
    -------
    category, type : Code
    """
    from pydicom.sr.codedict import codes

    lower = name.lower()
    if kind == "vial":
        return codes.SCT.PhysicalObject, own_code("phantom vial")
    if kind == "lesion":
        found = next((keyword for word, keyword in _LESIONS.items() if word in lower), "Lesion")
        return codes.SCT.MorphologicallyAbnormalStructure, getattr(codes.SCT, found)
    keyword = next((keyword for word, keyword in _STRUCTURES.items() if word in lower), None)
    return codes.SCT.AnatomicalStructure, getattr(codes.SCT, keyword) if keyword else own_code(name)
