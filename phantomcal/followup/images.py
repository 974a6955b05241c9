"""From the images of several sessions to a visit table: align, find each lesion again, measure it in its own map."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.followup.align import SessionAlignment, align_session
from phantomcal.followup.matching import Tracked, appearance, match, overlaps, spots_of

_SAME_GRID_MM = 1e-3


@dataclass(frozen=True)
class SessionImages:
    """One session of one person.

    Attributes
    ----------
    label : str
        Name for messages and the column `session`.
    qsm : SimpleITK.Image
        ppm.
    lesions : SimpleITK.Image
        Label map on the grid of the map.
    magnitude : SimpleITK.Image or None
        On the same grid; aligned instead of the map where every session has one.
    acquired : datetime.date or None
    years : float or None
        Time, where there is no date.
    facts : dict of str to str
        Further columns of the visit table: scanner, reconstruction, arm, event.
    """

    label: str
    qsm: sitk.Image
    lesions: sitk.Image
    magnitude: sitk.Image | None = None
    acquired: date | None = None
    years: float | None = None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FollowedImages:
    """What one person's sessions gave.

    Attributes
    ----------
    visits : pandas.DataFrame
        A row per lesion and session at which it was found, as `phantomcal.followup.visits.read_visits` takes it, with
        `session, qsm_sd_ppm, n_voxels, volume_mm3, x_mm, y_mm, z_mm` (first session's space), `appearance`.
    alignments : list of (str, SessionAlignment)
        Labels and alignments of the sessions after the first, those left out included.
    appearances : dict of str to int
        Lesions by what became of them.
    warnings : list of str
    """

    visits: pd.DataFrame
    alignments: list[tuple[str, SessionAlignment]]
    appearances: dict[str, int]
    warnings: list[str]


def follow(subject: str, sessions: Sequence[SessionImages]) -> FollowedImages:
    """Find every lesion again at each session of one person.

    Parameters
    ----------
    subject : str
    sessions : sequence of SessionImages
        At least two, each with a date or a time.

    Returns
    -------
    FollowedImages

    Raises
    ------
    InputError
        Fewer than two sessions, one without a time, two of one time, or label maps on another grid than their map.

    Notes
    -----
    Values are means over a lesion's own mask in its own map; nothing is interpolated but the label maps that are
    compared. Parts that split or merge are pooled, so that the same tissue is compared. A session that cannot be
    aligned is left out.
    """
    if len(sessions) < 2:
        raise InputError(f"{len(sessions)} session of {subject}", "", "a change needs two")
    ordered = sorted(sessions, key=lambda s: _time(s, subject))
    for one, other in pairwise(ordered):
        if _time(one, subject) == _time(other, subject):
            raise InputError(
                f"sessions {one.label} and {other.label} of {subject} have one time", "", "correct the dates"
            )
    for session in ordered:
        _require_grid(session, subject)
    by_magnitude = all(s.magnitude is not None for s in ordered)
    pictures = [s.magnitude if by_magnitude and s.magnitude is not None else s.qsm for s in ordered]
    warnings: list[str] = []
    if not by_magnitude:
        warnings.append(f"{subject}: sessions were aligned by their susceptibility maps, as not all have a magnitude")
    every: list[tuple[str, SessionAlignment]] = []
    alignments: list[SessionAlignment] = []
    kept = [0]
    for k in range(1, len(ordered)):
        found = align_session(pictures[0], pictures[k], what=f"{subject} {ordered[k].label}")
        every.append((ordered[k].label, found))
        if found.note:
            warnings.append(f"{subject} {ordered[k].label}: not aligned, left out ({found.note})")
            continue
        alignments.append(found)
        kept.append(k)
    if len(kept) < 2:
        raise InputError(
            f"no later session of {subject} could be aligned ({warnings[-1]})", "", "check that all are of one person"
        )
    used = [ordered[k] for k in kept]
    tracked = _tracked(used, alignments)
    return _table(subject, used, tracked, every, warnings)


def _time(session: SessionImages, subject: str) -> float:
    if session.acquired is not None:
        return session.acquired.toordinal() / 365.25
    if session.years is None:
        raise InputError(f"session {session.label} of {subject} has no date", "", "name its date or its years")
    return session.years


def _require_grid(session: SessionImages, subject: str) -> None:
    for name, image in (("lesions", session.lesions), ("magnitude", session.magnitude)):
        if image is None:
            continue
        same = image.GetSize() == session.qsm.GetSize() and all(
            np.allclose(a, b, atol=_SAME_GRID_MM)
            for a, b in (
                (image.GetOrigin(), session.qsm.GetOrigin()),
                (image.GetSpacing(), session.qsm.GetSpacing()),
                (image.GetDirection(), session.qsm.GetDirection()),
            )
        )
        if not same:
            raise InputError(
                f"the {name} of {subject} {session.label} are on another grid than the map", "", "resample them onto it"
            )


def _tracked(sessions: Sequence[SessionImages], alignments: Sequence[SessionAlignment]) -> Tracked:
    """Lesions joined over all pairs of sessions, so that one missed in between is found again."""
    grid = sessions[0].qsm
    transforms = [None, *(a.transform for a in alignments)]
    inside = [
        s.lesions if t is None else sitk.Resample(s.lesions, grid, t, sitk.sitkNearestNeighbor, 0)
        for s, t in zip(sessions, transforms, strict=True)
    ]
    spots = [
        spot
        for k, (s, t) in enumerate(zip(sessions, transforms, strict=True))
        for spot in spots_of(s.lesions, k, None if t is None else t.GetInverse())
    ]
    # Neighbours in time first.
    pairs = sorted(combinations(range(len(sessions)), 2), key=lambda pair: pair[1] - pair[0])
    shared = {(i, j): overlaps(inside[i], inside[j]) for i, j in pairs}
    return match(spots, shared)


def _table(
    subject: str,
    sessions: Sequence[SessionImages],
    tracked: Tracked,
    alignments: list[tuple[str, SessionAlignment]],
    warnings: list[str],
) -> FollowedImages:
    rows: list[dict[str, object]] = []
    counts: dict[str, int] = {}
    n_lesions = int(tracked.lesion.max(initial=-1)) + 1
    width = len(str(max(n_lesions, 1)))
    values = [(sitk.GetArrayViewFromImage(s.qsm), sitk.GetArrayViewFromImage(s.lesions)) for s in sessions]
    for lesion in range(n_lesions):
        word, remarks = appearance(tracked, lesion, len(sessions))
        counts[word] = counts.get(word, 0) + 1
        for k, session in enumerate(sessions):
            mine = [s for s, n in zip(tracked.spots, tracked.lesion, strict=True) if n == lesion and s.session == k]
            if not mine:
                continue
            chosen = values[k][0][np.isin(values[k][1], [s.label for s in mine])].astype(np.float64)
            volume = np.array([s.volume_mm3 for s in mine])
            centre = volume @ np.array([s.centre_mm for s in mine]) / volume.sum()
            rows.append(
                {
                    "subject_id": subject,
                    "lesion_id": f"L{lesion + 1:0{width}d}",
                    "session": session.label,
                    **_when(session),
                    "qsm_ppm": float(chosen.mean()),
                    "qsm_sd_ppm": float(chosen.std(ddof=1)) if chosen.size > 1 else np.nan,
                    "n_voxels": chosen.size,
                    "volume_mm3": float(volume.sum()),
                    "x_mm": centre[0],
                    "y_mm": centre[1],
                    "z_mm": centre[2],
                    "labels": " ".join(str(s.label) for s in mine),
                    "appearance": word,
                    "note": remarks.get(k, ""),
                    **session.facts,
                }
            )
    if not rows:
        raise InputError(f"no lesion in any session of {subject}", "", "give label maps that hold lesions")
    return FollowedImages(pd.DataFrame(rows), alignments, counts, warnings)


def _when(session: SessionImages) -> dict[str, object]:
    if session.acquired is not None:
        return {"date": session.acquired.isoformat()}
    return {"years": session.years}
