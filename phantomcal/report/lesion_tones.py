"""How the classes of lesions and their probabilities are shown, wherever a lesion has a card."""

from phantomcal.report.content import Tone
from phantomcal.report.numerals import NONE, fixed

TONES: dict[str, Tone] = {
    "haemorrhage": "iron",
    "calcification": "calcium",
    "mixed": "mixed",
    "undetermined": "undetermined",
}


def probability(p: float | None) -> str:
    """A probability, never rounded to 0 or 1."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else fixed(p, 3)
