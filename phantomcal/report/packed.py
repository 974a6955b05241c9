"""Volumes made small enough for a page: one byte a voxel on a scale that says its step, predicted, deflated."""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOTHING = 0  # code of voxels that were not measured
_LAST = 255

# Values and how many of the 254 steps lie between them: fine where tissue is, coarse where only shades are looked at.
CT_SCALE = ((-1024.0, -120.0, 14), (-120.0, 168.0, 144), (168.0, 1528.0, 80), (1528.0, 3128.0, 16))


@dataclass(frozen=True)
class Scale:
    """Which value each code stands for: straight pieces between nodes.

    Attributes
    ----------
    values : tuple of float
        Values at the nodes, increasing.
    codes : tuple of int
        Codes at the nodes, from 1 to 255.
    """

    values: tuple[float, ...]
    codes: tuple[int, ...]

    def encode(self, array: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Codes of values; beyond the scale its ends, not finite 0."""
        known = np.isfinite(array)
        codes = np.interp(np.where(known, array, 0.0), self.values, self.codes)
        return np.where(known, np.rint(codes), NOTHING).astype(np.uint8)

    def decode(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Values of codes, NaN where nothing was measured."""
        values: NDArray[np.float64] = np.interp(codes, self.codes, self.values)
        return np.where(codes == NOTHING, np.nan, values)

    def step_at(self, value: float) -> float:
        """Distance between two neighbouring values of the scale near `value`."""
        k = int(np.clip(np.searchsorted(self.values, value, side="right") - 1, 0, len(self.values) - 2))
        return (self.values[k + 1] - self.values[k]) / (self.codes[k + 1] - self.codes[k])


def ct_scale() -> Scale:
    """HU: steps of 2 in soft tissue, 17 in bone, 65 to 100 in gas and metal."""
    codes = np.cumsum([1, *(steps for _, _, steps in CT_SCALE)])
    return Scale((CT_SCALE[0][0], *(high for _, high, _ in CT_SCALE)), tuple(int(code) for code in codes))


def symmetric_scale(largest: float) -> Scale:
    """Values of both signs: three of five steps for the inner quarter, where susceptibilities of tissue lie."""
    largest = largest if largest > 0 else 1.0
    return Scale((-largest, -largest / 4, largest / 4, largest), (1, 52, 204, _LAST))


def even_scale(low: float, high: float) -> Scale:
    """Equal steps from `low` to `high`."""
    return Scale((low, high if high > low else low + 1.0), (1, _LAST))


def packed(codes: NDArray[np.uint8]) -> bytes:
    """A volume of codes as deflated residuals of the median edge predictor of JPEG-LS.

    Parameters
    ----------
    codes : ndarray of uint8, shape (z, y, x)

    Returns
    -------
    bytes
        zlib stream of as many bytes as there are voxels. Every voxel holds its code minus, modulo 256, what its left,
        upper and upper left neighbours in the slice let expect (Weinberger et al., IEEE Trans Image Process
        2000;9:1309, doi 10.1109/83.855427); neighbours outside the slice are 0.
    """
    padded = np.pad(codes, ((0, 0), (1, 0), (1, 0))).astype(np.int16)
    left, up, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    low, high = np.minimum(left, up), np.maximum(left, up)
    expected = np.clip(left + up - corner, low, high)
    residuals = ((padded[:, 1:, 1:] - expected) & 255).astype(np.uint8)
    return _deflated(residuals.tobytes())


def unpacked(data: bytes, shape: Sequence[int]) -> NDArray[np.uint8]:
    """What `packed` was given; the page's script does the same in the reader's browser.

    Parameters
    ----------
    data : bytes
    shape : sequence of int
        (z, y, x).
    """
    residuals = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape).astype(np.int16)
    codes = np.zeros((shape[0], shape[1] + 1, shape[2] + 1), np.int16)
    # Voxels on one antidiagonal of a slice depend only on those before it.
    for diagonal in range(shape[1] + shape[2] - 1):
        y = np.arange(max(0, diagonal - shape[2] + 1), min(shape[1], diagonal + 1))
        x = diagonal - y
        left, up, corner = codes[:, y + 1, x], codes[:, y, x + 1], codes[:, y, x]
        expected = np.clip(left + up - corner, np.minimum(left, up), np.maximum(left, up))
        codes[:, y + 1, x + 1] = (residuals[:, y, x] + expected) & 255
    return codes[:, 1:, 1:].astype(np.uint8)


def packed_labels(labels: NDArray[np.uint8]) -> bytes:
    """A volume of labels, deflated; long runs of the same label need no prediction."""
    return _deflated(np.ascontiguousarray(labels).tobytes())


def as_text(data: bytes) -> str:
    """Bytes as they stand in the page."""
    return base64.b64encode(data).decode("ascii")


def _deflated(data: bytes) -> bytes:
    # Residuals of noise hold no phrases to look for: runs and a good code book are all there is, and ten times faster.
    squeezer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return squeezer.compress(data) + squeezer.flush()
