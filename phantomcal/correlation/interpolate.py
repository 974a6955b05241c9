"""What does an image on another grid read at the voxels of a label map? One linear interpolation, and only there."""

import numpy as np
import SimpleITK as sitk

from phantomcal.correlation.labels import FloatArray, Voxels


def values_on(
    image: sitk.Image,
    labels: sitk.Image,
    voxels: Voxels,
    transform: sitk.Transform | None,
    invalid: float | None = None,
) -> FloatArray:
    """Values of `image` at the places of voxels of another grid.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D, one value a voxel.
    labels : SimpleITK.Image
        The grid the voxels count in.
    voxels : Voxels
    transform : SimpleITK.Transform, optional
        Maps points of `labels` to points of `image`; none is the identity.
    invalid : float, optional
        Voxels of `image` with this value were not measured, and nothing is interpolated from them.

    Returns
    -------
    ndarray, shape (n,)
        float64, NaN outside the image.
    """
    from phantomcal.correlation.kernels import gather, sample_linear

    out = np.empty(voxels.flat.size)
    if transform is not None and not transform.IsLinear():
        gather(_resampled(image, labels, transform).reshape(-1), voxels.flat, out)
        return out
    array = sitk.GetArrayViewFromImage(image)
    if array.dtype not in (np.float32, np.float64) or invalid is not None:
        array = array.astype(np.float64)
    if invalid is not None:
        array[array == invalid] = np.nan
    matrix, offset = _index_map(image, labels, transform)
    sample_linear(array, voxels.flat, np.array(voxels.shape, np.int64), matrix, offset, out)
    return out


def _index_map(
    image: sitk.Image, labels: sitk.Image, transform: sitk.Transform | None
) -> tuple[FloatArray, FloatArray]:
    """The affine map from an index (x, y, z) of the labels to a continuous index of the image."""
    size = np.array(labels.GetSize())
    # Far apart, so that rounding in the points does not matter.
    reach = np.maximum(size, 2).astype(float)
    corners = np.vstack([np.zeros(3), np.diag(reach)])
    points = [labels.TransformContinuousIndexToPhysicalPoint(c.tolist()) for c in corners]
    if transform is not None:
        points = [transform.TransformPoint(p) for p in points]
    found = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in points])
    matrix = (found[1:] - found[0]).T / reach
    # Grids that agree but for rounding must not lose their outermost voxels to it.
    return np.ascontiguousarray(np.round(matrix, 12)), np.round(found[0], 9)


def _resampled(image: sitk.Image, labels: sitk.Image, transform: sitk.Transform) -> FloatArray:
    sampled = sitk.Resample(image, labels, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat64)
    return np.asarray(sitk.GetArrayViewFromImage(sampled), dtype=np.float64)
