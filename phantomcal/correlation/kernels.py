"""Compiled loops over labelled voxels: sort them by region, read volumes there, and sum.

The only module of the package that needs numba, which takes a while to load: import it inside functions. Voxels travel
as flat indices into a (z, y, x) volume, sorted by region and, within a region, in the order of the volume. Region r
owns the slots ``offsets[r]`` to ``offsets[r + 1]``.
"""

from typing import Any

import numba
import numpy as np

N_TERMS = 10


def _compiled(function: Any) -> Any:
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def count_labels(labels, counts):  # type: ignore[no-untyped-def]
    """How often each value occurs, into counts (largest label + 1,)."""
    for i in range(labels.size):
        counts[labels[i]] += 1


@_compiled
def sort_by_region(labels, region_of_label, position, out):  # type: ignore[no-untyped-def]
    """Counting sort of the labelled voxels: flat indices into out; `position` starts at each region's first slot."""
    for i in range(labels.size):
        label = labels[i]
        if label != 0:
            region = region_of_label[label]
            if region >= 0:
                out[position[region]] = i
                position[region] += 1


@_compiled
def gather(volume, flat, out):  # type: ignore[no-untyped-def]
    """Values of the flat volume at flat indices."""
    for i in range(flat.size):
        out[i] = volume[flat[i]]


@_compiled
def sample_linear(volume, flat, shape, matrix, offset, out):  # type: ignore[no-untyped-def]
    """Trilinear values of `volume` (z, y, x) where an affine map puts voxels of another grid; NaN outside.

    shape : of the grid that `flat` counts in. matrix (3, 3), offset (3,): its index (x, y, z) to an index in `volume`.
    As in ITK a voxel reaches half a voxel beyond its centre.
    """
    nz, ny, nx = volume.shape
    plane = shape[1] * shape[2]
    for i in range(flat.size):
        k, rest = divmod(flat[i], plane)
        j, a = divmod(rest, shape[2])
        x = matrix[0, 0] * a + matrix[0, 1] * j + matrix[0, 2] * k + offset[0]
        y = matrix[1, 0] * a + matrix[1, 1] * j + matrix[1, 2] * k + offset[1]
        z = matrix[2, 0] * a + matrix[2, 1] * j + matrix[2, 2] * k + offset[2]
        if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5 and -0.5 <= z < nz - 0.5):
            out[i] = np.nan
            continue
        x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
        x0, y0, z0 = int(x), int(y), int(z)
        fx, fy, fz = x - x0, y - y0, z - z0
        # A neighbour of weight nothing is not read: it may be missing.
        x1, y1, z1 = x0 + (fx > 0), y0 + (fy > 0), z0 + (fz > 0)
        low = (volume[z0, y0, x0] * (1 - fx) + volume[z0, y0, x1] * fx) * (1 - fy) + (
            volume[z0, y1, x0] * (1 - fx) + volume[z0, y1, x1] * fx
        ) * fy
        high = (volume[z1, y0, x0] * (1 - fx) + volume[z1, y0, x1] * fx) * (1 - fy) + (
            volume[z1, y1, x0] * (1 - fx) + volume[z1, y1, x1] * fx
        ) * fy
        out[i] = low * (1 - fz) + high * fz


@_compiled
def lies_deep(labels, flat, steps, keep):  # type: ignore[no-untyped-def]
    """Whether every voxel at the given steps (n, 3; z, y, x) has the same label; beyond the volume nothing has."""
    nz, ny, nx = labels.shape
    for i in range(flat.size):
        k, rest = divmod(flat[i], ny * nx)
        j, a = divmod(rest, nx)
        own = labels[k, j, a]
        deep = True
        for s in range(steps.shape[0]):
            z, y, x = k + steps[s, 0], j + steps[s, 1], a + steps[s, 2]
            if z < 0 or y < 0 or x < 0 or z >= nz or y >= ny or x >= nx or labels[z, y, x] != own:
                deep = False
                break
        keep[i] = deep


