"""Transforms of other programs mean here what they meant there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from phantomcal.errors import InputError
from phantomcal.registration.quality import moved_mm
from phantomcal.registration.transforms import fsl_to_world, matrix_of, read_itk, read_rigid, world_to_fsl

POINTS = np.array([[0.0, 0, 0], [60, -20, 30], [-45, 70, -10], [5, 5, 90]])


@pytest.fixture
def truth() -> sitk.Euler3DTransform:
    """MR to CT points."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter((3.0, -8.0, 20.0))
    transform.SetRotation(0.2, -0.1, 0.4)
    transform.SetTranslation((5.0, -12.0, 9.0))
    return transform


def _image(size: tuple[int, int, int], spacing: tuple[float, ...], direction: np.ndarray, origin: tuple) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(origin)
    return image


RADIOLOGICAL = np.diag([1.0, -1.0, 1.0])  # negative determinant: RAS+ first axis from right to left
NEUROLOGICAL = np.diag([-1.0, -1.0, 1.0])
OBLIQUE = Rotation.from_euler("xyz", [8, -15, 25], degrees=True).as_matrix() @ NEUROLOGICAL


@pytest.fixture(params=[(RADIOLOGICAL, NEUROLOGICAL), (NEUROLOGICAL, RADIOLOGICAL), (OBLIQUE, NEUROLOGICAL)])
def pair(request: pytest.FixtureRequest) -> tuple[sitk.Image, sitk.Image]:
    """CT and MR whose voxels are stored in every handedness."""
    ct, mr = request.param
    return (
        _image((40, 50, 30), (0.5, 0.6, 2.5), ct, (12.0, 30.0, -40.0)),
        _image((32, 36, 28), (2.0, 1.5, 1.0), mr, (-20.0, 11.0, 5.0)),
    )


def _write_matrix(path: Path, matrix: np.ndarray) -> Path:
    path.write_text("\n".join("  ".join(f"{v:.10f}" for v in row) for row in matrix) + "  \n")
    return path


def _flirt_by_hand(ct: sitk.Image, mr: sitk.Image, truth: sitk.Transform) -> np.ndarray:
    """FLIRT's matrix for -in CT -ref MR from four voxels, by FSL's definition and nothing else."""

    def fsl(image: sitk.Image, point: np.ndarray) -> np.ndarray:
        index = np.array(image.TransformPhysicalPointToContinuousIndex(point.tolist()))
        to_ras = np.diag([-1.0, -1.0, 1.0]) @ np.array(image.GetDirection()).reshape(3, 3)
        if np.linalg.det(to_ras) > 0:
            index[0] = image.GetSize()[0] - 1 - index[0]
        return np.asarray(index * image.GetSpacing())

    mr_points = np.array([[0.0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50]])
    source = np.array([fsl(ct, p) for p in moved_mm(truth, mr_points)])
    target = np.array([fsl(mr, p) for p in mr_points])
    matrix = np.linalg.solve(np.column_stack([source, np.ones(4)]), np.column_stack([target, np.ones(4)])).T
    return np.asarray(matrix)


def test_flirt_from_ct_to_mr(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Euler3DTransform) -> None:
    ct, mr = pair
    file = _write_matrix(tmp_path / "ct2mr.mat", _flirt_by_hand(ct, mr, truth))
    given = read_rigid(file, ct, mr)
    assert given.kind == "fsl"
    assert "-in CT -ref MR" in given.notes[0]
    np.testing.assert_allclose(moved_mm(given.transform, POINTS), moved_mm(truth, POINTS), atol=1e-6)


def test_flirt_from_mr_to_ct(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Euler3DTransform) -> None:
    ct, mr = pair
    file = _write_matrix(tmp_path / "mr2ct.mat", np.linalg.inv(_flirt_by_hand(ct, mr, truth)))
    given = read_rigid(file, ct, mr, kind="fsl", inverted=True)
    assert given.notes == ()
    np.testing.assert_allclose(moved_mm(given.transform, POINTS), moved_mm(truth, POINTS), atol=1e-6)


def test_flirt_there_and_back(pair: tuple[sitk.Image, sitk.Image], truth: sitk.Euler3DTransform) -> None:
    ct, mr = pair
    world = np.linalg.inv(matrix_of(truth))
    flirt = world_to_fsl(world, ct, mr)
    np.testing.assert_allclose(flirt, _flirt_by_hand(ct, mr, truth), atol=1e-9)
    np.testing.assert_allclose(fsl_to_world(flirt, ct, mr), world, atol=1e-9)


def test_the_identity_of_flirt_joins_equal_corners() -> None:
    """Two images stored alike: FSL's identity puts their first voxels on each other."""
    ct = _image((20, 20, 20), (1.0, 1.0, 1.0), NEUROLOGICAL, (7.0, 3.0, -2.0))
    mr = _image((20, 20, 20), (1.0, 1.0, 1.0), NEUROLOGICAL, (-5.0, 40.0, 8.0))
    world = fsl_to_world(np.eye(4), ct, mr)
    np.testing.assert_allclose(world @ [7.0, 3.0, -2.0, 1.0], [-5.0, 40.0, 8.0, 1.0], atol=1e-12)


