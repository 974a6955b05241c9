"""Pixel data of frames: decoded in threads, scaled, padding replaced, each file read and hashed once."""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.frames import Frame
from phantomcal.volumes.dicom.headers import Header, quiet_pydicom
from phantomcal.volumes.dicom.scaling import Scale
from phantomcal.volumes.files import silent_libraries

AIR_HU = -1024.0

_PLAIN = (str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian))
# JPEG, JPEG-LS, JPEG 2000 and RLE: decoded by the GDCM inside SimpleITK, whatever else is installed.
_GDCM = (*(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91)), "1.2.840.10008.1.2.5")
_PIXEL_DATA_IN_PIECES = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
_END_OF_PIECES = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_LARGEST_PADDING_HU = -900.0  # padding above it is a value that tissue has too


@dataclass(frozen=True)
class Pixels:
    """Scaled values (frames, rows, columns), a hash of each frame's file, and what was done about padding."""

    values: NDArray[np.float32]
    digests: tuple[bytes, ...]
    n_padded: int
    ambiguous_padding: float | None


def load_pixels(frames: Sequence[Frame], scales: Sequence[Scale], *, is_ct: bool) -> Pixels:
    """Decode and scale the pixels of frames.

    Parameters
    ----------
    frames : sequence of Frame
        All of one matrix.
    scales : sequence of Scale
        One for each.
    is_ct : bool
        Padding becomes -1024 HU; elsewhere 0.

    Raises
    ------
    InputError
        A compression that nothing here decodes; pixel data cut short or damaged, by file.
    """
    by_file: dict[Path, list[int]] = {}
    for k, frame in enumerate(frames):
        by_file.setdefault(frame.header.path, []).append(k)
    for header in {frame.header.path: frame.header for frame in frames}.values():
        _require_decoder(header)
    values = np.empty((len(frames), *frames[0].shape), dtype=np.float32)

    def fill(members: list[int]) -> tuple[bytes, int, float | None]:
        header = frames[members[0]].header
        try:
            content = header.path.read_bytes()
            digest = hashlib.sha256(content).digest()
            take = _stored(header, content)
            n_padded, ambiguous = 0, None
            for k in members:
                padded, unclear = _scale(take(frames[k].index), header.dataset, scales[k], values[k], is_ct=is_ct)
                n_padded += padded
                ambiguous = ambiguous if unclear is None else unclear
        except Exception as error:  # cut files fail in many ways, all with one remedy
            raise InputError(
                "the DICOM pixel data cannot be read (cut short?)", header.path.name, "copy the file again"
            ) from error
        return digest, n_padded, ambiguous

    packed = any(frame.header.syntax in _GDCM for frame in frames)
    with silent_libraries() if packed else nullcontext(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        done = list(pool.map(fill, by_file.values()))
    ambiguous = [a for _, _, a in done if a is not None]
    return Pixels(values, tuple(d for d, _, _ in done), sum(n for _, n, _ in done), ambiguous[0] if ambiguous else None)


def _require_decoder(header: Header) -> None:
    bits = int(header.dataset.get("BitsAllocated") or 16)
    if bits not in (8, 16, 32, 64):
        raise InputError(f"pixels of {bits} bits allocated", header.path.name, "export the series with 16 bits a pixel")
    syntax = pydicom.uid.UID(header.syntax)
    if header.syntax in _GDCM or not syntax.is_transfer_syntax or not syntax.is_compressed:
        return
    try:
        available = syntax.is_deflated or get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            f"pixel data compressed as {syntax.name}, which nothing here decodes",
            header.path.name,
            "export it uncompressed, or decompress it first (gdcmconv --raw)",
        )


def _stored(header: Header, content: bytes) -> Callable[[int], NDArray[Any]]:
    """Access to the pixels of a file's frames as they are stored, by index."""
    data = header.dataset
    rows, columns = int(data.Rows), int(data.Columns)
    count = int(data.get("NumberOfFrames") or 1)
    if header.syntax in _PLAIN and header.pixels_at is not None:
        # Implicit: tag, length; explicit: tag, VR, two empty bytes, length.
        at = header.pixels_at + (4 if header.syntax == _PLAIN[0] else 8)
        length = int.from_bytes(content[at : at + 4], "little")
        kind = np.dtype(f"<u{int(data.BitsAllocated) // 8}")
        size = rows * columns * count
        if length != 0xFFFFFFFF and length < size * kind.itemsize:
            raise ValueError("pixel data shorter than the image")
        plain = np.frombuffer(content, kind, size, at + 4).reshape(count, rows, columns)
        return lambda index: plain[index]
    if header.syntax in _GDCM and header.pixels_at is not None:
        # Explicit: tag, VR, two empty bytes, a length that says "in pieces".
        parts = list(_pieces(content[header.pixels_at + 12 :], data, count))
        bare = _bare_header(data, header.syntax)
        return lambda index: _by_gdcm(parts[index], bare, (rows, columns))
    with quiet_pydicom():
        stack = np.asarray(pydicom.dcmread(io.BytesIO(content), force=True).pixel_array).reshape(count, rows, columns)
    return lambda index: stack[index]


def _pieces(encapsulated: bytes, data: Any, count: int) -> Iterator[bytes]:
    offsets = None
    if "ExtendedOffsetTable" in data:
        offsets = (data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths)
    yield from generate_frames(encapsulated, number_of_frames=count, extended_offsets=offsets)