@_compiled
def in_large_piece(volume, flat, limit, out):  # type: ignore[no-untyped-def]
    """Whether a zero at `flat` hangs together (by faces) with at least `limit` zeros of the volume (z, y, x)."""
    nz, ny, nx = volume.shape
    plane = ny * nx
    voxels = volume.reshape(-1)
    seen = np.empty(limit + 6, np.int64)
    for i in range(flat.size):
        seen[0] = flat[i]
        count, head = 1, 0
        while head < count and count < limit:
            here = seen[head]
            head += 1
            k, rest = divmod(here, plane)
            j, a = divmod(rest, nx)
            for side in range(6):
                if side == 0 and k > 0:
                    there = here - plane
                elif side == 1 and k < nz - 1:
                    there = here + plane
                elif side == 2 and j > 0:
                    there = here - nx
                elif side == 3 and j < ny - 1:
                    there = here + nx
                elif side == 4 and a > 0:
                    there = here - 1
                elif side == 5 and a < nx - 1:
                    there = here + 1
                else:
                    continue
                new = voxels[there] == 0
                for s in range(count):
                    if seen[s] == there:
                        new = False
                if new:
                    seen[count] = there
                    count += 1
        out[i] = count >= limit


@_compiled
def moments(values, offsets, mean, squares):  # type: ignore[no-untyped-def]
    """Mean and sum of squares about it per region, in two passes so that large offsets cost no digits."""
    for region in range(mean.size):
        start, stop = offsets[region], offsets[region + 1]
        total = 0.0
        for i in range(start, stop):
            total += values[i]
        centre = total / (stop - start) if stop > start else np.nan
        spread = 0.0
        for i in range(start, stop):
            off = values[i] - centre
            spread += off * off
        mean[region], squares[region] = centre, spread


@_compiled
def _terms(index, shape, centre, scale, out):  # type: ignore[no-untyped-def]
    """The quadratic surface's terms at a voxel, coordinates centred and scaled to about one."""
    k, rest = divmod(index, shape[1] * shape[2])
    j, a = divmod(rest, shape[2])
    z, y, x = (k - centre[0]) / scale[0], (j - centre[1]) / scale[1], (a - centre[2]) / scale[2]
    out[0], out[1], out[2], out[3] = 1.0, x, y, z
    out[4], out[5], out[6] = x * x, y * y, z * z
    out[7], out[8], out[9] = x * y, x * z, y * z


@_compiled
def boxes(flat, starts, stops, shape, low, high):  # type: ignore[no-untyped-def]
    """Smallest and largest index (z, y, x) of the voxels between starts[r] and stops[r]."""
    for region in range(starts.size):
        for axis in range(3):
            low[region, axis], high[region, axis] = shape[axis], -1
        for i in range(starts[region], stops[region]):
            k, rest = divmod(flat[i], shape[1] * shape[2])
            j, a = divmod(rest, shape[2])
            for axis, here in ((0, k), (1, j), (2, a)):
                low[region, axis] = min(low[region, axis], here)
                high[region, axis] = max(high[region, axis], here)


@_compiled
def normal_equations(values, flat, starts, stops, strides, shape, centre, scale, gram, moment):  # type: ignore[no-untyped-def]
    """Sums of products of the terms, and of terms and values, over every strides[r]-th voxel."""
    terms = np.empty(10)
    for region in range(starts.size):
        for i in range(starts[region], stops[region], strides[region]):
            _terms(flat[i], shape, centre[region], scale[region], terms)
            for p in range(10):
                moment[region, p] += terms[p] * values[i]
                for q in range(p + 1):
                    gram[region, p, q] += terms[p] * terms[q]
        for p in range(10):
            for q in range(p):
                gram[region, q, p] = gram[region, p, q]


@_compiled
def residual_products(values, flat, starts, stops, shape, centre, scale, weights, products, pairs):  # type: ignore[no-untyped-def]
    """Sums of squares (column 0) and of products of neighbours along z, y, x (1 to 3) of what a surface leaves."""
    terms = np.empty(10)
    steps = (shape[1] * shape[2], shape[2], 1)
    for region in range(starts.size):
        start, stop = starts[region], stops[region]
        rest = np.empty(stop - start)
        for i in range(start, stop):
            _terms(flat[i], shape, centre[region], scale[region], terms)
            fitted = 0.0
            for p in range(10):
                fitted += weights[region, p] * terms[p]
            rest[i - start] = values[i] - fitted
            products[region, 0] += rest[i - start] ** 2
        pairs[region, 0] = stop - start
        for axis in range(3):
            step = steps[axis]
            other = start
            for i in range(start, stop):
                if axis == 2 and flat[i] % shape[2] == shape[2] - 1:
                    continue
                if axis == 1 and (flat[i] // shape[2]) % shape[1] == shape[1] - 1:
                    continue
                wanted = flat[i] + step
                while other < stop and flat[other] < wanted:
                    other += 1
                if other < stop and flat[other] == wanted:
                    products[region, 1 + axis] += rest[i - start] * rest[other - start]
                    pairs[region, 1 + axis] += 1
