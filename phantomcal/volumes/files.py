"""One NIfTI, MHA or NRRD file as a 3-D image, whole and with a geometry that can be trusted, or a reason why not."""

import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from isal import igzip, igzip_lib

from phantomcal.errors import InputError
from phantomcal.volumes.quirks import Quirk

SUFFIXES = (".nii.gz", ".nii", ".mha", ".nrrd")

_stderr_lock = threading.Lock()


def read_file(path: Path) -> tuple[sitk.Image, tuple[Quirk, ...]]:
    """Read a volume file, pixel type as stored.

    Parameters
    ----------
    path : pathlib.Path
        An existing file with one of `SUFFIXES`.

    Returns
    -------
    image : SimpleITK.Image
        3-D, one value a voxel.
    quirks : tuple of Quirk
        What is odd about it or missing in its header, and how it was taken.

    Raises
    ------
    InputError
        Unknown suffix; truncated, damaged or foreign content; 2-D or 4-D; several values a voxel; sheared axes.
    """
    name = path.name
    suffix = next((s for s in SUFFIXES if name.lower().endswith(s)), None)
    if suffix is None:
        raise InputError(
            "not a volume file", name, "give a .nii, .nii.gz, .mha or .nrrd file or a folder of DICOM slices"
        )
    quirks = []
    if suffix.startswith(".nii"):  # the NIfTI library fills what a cut file lacks with zeros and says nothing
        quirks += _check_nifti(path, compressed=suffix == ".nii.gz")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with silent_libraries():
            reader.ReadImageInformation()
            size = reader.GetSize()
            _require_scalar_3d(size, reader.GetNumberOfComponents(), name)
            image = reader.Execute()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise _sheared(name) from error
        raise _unreadable(name) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
        quirks.append(Quirk("4-D file with a single volume", "read as 3-D"))
    return image, tuple(quirks)


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Keep what ITK and the format libraries below it print to the terminal away from the user.

    They write to file descriptor 2 directly, past ``sys.stderr``; whatever matters comes back as an exception.
    """
    with _stderr_lock:
        sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # no stderr at all: nothing to keep quiet
            yield
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(sink)


def _unreadable(name: str) -> InputError:
    return InputError(
        "the file is truncated, damaged or not of the type its name says", name, "copy or export it again"
    )


def _sheared(name: str) -> InputError:
    return InputError(
        "the image axes are not perpendicular (uncorrected gantry tilt?)",
        name,
        "give the DICOM folder instead, or resample it to an upright grid",
    )


def _require_scalar_3d(size: tuple[int, ...], components: int, name: str) -> None:
    shape = " x ".join(str(n) for n in size)
    if components != 1:
        raise InputError(
            f"{components} values per voxel (colour or vector image)", name, "give a volume of single values"
        )
    if len(size) < 3 or min(size[:3]) < 2:
        raise InputError(f"a 2-D image ({shape})", name, "give the whole 3-D volume")
    if len(size) > 3 and max(size[3:]) > 1:
        raise InputError(f"a {len(size)}-D image ({shape})", name, "extract the one 3-D volume to use")


_NIFTI_FLOATS = {16: "f4", 64: "f8"}


def _check_nifti(path: Path, compressed: bool) -> list[Quirk]:
    """Refuse a NIfTI file that is cut short or whose two statements of its axes disagree."""
    name = path.name
    try:
        content = path.read_bytes()
        if compressed:
            content = igzip.decompress(content)
    except (EOFError, OSError, igzip_lib.IsalError) as error:  # type: ignore[misc]  # declared as an instance
        raise _unreadable(name) from error
    header = content[:540]
    layout = _nifti_layout(header)
    if layout is None:
        raise _unreadable(name)
    order, second = layout
    dim = struct.unpack_from(order + ("8q" if second else "8h"), header, 16 if second else 40)
    (bits,) = struct.unpack_from(order + "h", header, 14 if second else 72)
    offset = int(struct.unpack_from(order + ("q" if second else "f"), header, 168 if second else 108)[0])
    n_values = int(np.prod([max(n, 1) for n in dim[1 : 1 + min(max(dim[0], 0), 7)]], dtype=np.int64))
    if len(content) < offset + n_values * bits // 8:
        raise _unreadable(name)
    (kind,) = struct.unpack_from(order + "h", header, 12 if second else 70)
    if kind in _NIFTI_FLOATS:
        # Checked on the file: ITK's NIfTI reader turns NaN into 0 without a word.
        values = np.frombuffer(content, np.dtype(order + _NIFTI_FLOATS[kind]), n_values, offset)
        n_bad = n_values - int(np.isfinite(values).sum())
        if n_bad:
            raise InputError(
                f"{n_bad} of {n_values} voxels are NaN or infinite",
                name,
                "set voxels without a value to 0 and save again",
            )

    pixdim = np.array(struct.unpack_from(order + ("8d" if second else "8f"), header, 104 if second else 76)[1:4])
    if not np.isfinite(pixdim).all() or (np.abs(pixdim) < 1e-6).any():
        raise InputError("a voxel size of zero or that is not a number", name, "mend its header or export it again")
    qform, sform = struct.unpack_from(order + ("2i" if second else "2h"), header, 344 if second else 252)
    if sform > 0:
        rows = struct.unpack_from(order + ("12d" if second else "12f"), header, 400 if second else 280)
        _check_sform(np.array(rows).reshape(3, 4)[:, :3], np.abs(pixdim), name)
    if qform <= 0 and sform <= 0:
        taken = "its axes are taken as right to left, anterior to posterior, up"
        return [Quirk("the NIfTI header gives no orientation", taken)]
    return []


def _nifti_layout(header: bytes) -> tuple[str, bool] | None:
    """Byte order and whether NIfTI-2, from the header's own size; None for anything else."""
    for order in "<>":
        for size, second in ((348, False), (540, True)):
            if len(header) >= size and struct.unpack_from(order + "i", header)[0] == size:
                return order, second
    return None


def _check_sform(axes: np.ndarray, spacing_mm: np.ndarray, name: str) -> None:
    # ITK falls back to the upright qform when the sform is sheared, which would shear the anatomy quietly.
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or (lengths < 1e-6).any():
        raise InputError("the NIfTI sform is not a placement", name, "mend its header or export it again")
    cosines = (axes / lengths).T @ (axes / lengths)
    if np.abs(cosines - np.eye(3)).max() > 1e-3:
        raise _sheared(name)
    if np.abs(lengths / spacing_mm - 1).max() > 0.01:
        raise InputError(
            "the NIfTI header gives two voxel sizes (pixdim and sform differ)",
            name,
            "mend its header or export it again",
        )
