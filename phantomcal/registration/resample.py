"""Each image in the other's space, by one interpolation, with what lies outside the field of view marked."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError

Interpolation = Literal["linear", "bspline", "nearest"]

_KINDS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline, "nearest": sitk.sitkNearestNeighbor}


@dataclass(frozen=True)
class Resampled:
    """An image on another grid.

    Attributes
    ----------
    image : SimpleITK.Image
        float32; where the source has no voxel, the value that marks it.
    inside : ndarray of bool, shape (z, y, x)
        Where the source has a voxel.
    """

    image: sitk.Image
    inside: NDArray[np.bool_]

    @property
    def outside_share(self) -> float:
        """Share of the voxels where the source has none."""
        return float(1.0 - self.inside.mean())

    def mask(self) -> sitk.Image:
        """1 where the source has a voxel, else 0; uint8."""
        mask = sitk.GetImageFromArray(self.inside.astype(np.uint8))
        mask.CopyInformation(self.image)
        return mask


def on_grid_of(
    image: sitk.Image,
    grid: sitk.Image,
    transform: sitk.Transform,
    *,
    interpolation: Interpolation = "linear",
    outside: float,
) -> Resampled:
    """Resample an image once.

    Parameters
    ----------
    image, grid : SimpleITK.Image
        What is wanted, and where.
    transform : SimpleITK.Transform
        Points of `grid` to points of `image`.
    interpolation : {"linear", "bspline", "nearest"}
        Linear neither rings nor invents values; cubic B-spline is sharper but overshoots at bone.
    outside : float
        Value where `image` has no voxel.

    Returns
    -------
    Resampled

    Raises
    ------
    InputError
        If the interpolation is unknown.
    """
    if interpolation not in _KINDS:
        raise InputError(
            f"unknown interpolation {interpolation!r}", "", f"use {', '.join(get_args(Interpolation)[:-1])} or nearest"
        )
    found = sitk.Resample(image, grid, transform, _KINDS[interpolation], float("nan"), sitk.sitkFloat32)
    values: NDArray[np.float32] = sitk.GetArrayFromImage(found)
    inside = ~np.isnan(values)
    values[~inside] = outside
    filled = sitk.GetImageFromArray(values)
    filled.CopyInformation(found)
    return Resampled(filled, inside)
