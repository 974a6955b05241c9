"""Rigid alignment of a CT to the MR space of a QSM map by mutual information, coarse to fine."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.errors import InputError
from phantomcal.registration.heads import AIR_HU, FixedKind, Head, ct_head, mr_head, points_mm, region_around, shrink
from phantomcal.registration.quality import Evidence, inside_image, judge, moved_mm, require_overlap, target_error_mm
from phantomcal.registration.starts import best_starts
from phantomcal.results import Alignment

Init = Literal["auto", "centre"]

_N_BINS = 32
_RIVAL = 0.6  # share of the best coarse pose's score that makes another pose worth refining
_OTHER_POSE_MM = 10.0
_ARM_MM = 60.0  # a turn by 1/60 rad moves a typical point of the head by 1 mm
_COARSE_MM, _FINE_MM = 3.0, 2.0
_COARSE_SAMPLES, _FINE_SAMPLES = 20_000, 12_000


_itk_threads = threading.Lock()


@dataclass(frozen=True)
class Registration:
    """A transform that takes MR points to CT points (world LPS mm), and how far to trust it."""

    transform: sitk.Euler3DTransform
    alignment: Alignment


def register(
    ct: sitk.Image,
    fixed: sitk.Image,
    *,
    fixed_kind: FixedKind = "magnitude",
    init: Init = "auto",
    seed: int = 0,
    starts: int = 3,
    repeats: int = 3,
) -> Registration:
    """Align a CT rigidly to MR.

    Many poses are scored on a coarse grid; the best are refined by Mattes mutual information [1]_ at 3 mm. The winner
    is refined to the end several times, from disturbed poses and other samples: the result is their mean, and their
    scatter says how far to trust it. One thread, seeded samples: equal input gives equal bytes.

    Parameters
    ----------
    ct : SimpleITK.Image
        Moving image, HU.
    fixed : SimpleITK.Image
        Gradient-echo magnitude on the QSM map's grid, or the QSM map (ppm, 0 outside the brain).
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is. A QSM map shows CT little but the outline of the brain: expect 1 to 3 mm, not tenths.
    init : {"auto", "centre"}
        ``"auto"`` trusts the headers to place both in one room, ``"centre"`` starts from the centres of both heads.
    seed : int
        Of samples and disturbances.
    starts : int
        How many coarse poses are refined.
    repeats : int
        Independent repeats, at least 2.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        No overlap of the world boxes with ``init="auto"``, no head in one of the images, or an impossible option.

    References
    ----------
    .. [1] Mattes D et al., PET-CT image registration in the chest using free-form deformations. IEEE Trans Med Imaging
       2003;22:120-128.
    """
    with _one_itk_thread():
        return _register(ct, fixed, fixed_kind, init, seed, starts, repeats)


def _register(
    ct: sitk.Image, fixed: sitk.Image, fixed_kind: FixedKind, init: Init, seed: int, starts: int, repeats: int
) -> Registration:
    if starts < 1 or repeats < 2:
        raise InputError(
            "registration needs one start and two repeats or more", "the options", "raise starts or repeats"
        )
    if init == "auto":
        require_overlap(ct, fixed)
    moving_head, fixed_head = ct_head(ct), mr_head(fixed, fixed_kind)
    points = points_mm(fixed_head.mask, 1000)

    coarse = _Stage(fixed_head, moving_head, _COARSE_MM, _COARSE_SAMPLES)
    found = best_starts(fixed_head, moving_head, keep=starts, from_headers=init == "auto")
    rivals = [start for start, score in found if score - 1 >= _RIVAL * (found[0][1] - 1)]
    refined = [coarse.descend(rival, seed) for rival in rivals]
    nats = np.array([coarse.mutual_information(pose, seed) for pose in refined])
    best = refined[int(nats.argmax())]
    elsewhere = np.array([float(target_error_mm(best, pose, points).max()) > _OTHER_POSE_MM for pose in refined])
    runner_up = float(nats[elsewhere].max() / nats.max()) if elsewhere.any() and nats.max() > 0 else 0.0
    best = _recentred(best, ct, points)

    fine = _Stage(fixed_head, moving_head, _FINE_MM, _FINE_SAMPLES)
    random = np.random.default_rng(seed)
    results = [fine.settle(coarse.descend(_disturbed(best, random), seed + k), seed + k) for k in range(1, repeats + 1)]
    transform = _mean(results)

    moved = moved_mm(transform, points)
    evidence = Evidence(
        displacements_mm=np.array([moved_mm(result, points) - moved for result in results]),
        mutual_information=fine.mutual_information(transform, seed),
        mutual_information_start=fine.mutual_information(_start_pose(fixed_head, moving_head, init), seed),
        overlap_fraction=float(inside_image(ct, moved).mean()),
        turn_deg=float(np.degrees(_rotation(transform).magnitude())),
        runner_up=runner_up,
        fixed_kind=fixed_kind,
    )
    judgement = judge(evidence)
    spread = max(float(target_error_mm(a, b, points).max()) for k, a in enumerate(results) for b in results[:k])
    angles = np.degrees([transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ()])
    alignment = Alignment(
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        rotation_deg=_triple(angles),
        translation_mm=_triple(transform.GetTranslation()),
        centre_mm=_triple(transform.GetCenter()),
        mutual_information=evidence.mutual_information,
        mutual_information_start=evidence.mutual_information_start,
        overlap_fraction=evidence.overlap_fraction,
        start_spread_mm=spread,
        predicted_error_mm=judgement.predicted_error_mm,
        n_repeats=repeats,
        fixed_kind=fixed_kind,
        warnings=judgement.warnings,
    )
    return Registration(transform, alignment)


def resample_ct(
    ct: sitk.Image, fixed: sitk.Image, transform: sitk.Transform, outside_hu: float = AIR_HU, *, spline: bool = False
) -> sitk.Image:
    """CT on the grid of the fixed image, by one interpolation.

    Parameters
    ----------
    ct, fixed : SimpleITK.Image
        Moving image (HU) and the image whose grid is wanted.
    transform : SimpleITK.Transform
        Fixed to moving points.
    outside_hu : float
        Value where the CT has no voxel.
    spline : bool
        Cubic B-spline instead of linear: sharper, but rings at bone.

    Returns
    -------
    SimpleITK.Image
        float32, HU.
    """
    kind = sitk.sitkBSpline if spline else sitk.sitkLinear
    return sitk.Resample(ct, fixed, transform, kind, outside_hu, sitk.sitkFloat32)


@contextmanager
def _one_itk_thread() -> Iterator[None]:
    # Sums over several threads differ in the last bits with their number, and the metric heeds the global one only.
    with _itk_threads:
        threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


class _Stage:
    """Both heads at one resolution, ready for the metric."""

    def __init__(self, fixed: Head, moving: Head, spacing_mm: float, samples: int) -> None:
        self.fixed = shrink(fixed.image, spacing_mm)
        self.moving = shrink(moving.image, spacing_mm)
        self.mask = region_around(fixed, self.fixed)
        self.share = min(1.0, samples / self.fixed.GetNumberOfPixels())

    def _method(self, seed: int) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(_N_BINS)
        method.SetMetricUseMovingImageGradientFilter(False)  # gradients at the samples only, not of the whole image
        method.SetMetricUseFixedImageGradientFilter(False)
        method.SetMetricFixedMask(self.mask)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(self.share, seed + 1)  # 0 would mean the clock
        method.SetInterpolator(sitk.sitkLinear)
        return method

    def _run(self, method: sitk.ImageRegistrationMethod, start: sitk.Euler3DTransform) -> sitk.Euler3DTransform:
        transform = sitk.Euler3DTransform(start)
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(self.fixed, self.moving)
        except RuntimeError:  # it ran out of the CT: the start is as good as this one gets
            return sitk.Euler3DTransform(start)
        return transform

    def descend(self, start: sitk.Euler3DTransform, seed: int) -> sitk.Euler3DTransform:
        """Follow the gradient: quick, but it may stop a little short."""
        method = self._method(seed)
        method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 100, relaxationFactor=0.8)
        method.SetOptimizerScales([_ARM_MM**2] * 3 + [1.0] * 3)
        return self._run(method, start)

    def settle(self, start: sitk.Euler3DTransform, seed: int) -> sitk.Euler3DTransform:
        """Powell's line searches, which reach the top where gradient steps stall on its ridge."""
        method = self._method(seed)
        method.SetOptimizerAsPowell(3, 8, 0.5, 0.005, 3e-4)
        method.SetOptimizerScales([_ARM_MM] * 3 + [1.0] * 3)
        return self._run(method, start)

    def mutual_information(self, transform: sitk.Euler3DTransform, seed: int) -> float:
        """Mutual information in nats; 0 where the images do not overlap enough for the metric."""
        method = self._method(seed)
        method.SetInitialTransform(transform, inPlace=False)
        try:
            return -float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return 0.0


