"""The pairs of the registration benchmark: a folder each, with the CT, the MR image, the true transform and points.

``ct.mha``, ``mr.mha``, ``qsm.mha`` where there is one, ``truth.json`` (4 x 4, MR to CT points, world LPS mm) and
``points.npy`` (points of the brain in MR space).
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.heads import FixedKind, points_mm
from phantomcal.simulate.head import HeadOptions, simulate_head
from phantomcal.volumes import read_ct, read_magnitude, read_qsm

_POINTS = 2000
_OFFSET: dict[str, Any] = {"rotation_deg": (9.0, 5.0, 7.0), "translation_mm": (14.4, -14.4, 14.4)}  # 25 mm in all
STANDARD: dict[str, Any] = {
    "ct_spacing_mm": (240 / 512, 240 / 512, 1.2),
    "mr_spacing_mm": (1.0, 1.0, 1.0),
    "mr_fov_mm": (197.0, 233.0, 189.0),
    **_OFFSET,
}
CASES: dict[str, dict[str, Any]] = {
    "2.5mm": {"ct_spacing_mm": (0.5, 0.5, 2.5)},
    "5mm": {"ct_spacing_mm": (0.5, 0.5, 5.0)},
    "1.25mm": {"ct_spacing_mm": (0.5, 0.5, 1.25)},
    "5mm-turned": {"ct_spacing_mm": (0.5, 0.5, 5.0), "rotation_deg": (25.0, -20.0, 25.0)},
    "5mm-standard": STANDARD | {"ct_spacing_mm": (240 / 512, 240 / 512, 5.0)},
    "noisy": {"ct_noise_hu": 12.0, "magnitude_noise": 0.08, "qsm_noise_ppm": 0.02},
    "no-lesions": {"lesions": ()},
    "shaded": {"shading": 0.6},
    "coarse-mr": {"mr_spacing_mm": (1.5, 1.5, 3.0)},
}


def simulated(folder: Path, name: str, seed: int, options: dict[str, Any]) -> Path:
    """A simulated head, made where it is not there; ``lesions`` and ``shading`` beside the simulator's own options."""
    pair = folder / name
    if (pair / "points.npy").exists():
        return pair
    print(f"  simulating {name}", flush=True)
    given = dict(options)
    lesions, shading = given.pop("lesions", None), given.pop("shading", 0.0)
    head = simulate_head(seed, lesions=lesions, options=HeadOptions(**given))
    magnitude = head.magnitude
    if shading:
        values = sitk.GetArrayFromImage(magnitude)
        z, y, x = (np.linspace(-1, 1, n) for n in values.shape)
        field = np.exp(shading * (x[None, None] - 0.7 * y[:, None][None] + 0.5 * z[:, None, None]))
        magnitude = sitk.GetImageFromArray((values * field).astype(np.float32))
        magnitude.CopyInformation(head.magnitude)
    save(pair, head.ct, magnitude, head.ct_from_mr, points_mm(head.qsm != 0, _POINTS), qsm=head.qsm)
    return pair


def save(
    pair: Path,
    ct: sitk.Image,
    mr: sitk.Image,
    truth: sitk.Transform | None,
    points: NDArray[np.float64],
    qsm: sitk.Image | None = None,
) -> None:
    """Write a pair; the points last, as the sign that it is complete."""
    pair.mkdir(parents=True, exist_ok=True)
    for name, image in (("ct", ct), ("mr", mr), ("qsm", qsm)):
        if image is not None:
            bare = sitk.Image(image)
            for key in bare.GetMetaDataKeys():  # what one format calls a thing, another warns of
                bare.EraseMetaData(key)
            sitk.WriteImage(bare, str(pair / f"{name}.mha"))
    if truth is not None:
        (pair / "truth.json").write_text(json.dumps(matrix_of(truth).tolist()), encoding="utf-8")
    np.save(pair / "points.npy", points)


