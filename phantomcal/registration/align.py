"""Alignment of CT to MR from end to end: searched for, started or given, and judged in every case the same way."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.evidence import directions, more_evidence, rms_mm
from phantomcal.registration.heads import FixedKind
from phantomcal.registration.prepared import Prepared, metric_at, prepare, refine
from phantomcal.registration.pyramid import parts
from phantomcal.registration.quality import (
    Evidence,
    Judgement,
    inside_image,
    judge,
    moved_mm,
    require_overlap,
    second_opinion,
    target_error_mm,
)
from phantomcal.registration.rigid import Init, Registration, register
from phantomcal.results import Alignment

_REPEATS = 3
_DISTURB_DEG, _DISTURB_MM = 1.5, 2.0


def align(
    ct: sitk.Image,
    fixed: sitk.Image,
    *,
    fixed_kind: FixedKind = "magnitude",
    init: Init = "auto",
    start: sitk.Transform | None = None,
    given: sitk.Transform | None = None,
    seed: int = 0,
) -> Registration:
    """Align a CT rigidly to MR, or take an alignment made elsewhere, and judge it.

    Parameters
    ----------
    ct, fixed : SimpleITK.Image
        CT (HU), and the gradient-echo magnitude or the QSM map (ppm, 0 outside the brain).
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is.
    init : {"auto", "centre"}
        Whether to trust the headers, as `register` takes it; of no account with `start` or `given`.
    start : SimpleITK.Transform, optional
        MR to CT points, rigid: the nearest top of the metric from here, without a search.
    given : SimpleITK.Transform, optional
        MR to CT points, rigid: taken as it is. How far the nearest top lies from it goes into the predicted error.
    seed : int
        Of samples and disturbances.

    Returns
    -------
    Registration
        With the verdict of all evidence.

    Raises
    ------
    InputError
        As `register`; also CT and MR that do not overlap under `start` or `given`.
    """
    known = start if start is not None else given
    if known is None:
        if init == "auto":
            require_overlap(ct, fixed)
        prepared = prepare(ct, fixed, fixed_kind, seed=seed)
        found = register(ct, fixed, fixed_kind=fixed_kind, init=init, seed=seed, prepared=prepared)
        return assess(found, prepared)
    require_overlap(ct, fixed, known)
    prepared = prepare(ct, fixed, fixed_kind, seed=seed)
    return assess(_from(prepared, known, taken=given is not None), prepared)


def assess(found: Registration, prepared: Prepared) -> Registration:
    """Judge a result by all that can be seen of it: the way back, the curvature of the metric, edges, outlines.

    Parameters
    ----------
    found : Registration
        With the verdict of its repeats.
    prepared : Prepared
        The pair it joins.

    Returns
    -------
    Registration
        The same transform. The verdict is never milder than before.
    """
    first = found.alignment
    evidence = more_evidence(
        prepared,
        found.transform,
        Evidence(
            displacements_mm=np.zeros((first.n_repeats, 1, 3)),
            mutual_information=first.mutual_information or 0.0,
            mutual_information_start=first.mutual_information_start or 0.0,
            overlap_fraction=first.overlap_fraction,
            fixed_kind=first.fixed_kind,
            settling_mm=first.settling_mm,
            repeat_mm=first.predicted_error_mm,
        ),
    )
    judgement = second_opinion(evidence, Judgement(first.verdict, first.reasons, first.predicted_error_mm))
    ways = directions(evidence.curvature) if evidence.curvature is not None else []
    alignment = first.model_copy(
        update={
            "verdict": judgement.verdict,
            "reasons": judgement.reasons,
            "warnings": [*first.warnings, *judgement.warnings],
            "predicted_error_mm": judgement.predicted_error_mm,
            "predicted_error_ci95_mm": judgement.predicted_error_ci95_mm,
            "repeat_mm": first.predicted_error_mm,
            "forward_backward_mm": evidence.forward_backward_mm,
            "spread_per_nat_mm": evidence.spread_per_nat_mm if np.isfinite(evidence.spread_per_nat_mm or 0.0) else None,
            "edge_agreement": evidence.edge_agreement,
            "outline_agreement": evidence.outline_agreement,
            "mirrored_ratio": evidence.mirrored_ratio,
            "covered_fraction": evidence.covered_fraction,
            "directions": ways,
            "least_determined": ways[-1].words if ways else "",
        }
    )
    return replace(found, alignment=alignment)


def _from(prepared: Prepared, start: sitk.Transform, *, taken: bool) -> Registration:
    """The nearest top from a start, by repeats from disturbed poses; or the start itself and how far the top is."""
    random = np.random.default_rng(prepared.seed)
    points = prepared.points_mm
    # Each repeat has samples of its own, so that they agree by what the images say and not by what they share.
    halves = zip(parts(prepared.middle, _REPEATS), parts(prepared.fine, _REPEATS), strict=True)
    results = [
        refine(replace(prepared, middle=middle, fine=fine), _disturbed(start, random, prepared))
        for middle, fine in halves
    ]
    top = _mean(results, prepared)
    moved = moved_mm(top, points)
    chosen = sitk.Euler3DTransform(start) if taken else top
    there = moved_mm(chosen, points)
    headers = sitk.Transform(3, sitk.sitkIdentity)
    evidence = Evidence(
        displacements_mm=np.array([moved_mm(result, points) - moved for result in results]),
        mutual_information=metric_at(prepared, chosen),
        mutual_information_start=metric_at(prepared, start if not taken else headers),
        overlap_fraction=float(inside_image(prepared.ct, there).mean()),
        turn_deg=float(np.degrees(_rotation(chosen).magnitude())),
        fixed_kind=prepared.fixed_kind,
    )
    judgement = judge(evidence)
    spread = max(float(target_error_mm(a, b, points).max()) for k, a in enumerate(results) for b in results[:k])
    angles = np.degrees([chosen.GetAngleX(), chosen.GetAngleY(), chosen.GetAngleZ()])
    alignment = Alignment(
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        method="given" if taken else "images",
        rotation_deg=(float(angles[0]), float(angles[1]), float(angles[2])),
        translation_mm=tuple(chosen.GetTranslation()),
        centre_mm=tuple(chosen.GetCenter()),
        mutual_information=evidence.mutual_information,
        mutual_information_start=evidence.mutual_information_start,
        overlap_fraction=evidence.overlap_fraction,
        start_spread_mm=spread,
        predicted_error_mm=judgement.predicted_error_mm,
        n_repeats=_REPEATS,
        settling_mm=rms_mm(np.linalg.norm(there - moved, axis=1)) if taken else None,
        fixed_kind=prepared.fixed_kind,
        warnings=judgement.warnings,
    )
    return Registration(chosen, alignment)


def _disturbed(start: sitk.Transform, random: np.random.Generator, prepared: Prepared) -> sitk.Euler3DTransform:
    centre = prepared.centre_mm
    turn = Rotation.from_rotvec(np.radians(random.normal(0.0, _DISTURB_DEG, 3)))
    there = np.array(start.TransformPoint(centre.tolist())) + random.normal(0.0, _DISTURB_MM, 3)
    return _about(turn * _rotation(sitk.Euler3DTransform(start)), there, centre)


def _mean(transforms: list[sitk.Euler3DTransform], prepared: Prepared) -> sitk.Euler3DTransform:
    centre = prepared.centre_mm
    there = np.mean([t.TransformPoint(centre.tolist()) for t in transforms], axis=0)
    return _about(Rotation.concatenate([_rotation(t) for t in transforms]).mean(), there, centre)


def _about(rotation: Rotation, there: NDArray[np.float64], centre: NDArray[np.float64]) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(rotation.as_matrix().ravel().tolist(), 1e-8)
    transform.SetTranslation((there - centre).tolist())
    return transform


def _rotation(transform: sitk.Euler3DTransform) -> Rotation:
    return Rotation.from_matrix(np.array(transform.GetMatrix()).reshape(3, 3))
