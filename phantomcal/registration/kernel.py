"""Compiled loops of the alignment: block means, trilinear values, coarse scores, joint histogram and its gradient.

This is the only module that needs numba, which takes a second to load: import it inside functions. Every loop runs over
a given range, without the interpreter lock, so that threads share one job by fixed pieces: sums are then added in one
order, and results have the same bits on any number of threads.

The compiled code is kept beside this file, or in the user's cache folder when that cannot be written to
(``NUMBA_CACHE_DIR`` names another).
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder to keep it in: compiled anew by every process
        return numba.njit(nogil=True, error_model="numpy")(function)


def n_threads() -> int:
    """How many threads to share work between: ``NUMBA_NUM_THREADS``, or the cores this process may use."""
    return int(numba.config.NUMBA_NUM_THREADS)


@_compiled
def bin_blocks(image, factors, low, high, start, stop, out):
    """Means of whole blocks of voxels, limited to [low, high] first, into out[start:stop]; NaN counts as low.

    image : (z, y, x) of any number type. factors : (3,) whole numbers, order z, y, x. out : float32 (z, y, x).
    """
    fz, fy, fx = factors
    share = 1.0 / (fz * fy * fx)
    nx = out.shape[2]
    row = np.empty(nx, np.float32)
    for k in range(start, stop):
        for j in range(out.shape[1]):
            row[:] = 0.0
            for c in range(k * fz, k * fz + fz):
                for b in range(j * fy, j * fy + fy):
                    line = image[c, b]
                    for i in range(nx):
                        total = np.float32(0.0)
                        for a in range(i * fx, i * fx + fx):
                            value = np.float32(line[a])
                            total += min(max(value, low), high) if value == value else low
                        row[i] += total
            for i in range(nx):
                out[k, j, i] = row[i] * share


@_compiled
def trilinear(image, index, start, stop, out):
    """Values of `image` (z, y, x) at continuous `index` (n, 3; order x, y, z) by linear interpolation, into out (n,).

    NaN outside the voxels.
    """
    nz, ny, nx = image.shape
    for i in range(start, stop):
        x, y, z = index[i, 0], index[i, 1], index[i, 2]
        if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5 and -0.5 <= z <= nz - 0.5):
            out[i] = np.nan
            continue
        x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
        x0, y0, z0 = min(int(x), max(nx - 2, 0)), min(int(y), max(ny - 2, 0)), min(int(z), max(nz - 2, 0))
        x1, y1, z1 = min(x0 + 1, nx - 1), min(y0 + 1, ny - 1), min(z0 + 1, nz - 1)
        u, v, w = x - x0, y - y0, z - z0
        low = (image[z0, y0, x0] * (1 - u) + image[z0, y0, x1] * u) * (1 - v)
        low += (image[z0, y1, x0] * (1 - u) + image[z0, y1, x1] * u) * v
        high = (image[z1, y0, x0] * (1 - u) + image[z1, y0, x1] * u) * (1 - v)
        high += (image[z1, y1, x0] * (1 - u) + image[z1, y1, x1] * u) * v
        out[i] = low * (1 - w) + high * w


@_compiled
def along_knots(image, knots, heights, start, stop, out):
    """Height of a line through (knots, heights) at each value of image[start:stop] (z, y, x), level beyond its ends."""
    last = knots.shape[0] - 1
    for k in range(start, stop):
        for j in range(image.shape[1]):
            for i in range(image.shape[2]):
                value = image[k, j, i]
                height = heights[last]
                if value <= knots[0]:
                    height = heights[0]
                else:
                    for n in range(last):
                        if value < knots[n + 1]:
                            share = (value - knots[n]) / (knots[n + 1] - knots[n])
                            height = heights[n] + share * (heights[n + 1] - heights[n])
                            break
                out[k, j, i] = height


@_compiled
def score_poses(fixed_bins, offsets, moving, matrices, shifts, n_bins, start, stop, out, shares):
    """Normalised mutual information (H(a) + H(b)) / H(a, b) at poses start to stop, from nearest neighbours, into out,
    and the share of points inside the moving image into shares.

    fixed_bins : uint8 (n,). offsets : float64 (n, 3), of the points. moving : uint8 (z, y, x), bins. matrices, shifts :
    (poses, 3, 3) and (poses, 3), offset to moving index (x, y, z).
    """
    nz, ny, nx = moving.shape
    n = fixed_bins.shape[0]
    joint = np.zeros((n_bins, n_bins), np.int64)
    ones, others = np.zeros(n_bins, np.int64), np.zeros(n_bins, np.int64)
    for pose in range(start, stop):
        m, s = matrices[pose], shifts[pose]
        joint[:] = 0
        inside = 0
        for i in range(n):
            a, b, c = offsets[i, 0], offsets[i, 1], offsets[i, 2]
            x = int(np.floor(m[0, 0] * a + m[0, 1] * b + m[0, 2] * c + s[0] + 0.5))
            y = int(np.floor(m[1, 0] * a + m[1, 1] * b + m[1, 2] * c + s[1] + 0.5))
            z = int(np.floor(m[2, 0] * a + m[2, 1] * b + m[2, 2] * c + s[2] + 0.5))
            if 0 <= x < nx and 0 <= y < ny and 0 <= z < nz:
                joint[fixed_bins[i], moving[z, y, x]] += 1
                inside += 1
        shares[pose] = inside / n
        out[pose] = 1.0
        if inside == 0:
            continue
        ones[:] = 0
        others[:] = 0
        both = 0.0
        for f in range(n_bins):
            for g in range(n_bins):
                count = joint[f, g]
                if count:
                    ones[f] += count
                    others[g] += count
                    both += count * np.log(count)
        single = 0.0
        for f in range(n_bins):
            if ones[f]:
                single += ones[f] * np.log(ones[f])
            if others[f]:
                single += others[f] * np.log(others[f])
        total = np.log(inside)
        entropy = total - both / inside
        if entropy > 1e-9:
            out[pose] = (2.0 * total - single / inside) / entropy


@_compiled
def joint_counts(fixed_bins, offsets, moving, matrix, shift, start, stop, values, slopes, weights, joint):
    """Joint histogram of samples start to stop: fixed bin by cubic B-spline windows of the moving value, into `joint`.

    Within a voxel of the moving image's edge the weight of a sample falls to 0, so that sums change smoothly when
    samples leave.

    fixed_bins : uint8 (n,). offsets : float32 (n, 3) in mm. moving : float32 (z, y, x), in bins, 1 to n - 2.
    matrix, shift : offset to moving index (x, y, z). Filled: values float32 (n,), the moving value, slopes float32
    (n, 3), its change per index, weights float32 (n,), 0 outside, and joint float64 (bins, bins).
    """
    nz, ny, nx = moving.shape
    one = np.float32(1.0)
    joint[:] = 0.0
    m00, m01, m02 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    m10, m11, m12 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    for i in range(start, stop):
        a, b, c = np.float64(offsets[i, 0]), np.float64(offsets[i, 1]), np.float64(offsets[i, 2])
        x = m00 * a + m01 * b + m02 * c + shift[0]
        y = m10 * a + m11 * b + m12 * c + shift[1]
        z = m20 * a + m21 * b + m22 * c + shift[2]
        if not (0.0 < x < nx - 1 and 0.0 < y < ny - 1 and 0.0 < z < nz - 1):
            weights[i] = 0.0
            continue
        weight = np.float32(min(min(x, nx - 1 - x), 1.0) * min(min(y, ny - 1 - y), 1.0) * min(min(z, nz - 1 - z), 1.0))
        weights[i] = weight
        x0, y0, z0 = int(x), int(y), int(z)
        u, v, w = np.float32(x - x0), np.float32(y - y0), np.float32(z - z0)
        c000, c001 = moving[z0, y0, x0], moving[z0, y0, x0 + 1]
        c010, c011 = moving[z0, y0 + 1, x0], moving[z0, y0 + 1, x0 + 1]
        c100, c101 = moving[z0 + 1, y0, x0], moving[z0 + 1, y0, x0 + 1]
        c110, c111 = moving[z0 + 1, y0 + 1, x0], moving[z0 + 1, y0 + 1, x0 + 1]
        d00, d01, d10, d11 = c001 - c000, c011 - c010, c101 - c100, c111 - c110
        e00, e01, e10, e11 = c000 + u * d00, c010 + u * d01, c100 + u * d10, c110 + u * d11
        f0, f1 = e00 + v * (e01 - e00), e10 + v * (e11 - e10)
        value = f0 + w * (f1 - f0)
        g0, g1 = d00 + v * (d01 - d00), d10 + v * (d11 - d10)
        slopes[i, 0] = g0 + w * (g1 - g0)
        slopes[i, 1] = (e01 - e00) + w * ((e11 - e10) - (e01 - e00))
        slopes[i, 2] = f1 - f0
        values[i] = value
        k = int(value)
        t = value - k
        s = one - t
        row = joint[fixed_bins[i]]
        row[k - 1] += weight * (s * s * s * np.float32(1 / 6))
        row[k] += weight * (np.float32(2 / 3) - t * t * (one - t * np.float32(0.5)))
        row[k + 1] += weight * (np.float32(2 / 3) - s * s * (one - s * np.float32(0.5)))
        row[k + 2] += weight * (t * t * t * np.float32(1 / 6))


@_compiled
def pull(fixed_bins, offsets, shape, matrix, shift, values, slopes, weights, gain, mean_gain, start, stop, out):
    """Sums over samples start to stop of the metric's force and of its moments.

    shape : (z, y, x) of the moving image. matrix, shift, values, slopes, weights : of `joint_counts`. gain : float32
    (bins, bins), what the metric gains by a count there, mean_gain its mean over all counts. out : float64 (3, 4), set
    to the sums of force (per index x, y, z) and of force times offset.
    """
    one = np.float32(1.0)
    force = np.empty(3)
    out[:] = 0.0
    for i in range(start, stop):
        weight = weights[i]
        if weight <= 0.0:
            continue
        value = values[i]
        k = int(value)
        t = value - k
        s = one - t
        row = gain[fixed_bins[i]]
        slope = weight * (
            np.float32(-0.5) * s * s * row[k - 1]
            + t * (np.float32(1.5) * t - np.float32(2.0)) * row[k]
            + s * (np.float32(2.0) - np.float32(1.5) * s) * row[k + 1]
            + np.float32(0.5) * t * t * row[k + 2]
        )
        a, b, c = np.float64(offsets[i, 0]), np.float64(offsets[i, 1]), np.float64(offsets[i, 2])
        force[0], force[1], force[2] = slope * slopes[i, 0], slope * slopes[i, 1], slope * slopes[i, 2]
        if weight < one:
            own = (
                s * s * s * np.float32(1 / 6) * row[k - 1]
                + (np.float32(2 / 3) - t * t * (one - t * np.float32(0.5))) * row[k]
                + (np.float32(2 / 3) - s * s * (one - s * np.float32(0.5))) * row[k + 1]
                + t * t * t * np.float32(1 / 6) * row[k + 2]
                - mean_gain
            )
            for axis in range(3):
                index = matrix[axis, 0] * a + matrix[axis, 1] * b + matrix[axis, 2] * c + shift[axis]
                far = shape[2 - axis] - 1 - index
                nearest = min(index, far)
                if nearest < 1.0:
                    force[axis] += own * weight / nearest * (1.0 if index < far else -1.0)
        for axis in range(3):
            part = force[axis]
            out[axis, 0] += part
            out[axis, 1] += part * a
            out[axis, 2] += part * b
            out[axis, 3] += part * c
