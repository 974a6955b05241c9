"""Transforms made elsewhere: read, brought to one direction, and refused when they are not rigid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.volumes.files import silent_libraries

TransformKind = Literal["auto", "itk", "fsl", "ras"]

# A scale off by this much moves the edge of a head by a tenth of a millimetre; FLIRT and ANTs print rigid matrices far
# closer to a rotation than that.
MOST_SCALE = 1e-3
_PROBE_MM = 100.0
_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS to LPS and back
_GIVE = "give a .tfm, .h5 or .mat file of ITK, ANTs or 3D Slicer, or a 4 x 4 text matrix of FSL or greedy"


@dataclass(frozen=True)
class GivenTransform:
    """A rigid transform read from a file.

    Attributes
    ----------
    transform : SimpleITK.Euler3DTransform
        MR points to CT points, world LPS mm, turning about the middle of the MR volume.
    kind : {"itk", "fsl", "ras"}
        How the file was read.
    notes : tuple of str
        What was taken for granted.
    """

    transform: sitk.Euler3DTransform
    kind: str
    notes: tuple[str, ...] = ()


def read_rigid(
    path: str | Path,
    ct: sitk.Image,
    fixed: sitk.Image,
    *,
    kind: TransformKind = "auto",
    inverted: bool = False,
) -> GivenTransform:
    """Read a rigid transform between a CT and an MR image.

    ITK, ANTs and 3D Slicer files map points of the fixed (MR) to points of the moving image (CT), which is the
    direction used here; so do the 4 x 4 matrices of greedy and c3d, in RAS. FLIRT's matrix maps the image given by
    ``-in`` to that given by ``-ref``, both in FSL's own coordinates (voxels times their size, the first axis reversed
    where the image is stored the neurological way [1]_): ``-in CT -ref MR`` is taken for granted.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    ct, fixed : SimpleITK.Image
        As read from the files that the transform was made with: FSL's coordinates mean nothing without them.
    kind : {"auto", "itk", "fsl", "ras"}
        What the file is; ``"auto"`` takes a bare 4 x 4 matrix for FLIRT's and says so.
    inverted : bool
        The file maps the other way than its program's usual direction: ITK's CT to MR points, or FLIRT's
        ``-in MR -ref CT``.

    Returns
    -------
    GivenTransform

    Raises
    ------
    InputError
        No such file, a format that is not known, a deformation, a scale or shear, a mirror image.

    References
    ----------
    .. [1] Jenkinson M et al., Improved optimization for the robust and accurate linear registration and motion
       correction of brain images. NeuroImage 2002;17:825-841. doi:10.1006/nimg.2002.1132
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such transform file", path.name, "check the path")
    if kind not in ("auto", "itk", "fsl", "ras"):
        raise InputError(f"unknown kind of transform {kind!r}", "", "use auto, itk, fsl or ras")
    table = _bare_matrix(path)
    notes: list[str] = []
    if table is None:
        if kind in ("fsl", "ras"):
            raise InputError("not a 4 x 4 matrix of numbers", path.name, "leave --transform-kind away, or " + _GIVE)
        matrix, kind = _matrix_of(read_itk(path), path.name), "itk"
    elif kind == "itk":
        raise InputError("a bare matrix, not an ITK transform", path.name, "say --transform-kind fsl or ras")
    elif kind == "ras":
        matrix = _FLIP_XY @ table @ _FLIP_XY
    else:
        if kind == "auto":
            notes.append(
                f"{path.name} is a bare 4 x 4 matrix: read as FSL FLIRT's, "
                + ("-in MR -ref CT" if inverted else "-in CT -ref MR")
                + "; for greedy or c3d say --transform-kind ras"
            )
        matrix, kind = fsl_to_world(table, fixed, ct) if inverted else _inverse(fsl_to_world(table, ct, fixed)), "fsl"
    if inverted and kind != "fsl":
        matrix = _inverse(matrix)
    return GivenTransform(rigid_of(matrix, middle_mm(fixed), path.name), kind, tuple(notes))