def real_pairs(data: Path, folder: Path) -> list[tuple[Path, FixedKind]]:
    """Real volumes with partners made of themselves, a known transform apart: (pair, what the CT is aligned to)."""
    pairs: list[tuple[Path, FixedKind]] = []
    ct_file = data / "ct-head-skull" / "ct_5mm.nii.gz"
    if ct_file.exists():
        pair = folder / "real-ct-5mm"
        if not (pair / "points.npy").exists():
            _real_ct(read_ct(str(ct_file)).image, pair)
        pairs.append((pair, "magnitude"))
    map_file = data / "qsm-brain-cosmos" / "sub-01_Chimap.nii.gz"
    if map_file.exists():
        pair = folder / "real-qsm"
        if not (pair / "points.npy").exists():
            _real_map(read_qsm(str(map_file)).image, pair)
        pairs.append((pair, "qsm"))
    return pairs


def _real_ct(ct: sitk.Image, pair: Path) -> None:
    """An MR image drawn from a real CT: each tissue its own signal, bone and air dark, noisy, on a grid of its own."""
    random = np.random.default_rng(3)
    way = random_pose(random, ct, max_turn_deg=15.0, max_shift_mm=25.0)
    hu = sitk.DiscreteGaussian(ct, [0.5, 0.5, 1e-6], 8, 0.01, True)
    grid = _around(ct, way.GetInverse(), (1.0, 1.0, 1.5))
    seen = sitk.GetArrayFromImage(sitk.Resample(hu, grid, way, sitk.sitkLinear, -1024.0, sitk.sitkFloat32))
    signal = np.interp(seen, [-900, -200, -60, 0, 12, 28, 40, 80, 200, 600], [0, 20, 90, 100, 100, 60, 75, 55, 20, 3])
    noisy = np.hypot(signal + random.normal(0, 3, signal.shape), random.normal(0, 3, signal.shape))
    mr = sitk.GetImageFromArray(noisy.astype(np.float32))
    mr.CopyInformation(grid)
    inside = sitk.GetImageFromArray(((seen > 0) & (seen < 80)).astype(np.uint8))
    inside.CopyInformation(grid)
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.BinaryErode(inside, [3, 3, 2])), sortByObjectSize=True)
    save(pair, ct, mr, way, points_mm(parts == 1, _POINTS))


def _real_map(qsm: sitk.Image, pair: Path) -> None:
    """A CT drawn around a real brain map: brain, a rim of fluid, skull and scalp, noisy, on a grid of its own."""
    random = np.random.default_rng(4)
    way = random_pose(random, qsm, max_turn_deg=15.0, max_shift_mm=25.0)
    wide = sitk.ConstantPad(qsm, [20] * 3, [20] * 3, 0.0)
    distance = sitk.SignedMaurerDistanceMap(
        sitk.BinaryMorphologicalClosing(wide != 0, [6, 6, 6]), squaredDistance=False, useImageSpacing=True
    )
    d = sitk.GetArrayFromImage(distance)
    ppm = sitk.GetArrayFromImage(wide)
    hu = np.interp(d, [-1, 0, 3, 4, 10, 11, 16, 17], [34, 10, 10, 900, 900, 30, 20, -1000])
    hu = hu + np.where(ppm != 0, 100.0 * ppm, 0.0)
    whole = sitk.GetImageFromArray(hu.astype(np.float32))
    whole.CopyInformation(wide)
    grid = _around(wide, way, (0.5, 0.5, 2.5))
    seen = sitk.GetArrayFromImage(sitk.Resample(whole, grid, way.GetInverse(), sitk.sitkLinear, -1000.0))
    ct = sitk.GetImageFromArray((seen + random.normal(0, 5, seen.shape)).astype(np.float32))
    ct.CopyInformation(grid)
    magnitude = sitk.Cast(qsm != 0, sitk.sitkFloat32)
    save(pair, ct, magnitude, way, points_mm(qsm != 0, _POINTS), qsm=qsm)


