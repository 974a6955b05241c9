"""Is a lesion blood or calcium? Rules, likelihood and a fitted model, each with its own answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.lesions.assumptions import CLASSES, THRESHOLD, Assumptions, assumptions_for
from phantomcal.lesions.information import information_gains
from phantomcal.lesions.labels import labels_of
from phantomcal.lesions.likelihood import EVIDENCE, MISFIT, MODEL, Posterior, posterior
from phantomcal.lesions.modelled import Modelled, modelled
from phantomcal.lesions.naming import decided
from phantomcal.lesions.readings import Columns, LesionTable, lesion_table, texts
from phantomcal.lesions.rules import apply_rules, outcomes, rules_in_words
from phantomcal.results import Calibration, Classification, ClassProbabilities, LesionVerdict, LogisticModel
from phantomcal.results.lesions import LesionClass
from phantomcal.tables import require_columns

Array = NDArray[np.float64]

_NAMES: tuple[LesionClass, ...] = ("haemorrhage", "calcification", "mixed", "undetermined")
_WORDS = {"qsm": "QSM alone", "ct": "CT alone", "both": "QSM and CT"}


def classify_lesions(
    frame: pd.DataFrame,
    *,
    calibration: Calibration | None = None,
    prior: Mapping[str, float] | None = None,
    model: Sequence[LogisticModel] | None = None,
    fit: bool = False,
    threshold: float = THRESHOLD,
    assumptions: Assumptions | None = None,
    dead_band_ppm: float | None = None,
    columns: Columns | None = None,
    truth_column: str = "truth",
    reader_column: str | None = None,
    where: str = "the table",
) -> Classification:
    """Class of every lesion with probabilities, from QSM alone, CT alone and both.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per lesion: ``ct_hu`` and/or ``qsm_ppm``; optional ``subject_id, lesion_id``, standard deviations, counts,
        ``volume_mm3``, surroundings (``ct_background_hu, qsm_background_ppm``) and ``truth``.
    calibration : Calibration, optional
        Its lines replace physics in the likelihood.
    prior : mapping of str to float, optional
        Weights of haemorrhage, calcification, mixed, nothing.
    model : sequence of LogisticModel, optional
        Fitted earlier; the verdict is then theirs where their readings are there.
    fit : bool
        Fit such models to the labels of `truth_column`. Labelled lesions then get the probability of a model that did
        not see their subject.
    threshold : float
        Probability from which a class is named; below it the lesion is undetermined.
    assumptions : Assumptions, optional
        Numbers behind the likelihood.
    dead_band_ppm : float, optional
        For the rules; by default from each reading's error.
    columns : Columns, optional
        Other names of the columns.
    truth_column, reader_column : str, optional
        Columns with labels.
    where : str
        Name of the table in messages.

    Returns
    -------
    Classification
        Without provenance and judgement.

    Raises
    ------
    InputError
        Unusable columns, labels, calibration, prior or threshold.
    """
    if not 0.5 < threshold < 1:
        raise InputError(f"no threshold {threshold:g}", "--threshold", "give a probability between 0.5 and 1")
    if dead_band_ppm is not None and not 0 <= dead_band_ppm < 10:
        raise InputError(f"no dead band of {dead_band_ppm:g} ppm", "--dead-band", "give a number from 0, in ppm")
    known, warnings = assumptions_for(calibration, base=assumptions, prior=prior)
    table = lesion_table(frame, known, columns, where)
    if fit or truth_column != "truth":
        require_columns(frame, [truth_column], where, {truth_column: "--truth"})
    truth = labels_of(frame, truth_column, where)
    if reader_column is not None:
        require_columns(frame, [reader_column], where, {reader_column: "--reader"})
    reader = labels_of(frame, reader_column, where) if reader_column else [""] * len(frame)
    found = posterior(table.readings, known)
    ruled = outcomes(apply_rules(table.readings, dead_band_ppm), table.readings)
    by_model = modelled(table, truth, model, fit)
    lesions = [
        _lesion(k, table, found, by_model, threshold, truth[k], reader[k], {"rule": ruled[k]})
        for k in range(len(frame))
    ]
    warnings += [*table.warnings, *by_model.warnings]
    warnings += _remarks(lesions, table)
    title = "" if calibration is None else calibration.title or calibration.protocol
    return Classification(
        lesions=lesions,
        prior=dict(known.prior),
        threshold=threshold,
        rules=rules_in_words(),
        model=MODEL,
        assumptions=known.parameters(),
        calibration=f"{title}, {calibration.session}" if calibration is not None and calibration.session else title,
        information=information_gains(found, known.prior, table.subject, threshold),
        logistic=by_model.models,
        warnings=warnings,
    )


def classification_frame(record: Classification, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of lesions.csv: the columns that came in, then the verdict and what is behind it.

    Parameters
    ----------
    record : Classification
    frame : pandas.DataFrame
        What was classified, in the same order. Its columns that share a name with a result are called ``input_NAME``.

    Returns
    -------
    pandas.DataFrame
    """
    lesions = record.lesions
    added: dict[str, list[Any]] = {
        "verdict": [v.verdict for v in lesions],
        "probability_haemorrhage": [v.probability_haemorrhage for v in lesions],
        "probability_calcification": [v.probability_calcification for v in lesions],
        "note": [v.note for v in lesions],
        "probability_mixed": [v.probability_mixed for v in lesions],
        "probability_nothing": [v.probability_nothing for v in lesions],
        "likeliest": [v.likeliest for v in lesions],
        "evidence": [v.evidence for v in lesions],
        "method": [v.method for v in lesions],
        "rule_verdict": [v.rule.verdict for v in lesions],
        "rule": [v.rule.rule for v in lesions],
    }
    for evidence in EVIDENCE:
        for name in ("haemorrhage", "calcification"):
            added[f"probability_{name}_{evidence}"] = [
                getattr(v.by_modality[evidence], name) if evidence in v.by_modality else None for v in lesions
            ]
    if any(v.composition for v in lesions):
        added["iron_share"] = [v.composition.iron_share if v.composition else None for v in lesions]
        added["calcium_share"] = [v.composition.calcium_share if v.composition else None for v in lesions]
        added["pattern"] = [v.composition.pattern if v.composition else "" for v in lesions]
    kept = frame.rename(columns={name: f"input_{name}" for name in added if name in frame.columns})
    if "lesion_id" not in kept.columns:
        kept.insert(0, "lesion_id", [v.lesion_id for v in lesions])
    first = [c for c in ("subject_id", "session", "lesion_id") if c in kept.columns]
    kept = kept[first + [c for c in kept.columns if c not in first]].reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(added)], axis=1)