def _disturbed(transform: sitk.Euler3DTransform, random: np.random.Generator) -> sitk.Euler3DTransform:
    turn = Rotation.from_rotvec(np.radians(random.normal(0.0, 1.5, 3)))
    return _euler(
        turn * _rotation(transform),
        np.array(transform.GetTranslation()) + random.normal(0.0, 2.0, 3),
        np.array(transform.GetCenter()),
    )


def _recentred(transform: sitk.Euler3DTransform, ct: sitk.Image, points: NDArray[np.float64]) -> sitk.Euler3DTransform:
    """The same transform, turning about the middle of what both images show: else turns and shifts hide each other."""
    shared = points[inside_image(ct, moved_mm(transform, points))]
    if not len(shared):
        return transform
    centre = shared.mean(axis=0)
    return _euler(_rotation(transform), moved_mm(transform, centre[None])[0] - centre, centre)


def _mean(transforms: list[sitk.Euler3DTransform]) -> sitk.Euler3DTransform:
    rotation = Rotation.concatenate([_rotation(t) for t in transforms]).mean()
    translation = np.mean([t.GetTranslation() for t in transforms], axis=0)
    return _euler(rotation, translation, np.array(transforms[0].GetCenter()))


def _start_pose(fixed: Head, moving: Head, init: Init) -> sitk.Euler3DTransform:
    shift = np.zeros(3) if init == "auto" else moving.centre_mm - fixed.centre_mm
    return _euler(Rotation.identity(), shift, fixed.centre_mm)


def _rotation(transform: sitk.Euler3DTransform) -> Rotation:
    return Rotation.from_matrix(np.array(transform.GetMatrix()).reshape(3, 3))


def _euler(
    rotation: Rotation, translation_mm: NDArray[np.float64], centre_mm: NDArray[np.float64]
) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre_mm.tolist())
    transform.SetMatrix(rotation.as_matrix().ravel().tolist())
    transform.SetTranslation(translation_mm.tolist())
    return transform


def _triple(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
