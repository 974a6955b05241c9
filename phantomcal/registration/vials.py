"""Alignment of two scans of one phantom by its vials, and what straight vials leave open."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation
from scipy.stats import chi2, t

from phantomcal.errors import InputError
from phantomcal.phantom.finding.frame import Frame
from phantomcal.phantom.finding.pose import Pose, fit_pose
from phantomcal.registration.quality import Judgement
from phantomcal.registration.vial_lines import VialLines
from phantomcal.results import VialAlignment, VialMatch, VialParameter

Array = NDArray[np.float64]

# Vials of one rigid phantom miss each other by a tenth or two of a millimetre in simulated pairs; a phantom that was
# taken apart, or a scanner whose gradients are off by 2 %, by a millimetre and more.
REVIEW_RESIDUAL_MM, FAIL_RESIDUAL_MM = 0.75, 3.0
REVIEW_SCALE = 0.01
_FEWEST_NAMED, _FEWEST_UNNAMED = 2, 3
_ASTRAY = 5.0  # standard errors from its place, seen robustly, at which a vial is left out
_LEAST_ASTRAY_MM = 0.5
_EQUAL_FIT = 2.0  # times the best fit's residual that another pose may have and still be as good


@dataclass(frozen=True)
class VialFit:
    """A transform that takes MR points to CT points (world LPS mm), its record, and the verdict."""

    transform: sitk.Euler3DTransform
    record: VialAlignment
    judgement: Judgement


def align_vials(ct: VialLines, mr: VialLines, *, named: bool = True, tolerance_mm: float = 1.5) -> VialFit:
    """Align two scans of one phantom by weighted least squares on the lines of its vials (Kabsch).

    The lines fix two turns (their direction), the turn about themselves and two shifts across. Nothing varies along
    straight vials, so the shift along them stays open: the middle of what the ends of the vials allow is used, and the
    range is reported. Which way round the vials run follows from the handedness in which the layout is seen.

    Parameters
    ----------
    ct, mr : VialLines
        Of the two scans.
    named : bool
        Pair the vials by name. Without names every pose that puts centres on centres is tried; those that fit as well
        as the best are listed, as symmetric layouts have several.
    tolerance_mm : float
        How far a centre may lie from its partner when there are no names.

    Returns
    -------
    VialFit

    Raises
    ------
    InputError
        Fewer than two vials in both scans (three without names), or no pose that joins them.
    """
    others: list[str] = []
    if named:
        ids = [i for i in ct.ids if i in mr.ids]
        if len(ids) < _FEWEST_NAMED:
            seen = f"CT shows {', '.join(ct.ids) or 'none'}, MR {', '.join(mr.ids) or 'none'}"
            raise InputError(
                f"{len(ids)} vials are seen in both scans ({seen})", "the phantom", "two or more are needed"
            )
        turned = ct.mirrored != mr.mirrored
        chosen_ct, chosen_mr = [ct.ids.index(i) for i in ids], [mr.ids.index(i) for i in ids]
    else:
        turned, chosen_ct, chosen_mr, others = _unnamed(ct, mr, tolerance_mm)
        ids = [ct.ids[k] for k in chosen_ct]
    # Seen from the other end, the second and third axis of the MR's frame point the other way.
    sign = np.array([1.0, -1.0, -1.0]) if turned else np.ones(3)
    frame_mr = Frame(mr.frame.origin_mm, mr.frame.axes * sign[:, None], mr.frame.image_axis)
    q, p = ct.centres_mm[chosen_ct], mr.centres_mm[chosen_mr] * sign[:2]
    variance = ct.errors_mm[chosen_ct] ** 2 + mr.errors_mm[chosen_mr] ** 2
    used = np.ones(len(ids), bool)
    pose, residual, widened = _fit(p, q, variance, used)
    if named and len(ids) >= 5:
        used = residual <= np.maximum(
            _ASTRAY * widened * np.sqrt(np.maximum(variance, np.median(variance))), _LEAST_ASTRAY_MM
        )
        if used.sum() >= max(4, len(ids) // 2):
            pose, residual, widened = _fit(p, q, variance, used)
        else:
            used[:] = True
    freedom = max(1, 2 * int(used.sum()) - 3)
    chi_square = float((residual[used] ** 2 / variance[used]).sum()) / freedom
    widen = float(np.sqrt(max(1.0, chi_square)))  # never narrower than the vials' own errors

    ends_mr = mr.ends_mm if not turned else (-mr.ends_mm[1], -mr.ends_mm[0])
    seen_mr = mr.ends_seen if not turned else mr.ends_seen[::-1]
    errors_mr = mr.end_errors_mm if not turned else mr.end_errors_mm[::-1]
    low, high, because = _along(ct, ends_mr, seen_mr, errors_mr)
    along = (low + high) / 2
    transform = _transform(pose, frame_mr, ct.frame, p[used], along)

    weight = 1.0 / variance[used]
    centre = (weight @ q[used]) / weight.sum()
    spread = q[used] - centre
    turn_sd = widen / np.sqrt(float(weight @ (spread**2).sum(axis=1)))
    shift_sd = widen / np.sqrt(float(weight.sum()))
    lean_sd = np.hypot(ct.lean_errors, mr.lean_errors)
    length = float(min(np.ptp(ct.ends_mm), np.ptp(mr.ends_mm)))
    radius2 = float((spread**2).sum(axis=1).mean())
    across = float(np.sqrt(2 * shift_sd**2 + turn_sd**2 * radius2 + (lean_sd**2).sum() * length**2 / 12))
    scale, scale_sd = _scale(p[used], q[used], weight, widen)
    record = VialAlignment(
        n_vials=int(used.sum()),
        axis_ct=_triple(ct.frame.axes[2]),
        axis_mr=_triple(frame_mr.axes[2]),
        residual_rms_mm=float(np.sqrt((residual[used] ** 2).mean())),
        reduced_chi_square=chi_square,
        scale_mr_over_ct=scale,
        scale_standard_error=scale_sd,
        parameters=_parameters(transform, ct.frame, q[used], (lean_sd, turn_sd, shift_sd), freedom, (low, high)),
        undetermined=f"the shift along the vials ({_axis_words(ct.frame.axes[2])} of the CT): {because}",
        along_range_mm=(low - along, high - along),
        across_error_mm=across,
        across_error_ci95_mm=_times(across, freedom),
        symmetric_poses=others,
        vials=[
            VialMatch(
                vial_id=i,
                residual_mm=float(r),
                standard_error_mm=float(np.sqrt(v)),
                used=bool(u),
                flag="" if u else f"{r:.2f} mm from its place: moved between the scans, or misread",
            )
            for i, r, v, u in zip(ids, residual, variance, used, strict=True)
        ],
    )
    return VialFit(transform, record, judge_vials(record))


def judge_vials(record: VialAlignment) -> Judgement:
    """Verdict of an alignment by vials: ``pass`` speaks of the directions that the vials fix."""
    fails, doubts, warnings = [], [], []
    rms, n = record.residual_rms_mm, record.n_vials
    if rms > FAIL_RESIDUAL_MM:
        fails.append(f"the vials of CT and MR miss each other by {rms:.1f} mm (RMS): is it one phantom?")
    elif rms > REVIEW_RESIDUAL_MM:
        doubts.append(f"the vials of CT and MR miss each other by {rms:.2f} mm (RMS)")
    if n < 3:
        doubts.append(f"only {n} vials join the scans: nothing checks them")
    if record.symmetric_poses:
        doubts.append(
            f"without names, {len(record.symmetric_poses)} other poses fit as well: {', '.join(record.symmetric_poses)}"
        )
    if (
        abs(record.scale_mr_over_ct - 1) > REVIEW_SCALE
        and abs(record.scale_mr_over_ct - 1) > 3 * record.scale_standard_error
    ):
        doubts.append(
            f"distances in the MR are {record.scale_mr_over_ct:.3f} times those in the CT: check the voxel sizes"
        )
    warnings += [f"vial {v.vial_id} left out: {v.flag}" for v in record.vials if not v.used]
    half = (record.along_range_mm[1] - record.along_range_mm[0]) / 2
    warnings.append(f"not determined: {record.undetermined}; it may be off by {half:.1f} mm either way")
    if fails or doubts:
        return Judgement("fail" if fails else "review", fails + doubts, record.across_error_mm, warnings)
    agreed = (
        f"{n} vials agree within {rms:.2f} mm (RMS) across the vials, where the predicted error is "
        f"{record.across_error_mm:.2f} mm"
    )
    return Judgement("pass", [agreed], record.across_error_mm, warnings)


def _fit(p: Array, q: Array, variance: Array, used: NDArray[np.bool_]) -> tuple[Pose, Array, float]:
    """Pose from p to q, residuals of all, and how much larger they are than their errors (robustly, at least 1)."""
    pose = fit_pose(p[used], q[used], 1.0 / variance[used], False)
    residual = np.linalg.norm(q - pose.place(p), axis=1)
    # The median of a Rayleigh distribution lies at 1.177 sigma.
    ratio = float(np.median(residual[used] / np.sqrt(variance[used])) / 1.1774)
    return pose, residual, max(1.0, ratio)


def _along(
    ct: VialLines, ends_mr: tuple[float, float], seen_mr: tuple[bool, ...], errors_mr: tuple[float, ...]
) -> tuple[float, float, str]:
    """Range of shifts along the vials (CT less MR coordinate) that their ends allow, and what it rests on."""
    shifts, errors = [], []
    for k in (0, 1):
        if ct.ends_seen[k] and seen_mr[k]:
            shifts.append(ct.ends_mm[k] - ends_mr[k])
            errors.append(float(np.hypot(ct.end_errors_mm[k], errors_mr[k])))
    if shifts:
        error = 2 * max(errors)
        names = "both ends are" if len(shifts) == 2 else "one end is"
        return min(shifts) - error, max(shifts) + error, f"{names} seen in both scans, which leaves the range given"
    return (
        ct.ends_mm[0] - ends_mr[1],
        ct.ends_mm[1] - ends_mr[0],
        "no end is seen in both scans, so any overlap is possible",
    )


def _transform(pose: Pose, mr: Frame, ct: Frame, p: Array, along: float) -> sitk.Euler3DTransform:
    rotation = ct.axes.T @ Rotation.from_rotvec([0, 0, pose.angle_rad]).as_matrix() @ mr.axes
    middle = p.mean(axis=0)
    source = mr.to_world(np.append(middle, 0.0))
    goal = ct.to_world(np.append(pose.place(middle[None])[0], along))
    transform = sitk.Euler3DTransform()
    transform.SetCenter(source.tolist())
    transform.SetMatrix(rotation.ravel().tolist(), 1e-8)
    transform.SetTranslation((goal - source).tolist())
    return transform


def _parameters(
    transform: sitk.Euler3DTransform,
    ct: Frame,
    q: Array,
    errors: tuple[Array, float, float],
    freedom: int,
    along: tuple[float, float],
) -> list[VialParameter]:
    lean_sd, turn_sd, shift_sd = errors
    rotation = Rotation.from_matrix(np.array(transform.GetMatrix()).reshape(3, 3))
    turn = np.degrees(ct.axes @ rotation.as_rotvec())
    shift = ct.axes @ np.array(transform.GetTranslation())
    k = float(t.ppf(0.975, freedom))
    # The third axis leaning along the first is a turn about the second.
    turn_sds = np.degrees([lean_sd[1], lean_sd[0], turn_sd])
    names = [f"{_axis_words(axis)} of the CT, across the vials" for axis in ct.axes[:2]]
    parameters = [
        VialParameter(
            words=f"turn about {name}", unit="degrees", value=float(v), standard_error=float(sd),
            low=float(v - k * sd), high=float(v + k * sd),
        )
        for name, v, sd in zip([*names, "the vials"], turn, turn_sds, strict=True)
    ]  # fmt: skip
    parameters += [
        VialParameter(
            words=f"shift along {name}", unit="mm", value=float(v), standard_error=float(shift_sd),
            low=float(v - k * shift_sd), high=float(v + k * shift_sd),
        )
        for name, v in zip(names, shift[:2], strict=True)
    ]  # fmt: skip
    half = (along[1] - along[0]) / 2
    open_end = VialParameter(
        words="shift along the vials", unit="mm", value=float(shift[2]), standard_error=None,
        low=float(shift[2] - half), high=float(shift[2] + half), determined=False,
    )  # fmt: skip
    return [*parameters, open_end]


def _scale(p: Array, q: Array, weight: Array, widen: float) -> tuple[float, float]:
    """Size of the MR's layout over the CT's, with its standard error."""
    a, b = (points - (weight @ points) / weight.sum() for points in (p, q))
    inertia = float(weight @ (b**2).sum(axis=1))
    return float(np.sqrt(float(weight @ (a**2).sum(axis=1)) / inertia)), float(widen / np.sqrt(inertia))


def _unnamed(ct: VialLines, mr: VialLines, tolerance_mm: float) -> tuple[bool, list[int], list[int], list[str]]:
    """Best pairing of centres without names: whether seen from the other end, indices in CT and MR, rivals in words."""
    if min(len(ct.ids), len(mr.ids)) < _FEWEST_UNNAMED:
        raise InputError(
            f"{len(ct.ids)} and {len(mr.ids)} vials without names", "the phantom", "three or more are needed in each"
        )
    fits: list[tuple[float, float, bool, list[int], list[int]]] = []
    most = min(len(ct.ids), len(mr.ids))
    for turned in (False, True):
        p, q = mr.centres_mm * np.array([1.0, -1.0 if turned else 1.0]), ct.centres_mm
        for pose in _proposals(p, q, tolerance_mm):
            rows, columns, placed = _paired(pose, p, q, tolerance_mm)
            if len(rows) < most or len(rows) < _FEWEST_UNNAMED:
                continue
            pose = fit_pose(p[rows], q[columns], np.ones(len(rows)), False)
            rows, columns, placed = _paired(pose, p, q, tolerance_mm)
            if len(rows) < most:
                continue
            rms = float(np.sqrt(((placed[rows] - q[columns]) ** 2).sum(axis=1).mean()))
            if all(f[2] != turned or f[3] != columns or f[4] != rows for f in fits):
                fits.append((rms, float(np.degrees(pose.angle_rad)), turned, columns, rows))
    if not fits:
        raise InputError(
            f"no pose puts the {most} vials of one scan on those of the other within {tolerance_mm:g} mm",
            "the phantom",
            "check that both scans show the same phantom",
        )
    fits.sort(key=lambda fit: fit[0])
    best = fits[0]
    rivals = [fit for fit in fits[1:] if fit[0] <= max(_EQUAL_FIT * best[0], 0.2 * tolerance_mm)]
    words = [
        f"turned {(fit[1] - best[1] + 180) % 360 - 180:.0f} degrees further"
        + (" and end for end" if fit[2] != best[2] else "")
        for fit in rivals
    ]
    return best[2], best[3], best[4], words


def _proposals(p: Array, q: Array, tolerance_mm: float) -> list[Pose]:
    """Poses that put the two most distant centres of p on any two of q that are equally far apart."""
    distance = np.linalg.norm(p[:, None] - p[None], axis=2)
    i, j = (int(k) for k in np.unravel_index(np.argmax(distance), distance.shape))
    apart = np.linalg.norm(q[:, None] - q[None], axis=2)
    return [
        fit_pose(p[[i, j]], q[[a, b]], np.ones(2), False)
        for a, b in np.argwhere(np.abs(apart - distance[i, j]) <= 2 * tolerance_mm)
        if a != b
    ]


def _paired(pose: Pose, p: Array, q: Array, tolerance_mm: float) -> tuple[list[int], list[int], Array]:
    placed = pose.place(p)
    distance = np.linalg.norm(placed[:, None] - q[None], axis=2)
    rows, columns = linear_sum_assignment(np.minimum(distance, 10 * tolerance_mm))
    near = distance[rows, columns] <= tolerance_mm
    return [int(k) for k in rows[near]], [int(k) for k in columns[near]], placed


def _axis_words(axis: Array) -> str:
    names = ("x (left-right)", "y (front-back)", "z (head-foot)")
    k = int(np.argmax(np.abs(axis)))
    lean = np.degrees(np.arccos(min(1.0, abs(float(axis[k])))))
    return names[k] if lean < 5 else f"near {names[k]}, {lean:.0f} degrees off"


def _times(value: float, freedom: int) -> tuple[float, float]:
    low, high = (float(value * np.sqrt(freedom / chi2.ppf(q, freedom))) for q in (0.975, 0.025))
    return low, high


def _triple(values: Array) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
