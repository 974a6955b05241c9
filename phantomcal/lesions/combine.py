"""Verdicts from means brought together with what lies inside the lesions, and with how they were found."""

from collections.abc import Mapping

from phantomcal.results import Classification, LesionComposition, LesionVerdict


def with_compositions(record: Classification, found: Mapping[str, LesionComposition]) -> Classification:
    """Add what the voxels hold; a lesion with a pattern of blood and calcium is mixed, whatever its means say.

    Means of a lesion that holds both lie anywhere between the two. Its probabilities stay those of the means, and the
    note says that the voxels decided.

    Parameters
    ----------
    record : Classification
    found : mapping of str to LesionComposition
        By `lesion_id`.

    Returns
    -------
    Classification
    """
    return record.model_copy(update={"lesions": [_looked_into(v, found.get(v.lesion_id)) for v in record.lesions]})


def _looked_into(lesion: LesionVerdict, inside: LesionComposition | None) -> LesionVerdict:
    if inside is None:
        return lesion
    notes = [lesion.note] if lesion.note else []
    changed: dict[str, object] = {"composition": inside}
    if inside.pattern:
        means = "" if lesion.verdict == "mixed" else f" (the means alone say {lesion.verdict})"
        notes.insert(0, f"{inside.pattern}{means}")
        changed |= {"verdict": "mixed", "likeliest": "mixed"}
    return lesion.model_copy(update={**changed, "note": "; ".join(notes)})


def with_doubts(record: Classification, doubts: Mapping[str, str]) -> Classification:
    """Finds that may be veins or deep nuclei are undetermined when they read like blood, as both do.

    Parameters
    ----------
    record : Classification
    doubts : mapping of str to str
        By `lesion_id`, in words; empty words are no doubt.

    Returns
    -------
    Classification
    """
    return record.model_copy(update={"lesions": [_doubted(v, doubts.get(v.lesion_id, "")) for v in record.lesions]})


def _doubted(lesion: LesionVerdict, doubt: str) -> LesionVerdict:
    if not doubt:
        return lesion
    changed = {"note": "; ".join(part for part in (doubt, lesion.note) if part)}
    if lesion.verdict == "haemorrhage":
        changed["verdict"] = "undetermined"
    return lesion.model_copy(update=changed)