def _lesion(
    k: int,
    table: LesionTable,
    found: Posterior,
    by_model: Modelled,
    threshold: float,
    truth: str,
    reader: str,
    rest: dict[str, Any],
) -> LesionVerdict:
    hu, ppm = (_given(values[k]) for values in (table.readings.hu, table.readings.ppm))
    evidence: Literal["qsm", "ct", "both", "none"] = (
        "both"
        if hu is not None and ppm is not None
        else "ct"
        if hu is not None
        else "qsm"
        if ppm is not None
        else "none"
    )
    likely = {e: _probabilities(found, e, k) for e in EVIDENCE if not np.isnan(found.probabilities[e][k, 0])}
    chosen = likely.get(evidence)
    rule = rest["rule"]
    values: dict[str, float] = {}
    verdict: LesionClass = "undetermined"
    likeliest: LesionClass = "undetermined"
    notes: list[str] = []
    method = by_model.method[k]
    if evidence == "none":
        notes.append("neither HU nor ppm")
    elif chosen is not None:
        values = {name: float(getattr(chosen, name)) for name in CLASSES}
        if method != "likelihood":
            p = float(by_model.haemorrhage[k])
            values = {"haemorrhage": p, "calcification": 1.0 - p}
        best = max(values, key=lambda name: values[name])
        likeliest = "undetermined" if best == "nothing" else _NAMES[CLASSES.index(best)]
        if evidence != "both":
            notes.append(f"from {_WORDS[evidence]}")
        if chosen.misfit_p < MISFIT:
            shown = "< 0.001" if chosen.misfit_p < 0.001 else f"= {chosen.misfit_p:.3f}"
            notes.append(f"the readings contradict every class (p {shown})")
        elif values[best] < threshold:
            second = sorted(values, key=lambda name: -values[name])[1]
            notes.append(f"{best} {values[best]:.2f}, {second} {values[second]:.2f}: none reaches {threshold:g}")
        elif best == "nothing":
            notes.append("not told from surrounding tissue")
        verdict = decided(values, chosen.misfit_p, threshold)
        notes += _disagreements(likely, verdict, threshold)
        if rule.verdict not in (verdict, "undetermined"):
            notes.append(f"the rules say {rule.verdict} ({rule.rule})")
    return LesionVerdict(
        subject_id=table.subject[k],
        session=table.session[k],
        lesion_id=table.lesion[k],
        ct_hu=hu,
        ct_se_hu=None if hu is None else float(table.readings.hu_se[k]),
        qsm_ppm=ppm,
        qsm_se_ppm=None if ppm is None else float(table.readings.ppm_se[k]),
        n_voxels=None if np.isnan(table.n_voxels[k]) else int(table.n_voxels[k]),
        volume_mm3=_given(table.volume_mm3[k]),
        evidence=evidence,
        verdict=verdict,
        likeliest=likeliest,
        probability_haemorrhage=values.get("haemorrhage"),
        probability_calcification=values.get("calcification"),
        probability_mixed=values.get("mixed"),
        probability_nothing=values.get("nothing"),
        method="none" if evidence == "none" else method,
        by_modality=likely,
        rule=rule,
        truth=truth,
        reader=reader,
        note="; ".join(notes),
    )


def _probabilities(found: Posterior, evidence: str, k: int) -> ClassProbabilities:
    row = found.probabilities[evidence][k]
    return ClassProbabilities(
        **{name: float(p) for name, p in zip(CLASSES, row, strict=True)},
        entropy_bits=float(found.entropy_bits[evidence][k]),
        misfit_p=float(found.misfit_p[evidence][k]),
    )


def _disagreements(likely: Mapping[str, ClassProbabilities], verdict: str, threshold: float) -> list[str]:
    """Where one modality alone would have named another class."""
    told = []
    for evidence in ("qsm", "ct"):
        if evidence not in likely or "both" not in likely:
            continue
        alone = likely[evidence]
        for name in ("haemorrhage", "calcification", "mixed"):
            if getattr(alone, name) >= threshold and alone.misfit_p >= MISFIT and name != verdict:
                told.append(f"{_WORDS[evidence]} would say {name}")
    return told


def _remarks(lesions: Sequence[LesionVerdict], table: LesionTable) -> list[str]:
    told = []
    contradictory = sum("contradict every class" in v.note for v in lesions)
    if contradictory:
        told.append(
            f"{contradictory} of {len(lesions)} lesions contradict every class: another material, a wrong unit or "
            "reference, or misregistration"
        )
    return told


def _given(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


__all__ = ["Columns", "classification_frame", "classify_lesions", "texts"]
