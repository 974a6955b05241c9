"""How often are the classes right, and which readings does it take?"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from phantomcal.accuracy.cutoff import best_cutoff
from phantomcal.accuracy.kappa import kappa
from phantomcal.accuracy.paired import mcnemar
from phantomcal.accuracy.probability import reliability
from phantomcal.accuracy.roc import compare_areas, roc
from phantomcal.accuracy.table import diagnostic_table
from phantomcal.errors import InputError
from phantomcal.lesions.rules import CALCIUM_HU
from phantomcal.results import CallerAccuracy, Classification, LesionJudgement, LesionVerdict, ReaderAgreement
from phantomcal.results.accuracy import Cutoff

T = TypeVar("T")
Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

BOTH, QSM, CT, SIGN, HU = "QSM and CT", "QSM alone", "CT alone", "sign of susceptibility", "HU above 100"
MODEL = "logistic model"
HANDLING = (
    "Haemorrhage is the positive class and calcification the other. In the tables of every lesion each is called by "
    "the likelier of the two classes, also where no class reached the threshold; the tables of decided lesions leave "
    "undetermined ones out and say how many. Lesions whose truth is mixed or nothing are counted apart, in the table "
    "of truth against verdict."
)
_LEAST = 2


def judge_lesions(record: Classification) -> tuple[LesionJudgement | None, list[str]]:
    """Hold the classes against the labels.

    Parameters
    ----------
    record : Classification
        With `truth` in some lesions.

    Returns
    -------
    judgement : LesionJudgement or None
        None when there are no labels of both classes.
    warnings : list of str
        Why there is none, or what was left out.

    Notes
    -----
    The areas and calls that are compared come from lesions with both readings. Scores are the probability of
    haemorrhage among the two classes; those of a fitted model are out of fold. Subjects with several lesions are
    clusters throughout.
    """
    labelled = [v for v in record.lesions if v.truth]
    if not labelled:
        return None, []
    pure = [v for v in labelled if v.truth in ("haemorrhage", "calcification") and v.evidence != "none"]
    n_blood = sum(v.truth == "haemorrhage" for v in pure)
    if min(n_blood, len(pure) - n_blood) < _LEAST:
        return None, [
            f"not judged: {n_blood} haemorrhages and {len(pure) - n_blood} calcifications are labelled and measured; "
            f"at least {_LEAST} of each are needed"
        ]
    notes: list[str] = []
    callers = [c for name in (BOTH, QSM, CT, MODEL, SIGN, HU) if (c := _caller(name, pure, record, notes)) is not None]
    complete = [v for v in pure if v.evidence == "both"]
    areas, paired = [], []
    if _two_classes(complete):
        truth, subjects = _truth(complete), _subjects(complete)
        scores = {name: score for name in (BOTH, QSM, CT) if (score := _scores(name, complete)) is not None}
        areas = _tried(lambda: compare_areas(truth, scores, subjects), notes, "areas compared") or []
        ours = _called(BOTH, complete)
        assert ours is not None
        for name in (QSM, CT, SIGN, HU):
            other = _called(name, complete)
            if other is not None:
                paired.append(mcnemar(truth, ours, other, (BOTH, name), subjects))
    return (
        LesionJudgement(
            n=len(pure),
            n_subjects=len(set(_subjects(pure))),
            handling=HANDLING,
            confusion=_confusion(labelled),
            callers=callers,
            cutoffs=_cutoffs(pure, notes),
            areas=areas,
            paired=paired,
            agreement=_agreement(record.lesions),
            notes=notes,
        ),
        [],
    )


def _caller(
    name: str, lesions: Sequence[LesionVerdict], record: Classification, notes: list[str]
) -> CallerAccuracy | None:
    chosen = [v for v in lesions if _reads(name, v)]
    if not _two_classes(chosen):
        return None
    truth, subjects = _truth(chosen), _subjects(chosen)
    called = _called(name, chosen)
    assert called is not None
    score = _scores(name, chosen)
    decided = _decided(name, chosen, record.threshold)
    curve = _tried(lambda: roc(truth, score, subjects, name=name), notes, name) if score is not None else None
    believed = _tried(lambda: reliability(truth, score, subjects=subjects), notes, name) if score is not None else None
    return CallerAccuracy(
        name=name,
        n=len(chosen),
        n_undetermined=int((~decided).sum()),
        every_lesion=diagnostic_table(truth, called, subjects),
        decided=diagnostic_table(
            truth[decided], called[decided], [s for s, d in zip(subjects, decided, strict=True) if d]
        )
        if decided.any() and not decided.all()
        else None,
        roc=curve,
        reliability=believed,
    )


def _reads(name: str, v: LesionVerdict) -> bool:
    if name == MODEL:
        return v.method.startswith("logistic")
    if name in (SIGN, HU):
        return (v.qsm_ppm if name == SIGN else v.ct_hu) is not None
    return {BOTH: "both", QSM: "qsm", CT: "ct"}[name] in v.by_modality


def _scores(name: str, lesions: Sequence[LesionVerdict]) -> Array | None:
    """Probability of haemorrhage among haemorrhage and calcification; None for rules, which have none."""
    if name in (SIGN, HU):
        return None
    if name == MODEL:
        return np.array([v.probability_haemorrhage for v in lesions], dtype=np.float64)
    pairs = np.array([_pair(name, v) for v in lesions])
    total = pairs.sum(axis=1)
    return np.where(total > 0, pairs[:, 0] / np.where(total > 0, total, 1.0), 0.5)


def _pair(name: str, v: LesionVerdict) -> tuple[float, float]:
    found = v.by_modality[{BOTH: "both", QSM: "qsm", CT: "ct"}[name]]  # type: ignore[index]
    return found.haemorrhage, found.calcification


def _called(name: str, lesions: Sequence[LesionVerdict]) -> Bool | None:
    """Whether each lesion is called haemorrhage when it must be one of the two."""
    if name == SIGN:
        return np.array([(v.qsm_ppm or 0.0) > 0 for v in lesions])
    if name == HU:
        return np.array([(v.ct_hu or 0.0) <= CALCIUM_HU for v in lesions])
    score = _scores(name, lesions)
    return None if score is None else np.asarray(score > 0.5)


def _decided(name: str, lesions: Sequence[LesionVerdict], threshold: float) -> Bool:
    if name in (SIGN, HU):
        return np.ones(len(lesions), dtype=np.bool_)
    if name == MODEL:
        return np.array([v.verdict in ("haemorrhage", "calcification") for v in lesions])
    return np.array([max(_pair(name, v)) >= threshold for v in lesions])


def _cutoffs(lesions: Sequence[LesionVerdict], notes: list[str]) -> list[Cutoff]:
    """Best cut-offs of the readings themselves: haemorrhage from a susceptibility on, and up to a CT number."""
    found = []
    for name, sign in (("qsm_ppm", 1.0), ("ct_hu", -1.0)):
        chosen = [v for v in lesions if getattr(v, name) is not None]
        if not _two_classes(chosen):
            continue
        values = sign * np.array([getattr(v, name) for v in chosen], dtype=np.float64)
        label = "susceptibility, ppm" if name == "qsm_ppm" else "CT number, HU"
        cutoff = _tried(
            lambda chosen=chosen, values=values, label=label: best_cutoff(  # type: ignore[misc]
                _truth(chosen), values, _subjects(chosen), name=label
            ),
            notes,
            label,
        )
        if cutoff is not None:
            ends = cutoff.cutoff_ci95
            found.append(
                cutoff
                if sign > 0
                else cutoff.model_copy(
                    update={
                        "cutoff": -cutoff.cutoff,
                        "cutoff_ci95": None if ends is None else (-ends[1], -ends[0]),
                        "positive": "below",
                    }
                )
            )
    return found


def _agreement(lesions: Sequence[LesionVerdict]) -> list[ReaderAgreement]:
    rows: list[ReaderAgreement] = []
    sides: dict[str, Callable[[LesionVerdict], str]] = {
        "truth": lambda v: v.truth,
        "verdict": lambda v: v.verdict if v.evidence != "none" else "",
    }
    for name, side in sides.items():
        both = [v for v in lesions if v.reader and side(v)]
        if len(both) >= _LEAST:
            found = kappa([v.reader for v in both], [side(v) for v in both], subjects=_subjects(both))
            rows.append(ReaderAgreement(first="reader", second=name, kappa=found))
    return rows


def _confusion(lesions: Sequence[LesionVerdict]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for truth in ("haemorrhage", "calcification", "mixed", "nothing"):
        rows = [v for v in lesions if v.truth == truth]
        if rows:
            verdicts = ("haemorrhage", "calcification", "mixed", "undetermined")
            table[truth] = {verdict: sum(v.verdict == verdict for v in rows) for verdict in verdicts}
    return table


def _truth(lesions: Sequence[LesionVerdict]) -> Bool:
    return np.array([v.truth == "haemorrhage" for v in lesions])


def _subjects(lesions: Sequence[LesionVerdict]) -> list[str]:
    return [v.subject_id or f"lesion {k}" for k, v in enumerate(lesions)]


def _two_classes(lesions: Sequence[LesionVerdict]) -> bool:
    n = sum(v.truth == "haemorrhage" for v in lesions)
    return min(n, len(lesions) - n) >= _LEAST


def _tried(make: Callable[[], T], notes: list[str], what: str) -> T | None:
    """What cannot be computed from these labels is left out, and said."""
    try:
        return make()
    except InputError as error:
        notes.append(f"{what}: {error}")
        return None