def test_the_identity_of_flirt_between_different_handedness() -> None:
    """FSL counts a neurological image's first axis from its last voxel."""
    ct = _image((20, 20, 20), (1.0, 1.0, 1.0), NEUROLOGICAL, (0.0, 0.0, 0.0))
    mr = _image((20, 20, 20), (1.0, 1.0, 1.0), RADIOLOGICAL, (0.0, 0.0, 0.0))
    first_of_mr, last_of_ct = np.array([0.0, 0, 0, 1]), np.array([-19.0, 0, 0, 1])
    neurological, radiological = (np.linalg.det(d) > 0 for d in (NEUROLOGICAL, RADIOLOGICAL))
    assert (neurological, radiological) == (True, False)
    np.testing.assert_allclose(fsl_to_world(np.eye(4), ct, mr) @ last_of_ct, first_of_mr, atol=1e-12)


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5", ".mat"])
def test_itk_files_map_mr_to_ct(
    tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Euler3DTransform, suffix: str
) -> None:
    file = tmp_path / f"transform{suffix}"
    sitk.WriteTransform(truth, str(file))
    np.testing.assert_allclose(moved_mm(read_rigid(file, *pair).transform, POINTS), moved_mm(truth, POINTS), atol=1e-9)
    back = read_rigid(file, *pair, inverted=True).transform
    np.testing.assert_allclose(moved_mm(back, moved_mm(truth, POINTS)), POINTS, atol=1e-9)


def test_the_mat_file_of_ants(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Transform) -> None:
    """Binary level 4, matrix row by row then translation, centre of rotation under `fixed`."""
    matrix = np.array(truth.GetMatrix())
    content = np.concatenate([matrix, truth.GetTranslation()])[:, None]
    centre = np.array(truth.GetCenter())[:, None]
    for name in ("AffineTransform_double_3_3", "MatrixOffsetTransformBase_double_3_3"):
        file = tmp_path / f"{name}_0GenericAffine.mat"
        savemat(file, {name: content, "fixed": centre}, format="4")
        np.testing.assert_allclose(
            moved_mm(read_rigid(file, *pair).transform, POINTS), moved_mm(truth, POINTS), atol=1e-9
        )


def test_a_composite_of_rigid_steps(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Transform) -> None:
    composite = sitk.CompositeTransform([sitk.TranslationTransform(3, (1.0, 2.0, 3.0)), truth])
    file = tmp_path / "composite.h5"
    sitk.WriteTransform(composite, str(file))
    np.testing.assert_allclose(
        moved_mm(read_rigid(file, *pair).transform, POINTS), moved_mm(composite, POINTS), atol=1e-9
    )


def test_a_ras_matrix(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], truth: sitk.Transform) -> None:
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    file = _write_matrix(tmp_path / "greedy.mat", flip @ matrix_of(truth) @ flip)
    given = read_rigid(file, *pair, kind="ras")
    np.testing.assert_allclose(moved_mm(given.transform, POINTS), moved_mm(truth, POINTS), atol=1e-6)


def _affine(matrix: np.ndarray) -> sitk.AffineTransform:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix.ravel().tolist())
    return transform


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: _affine(np.diag([1.02, 1.0, 0.99])), r"not rigid: it scales by 1\.0200, 1\.0000, 0\.9900"),
        (lambda: _affine(np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1.0]])), "not rigid"),
        (lambda: _affine(np.diag([-1.0, 1.0, 1.0])), "mirrors the head"),
        (lambda: sitk.BSplineTransform(3), "bends space"),
        (lambda: sitk.Euler2DTransform(), "2 dimensions"),
    ],
)
def test_what_is_not_rigid_is_refused(
    tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], make: Callable[[], sitk.Transform], words: str
) -> None:
    file = tmp_path / "other.tfm"
    sitk.WriteTransform(make(), str(file))
    with pytest.raises(InputError, match=words):
        read_rigid(file, *pair)


def test_a_scale_below_the_print_of_a_program_is_taken_out(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image]) -> None:
    file = tmp_path / "nearly.tfm"
    sitk.WriteTransform(_affine(np.diag([1.0002, 1.0, 0.9999])), str(file))
    assert np.linalg.det(np.array(read_rigid(file, *pair).transform.GetMatrix()).reshape(3, 3)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("a.mat", "1 0 0 0\n0 1 0 0\n", "auto", "neither a matrix of numbers nor an ITK transform"),
        ("a.tfm", "hello", "auto", "not an ITK transform file"),
        ("a.mat", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 2 1\n", "fsl", "last row"),
        ("a.mat", "nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "ras", "finite"),
        ("a.mat", "0 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "ras", "flattens"),
        ("a.mat", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "itk", "bare matrix"),
        ("a.tfm", "#Insight Transform File V1.0\n", "fsl", "not a 4 x 4 matrix"),
    ],
)
def test_bad_files_are_refused_by_name(
    tmp_path: Path, pair: tuple[sitk.Image, sitk.Image], name: str, content: str, kind: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words) as stop:
        read_rigid(tmp_path / name, *pair, kind=kind)  # type: ignore[arg-type]
    assert name in str(stop.value)


def test_a_missing_file(tmp_path: Path, pair: tuple[sitk.Image, sitk.Image]) -> None:
    with pytest.raises(InputError, match="no such transform file"):
        read_rigid(tmp_path / "none.tfm", *pair)
    with pytest.raises(InputError, match="no such transform file"):
        read_itk(tmp_path / "none.tfm")
