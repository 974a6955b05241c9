"""Landmarks picked in CT and MR, and the error of an alignment measured with them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.errors import InputError
from phantomcal.registration.quality import moved_mm
from phantomcal.results import LandmarkDistance, LandmarkError, Verdict
from phantomcal.tables import read_table

_RAS = np.array([-1.0, -1.0, 1.0])
_SYSTEMS = {"0": _RAS, "RAS": _RAS, "1": np.ones(3), "LPS": np.ones(3)}
# Columns of a table, with what turns them to LPS.
_COLUMNS = (
    (("x", "y", "z"), np.ones(3)),
    (("x_mm", "y_mm", "z_mm"), np.ones(3)),
    (("l", "p", "s"), np.ones(3)),
    (("r", "a", "s"), _RAS),
)
_LABEL_COLUMNS = ("label", "name", "landmark", "id")
# People pick a point of a head to 1 or 2 mm on each image: what exceeds that is the alignment's.
REVIEW_MM, FAIL_MM = 2.0, 5.0
_FEWEST_FOR_LOCALISATION = 4
_FAR_MM = 2000.0
_GIVE = "save the points as .fcsv or .mrk.json (3D Slicer) or as a table with label, x, y, z (world LPS mm)"


@dataclass(frozen=True)
class Landmarks:
    """Named points of one image, world LPS mm, shape (n, 3)."""

    labels: tuple[str, ...]
    points_mm: NDArray[np.float64]


def read_landmarks(path: str | Path) -> Landmarks:
    """Read named points.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.fcsv`` or ``.mrk.json`` of 3D Slicer (RAS or LPS, as its header says), or a table with a column ``label`` and
        ``x, y, z`` or ``l, p, s`` (LPS) or ``r, a, s`` (RAS), in mm.

    Returns
    -------
    Landmarks
        Points that were named but never placed are left out.

    Raises
    ------
    InputError
        Missing or unreadable file, unknown coordinates, a label that is missing or comes twice, no point.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such landmark file", path.name, "check the path")
    lower = path.name.lower()
    try:
        if lower.endswith(".fcsv"):
            labels, points = _fcsv(path)
        elif lower.endswith(".json"):
            labels, points = _markups(path)
        else:
            labels, points = _table(path)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("the landmark file cannot be read", path.name, _GIVE) from error
    if not labels:
        raise InputError("no landmark is placed", path.name, _GIVE)
    array = np.array(points, dtype=float).reshape(-1, 3)
    if not np.isfinite(array).all() or np.abs(array).max() > _FAR_MM:
        bad = labels[int(np.argmax(~np.isfinite(array).all(axis=1) | (np.abs(array).max(axis=1) > _FAR_MM)))]
        raise InputError(f"landmark {bad!r} is no point of a head", path.name, "coordinates are world mm")
    seen: set[str] = set()
    for label in labels:
        if not label:
            raise InputError("a landmark without a label", path.name, "name each point: CT and MR are paired by name")
        if label in seen:
            raise InputError(f"landmark {label!r} comes twice", path.name, "give each point a name of its own")
        seen.add(label)
    return Landmarks(tuple(labels), array)


def landmark_error(ct: Landmarks, mr: Landmarks, transform: sitk.Transform) -> LandmarkError:
    """Distance between CT landmarks and where a transform takes their namesakes of the MR.

    The distances contain how well people picked the points. With four or more, the misfit of the landmarks' own best
    rigid fit estimates that: its mean square is (1 - 2/n) of the localisation error's [1]_. Taken off the mean square
    distance, it leaves the error of the alignment itself, which may come out as zero.

    Parameters
    ----------
    ct, mr : Landmarks
        Paired by label.
    transform : SimpleITK.Transform
        MR points to CT points.

    Returns
    -------
    LandmarkError

    Raises
    ------
    InputError
        If no label is in both.

    References
    ----------
    .. [1] Fitzpatrick JM, West JB, Maurer CR. Predicting error in rigid-body point-based registration. IEEE Trans Med
       Imaging 1998;17:694-702. doi:10.1109/42.736021
    """
    from scipy.stats import chi2  # takes a second to load

    labels = [label for label in mr.labels if label in ct.labels]
    only_ct = sorted(set(ct.labels) - set(mr.labels))
    only_mr = sorted(set(mr.labels) - set(ct.labels))
    if not labels:
        raise InputError(
            f"no landmark has the same label in CT ({_some(only_ct)}) and MR ({_some(only_mr)})",
            "the landmark files",
            "name the same place alike in both",
        )
    goal = ct.points_mm[[ct.labels.index(label) for label in labels]]
    source = mr.points_mm[[mr.labels.index(label) for label in labels]]
    apart = moved_mm(transform, source) - goal
    distance = np.linalg.norm(apart, axis=1)
    n = len(labels)
    rms = float(np.sqrt((distance**2).mean()))
    localisation = _localisation_mm(source, goal)
    worst = int(np.argmax(distance))
    # A sum of 3 n squared errors; the interval holds when they are independent and equal along the axes.
    ends = [float(rms * np.sqrt(3 * n / chi2.ppf(q, 3 * n))) for q in (0.975, 0.025)]
    return LandmarkError(
        n=n,
        mean_mm=float(distance.mean()),
        sd_mm=float(distance.std(ddof=1)) if n > 1 else None,
        rms_mm=rms,
        rms_ci95_mm=(ends[0], ends[1]),
        worst_mm=float(distance[worst]),
        worst_label=labels[worst],
        bias_mm=(float(apart[:, 0].mean()), float(apart[:, 1].mean()), float(apart[:, 2].mean())),
        localisation_rms_mm=localisation,
        corrected_rms_mm=None if localisation is None else float(np.sqrt(max(0.0, rms**2 - localisation**2))),
        landmarks=[
            LandmarkDistance(label=label, distance_mm=float(d), x_mm=float(a[0]), y_mm=float(a[1]), z_mm=float(a[2]))
            for label, d, a in zip(labels, distance, apart, strict=True)
        ],
        only_in_ct=only_ct,
        only_in_mr=only_mr,
    )


