"""Compiled mutual information of one level at a pose, its gradient, and the climb to its nearest top.

Each runs on one thread from end to end without the interpreter lock: threads do whole climbs side by side, which costs
nothing to keep in step, and sums have one order. See `kernel` for how they are written and where the compiled code is
kept.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from phantomcal.registration.kernel import compiled
from phantomcal.registration.metric import ARM_MM

_LEAST_INSIDE = 0.05
_LONGEST_MM = 30.0  # step


@compiled
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
    for f in range(joint.shape[0]):
        for g in range(joint.shape[1]):
            joint[f, g] = 0.0
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


@compiled
def pull(fixed_bins, offsets, shape, matrix, shift, values, slopes, weights, gain, mean_gain, start, stop, out):
    """Sums over samples start to stop of the metric's force and of its moments.

    shape : (z, y, x) of the moving image. matrix, shift, values, slopes, weights : of `joint_counts`. gain : float32
    (bins, bins), what the metric gains by a count there, mean_gain its mean over all counts. out : float64 (3, 4), set
    to the sums of force (per index x, y, z) and of force times offset.
    """
    one = np.float32(1.0)
    force = np.empty(3)
    for axis in range(3):
        for k in range(4):
            out[axis, k] = 0.0
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


@compiled
def information(fixed_bins, offsets, moving, to_index, origin, n_bins, rotation, centre, values, slopes, weights, out):
    """Mutual information, nats, and its gradient (as `metric.mutual_information` gives it) into out (6,).

    values, slopes, weights : room for float32 (n,), (n, 3), (n,).
    """
    n = fixed_bins.shape[0]
    matrix, shift = np.zeros((3, 3)), np.zeros(3)
    for i in range(3):
        for k in range(3):
            shift[i] += to_index[i, k] * (centre[k] - origin[k])
            for j in range(3):
                matrix[i, j] += to_index[i, k] * rotation[k, j]
    joint = np.empty((n_bins, n_bins))
    joint_counts(fixed_bins, offsets, moving, matrix, shift, 0, n, values, slopes, weights, joint)
    for i in range(6):
        out[i] = 0.0
    inside = 0.0
    ones, others = np.zeros(n_bins), np.zeros(n_bins)
    for f in range(n_bins):
        for g in range(n_bins):
            inside += joint[f, g]
            ones[f] += joint[f, g]
            others[g] += joint[f, g]
    if inside < _LEAST_INSIDE * n:
        return 0.0
    gain = np.zeros((n_bins, n_bins), np.float32)
    nats = 0.0
    for f in range(n_bins):
        for g in range(n_bins):
            if joint[f, g] > 0.0:
                one = np.log(joint[f, g] * inside / (ones[f] * others[g]))
                gain[f, g] = one
                nats += joint[f, g] / inside * one
    sums = np.empty((3, 4))
    pull(fixed_bins, offsets, moving.shape, matrix, shift, values, slopes, weights, gain, nats, 0, n, sums)
    force = np.zeros((3, 4))  # per mm: of the shift, and times the offsets before the turn
    for i in range(3):
        for k in range(3):
            for j in range(4):
                force[i, j] += to_index[k, i] * sums[k, j] / inside
    moment = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                moment[i, j] += force[i, 1 + k] * rotation[j, k]
    out[0] = (moment[2, 1] - moment[1, 2]) / ARM_MM
    out[1] = (moment[0, 2] - moment[2, 0]) / ARM_MM
    out[2] = (moment[1, 0] - moment[0, 1]) / ARM_MM
    for i in range(3):
        out[3 + i] = force[i, 0]
    return nats


@compiled
def climb(fixed_bins, offsets, moving, to_index, origin, n_bins, rotation, centre, units, tolerance, most):
    """Steps (6,) in `metric.stepped`'s parameters from a pose to the nearest top, the nats there, and evaluations.

    Quasi-Newton (BFGS) with steps shortened until they gain (Nocedal and Wright, Numerical Optimization, 2006, chapters
    3 and 6). units : (6, 6), whose columns are about equally steep.
    """
    n = fixed_bins.shape[0]
    values, slopes, weights = np.empty(n, np.float32), np.empty((n, 3), np.float32), np.empty(n, np.float32)
    here, there, slope, ahead = np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6)
    # In these units a Newton step is about the gradient itself.
    inverse = np.zeros((6, 6))
    for i in range(6):
        inverse[i, i] = 1.0
    step, fall = np.zeros(6), np.zeros(6)
    turn, jacobian, turned = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    x, raw, moved = np.zeros(6), np.zeros(6), np.zeros(3)
    nats = 0.0
    steps, evaluations = -1, 0
    way, length, shorter = np.zeros(6), 0.0, 0
    while True:
        # The value and the slope at `there`.
        for i in range(6):
            x[i] = 0.0
            for k in range(6):
                x[i] += units[i, k] * there[k]
        _turn(x[0] / ARM_MM, x[1] / ARM_MM, x[2] / ARM_MM, turn, jacobian)
        for i in range(3):
            moved[i] = centre[i] + x[3 + i]
            for j in range(3):
                turned[i, j] = turn[i, 0] * rotation[0, j] + turn[i, 1] * rotation[1, j] + turn[i, 2] * rotation[2, j]
        found = information(
            fixed_bins, offsets, moving, to_index, origin, n_bins, turned, moved, values, slopes, weights, raw
        )
        evaluations += 1
        for i in range(3):
            x[i] = raw[0] * jacobian[0, i] + raw[1] * jacobian[1, i] + raw[2] * jacobian[2, i]
            x[3 + i] = raw[3 + i]
        for i in range(6):
            ahead[i] = 0.0
            for k in range(6):
                ahead[i] += x[k] * units[k, i]
        if steps >= 0:
            promised = 0.0
            for i in range(6):
                promised += slope[i] * way[i]
            if found < nats + 1e-4 * length * promised:  # too far: back to the top of the parabola
                shorter += 1
                if shorter > 8:
                    break
                bend = 2.0 * (nats + length * promised - found)
                length *= min(max(length * promised / bend, 0.1), 0.5)
                for i in range(6):
                    there[i] = here[i] + length * way[i]
                continue
            gained = found - nats
            for i in range(6):
                step[i], fall[i] = there[i] - here[i], slope[i] - ahead[i]
            _learn(inverse, step, fall, steps == 0)
        else:
            gained = np.inf
        steps += 1
        nats = found
        for i in range(6):
            here[i], slope[i] = there[i], ahead[i]
        expected, longest = 0.0, 0.0
        for i in range(6):
            way[i] = 0.0
            for k in range(6):
                way[i] += inverse[i, k] * slope[k]
            expected += 0.5 * way[i] * slope[i]
        if gained < tolerance or expected < tolerance or steps >= most:
            break
        for i in range(6):
            part = 0.0
            for k in range(6):
                part += units[i, k] * way[k]
            longest += part**2
        length = min(1.0, _LONGEST_MM / np.sqrt(longest))
        shorter = 0
        for i in range(6):
            there[i] = here[i] + length * way[i]
    for i in range(6):
        x[i] = 0.0
        for k in range(6):
            x[i] += units[i, k] * here[k]
    return x, nats, evaluations


@compiled
def _learn(inverse, step, fall, first):
    """BFGS update of the inverse curvature by a step and how far the slope fell along it."""
    product, size, length = 0.0, 0.0, 0.0
    for i in range(6):
        product += step[i] * fall[i]
        size += fall[i] ** 2
        length += step[i] ** 2
    hill = product > 1e-3 * np.sqrt(size * length)
    if first or not hill:
        factor = product / size if hill else 2.0  # not (yet) a hill: longer steps of the same kind
        for i in range(6):
            for k in range(6):
                inverse[i, k] *= factor
    if not hill:
        return
    along = np.zeros(6)
    for i in range(6):
        for k in range(6):
            along[i] += inverse[i, k] * fall[k]
    bend = 0.0
    for i in range(6):
        bend += fall[i] * along[i]
    for i in range(6):
        for k in range(6):
            inverse[i, k] += (1.0 + bend / product) * step[i] * step[k] / product
            inverse[i, k] -= (along[i] * step[k] + step[i] * along[k]) / product


@compiled
def _turn(x, y, z, turn, jacobian):
    """Rotation matrix of a rotation vector, and the change of the turn with the vector (left Jacobian of SO(3))."""
    angle = np.sqrt(x * x + y * y + z * z)
    sine, one, two = 1.0 - angle**2 / 6, 0.5 - angle**2 / 24, 1 / 6 - angle**2 / 120
    if angle > 1e-3:
        sine, one = np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2
        two = (angle - np.sin(angle)) / angle**3
    cross = np.zeros((3, 3))
    cross[0, 1], cross[0, 2], cross[1, 2] = -z, y, -x
    cross[1, 0], cross[2, 0], cross[2, 1] = z, -y, x
    for i in range(3):
        for j in range(3):
            square = cross[i, 0] * cross[0, j] + cross[i, 1] * cross[1, j] + cross[i, 2] * cross[2, j]
            unit = 1.0 if i == j else 0.0
            turn[i, j] = unit + sine * cross[i, j] + one * square
            jacobian[i, j] = unit + one * cross[i, j] + two * square