def read_itk(path: str | Path) -> sitk.Transform:
    """Any transform that ITK reads: text and HDF5 files, and the binary ``.mat`` of ANTs.

    Raises
    ------
    InputError
        No such file, or not a transform.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such transform file", path.name, "give the ct_to_mr.tfm of `phantomcal register`")
    try:
        with silent_libraries():
            return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        if path.suffix.lower() == ".mat":  # ANTs' file under a suffix that ITK knows, but with FSL's content or none
            raise InputError("neither a matrix of numbers nor an ITK transform", path.name, _GIVE) from error
        raise InputError("not an ITK transform file", path.name, _GIVE) from error


def fsl_to_world(matrix: NDArray[np.float64], source: sitk.Image, reference: sitk.Image) -> NDArray[np.float64]:
    """World points of `source` to those of `reference`, from FLIRT's matrix for ``-in source -ref reference``.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        As FLIRT writes it.
    source, reference : SimpleITK.Image
        The two images.

    Returns
    -------
    ndarray, shape (4, 4)
        World LPS mm to world LPS mm.
    """
    return np.asarray(_world_from_fsl(reference) @ matrix @ _inverse(_world_from_fsl(source)))


def world_to_fsl(matrix: NDArray[np.float64], source: sitk.Image, reference: sitk.Image) -> NDArray[np.float64]:
    """FLIRT's matrix for ``-in source -ref reference``, from world points of `source` to those of `reference`."""
    return np.asarray(_inverse(_world_from_fsl(reference)) @ matrix @ _world_from_fsl(source))


def rigid_of(matrix: NDArray[np.float64], centre_mm: NDArray[np.float64], where: str) -> sitk.Euler3DTransform:
    """The rotation and translation of a 4 x 4 matrix, turning about `centre_mm`.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Points to points, mm.
    centre_mm : ndarray, shape (3,)
        Centre of rotation of the result.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        If the matrix mirrors, scales or shears by more than 0.1 %, or is none at all.
    """
    linear = matrix[:3, :3]
    if not np.isfinite(matrix).all() or not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-9):
        raise InputError("not a matrix of points to points", where, "its last row is 0 0 0 1, all entries are finite")
    u, scales, v = np.linalg.svd(linear)
    if scales.min() < 1e-6:
        raise InputError("the transform flattens space", where, _GIVE)
    if np.linalg.det(linear) < 0:
        raise InputError("the transform mirrors the head", where, "left and right are swapped in one of the headers")
    if np.abs(scales - 1).max() > MOST_SCALE:
        words = ", ".join(f"{s:.4f}" for s in sorted(scales, reverse=True))
        raise InputError(
            f"the transform is not rigid: it scales by {words} along its three axes",
            where,
            "one head keeps its size between CT and MR; align with 6 degrees of freedom",
        )
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre_mm.tolist())
    transform.SetMatrix((u @ v).ravel().tolist(), 1e-8)
    # What little scale there was is shared out about the centre, where the head is.
    goes_to = linear @ centre_mm + matrix[:3, 3]
    transform.SetTranslation((goes_to - centre_mm).tolist())
    return transform


def matrix_of(transform: sitk.Transform) -> NDArray[np.float64]:
    """The 4 x 4 matrix of a linear transform, mm."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    axes = [np.array(transform.TransformPoint(p)) - origin for p in (_PROBE_MM * np.eye(3)).tolist()]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.array(axes).T / _PROBE_MM, origin
    return matrix


def middle_mm(image: sitk.Image) -> NDArray[np.float64]:
    """World position of the middle of an image."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def _matrix_of(transform: sitk.Transform, where: str) -> NDArray[np.float64]:
    if transform.GetDimension() != 3:
        raise InputError(f"a transform of {transform.GetDimension()} dimensions", where, "give one of 3")
    if not transform.IsLinear():
        raise InputError(
            f"the transform bends space ({transform.GetName()})", where, "CT and MR of one head are aligned rigidly"
        )
    return matrix_of(transform)


def _bare_matrix(path: Path) -> NDArray[np.float64] | None:
    """Four rows of four numbers, else None."""
    if path.stat().st_size > 10_000:
        return None
    try:
        rows = [line.replace(",", " ").split() for line in path.read_text(encoding="ascii").splitlines()]
        table = np.array([[float(cell) for cell in row] for row in rows if row])
    except (UnicodeDecodeError, ValueError):
        return None
    return table if table.shape == (4, 4) else None


def _world_from_fsl(image: sitk.Image) -> NDArray[np.float64]:
    """FSL's coordinates of an image to world LPS mm."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    axes = direction * image.GetSpacing()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = direction, image.GetOrigin()
    if np.linalg.det(axes) > 0:  # stored the neurological way: FSL counts the first axis from its other end
        flip = np.eye(4)
        flip[0, 0], flip[0, 3] = -1.0, (image.GetSize()[0] - 1) * image.GetSpacing()[0]
        matrix = matrix @ flip
    return matrix


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    if abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
        raise InputError("the transform flattens space", "the matrix", _GIVE)
    return np.asarray(np.linalg.inv(matrix))
