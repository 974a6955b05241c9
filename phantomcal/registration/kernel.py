"""Compiled loops over images and poses: block means, samples in bins, even shading, coarse scores.

This module and `metric_kernel` need numba, which takes a second to load: import them inside functions. Every loop runs
without the interpreter lock, over a given range that writes to places of its own or over all of one job: results have
the same bits on any number of threads. Loops are written out: sums and slices of arrays would take the compiler ten
seconds more.

The compiled code is kept beside this file, or in the user's cache folder when that cannot be written to
(``NUMBA_CACHE_DIR`` names another).
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled, kept on disk where that can be, and without the interpreter lock."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder to keep it in: compiled anew by every process
        return numba.njit(nogil=True, error_model="numpy")(function)


def n_threads() -> int:
    """How many threads to share work between: ``NUMBA_NUM_THREADS``, or the cores this process may use."""
    return int(numba.config.NUMBA_NUM_THREADS)


@compiled
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
            for i in range(nx):
                row[i] = 0.0
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


@compiled
def sampled(mask, low, size, steps, offset, tries, to_centre, to_index, image, knots, heights, n_bins):
    """Places spread evenly over a mask, off any grid, with the bins of an image's values there.

    mask : uint8 (z, y, x). low, size : (3,), the box of its filled voxels in continuous index (x, y, z). steps,
    offset : (3,), of the sequence of `tries` places in that box. to_centre, to_index : (3, 4), index to mm from the
    head's centre, and to the index of `image` (z, y, x). knots, heights : float32, the line from value to share of
    bins. Returns bins uint8 (n,) and places float32 (n, 3), those inside the image, ordered by voxel of the mask: near
    ones one after the other, which the processor finds in its cache.
    """
    nz, ny, nx = mask.shape
    counts = np.zeros(nz * ny * nx + 1, np.int64)
    keys = np.empty(tries, np.int32)
    n = 0
    for i in range(tries):
        keys[i] = -1
        x, y, z = _spot(i, low, size, steps, offset)
        a, b, c = min(int(x + 0.5), nx - 1), min(int(y + 0.5), ny - 1), min(int(z + 0.5), nz - 1)
        if mask[c, b, a]:
            keys[i] = (c * ny + b) * nx + a
            counts[keys[i] + 1] += 1
            n += 1
    places = counts  # where the next of each voxel goes
    for i in range(1, counts.shape[0]):
        places[i] += places[i - 1]
    order = np.empty(n, np.int32)
    for i in range(tries):
        if keys[i] >= 0:
            order[places[keys[i]]] = i
            places[keys[i]] += 1
    bins, offsets = np.empty(n, np.uint8), np.empty((n, 3), np.float32)
    kept = 0
    for k in range(n):
        x, y, z = _spot(order[k], low, size, steps, offset)
        value = _trilinear(
            image,
            to_index[0, 0] * x + to_index[0, 1] * y + to_index[0, 2] * z + to_index[0, 3],
            to_index[1, 0] * x + to_index[1, 1] * y + to_index[1, 2] * z + to_index[1, 3],
            to_index[2, 0] * x + to_index[2, 1] * y + to_index[2, 2] * z + to_index[2, 3],
        )
        if value != value:
            continue
        bins[kept] = min(int(_height(value, knots, heights) * n_bins), n_bins - 1)
        for axis in range(3):
            offsets[kept, axis] = (
                to_centre[axis, 0] * x + to_centre[axis, 1] * y + to_centre[axis, 2] * z + to_centre[axis, 3]
            )
        kept += 1
    return bins[:kept].copy(), offsets[:kept].copy()


@compiled
def _spot(i, low, size, steps, offset):
    x, y, z = (i + 1) * steps[0] + offset[0], (i + 1) * steps[1] + offset[1], (i + 1) * steps[2] + offset[2]
    x, y, z = x - np.floor(x), y - np.floor(y), z - np.floor(z)
    return x * size[0] + low[0], y * size[1] + low[1], z * size[2] + low[2]


@compiled
def _trilinear(image, x, y, z):
    """Value of `image` (z, y, x) at a continuous index by linear interpolation, NaN outside the voxels."""
    nz, ny, nx = image.shape
    if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5 and -0.5 <= z <= nz - 0.5):
        return np.nan
    x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
    x0, y0, z0 = min(int(x), max(nx - 2, 0)), min(int(y), max(ny - 2, 0)), min(int(z), max(nz - 2, 0))
    x1, y1, z1 = min(x0 + 1, nx - 1), min(y0 + 1, ny - 1), min(z0 + 1, nz - 1)
    u, v, w = x - x0, y - y0, z - z0
    low = (image[z0, y0, x0] * (1 - u) + image[z0, y0, x1] * u) * (1 - v)
    low += (image[z0, y1, x0] * (1 - u) + image[z0, y1, x1] * u) * v
    high = (image[z1, y0, x0] * (1 - u) + image[z1, y0, x1] * u) * (1 - v)
    high += (image[z1, y1, x0] * (1 - u) + image[z1, y1, x1] * u) * v
    return low * (1 - w) + high * w


@compiled
def _height(value, knots, heights):
    """Height of a line through (knots, heights), level beyond its ends."""
    last = knots.shape[0] - 1
    if value <= knots[0]:
        return heights[0]
    for n in range(last):
        if value < knots[n + 1]:
            share = (value - knots[n]) / (knots[n + 1] - knots[n])
            return heights[n] + share * (heights[n + 1] - heights[n])
    return heights[last]


@compiled
def along_knots(image, knots, heights, start, stop, out):
    """Height of a line through (knots, heights) at each value of image[start:stop] (z, y, x), level beyond its ends."""
    for k in range(start, stop):
        for j in range(image.shape[1]):
            for i in range(image.shape[2]):
                out[k, j, i] = _height(image[k, j, i], knots, heights)


@compiled
def evened(image, shading, scale, shift, top, start, stop, out):
    """Slices start to stop of an image over its slow shading, limited to [0, top], into out.

    image, out : float32 (z, y, x). shading : float32 (z, y, x), on a coarser grid along the same axes, where index
    (z, y, x) of the image is at scale * index + shift; linear between its voxels, level beyond them.
    """
    _, ny, nx = image.shape
    mz, my, mx = shading.shape
    columns, shares = np.empty(nx, np.int64), np.empty(nx, np.float32)
    for i in range(nx):
        x = min(max(scale[2] * i + shift[2], 0.0), mx - 1.0)
        columns[i] = min(int(x), max(mx - 2, 0))
        shares[i] = x - columns[i]
    line = np.empty(mx + 1, np.float32)
    for k in range(start, stop):
        z = min(max(scale[0] * k + shift[0], 0.0), mz - 1.0)
        z0 = min(int(z), max(mz - 2, 0))
        z1, w = min(z0 + 1, mz - 1), np.float32(z - z0)
        for j in range(ny):
            y = min(max(scale[1] * j + shift[1], 0.0), my - 1.0)
            y0 = min(int(y), max(my - 2, 0))
            y1, v = min(y0 + 1, my - 1), np.float32(y - y0)
            for i in range(mx):
                near = shading[z0, y0, i] + v * (shading[z0, y1, i] - shading[z0, y0, i])
                far = shading[z1, y0, i] + v * (shading[z1, y1, i] - shading[z1, y0, i])
                line[i] = near + w * (far - near)
            line[mx] = line[mx - 1]
            for i in range(nx):
                c = columns[i]
                value = image[k, j, i] / (line[c] + shares[i] * (line[c + 1] - line[c]))
                out[k, j, i] = min(max(value, np.float32(0.0)), top)


@compiled
def windowed(image, near, columns, rows, slices, low, high, start, stop, out):
    """Slices start to stop of an image, limited to [low, high], and low outside a coarse mask, into out.

    near : uint8 (z, y, x). columns, rows, slices : int64, the mask's index for each index of the image, -1 outside.
    """
    for k in range(start, stop):
        for j in range(image.shape[1]):
            if slices[k] < 0 or rows[j] < 0:
                for i in range(image.shape[2]):
                    out[k, j, i] = low
                continue
            line = near[slices[k], rows[j]]
            for i in range(image.shape[2]):
                inside = columns[i] >= 0 and line[columns[i]] > 0
                out[k, j, i] = min(max(image[k, j, i], low), high) if inside else low


@compiled
def filtered(image, along_x, along_y, along_z, out):
    """Three odd filters one after the other over an image (z, y, x), which goes on level beyond its ends, into out."""
    nz, ny, nx = image.shape
    rx, ry, rz = along_x.shape[0] // 2, along_y.shape[0] // 2, along_z.shape[0] // 2
    slab, plane = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    line = np.empty(nx + 2 * rx, np.float32)
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                slab[j, i] = 0.0
        for n in range(-rz, rz + 1):
            level, part = min(max(k + n, 0), nz - 1), along_z[n + rz]
            for j in range(ny):
                for i in range(nx):
                    slab[j, i] += part * image[level, j, i]
        for j in range(ny):
            for i in range(nx):
                plane[j, i] = 0.0
            for n in range(-ry, ry + 1):
                level, part = min(max(j + n, 0), ny - 1), along_y[n + ry]
                for i in range(nx):
                    plane[j, i] += part * slab[level, i]
            for i in range(rx):
                line[i], line[rx + nx + i] = plane[j, 0], plane[j, nx - 1]
            for i in range(nx):
                line[rx + i] = plane[j, i]
                out[k, j, i] = 0.0
            for n in range(2 * rx + 1):
                part = along_x[n]
                for i in range(nx):
                    out[k, j, i] += part * line[n + i]


@compiled
def score_poses(fixed_rows, offsets, moving, shape, matrices, shifts, n_bins, logs, start, stop, out, shares):
    """Normalised mutual information (H(a) + H(b)) / H(a, b) at poses start to stop, from nearest neighbours, into out,
    and the share of points inside the moving image into shares.

    fixed_rows : int32 (n,), bin times n_bins + 1. offsets : float32 (3, n), of the points. moving : uint8 (voxels + 1),
    bins in the order z, y, x of `shape`, the last one `n_bins` for all that is outside. matrices, shifts :
    (poses, 3, 3) and (poses, 3), offset to moving index (x, y, z). logs : k log k for k from 0 to n.
    """
    nz, ny, nx = shape
    n = fixed_rows.shape[0]
    a, b, c = offsets[0], offsets[1], offsets[2]
    outside = np.int32(moving.shape[0] - 1)
    wide, high, deep = np.float32(nx), np.float32(ny), np.float32(nz)
    where = np.empty(n, np.int32)
    joint = np.zeros(n_bins * (n_bins + 1), np.int32)
    others = np.zeros(n_bins, np.int64)
    zero, half = np.float32(0.0), np.float32(0.5)
    for pose in range(start, stop):
        m, s = matrices[pose], shifts[pose]
        m00, m01, m02 = np.float32(m[0, 0]), np.float32(m[0, 1]), np.float32(m[0, 2])
        m10, m11, m12 = np.float32(m[1, 0]), np.float32(m[1, 1]), np.float32(m[1, 2])
        m20, m21, m22 = np.float32(m[2, 0]), np.float32(m[2, 1]), np.float32(m[2, 2])
        s0, s1, s2 = np.float32(s[0]) + half, np.float32(s[1]) + half, np.float32(s[2]) + half
        for i in range(n):  # without branches, so that several points are done at once
            x = m00 * a[i] + m01 * b[i] + m02 * c[i] + s0
            y = m10 * a[i] + m11 * b[i] + m12 * c[i] + s1
            z = m20 * a[i] + m21 * b[i] + m22 * c[i] + s2
            within = (x >= zero) & (x < wide) & (y >= zero) & (y < high) & (z >= zero) & (z < deep)
            # Whole numbers below 2^24 are exact in float32.
            index = (np.floor(z) * high + np.floor(y)) * wide + np.floor(x)
            where[i] = np.int32(index) if within else outside
        for i in range(joint.shape[0]):
            joint[i] = 0
        for i in range(n):
            joint[fixed_rows[i] + moving[where[i]]] += 1
        inside = 0
        both = 0.0
        single = 0.0
        for g in range(n_bins):
            others[g] = 0
        for f in range(n_bins):
            first = f * (n_bins + 1)
            whole = 0
            for g in range(n_bins):
                found = joint[first + g]
                whole += found
                others[g] += found
                both += logs[found]
            single += logs[whole]
            inside += whole
        shares[pose] = inside / n
        out[pose] = 1.0
        if inside == 0:
            continue
        for g in range(n_bins):
            single += logs[others[g]]
        total = np.log(inside)
        entropy = total - both / inside
        if entropy > 1e-9:
            out[pose] = (2.0 * total - single / inside) / entropy
