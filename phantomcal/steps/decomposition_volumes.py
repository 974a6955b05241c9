"""CT, map and lesions of a decomposition on one grid, and the maps written."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.lesions.maps import Maps
from phantomcal.lesions.template import Sharpness
from phantomcal.lesions.totals import sharpness_of
from phantomcal.outputs import input_file
from phantomcal.results import InputFile
from phantomcal.volumes import (
    Volume,
    describe_grid,
    read_labels,
    read_magnitude,
    same_grid,
    world_box_mm,
)

if TYPE_CHECKING:
    from phantomcal.steps.decomposition_scans import Scans

_LEAST_OVERLAP = 0.5
_MASKED_SHARE = (0.1, 0.95)
# Bits of the mantissa that are kept: amounts to a part in 4000, errors to one in 250. Noise beyond does not compress.
_KEPT_BITS = {"concentration": 11, "low": 11, "high": 11, "unconstrained": 11, "standard_error": 7}
_PROBABILITY_STEPS = 200


@dataclass
class Together:
    """Both images on the map's grid.

    Attributes
    ----------
    hu : ndarray of float32, shape (z, y, x)
        NaN outside the CT.
    ppm : ndarray of float32
    usable : ndarray of bool
    qsm : Volume
    labels : ndarray of int or None
    names : dict of int to str
    sharpness : Sharpness
    alignment : str
    inputs : list of InputFile
    warnings : list of str
    """

    hu: NDArray[np.float32]
    ppm: NDArray[np.float32]
    usable: NDArray[np.bool_]
    qsm: Volume
    labels: NDArray[Any] | None
    names: dict[int, str]
    sharpness: Sharpness
    alignment: str
    inputs: list[InputFile]
    warnings: list[str] = field(default_factory=list)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size (x, y, z)."""
        x, y, z = self.qsm.image.GetSpacing()
        return float(x), float(y), float(z)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(math.prod(self.spacing_mm))

    def world(self, index: tuple[int, int, int]) -> tuple[float, float, float]:
        """World LPS position of a voxel, mm."""
        x, y, z = self.qsm.image.TransformIndexToPhysicalPoint(index)
        return round(float(x), 3), round(float(y), 3), round(float(z), 3)

    def hu_image(self) -> sitk.Image:
        """The CT on the map's grid as an image."""
        image = sitk.GetImageFromArray(self.hu)
        image.CopyInformation(self.qsm.image)
        return image