def judge_landmarks(
    error: LandmarkError, verdict: Verdict, reasons: Sequence[str]
) -> tuple[Verdict, list[str], list[str]]:
    """What landmarks say about an alignment, added to what the images said; never milder than before.

    Returns
    -------
    verdict : {"pass", "review", "fail"}
    reasons, warnings : list of str
    """
    warnings = []
    for labels, there, missing in ((error.only_in_ct, "CT", "MR"), (error.only_in_mr, "MR", "CT")):
        if labels:
            warnings.append(f"landmarks of the {there} without a namesake in the {missing}: {_some(labels)}")
    measured = error.rms_mm if error.corrected_rms_mm is None else error.corrected_rms_mm
    if measured <= REVIEW_MM:
        return verdict, list(reasons), warnings
    subject = "1 landmark lies" if error.n == 1 else f"{error.n} landmarks lie"
    apart = f"{subject} {error.rms_mm:.1f} mm apart (RMS)"
    if error.localisation_rms_mm is not None:
        apart += f", of which picking explains {error.localisation_rms_mm:.1f} mm"
    failed = measured > FAIL_MM
    before = list(reasons) if verdict != "pass" else []
    return ("fail" if failed or verdict == "fail" else "review"), [apart, *before], warnings


def _localisation_mm(source: NDArray[np.float64], goal: NDArray[np.float64]) -> float | None:
    """RMS localisation error of both pickings together, from the landmarks' own best fit; None when unknown."""
    n = len(source)
    p, q = source - source.mean(axis=0), goal - goal.mean(axis=0)
    # Points on a line leave a turn open, and the rule above assumes that all six parameters were fitted.
    if n < _FEWEST_FOR_LOCALISATION or np.linalg.svd(p, compute_uv=False)[1] < 1.0:
        return None
    rotation, _ = Rotation.align_vectors(q, p)
    misfit = float(((rotation.apply(p) - q) ** 2).sum(axis=1).mean())
    return float(np.sqrt(misfit / (1 - 2 / n)))


def _fcsv(path: Path) -> tuple[list[str], list[list[float]]]:
    sign, columns = None, ["id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label", "desc", "node"]
    labels, points = [], []
    text = path.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            if name.strip().lower() == "coordinatesystem":
                sign = _sign_of(value, path)
            elif name.strip().lower() == "columns":
                columns = [column.strip().lower() for column in value.split(",")]
            continue
        if not line.strip():
            continue
        cells = next(csv.reader([line]))
        row = dict(zip(columns, cells, strict=False))
        try:
            points.append([float(row[axis]) for axis in "xyz"])
        except (KeyError, ValueError) as error:
            raise InputError(f"line {number} holds no point", path.name, _GIVE) from error
        labels.append(row.get("label", "").strip())
    if sign is None:
        raise InputError("the file does not say its CoordinateSystem", path.name, "save it again from 3D Slicer")
    return labels, [list(sign * point) for point in points]


def _markups(path: Path) -> tuple[list[str], list[list[float]]]:
    content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    labels: list[str] = []
    points: list[list[float]] = []
    try:
        for markup in content["markups"]:
            sign = _sign_of(str(markup.get("coordinateSystem", "")), path)
            if str(markup.get("coordinateUnits", "mm")) != "mm":
                raise InputError(f"coordinates in {markup['coordinateUnits']}", path.name, "save them in mm")
            for point in markup.get("controlPoints", []):
                if point.get("positionStatus", "defined") != "defined":
                    continue
                x, y, z = (float(v) for v in point["position"])
                labels.append(str(point.get("label", "")).strip())
                points.append(list(sign * (x, y, z)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("not a markups file of 3D Slicer", path.name, _GIVE) from error
    return labels, points


def _table(path: Path) -> tuple[list[str], list[list[float]]]:
    frame = read_table(path)
    names = {str(column).strip().lower(): column for column in frame.columns}
    columns, sign = next((known for known in _COLUMNS if set(known[0]) <= set(names)), (None, None))
    if columns is None or sign is None:
        raise InputError("no columns x, y, z (LPS), l, p, s or r, a, s", path.name, _GIVE)
    label = next((names[name] for name in _LABEL_COLUMNS if name in names), None)
    if label is None:
        raise InputError("no column label", path.name, "name each point: CT and MR are paired by name")
    try:
        values = frame[[names[column] for column in columns]].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("a coordinate is not a number", path.name, "coordinates are world mm") from error
    labels = ["" if value != value or value is None else str(value).strip() for value in frame[label]]
    return labels, [list(row) for row in values * sign]


def _sign_of(system: str, path: Path) -> NDArray[np.float64]:
    key = system.strip().upper()
    if key not in _SYSTEMS:
        said = f"coordinates in {key}" if key else "no coordinate system"
        raise InputError(f"{said} (RAS and LPS are known)", path.name, "save it again from 3D Slicer")
    return _SYSTEMS[key]


def _some(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:4])
    return shown + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