def _stored_bits(pixels: NDArray[Any], data: pydicom.Dataset) -> NDArray[Any]:
    """The bits that count, with their sign: old files keep overlays or rubbish in the others."""
    width = pixels.dtype.itemsize * 8
    bits = int(data.get("BitsStored") or width)
    low = int(data.get("HighBit") or bits - 1) + 1 - bits
    signed = int(data.get("PixelRepresentation") or 0) == 1
    raw = pixels.view(f"{pixels.dtype.byteorder.replace('|', '=')}u{width // 8}")
    if not 0 < bits <= width or not 0 <= low <= width - bits:
        raise ValueError("bits stored do not fit the bits allocated")
    if bits == width:
        return raw.view(f"{raw.dtype.byteorder}i{width // 8}") if signed else raw
    if not signed:
        return (raw >> low) & ((1 << bits) - 1)
    # The highest stored bit becomes the highest of all; shifting back as signed numbers carries the sign along.
    lifted = (raw << (width - bits - low)).view(f"{raw.dtype.byteorder}i{width // 8}")
    return lifted >> (width - bits)


def _bare_header(data: pydicom.Dataset, syntax: str) -> bytes:
    """Start of a file that holds one compressed frame and nothing else: no rescale, no name."""
    bare: Any = pydicom.Dataset()
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID = CTImageStorage
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID = "1.2.3"
    bare.Modality, bare.PhotometricInterpretation, bare.SamplesPerPixel = "CT", "MONOCHROME2", 1
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(bare, keyword, data.get(keyword))
    bare.RescaleSlope, bare.RescaleIntercept = 1, 0
    stream = io.BytesIO()
    bare.save_as(stream, enforce_file_format=True)
    return stream.getvalue() + _PIXEL_DATA_IN_PIECES


def _by_gdcm(part: bytes, bare: bytes, shape: tuple[int, int]) -> NDArray[Any]:
    """Decode one compressed frame; GDCM reads files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        path.write_bytes(bare + encapsulate([part]) + _END_OF_PIECES)
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
    if pixels.size != shape[0] * shape[1] or pixels.dtype.kind not in "iu":
        raise ValueError("the compressed frame has another size than the header says")
    return np.ascontiguousarray(pixels.reshape(shape))


def _scale(
    raw: NDArray[Any], data: pydicom.Dataset, scale: Scale, out: NDArray[np.float32], *, is_ct: bool
) -> tuple[int, float | None]:
    """Write the scaled values; returns how many voxels were padding, and a padding value that tissue may have too."""
    if raw.dtype.kind == "f":
        out[...] = raw * scale.slope + scale.intercept
        return 0, None
    stored = _stored_bits(raw, data)
    if stored.dtype.itemsize <= 2:
        np.multiply(stored, np.float32(scale.slope), out=out, dtype=np.float32, casting="unsafe")
        out += np.float32(scale.intercept)
    else:
        out[...] = stored.astype(np.float64) * scale.slope + scale.intercept
    padded = _padded(raw, stored, data)
    if padded is None or not padded.any():
        return 0, None
    if not is_ct:
        changed = int(np.count_nonzero(out[padded]))
        out[padded] = 0.0
        return changed, None
    highest = float(out[padded].max())
    if highest > _LARGEST_PADDING_HU and not _outside(data):
        return 0, highest
    out[padded] = np.float32(AIR_HU) if _outside(data) else np.maximum(out[padded], np.float32(AIR_HU))
    return 0, None  # air is what padding of a CT stands for: not worth a word


def _padded(raw: NDArray[Any], stored: NDArray[Any], data: pydicom.Dataset) -> NDArray[np.bool_] | None:
    ends = _padding(data)
    if ends is None:
        return None
    if _outside(data):
        # A value that the stored bits cannot hold was written over all allocated ones.
        width = raw.dtype.itemsize * 8
        unsigned = raw.view(f"{raw.dtype.byteorder.replace('|', '=')}u{width // 8}")
        whole = [end % (1 << width) for end in ends]
        return np.asarray((unsigned >= min(whole)) & (unsigned <= max(whole)))
    return np.asarray((stored >= ends[0]) & (stored <= ends[1]))


def _outside(data: pydicom.Dataset) -> bool:
    """Whether the padding value lies outside what the stored bits can hold."""
    ends = _padding(data)
    bits = int(data.get("BitsStored") or data.get("BitsAllocated") or 16)
    lowest = -(1 << (bits - 1)) if int(data.get("PixelRepresentation") or 0) == 1 else 0
    return ends is not None and not lowest <= ends[0] <= ends[1] < lowest + (1 << bits)


def _padding(data: pydicom.Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding, signed as the pixels are."""
    value, limit = data.get("PixelPaddingValue"), data.get("PixelPaddingRangeLimit")
    if value is None or isinstance(value, bytes):
        return None
    ends = [int(value), int(value) if limit is None or isinstance(limit, bytes) else int(limit)]
    bits = int(data.get("BitsAllocated") or 16)
    if int(data.get("PixelRepresentation") or 0) == 1:  # written as unsigned in files of an uncertain VR
        ends = [end - (1 << bits) if end >= 1 << (bits - 1) else end for end in ends]
    return min(ends), max(ends)