def bring_together(scans: "Scans", ct: Volume, qsm: Volume) -> Together:
    """Bring the CT onto the map's grid, and read what belongs to it.

    CT voxels much smaller than the map's are averaged first, in whole blocks, which lowers their noise; then one linear
    interpolation.

    Raises
    ------
    InputError
        Unreadable or wrong files, options that contradict each other, images that do not lie together.
    """
    inputs, warnings = [ct.source, qsm.source], [*ct.notes, *qsm.notes]
    transform, alignment, more, told = _transform(scans, ct, qsm)
    inputs += more
    warnings += told
    small, factors = _averaged(ct.image, qsm.image)
    found = sitk.Resample(small, qsm.image, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
    hu = sitk.GetArrayFromImage(found)
    ppm = sitk.GetArrayFromImage(qsm.image)
    usable = np.isfinite(hu)
    if not usable.any():
        raise InputError(
            "CT and map do not overlap",
            f"the CT ({describe_grid(ct.image)}) and the map ({describe_grid(qsm.image)})",
            "align them with `phantomcal register` and give its ct_to_mr.tfm with --transform",
        )
    covered = float(usable.mean())
    if scans.mask is not None:
        mask = read_labels(scans.mask)
        _require_grid(mask.image, qsm.image, mask.source.name)
        inputs.append(mask.source.model_copy(update={"role": "mask"}))
        usable &= sitk.GetArrayViewFromImage(mask.image) != 0
    else:
        usable &= ~_outside_map(ppm)
    if not usable.any():
        raise InputError("no voxel has both readings", "CT, map and mask", "check that they belong together")
    if covered < 0.98:
        warnings.append(f"the CT covers {covered:.0%} of the map: nothing is said about the rest")
    if max(factors) > 1:
        alignment += f"; CT averaged over {' x '.join(str(f) for f in factors)} voxels first"
    labels: NDArray[Any] | None = None
    names: dict[int, str] = {}
    if scans.lesions is not None:
        labels, names, source = _lesions(scans, qsm)
        inputs += source
    sharp = _sharpness(small, qsm.image, transform)
    return Together(hu, ppm, usable, qsm, labels, names, sharp, alignment, inputs, warnings)


def _transform(scans: "Scans", ct: Volume, qsm: Volume) -> tuple[sitk.Transform, str, list[InputFile], list[str]]:
    """Map points to CT points, how it was found, its inputs and what must be said."""
    identity = sitk.Transform(3, sitk.sitkIdentity)
    if scans.register:
        return _registered(scans, ct, qsm)
    if scans.transform == "identity":
        return identity, "identity, as said", [], []
    if scans.transform is not None:
        from phantomcal.registration.transforms import read_rigid

        path = Path(scans.transform)
        given = read_rigid(path, ct.image, qsm.image)
        return given.transform, f"transform {path.name}", [input_file("transform", path)], list(given.notes)
    if same_grid(ct.image, qsm.image):
        return identity, "CT and map have one grid", [], []
    low, high = world_box_mm(qsm.image)
    ct_low, ct_high = world_box_mm(ct.image)
    overlap = float(np.prod(np.clip(np.minimum(high, ct_high) - np.maximum(low, ct_low), 0, None) / (high - low)))
    if overlap < _LEAST_OVERLAP:
        raise InputError(
            f"CT and map lie in different places: {overlap:.0%} of the map is inside the CT",
            f"the CT ({describe_grid(ct.image)}) and the map ({describe_grid(qsm.image)})",
            "align them with `phantomcal register` and give its ct_to_mr.tfm with --transform, or add --register",
        )
    return (
        identity,
        "positions of the headers",
        [],
        [
            "no transform was given: CT and map are taken to lie where their headers say. A patient who moved between "
            "the scanners is not aligned by that; give --transform, or --transform identity to say that it is right"
        ],
    )


def _registered(scans: "Scans", ct: Volume, qsm: Volume) -> tuple[sitk.Transform, str, list[InputFile], list[str]]:
    from phantomcal.registration.align import align

    inputs = []
    fixed, kind = qsm.image, "qsm"
    if scans.magnitude is not None:
        magnitude = read_magnitude(scans.magnitude)
        fixed, kind = magnitude.image, "magnitude"
        inputs.append(magnitude.source)
    found = align(ct.image, fixed, fixed_kind=kind)  # type: ignore[arg-type]
    verdict = found.alignment.verdict
    told = []
    if verdict != "pass":
        why = "; ".join(found.alignment.reasons) or "its quality is in doubt"
        told.append(f"the alignment calls for a look ({verdict}): {why}")
    error = found.alignment.predicted_error_mm
    words = f"aligned here by the {kind} ({verdict}" + (f", predicted error {error:.2g} mm)" if error else ")")
    return found.transform, words, inputs, told


def _averaged(ct: sitk.Image, grid: sitk.Image) -> tuple[sitk.Image, list[int]]:
    """The CT averaged over whole blocks of voxels that still are no larger than the map's."""
    finest = min(grid.GetSpacing())
    factors = [max(1, int(finest / s + 0.05)) for s in ct.GetSpacing()]
    return (ct, factors) if max(factors) == 1 else (sitk.BinShrink(ct, factors), factors)


def _outside_map(ppm: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The zero background that masking a map leaves; a map that is 0 nearly everywhere was drawn, not masked."""
    zero = ppm == 0
    low, high = _MASKED_SHARE
    return zero if low < float(zero.mean()) < high else np.zeros_like(zero)


def _sharpness(ct: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> Sharpness:
    from phantomcal.registration.transforms import matrix_of

    turn = np.asarray(matrix_of(transform))[:3, :3]
    map_axes = np.array(grid.GetDirection()).reshape(3, 3)
    ct_axes = np.array(ct.GetDirection()).reshape(3, 3)
    x, y, z = ct.GetSpacing()
    a, b, c = grid.GetSpacing()
    return sharpness_of((x, y, z), map_axes.T @ turn.T @ ct_axes, (a, b, c))


def _require_grid(image: sitk.Image, grid: sitk.Image, where: str) -> None:
    if not same_grid(image, grid):
        raise InputError(
            "another grid than the map's",
            f"{where} ({describe_grid(image)}), the map ({describe_grid(grid)})",
            "resample it onto the map with nearest-neighbour interpolation",
        )


def _lesions(scans: "Scans", qsm: Volume) -> tuple[NDArray[Any], dict[int, str], list[InputFile]]:
    assert scans.lesions is not None
    found = read_labels(scans.lesions)
    _require_grid(found.image, qsm.image, found.source.name)
    names = dict(found.names)
    inputs = [found.source.model_copy(update={"role": "lesions"})]
    if scans.lookup is not None:
        from phantomcal.correlation.lookup import read_lookup

        table = read_lookup(scans.lookup)
        names = {int(k): str(v) for k, v in zip(table["index"], table["name"], strict=True)}
        inputs.append(input_file("lookup", scans.lookup))
    return sitk.GetArrayFromImage(found.image), names, inputs


def write_maps(maps: Maps, grid: sitk.Image, folder: Path, unconstrained: bool) -> list[str]:
    """Write every map of every material; returns their names."""
    from phantomcal.steps.decomposition_common import file_name
    from phantomcal.volumes.write import write_nifti

    kinds = {
        "concentration": maps.amounts,
        "standard_error": maps.standard_error,
        "probability": maps.probability,
        "unconstrained": maps.unconstrained if unconstrained else None,
        "low": maps.low,
        "high": maps.high,
    }
    names = []
    for k, material in enumerate(maps.names):
        for kind, arrays in kinds.items():
            if arrays is None:
                continue
            likely = kind == "probability"
            image = sitk.GetImageFromArray(arrays[k] if likely else _rounded(arrays[k], _KEPT_BITS[kind]))
            image.CopyInformation(grid)
            names.append(f"{file_name(material)}_{kind}.nii.gz")
            # Each file is compressed by several threads already.
            write_nifti(image, folder / names[-1], steps=_PROBABILITY_STEPS if likely else None)
    return names


def _rounded(values: NDArray[np.float32], kept_bits: int) -> NDArray[np.float32]:
    """float32 with the last bits of its mantissa rounded away."""
    drop = 23 - kept_bits
    bits = values.view(np.uint32) + np.uint32(1 << (drop - 1))
    bits &= np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)
    return bits.view(np.float32)
