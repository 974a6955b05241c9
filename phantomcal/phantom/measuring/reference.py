"""What the zero of a susceptibility map is: nothing, the water vials, or the phantom's body."""

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.locate import Located
from phantomcal.phantom.fitting.lines import number
from phantomcal.protocol import Protocol
from phantomcal.results import VialMeasurement

Array = NDArray[np.float64]
_CLEAR_MM = 3.0  # from vials and from the body's edge
_SECTORS, _LAYERS = 8, 3
_LEAST_BLOCK = 20


def refer(
    measured: list[VialMeasurement], protocol: Protocol, image: sitk.Image, located: Located, where: str
) -> tuple[list[VialMeasurement], dict[str, Any], str]:
    """Susceptibilities relative to what the protocol names as reference.

    Parameters
    ----------
    measured : list of VialMeasurement
        Of a QSM map, ppm.
    protocol : Protocol
    image : SimpleITK.Image
        The map.
    located : Located
        Where its vials are.
    where : str
        Name of the map in messages.

    Returns
    -------
    measured : list of VialMeasurement
        With the reference value taken off values and backgrounds.
    record : dict
        ``reference``, and when something was subtracted ``reference_value_ppm``,
        ``reference_standard_error_ppm`` and ``reference_from``, as the consensus asks (10.1002/mrm.30006).
    note : str
        The same in words; empty when nothing was subtracted.

    Raises
    ------
    InputError
        No sound water vial, or no body between the vials.
    """
    if protocol.reference == "none":
        return measured, {"reference": "none", "reference_value_ppm": None, "reference_standard_error_ppm": None}, ""
    if protocol.reference == "water":
        zero, error, origin = _water(measured, protocol)
    else:
        zero, error, origin = _body(image, located, protocol, where)
    referred = [
        v.model_copy(
            update={"value": v.value - zero, "background": None if v.background is None else v.background - zero}
        )
        for v in measured
    ]
    record = {
        "reference": protocol.reference,
        "reference_value_ppm": zero,
        "reference_standard_error_ppm": error,
        "reference_from": origin,
    }
    return referred, record, f"qsm: {number(zero)} ± {number(error)} ppm, {origin}, was subtracted"


def _water(measured: list[VialMeasurement], protocol: Protocol) -> tuple[float, float, str]:
    blanks = [v for v in measured if v.abscissa == 0 and protocol.is_concentration]
    if not blanks:
        raise InputError(
            "reference 'water' needs a vial of concentration 0", protocol.name, "add one, or use reference: none"
        )
    sound = [v for v in blanks if v.used]
    if not sound:
        raise InputError(
            f"no water vial can be used ({blanks[0].vial_id}: {blanks[0].flag})",
            protocol.name,
            "refill it, or use reference: none or phantom in a copy of the protocol",
        )
    values = np.array([v.value for v in sound])
    noise = np.array([v.sem or 0.0 for v in sound])
    error = float(np.sqrt((noise**2).sum()) / len(sound))
    if len(sound) > 1:  # what water vials differ by is more than their noise
        error = max(error, float(values.std(ddof=1) / np.sqrt(len(sound))))
    return float(values.mean()), error, f"the mean of the water vials {', '.join(v.vial_id for v in sound)}"


def _body(image: sitk.Image, located: Located, protocol: Protocol, where: str) -> tuple[float, float, str]:
    """Median of the body between the vials.

    Noise and streaks of a map reach over centimetres, so voxels say nothing about the error of the median: medians of
    sectors and layers of the body do.
    """
    values, place = _frame_places(image, located)
    low, high = located.along_mm
    inside = (place[:, 2] >= low) & (place[:, 2] <= high) & (values != 0)
    middle = located.centres_mm.mean(axis=0)
    reach = max(
        float(np.hypot(*(c - middle))) + protocol.radius_of(v)
        for v, c in zip(protocol.vials, located.centres_mm, strict=True)
    )
    radius = max((protocol.geometry.body_radius_mm or reach + 2 * _CLEAR_MM) - _CLEAR_MM, reach)
    away = place[:, :2] - middle
    inside &= np.hypot(away[:, 0], away[:, 1]) < radius
    for vial, centre in zip(protocol.vials, located.centres_mm, strict=True):
        off = place[:, :2] - centre
        inside &= np.hypot(off[:, 0], off[:, 1]) > protocol.radius_of(vial) + _CLEAR_MM
    if inside.sum() < _SECTORS * _LEAST_BLOCK:
        raise InputError(
            "no phantom body between the vials to refer to", where, "use reference: water or none in the protocol"
        )
    sector = np.floor((np.arctan2(away[inside, 1], away[inside, 0]) + np.pi) / (2 * np.pi) * _SECTORS) % _SECTORS
    layer = np.minimum(np.floor((place[inside, 2] - low) / max(high - low, 1e-6) * _LAYERS), _LAYERS - 1)
    block = (sector + _SECTORS * layer).astype(int)
    chosen = values[inside]
    medians = [float(np.median(chosen[block == b])) for b in np.unique(block) if (block == b).sum() >= _LEAST_BLOCK]
    error = float(np.std(medians, ddof=1) / np.sqrt(len(medians))) if len(medians) > 1 else float("nan")
    return float(np.median(chosen)), error, f"the median of the phantom's body without its vials ({chosen.size} voxels)"


def _frame_places(image: sitk.Image, located: Located) -> tuple[Array, Array]:
    """Values and frame coordinates of all voxels, thinned to about two millimetres."""
    spacing = np.array(image.GetSpacing())
    step = np.maximum(1, np.round(2.0 / spacing).astype(int))
    array = sitk.GetArrayViewFromImage(image)[:: step[2], :: step[1], :: step[0]]
    k, j, i = np.meshgrid(*(np.arange(n) * s for n, s in zip(array.shape, step[::-1], strict=True)), indexing="ij")
    index = np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1).astype(np.float64)
    matrix = np.array(image.GetDirection()).reshape(3, 3) * spacing
    world = index @ matrix.T + np.array(image.GetOrigin())
    return array.ravel().astype(np.float64), located.frame.from_world(world)