def half_turned(data: Path, folder: Path) -> tuple[Path, NDArray[np.float64]]:
    """A real CT and MR of one object half a turn apart, without truth, and points of the object in the MR image."""
    pair = folder / "real-half-turned"
    if not (pair / "points.npy").exists():
        source = data / "ct-mr-porcine"
        ct, mr = read_ct(str(source / "ct.nii.gz")).image, read_magnitude(str(source / "mr_t2.nii.gz")).image
        mask = sitk.OtsuThreshold(sitk.SmoothingRecursiveGaussian(mr, 3.0), 0, 1)
        save(pair, ct, mr, None, points_mm(mask, _POINTS))
    return pair, np.load(pair / "points.npy")


def turned_headers(pair: Path, matrix: NDArray[np.float64]) -> Path:
    """The pair with headers that put the CT within 3 degrees and 5 mm of a pose; ``way.json`` says how it was moved."""
    turned = pair.with_name(pair.name + "-turned")
    if not (turned / "way.json").exists():
        ct = sitk.ReadImage(str(pair / "ct.mha"))
        back = np.linalg.inv(matrix)
        way = sitk.Euler3DTransform()
        way.SetMatrix((Rotation.from_rotvec(np.radians([3.0, 0, 0])).as_matrix() @ back[:3, :3]).ravel().tolist(), 1e-6)
        way.SetTranslation((back[:3, 3] + [0.0, 3.0, 4.0]).tolist())
        turned.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(moved_headers(ct, way), str(turned / "ct.mha"))
        shutil.copy(pair / "mr.mha", turned / "mr.mha")
        (turned / "way.json").write_text(json.dumps(matrix_of(way).tolist()), encoding="utf-8")
    return turned


def random_pose(
    random: np.random.Generator, image: sitk.Image, *, max_turn_deg: float, max_shift_mm: float
) -> sitk.Euler3DTransform:
    """A turn about the middle of an image and a shift, both spread evenly over their balls."""
    axis, way = random.normal(size=3), random.normal(size=3)
    turn = axis / np.linalg.norm(axis) * np.radians(max_turn_deg) * random.random() ** (1 / 3)
    shift = way / np.linalg.norm(way) * max_shift_mm * random.random() ** (1 / 3)
    transform = sitk.Euler3DTransform()
    transform.SetCenter(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    transform.SetMatrix(Rotation.from_rotvec(turn).as_matrix().ravel().tolist(), 1e-6)
    transform.SetTranslation(shift.tolist())
    return transform


def moved_headers(image: sitk.Image, way: sitk.Euler3DTransform) -> sitk.Image:
    """The same voxels under headers that place them elsewhere."""
    moved = sitk.Image(image)
    moved.SetOrigin(way.TransformPoint(image.GetOrigin()))
    turn = np.array(way.GetMatrix()).reshape(3, 3) @ np.array(image.GetDirection()).reshape(3, 3)
    moved.SetDirection(turn.ravel().tolist())
    return moved


def matrix_of(transform: sitk.Transform) -> NDArray[np.float64]:
    """4 x 4 matrix of a rigid transform."""
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, point in enumerate(1000.0 * np.eye(3)):
        matrix[:3, axis] = (np.array(transform.TransformPoint(point.tolist())) - matrix[:3, 3]) / 1000.0
    return matrix


def _around(image: sitk.Image, way: sitk.Transform, spacing_mm: tuple[float, float, float]) -> sitk.Image:
    """An empty upright grid about where a transform takes an image."""
    ends = [(0, n - 1) for n in image.GetSize()]
    corners = np.array(
        [
            way.TransformPoint(image.TransformIndexToPhysicalPoint((i, j, k)))
            for i in ends[0]
            for j in ends[1]
            for k in ends[2]
        ]
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = sitk.Image([int(n) for n in np.ceil((high - low) / spacing_mm) + 1], sitk.sitkFloat32)
    grid.SetSpacing(spacing_mm)
    grid.SetOrigin(low.tolist())
    return grid
