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


def probability_facts(
    haemorrhage: float | None, calcification: float | None, mixed: float | None
) -> list[tuple[str, str]]:
    """Lines of a card; mixed only from one in a hundred."""
    facts = [("P(haemorrhage)", probability(haemorrhage)), ("P(calcification)", probability(calcification))]
    if mixed is not None and mixed >= 0.01:
        facts.append(("P(mixed)", probability(mixed)))
    return facts
