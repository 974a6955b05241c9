"""Along the vials: where they are whole, and how they lean."""

import numpy as np
from numpy.typing import NDArray

from phantomcal.phantom.finding.candidates import Candidate, Slabs, centroids, disc_means, disc_pixels

Array = NDArray[np.float64]

_WHOLE = 0.85  # share of a vial's mid-length contrast that still counts as a whole vial


def lean(slabs: Slabs, candidate: Candidate, low_px: int, high_px: int) -> tuple[Array, Array]:
    """Lean of the vials against the frame's third axis.

    The centres of the vials that stand out are followed plane by plane; their common drift is fitted by a line.

    Parameters
    ----------
    slabs : Slabs
    candidate : Candidate
        Pose found at one slab.
    low_px, high_px : int
        Range of planes to follow.

    Returns
    -------
    slope : ndarray, shape (2,)
        mm in plane per mm along.
    standard_error : ndarray, shape (2,)
        Of the slope; infinite when fewer than four planes could be followed.
    """
    origin = int(slabs.centres_px[candidate.slab])
    strong = strongest(slabs, candidate)
    step = max(1, round(2.0 / slabs.spacing_mm))
    along, drift = [0.0], [np.zeros(2)]
    for direction in (1, -1):
        offset, speed = np.zeros(2), np.zeros(2)
        plane = origin + direction * step
        while low_px <= plane <= high_px:
            picture = slabs.at(plane, half_px=step)
            guess = offset + speed
            centres = candidate.centres[strong]
            found, _ = centroids(picture, centres + guess, slabs.start_mm[:2], slabs.spacing_mm, slabs.radius_mm)
            here = np.median(found - centres, axis=0)
            if np.max(np.abs(here - guess)) > 0.5 * slabs.radius_mm:
                break
            speed, offset = 0.5 * speed + 0.5 * (here - offset), here
            along.append((plane - origin) * slabs.spacing_mm)
            drift.append(here)
            plane += direction * step
    if len(along) < 4:
        return np.zeros(2), np.full(2, np.inf)
    t, d = np.array(along), np.array(drift)
    t = t - t.mean()
    slope = (t @ (d - d.mean(axis=0))) / (t @ t)
    residual = d - d.mean(axis=0) - t[:, None] * slope
    error = np.sqrt((residual**2).sum(axis=0) / (len(t) - 2) / (t @ t))
    return slope, error


def strongest(slabs: Slabs, candidate: Candidate) -> NDArray[np.int64]:
    """Indices of the seen vials with the clearest contrast, at least three where there are as many."""
    contrast = np.abs(_contrast(slabs.picture(candidate.slab), candidate.centres, slabs))
    contrast = np.where(candidate.seen, contrast, 0.0)
    # An empty vial on CT stands out tenfold; it must not be the measure of the others.
    count = max(3, int(np.sum(contrast > 0.3 * np.sort(contrast)[-min(3, len(contrast))])))
    order: NDArray[np.int64] = np.argsort(-contrast, kind="stable")[: min(count, int(candidate.seen.sum()))]
    return order


def _contrast(picture: NDArray[np.float32], centres: Array, slabs: Slabs) -> Array:
    """Core mean minus the median of the surroundings, per vial."""
    return centroids(picture, centres, slabs.start_mm[:2], slabs.spacing_mm, slabs.radius_mm)[1]


def clearest_slab(slabs: Slabs, candidate: Candidate) -> int:
    """Number of the slab in which the candidate's vials stand out most.

    A layout can be found in a slab that holds only the ends of its vials; how a whole vial looks is read elsewhere.
    """
    centres = candidate.centres[strongest(slabs, candidate)]
    clarity = [float(np.sum(np.abs(_contrast(slabs.picture(k), centres, slabs)))) for k in range(len(slabs.centres_px))]
    return int(np.argmax(clarity))


def whole_range(slabs: Slabs, candidate: Candidate) -> tuple[int, int]:
    """Planes between which the vials are whole.

    Returns
    -------
    first, last : int
        Plane numbers of the frame volume, inclusive.
    """
    origin = int(slabs.centres_px[candidate.slab])
    strong = strongest(slabs, candidate)
    centres = candidate.centres[strong]
    reference = disc_means(slabs.picture(candidate.slab), centres, slabs)
    background = reference - _contrast(slabs.picture(candidate.slab), centres, slabs)
    planes = slabs.volume.reshape(len(slabs.volume), -1)
    means = np.stack([planes[:, pixels].mean(axis=1) for pixels in disc_pixels(slabs.volume.shape[1:], centres, slabs)])
    share = np.median((means.T - background) / (reference - background), axis=1)
    whole = share > _WHOLE
    # One noisy plane inside the vials does not end them; two in a row do.
    whole = whole | (np.roll(whole, 1) & np.roll(whole, -1))
    first = last = origin
    while first > 0 and whole[first - 1]:
        first -= 1
    while last < len(whole) - 1 and whole[last + 1]:
        last += 1
    return first, last
