"""What do lesions of a label map read in CT and QSM, and what does the tissue around each?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.correlation.regions import sample_regions
from phantomcal.errors import InputError
from phantomcal.registration.resample import on_grid_of

NEAR_MM, FAR_MM = 2.0, 5.0
_LEAST_AROUND = 20
_ADDED = {"ct_background_hu": "ct_hu", "qsm_background_ppm": "qsm_ppm"}


def measure_lesions(
    labels: sitk.Image,
    *,
    ct: sitk.Image | None = None,
    qsm: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
    names: Mapping[int, str] | None = None,
    subject_id: str = "",
) -> pd.DataFrame:
    """The lesion table of a label map: each label is a lesion.

    Means, spreads and standard errors are those of `phantomcal.correlation.regions.sample_regions`, so that the noise
    that voxels share is allowed for.

    Parameters
    ----------
    labels : SimpleITK.Image
        3-D, whole numbers, 0 is background; on the grid of `qsm` when there is one.
    ct, qsm : SimpleITK.Image, optional
        HU on any grid, and ppm.
    transform : SimpleITK.Transform, optional
        Points of the label space to points of the CT.
    names : mapping of int to str, optional
        Of the lesions; else their number.
    subject_id : str

    Returns
    -------
    pandas.DataFrame
        The columns of a lesion table, and ``ct_background_hu, qsm_background_ppm``: means of a shell 2 to 5 mm from the
        lesion, other lesions left out; empty where fewer than 20 voxels of it were measured.
        ``attrs["warnings"]`` as of `sample_regions`.

    Raises
    ------
    InputError
        As of `sample_regions`; more than 5000 labels.
    """
    # `sample_regions` judges the labels; here only their number matters.
    lesions = sample_regions(labels, ct=ct, qsm=qsm, transform=transform)
    if len(lesions) > 5000:
        raise InputError(
            f"{len(lesions)} labels are no lesions", "the label map", "give each lesion a label of its own"
        )
    shells = surroundings(labels)
    around = None
    if sitk.GetArrayViewFromImage(shells).any():
        try:
            around = sample_regions(shells, ct=ct, qsm=qsm, transform=transform, errors=False)
        except InputError:
            around = None  # nothing around was measured: the table says so by empty cells
    found = pd.DataFrame({"lesion_id": [(names or {}).get(int(k), str(k)) for k in lesions["label"]]})
    if subject_id:
        found.insert(0, "subject_id", subject_id)
    kept = ["label", "n_voxels", "ct_hu", "ct_sd_hu", "qsm_ppm", "qsm_sd_ppm", "ct_sem_hu", "qsm_sem_ppm", "volume_mm3"]
    kept += ["ct_n_effective", "qsm_n_effective", "ct_coverage", "flag", "note"]
    found = pd.concat([found, lesions[kept]], axis=1)
    for name, column in _ADDED.items():
        found[name] = np.nan
        if around is not None:
            enough = around["n_voxels"] >= _LEAST_AROUND
            found[name] = found["label"].map(around.loc[enough].set_index("label")[column])
    if ct is None:
        found = found.drop(columns=[c for c in found.columns if c.startswith("ct_")])
    if qsm is None:
        found = found.drop(columns=[c for c in found.columns if c.startswith("qsm_")])
    found.attrs["warnings"] = [w.replace("label-", "lesion ") for w in lesions.attrs["warnings"]]
    return found


def surroundings(labels: sitk.Image) -> sitk.Image:
    """A shell of tissue around each lesion, under the lesion's label; a voxel between two belongs to the nearer.

    Parameters
    ----------
    labels : SimpleITK.Image

    Returns
    -------
    SimpleITK.Image
        Of the same grid and type.
    """
    array = sitk.GetArrayViewFromImage(labels)
    shell = np.zeros_like(array)
    spacing = labels.GetSpacing()[::-1]
    reach = [int(np.ceil(FAR_MM / s)) + 1 for s in spacing]
    filled = array != 0
    if filled.any():
        # Only the box of all lesions is searched: of one small lesion in a head that is a thousandth.
        box = tuple(
            slice(max(0, int(on[0]) - r), int(on[-1]) + 1 + r)
            for on, r in zip(
                (np.flatnonzero(filled.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))), reach, strict=True
            )
        )
        distance, nearest = ndimage.distance_transform_edt(~filled[box], sampling=spacing, return_indices=True)
        inside = (distance > NEAR_MM) & (distance <= FAR_MM)
        shell[box][inside] = array[box][tuple(axis[inside] for axis in nearest)]
    image = sitk.GetImageFromArray(shell)
    image.CopyInformation(labels)
    return image


def ct_on(ct: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None) -> NDArray[np.float64]:
    """HU on another grid (z, y, x), NaN where the CT has none."""
    found = on_grid_of(ct, grid, transform or sitk.Transform(3, sitk.sitkIdentity), outside=float("nan"))
    return np.asarray(sitk.GetArrayViewFromImage(found.image), dtype=np.float64)
