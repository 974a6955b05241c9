"""Phantoms whose layout nobody printed: compartments found by their own contrast and named in order of value."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.blobs import peaks
from phantomcal.phantom.finding.candidates import Slabs, expected_values, prepare, slab_blobs
from phantomcal.phantom.finding.frame import dominant_axis, image_frame
from phantomcal.protocol import Protocol
from phantomcal.results import Modality

Array = NDArray[np.float64]
_THRESHOLD = 0.5
_CLEAR = 0.3  # the strongest disc too many must have less than this share of the weakest vial's contrast


def placed_by_value(
    image: sitk.Image, protocol: Protocol, modality: Modality, *, where: str = "the image", axis: int | None = None
) -> tuple[Protocol, int]:
    """A copy of the protocol with the places the vials have in this image.

    As many discs as there are vials are taken by contrast, and ranked by it: the order of the line is built in, its
    slope and scatter are not.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D volume in HU or ppm.
    protocol : Protocol
        Without a layout; one material, no blank.
    modality : {"ct", "qsm"}
    where : str
        Name of the image in messages.
    axis : int, optional
        Index axis the vials run along.

    Returns
    -------
    placed : Protocol
        With x_mm and y_mm in the image's frame.
    axis : int
        Index axis the vials run along.

    Raises
    ------
    InputError
        The protocol cannot be ranked, or the image does not show exactly as many discs.
    """
    n = len(protocol.vials)
    expected = expected_values(protocol, modality)
    if len({protocol.series_of(v) for v in protocol.vials}) > 1 or not np.all(np.isfinite(expected)) or 0.0 in expected:
        raise InputError(
            "without a layout only one material with a known slope and no blank can be ranked by value",
            protocol.name,
            "add x_mm and y_mm to each vial",
        )
    along = (
        axis if axis is not None else dominant_axis(image, *((-1000.0, 1000.0) if modality == "ct" else (-1.5, 1.5)))
    )
    slabs = prepare(image, image_frame(image, along), protocol, modality)
    maps = [slab_blobs(slabs, int(centre)) for centre in slabs.centres_px]
    places, contrast = max(
        (_discs(m.contrast, m.visibility, slabs, n) for m in maps),
        key=lambda found: (min(len(found[0]), n), float(np.sum(np.abs(found[1][:n])))),
    )
    sign = np.sign(expected[0])
    if len(places) < n or np.any(np.sign(contrast[:n]) != sign):
        seen = int(np.sum(np.sign(contrast) == sign))
        raise InputError(
            f"{seen} discs of {protocol.geometry.vial_radius_mm:g} mm radius stand out "
            f"where {protocol.name!r} has {n} vials",
            where,
            "check the protocol and the scan, or add x_mm and y_mm to a copy of the protocol",
        )
    if len(places) > n and abs(contrast[n]) > _CLEAR * abs(contrast[n - 1]):
        raise InputError(
            f"more than {n} discs stand out, so the vials of {protocol.name!r} cannot be told from the rest",
            where,
            "add x_mm and y_mm to a copy of the protocol",
        )
    order = np.argsort(np.abs(contrast[:n]), kind="stable")
    rank = np.argsort(np.argsort(np.abs(expected), kind="stable"), kind="stable")
    vials = [
        vial.model_copy(update={"x_mm": float(places[order[k]][0]), "y_mm": float(places[order[k]][1])})
        for vial, k in zip(protocol.vials, rank, strict=True)
    ]
    return protocol.model_copy(update={"vials": vials}), along


def _discs(contrast: NDArray[np.float32], visibility: NDArray[np.float32], slabs: Slabs, n: int) -> tuple[Array, Array]:
    """Places (mm) and contrast of the discs of a slab, strongest first."""
    top = peaks(visibility, slabs.radius_mm / slabs.spacing_mm, 4 * n, _THRESHOLD)
    strength = contrast[top[:, 0], top[:, 1]].astype(np.float64)
    order = np.argsort(-np.abs(strength), kind="stable")
    return slabs.start_mm[:2] + top[order][:, ::-1] * slabs.spacing_mm, strength[order]
