"""A later MR session aligned rigidly to the first one of the same person."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from phantomcal.errors import InputError

_LEAST_AGREEMENT = 0.5
_LEAST_OVERLAP = 0.5
_TURNED_DEG = 30.0
_STARTS = ("headers", "centres")
_SAMPLES = (8_000, 15_000, 30_000)  # at each resolution


@dataclass(frozen=True)
class SessionAlignment:
    """Where a later session lies.

    Attributes
    ----------
    transform : SimpleITK.Euler3DTransform
        Takes points of the first session to points of the later one (world LPS mm).
    agreement : float
        Correlation of the two images inside the first one's head after alignment.
    agreement_before : float
        As the headers place them.
    overlap : float
        Share of the first one's head that the later one covers.
    moved_mm : float
        Root mean square way of the head's points.
    note : str
        Why it is not to be trusted; empty when it is.
    """

    transform: sitk.Euler3DTransform
    agreement: float
    agreement_before: float
    overlap: float
    moved_mm: float
    note: str


def align_session(first: sitk.Image, later: sitk.Image, *, what: str = "the session") -> SessionAlignment:
    """Align two images of one contrast and one person.

    Correlation as metric, gradient descent over three resolutions, from the headers' pose and from that of both centres
    of mass; the better end counts. All voxels of a regular grid are used and one thread, so that equal input gives
    equal bytes.

    Parameters
    ----------
    first, later : SimpleITK.Image
        Both magnitude images, or both susceptibility maps.
    what : str
        For messages.

    Returns
    -------
    SessionAlignment

    Raises
    ------
    InputError
        Nothing in one of the images.
    """
    fixed, moving = sitk.Cast(first, sitk.sitkFloat32), sitk.Cast(later, sitk.sitkFloat32)
    head = _head(fixed, what)
    identity = sitk.Euler3DTransform()
    identity.SetCenter(_centre(fixed, head))
    starts = [identity]
    centred = sitk.Euler3DTransform(identity)
    shift = np.subtract(_centre(moving, _head(moving, what)), identity.GetCenter())
    centred.SetTranslation(shift.tolist())
    if np.linalg.norm(shift) > 2:
        starts.append(centred)
    ends = [_descended(fixed, moving, head, start) for start in starts]
    scored = [(_agreement(fixed, moving, head, t), t) for t in ends]
    (agreement, overlap), best = max(scored, key=lambda s: s[0][0] * (s[0][1] > _LEAST_OVERLAP))
    before, _ = _agreement(fixed, moving, head, identity)
    moved = _moved(best, head)
    angle = np.degrees(np.arccos(np.clip((np.trace(np.reshape(best.GetMatrix(), (3, 3))) - 1) / 2, -1, 1)))
    reasons = []
    if agreement < _LEAST_AGREEMENT:
        reasons.append(f"the images agree little (r = {agreement:.2f})")
    if overlap < _LEAST_OVERLAP:
        reasons.append(f"only {100 * overlap:.0f} % of the head is covered")
    if angle > _TURNED_DEG:
        reasons.append(f"a turn of {angle:.0f} degrees is unusual between two scans of one head")
    return SessionAlignment(best, agreement, before, overlap, moved, "; ".join(reasons))


def _head(image: sitk.Image, what: str) -> sitk.Image:
    """Where there is signal: above Otsu's threshold for magnitudes, not zero for maps."""
    values = sitk.GetArrayViewFromImage(image)
    if not np.ptp(values) > 0:
        raise InputError("an image without contrast", what, "check the file")
    background = float((values == 0).mean())
    masked = values.min() < 0 or background > 0.2  # a map, or a skull-stripped magnitude
    mask = sitk.NotEqual(image, 0.0) if masked else sitk.OtsuThreshold(image, 0, 1)
    return sitk.BinaryMorphologicalClosing(sitk.Cast(mask, sitk.sitkUInt8), [2, 2, 2])


def _centre(image: sitk.Image, head: sitk.Image) -> tuple[float, ...]:
    index = np.argwhere(sitk.GetArrayViewFromImage(head) > 0).mean(axis=0)[::-1]
    return tuple(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _descended(
    fixed: sitk.Image, moving: sitk.Image, head: sitk.Image, start: sitk.Euler3DTransform
) -> sitk.Euler3DTransform:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(head)
    voxels = int((sitk.GetArrayViewFromImage(head) > 0).sum())
    shares = [min(1.0, samples / max(voxels, 1)) for samples in _SAMPLES]
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel(shares, seed=1)  # without a seed the clock would move the grid
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        2.0, 2e-3, 100, relaxationFactor=0.5, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    small = min(fixed.GetSize()) < 48
    method.SetShrinkFactorsPerLevel([2, 1, 1] if small else [4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(sitk.Euler3DTransform(start), inPlace=False)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError:  # all samples outside the other image: no way leads on from here
        return start
    return sitk.Euler3DTransform(found.GetBackTransform() if isinstance(found, sitk.CompositeTransform) else found)


def _agreement(
    fixed: sitk.Image, moving: sitk.Image, head: sitk.Image, transform: sitk.Transform
) -> tuple[float, float]:
    outside = float(sitk.GetArrayViewFromImage(moving).min()) - 1.0
    there = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, outside))
    inside = sitk.GetArrayViewFromImage(head) > 0
    seen = inside & (there >= outside + 0.5)
    overlap = float(seen.sum() / inside.sum())
    a, b = sitk.GetArrayViewFromImage(fixed)[seen].astype(np.float64), there[seen].astype(np.float64)
    if a.size < 10 or a.std() == 0 or b.std() == 0:
        return 0.0, overlap
    return float(np.corrcoef(a, b)[0, 1]), overlap


def _moved(transform: sitk.Euler3DTransform, head: sitk.Image) -> float:
    index = np.argwhere(sitk.GetArrayViewFromImage(head) > 0)[:, ::-1].astype(np.float64)
    direction = np.reshape(head.GetDirection(), (3, 3)) * np.array(head.GetSpacing())
    points = index @ direction.T + np.array(head.GetOrigin())
    centre = np.array(transform.GetCenter())
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    there = (points - centre) @ matrix.T + centre + np.array(transform.GetTranslation())
    return float(np.sqrt(((there - points) ** 2).sum(axis=1).mean()))
