"""What is subtracted from susceptibilities, which are only known up to a constant?"""

import difflib

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from phantomcal.correlation.labels import BoolArray, Voxels
from phantomcal.correlation.lookup import without_side
from phantomcal.correlation.naming import MOST_NAMES, Regions
from phantomcal.correlation.sampling import NO_REFERENCE, WHOLE_BRAIN, Sampling
from phantomcal.correlation.spread import spread
from phantomcal.errors import InputError


def reference_of(
    regions: Regions,
    voxels: Voxels,
    ppm: npt.NDArray[np.floating] | None,
    qsm: sitk.Image,
    mask: sitk.Image | None,
    how: Sampling,
) -> tuple[tuple[float, float], BoolArray]:
    """Mean and standard error of the reference, and which rows of the table it is."""
    if how.reference.casefold() == WHOLE_BRAIN:
        volume = sitk.GetArrayViewFromImage(qsm)
        measured = volume != 0 if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        flat = np.flatnonzero(np.isfinite(volume) & measured).astype(voxels.flat.dtype)
        depth, height, width = volume.shape
        pooled = Voxels(flat, np.array([0, flat.size]), (depth, height, width))
        values, members = volume.reshape(-1)[flat], np.zeros(len(regions.names), dtype=np.bool_)
    else:
        members = _reference_rows(regions, how.reference)
        chosen = np.repeat(members, voxels.counts)
        flat = voxels.flat[chosen]
        if ppm is None or not flat.size:
            raise InputError(
                f"nothing is left of the reference region {how.reference!r}", "the label map", "choose another one"
            )
        order = np.argsort(flat, kind="stable")  # both sides of a reference are one region
        pooled, values = Voxels(flat[order], np.array([0, flat.size]), voxels.shape), ppm[chosen][order]
    found = spread(values, pooled, trim_percent=how.trim_percent)
    return (float(found.mean[0]), float(found.sem[0])), members


def referenced(frame: pd.DataFrame, value: float, sem: float, members: BoolArray) -> pd.DataFrame:
    """The table with the reference's mean taken off every susceptibility, and both recorded."""
    spreads = ("qsm_sd_ppm", "qsm_sem_ppm", "qsm_reference_ppm", "qsm_reference_sem_ppm")
    for name in [c for c in frame.columns if c.startswith("qsm_") and c.endswith("_ppm") and c not in spreads]:
        frame[name] = frame[name] - value
    frame["qsm_sem_ppm"] = np.hypot(frame["qsm_sem_ppm"], sem)
    frame["qsm_reference_ppm"], frame["qsm_reference_sem_ppm"] = value, sem
    # Its own mean is nothing by construction, which is no measurement.
    if members.sum() == 1:
        frame.loc[members, "qsm_sem_ppm"] = np.nan
    frame.loc[members, "note"] = [
        "; ".join(part for part in (note, "it is the reference of the susceptibilities") if part)
        for note in frame.loc[members, "note"]
    ]
    return frame


def _reference_rows(regions: Regions, reference: str) -> BoolArray:
    wanted = reference.strip().casefold()
    members = np.array([name.casefold() == wanted for name in regions.names])
    if not members.any():  # both sides of it
        members = np.array([without_side(name).casefold() == wanted for name in regions.names])
    if not members.any():
        near = difflib.get_close_matches(reference, regions.names, n=3, cutoff=0.4) or regions.names[:MOST_NAMES]
        raise InputError(
            f"no reference region {reference!r}",
            "the label map",
            f"give --reference {WHOLE_BRAIN}, {NO_REFERENCE} or a region's name, such as {', '.join(near)}",
        )
    return members
