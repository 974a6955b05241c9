"""Images of several sessions read for `track`: a study's, or those named one by one."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.results import InputFile
from phantomcal.results.tracking import SessionMatch
from phantomcal.steps.tracking import FromImages

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.followup.images import FollowedImages, SessionImages

# Columns of sub-X_sessions.tsv and participants.tsv that `track` knows.
_SESSION_FACTS = ("scanner", "reconstruction", "algorithm", "sequence", "field_strength_t", "event", "years")
_PERSON_FACTS = ("arm", "group")
_FORM = "LABEL=MAP,LESIONS[,MAGNITUDE]"


def from_sessions(specifications: Sequence[str], subject: str, qsm_unit: str | None) -> FromImages:
    """Sessions of one person, each ``LABEL=MAP[,LESIONS[,MAGNITUDE]]``; the label is a date or years.

    Raises
    ------
    InputError
        Another form, a label that is no time, or a fault of the images.
    """
    from phantomcal.followup.images import follow

    inputs: list[InputFile] = []
    warnings: list[str] = []
    sessions = []
    for text in specifications:
        label, separator, rest = text.partition("=")
        paths = [p.strip() for p in rest.split(",")] if separator else []
        if not 1 <= len(paths) <= 3 or not paths[0]:
            raise InputError(f"{text!r} is no session", "--session", f"write {_FORM}")
        when, years = _time_of(label.strip())
        paths += [""] * (3 - len(paths))
        sessions.append(_images(label.strip(), paths, when, years, {}, qsm_unit, inputs, warnings))
    found = follow(subject, sessions)
    return _made({subject: found}, inputs, warnings)


def from_study(folder: Path, qsm_unit: str | None) -> FromImages:
    """Every person of a study with two or more sessions that have a map.

    Raises
    ------
    InputError
        Nobody has two such sessions.
    """
    from phantomcal.followup.images import follow
    from phantomcal.study import read_study

    study = read_study(folder)
    inputs: list[InputFile] = []
    warnings = list(study.warnings)
    found: dict[str, FollowedImages] = {}
    people: dict[str, list[Any]] = {}
    for session in study.people:
        people.setdefault(session.subject, []).append(session)
    for subject, sessions in people.items():
        mapped = [s for s in sessions if s.chimap is not None]
        if len(mapped) < 2:
            warnings.append(f"{subject}: {len(mapped)} sessions with a susceptibility map, left out")
            continue
        facts = _facts(folder, subject)
        images = []
        for session in mapped:
            mine = {k: str(v) for k, v in session.covariates.items() if k in _PERSON_FACTS}
            mine |= facts.get(session.name, {})
            years = mine.pop("years", None)
            when = session.acquired or _date_in(session.name)
            paths = [str(p) if p is not None else "" for p in (session.chimap, session.lesions, session.magnitude)]
            time = float(years) if when is None and years is not None else None
            images.append(_images(session.name, paths, when, time, mine, qsm_unit, inputs, warnings, subject))
        found[subject] = follow(subject, images)
    if not found:
        raise InputError("nobody has two sessions with a susceptibility map", folder.name, "see docs/tracking.md")
    return _made(found, inputs, warnings)


def _time_of(label: str) -> tuple[date | None, float | None]:
    when = _date_in(label)
    if when is not None:
        return when, None
    try:
        return None, float(label)
    except ValueError as error:
        raise InputError(f"{label!r} is neither a date nor a number of years", "--session", f"write {_FORM}") from error


def _date_in(label: str) -> date | None:
    digits = label.removeprefix("ses-").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) if len(digits) == 8 else None
    except ValueError:
        return None


def _facts(folder: Path, subject: str) -> dict[str, dict[str, str]]:
    from phantomcal.tables import read_table

    path = folder / subject / f"{subject}_sessions.tsv"
    if not path.is_file():
        return {}
    table = read_table(path)
    if "session_id" not in table.columns:
        return {}
    names = [name for name in _SESSION_FACTS if name in table.columns]
    return {
        str(row["session_id"]): {n: str(row[n]) for n in names if str(row[n]).strip().lower() not in ("", "nan", "n/a")}
        for row in table.to_dict("records")
    }


def _images(
    label: str,
    paths: Sequence[str],
    when: date | None,
    years: float | None,
    facts: dict[str, str],
    qsm_unit: str | None,
    inputs: list[InputFile],
    warnings: list[str],
    subject: str = "",
) -> "SessionImages":
    from phantomcal.followup.images import SessionImages
    from phantomcal.volumes import read_labels, read_magnitude, read_qsm

    name = " ".join(filter(None, [subject, label]))
    volume = read_qsm(paths[0], qsm_unit)
    inputs.append(volume.source)
    warnings += [f"{name}: {note}" for note in volume.notes if "ppb" in note]
    if paths[1]:
        labels = read_labels(paths[1])
        inputs.append(labels.source)
        lesions: sitk.Image = labels.image
    else:
        from phantomcal.lesions.extract import extract_lesions

        extraction = extract_lesions(volume.image)
        lesions = extraction.labels
        warnings.append(f"{name}: no lesion labels given: {len(extraction.table)} lesions were found in the map")
        warnings += [f"{name}: {text}" for text in extraction.warnings]
    magnitude = None
    if paths[2]:
        read = read_magnitude(paths[2])
        inputs.append(read.source)
        magnitude = read.image
    return SessionImages(label, volume.image, lesions, magnitude, when, years, facts)


def _made(found: "dict[str, FollowedImages]", inputs: list[InputFile], warnings: list[str]) -> FromImages:
    import pandas as pd

    counts: dict[str, int] = {}
    sessions: list[SessionMatch] = []
    for subject, one in found.items():
        warnings = [*warnings, *one.warnings]
        for word, n in one.appearances.items():
            counts[word] = counts.get(word, 0) + n
        sessions += [
            SessionMatch(
                subject_id=subject,
                session=label,
                agreement=a.agreement,
                agreement_before=a.agreement_before,
                overlap=a.overlap,
                moved_mm=a.moved_mm,
                used=not a.note,
                note=a.note,
            )
            for label, a in one.alignments
        ]
    table = pd.concat([one.visits for one in found.values()], ignore_index=True)
    return FromImages(table, inputs, sessions, dict(sorted(counts.items())), warnings)
