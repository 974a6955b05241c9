"""Do two correlations, slopes or means differ? Independent, dependent and clustered rows."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.correlation.association import associate
from phantomcal.correlation.inference import fisher_interval
from phantomcal.correlation.resample import MOST_UNITS, jackknife, prepare

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Interval = tuple[float, float]

_NEARLY_ONE = 1.0 - 1e-12


@dataclass(frozen=True)
class Difference:
    """First minus second.

    Attributes
    ----------
    first, second, estimate : float
    ci95 : tuple of float
    p : float
        Two-sided.
    method : str
        In words.
    """

    first: float
    second: float
    estimate: float
    ci95: Interval
    p: float
    method: str


@dataclass(frozen=True)
class Sample:
    """One side of a comparison.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
    subject : ndarray of int, shape (n,)
        Codes shared by both sides: the same person has the same number.
    covariates : ndarray, shape (n, k), or None
    """

    x: FloatArray
    y: FloatArray
    subject: IntArray
    covariates: FloatArray | None = None


def zou_interval(r: tuple[float, float], bounds: tuple[Interval, Interval], correlation: float = 0.0) -> Interval:
    """Interval of r1 - r2 from the two intervals and how the two estimates hang together.

    References
    ----------
    G. Y. Zou, Psychol. Methods 12 (2007) 399, 10.1037/1082-989X.12.4.399.
    """
    (low1, high1), (low2, high2) = bounds
    down1, up1, down2, up2 = r[0] - low1, high1 - r[0], r[1] - low2, high2 - r[1]
    below = down1**2 + up2**2 - 2 * correlation * down1 * up2
    above = up1**2 + down2**2 - 2 * correlation * up1 * down2
    d = r[0] - r[1]
    return max(-2.0, d - float(np.sqrt(max(below, 0.0)))), min(2.0, d + float(np.sqrt(max(above, 0.0))))


def independent_correlations(r1: float, n1: int, r2: float, n2: int, n_covariates: int = 0) -> Difference | str:
    """Two correlations of different people: Fisher's z test, Zou's interval.

    Parameters
    ----------
    r1, n1, r2, n2
        Coefficients and rows.
    n_covariates : int
        Taken out of both.

    Returns
    -------
    Difference or str
        The reason in words with fewer than four rows (and covariates) on a side.
    """
    dof1, dof2 = n1 - 3 - n_covariates, n2 - 3 - n_covariates
    if min(dof1, dof2) < 1:
        return "too few rows to compare correlations"
    z = (_z(r1) - _z(r2)) / np.sqrt(1 / dof1 + 1 / dof2)
    bounds = (fisher_interval(r1, n1, n_covariates), fisher_interval(r2, n2, n_covariates))
    p = float(2 * stats.norm.sf(abs(z)))
    return Difference(r1, r2, r1 - r2, zou_interval((r1, r2), bounds), p, "independent correlations: Fisher z, Zou")


def dependent_correlations(x1: FloatArray, y1: FloatArray, x2: FloatArray, y2: FloatArray) -> Difference | str:
    """Two correlations in the same people, with a column in common or none: Steiger's test, Zou's interval.

    Parameters
    ----------
    x1, y1, x2, y2 : ndarray, shape (n,)
        Row i is the same person in all four. A column may stand on both sides.

    Returns
    -------
    Difference or str
        The reason in words with fewer than four rows or a constant column.

    References
    ----------
    J. H. Steiger, Psychol. Bull. 87 (1980) 245, 10.1037/0033-2909.87.2.245 (equations 14 and 15, pooled r).
    """
    n = x1.size
    if n < 4:
        return "too few rows to compare correlations"
    table = np.stack([x1, y1, x2, y2])
    if (np.ptp(table, axis=1) == 0).any():
        return "a column is constant"
    c = np.asarray(np.corrcoef(table), dtype=np.float64)
    r1, r2 = float(c[0, 1]), float(c[2, 3])
    mean = (r1 + r2) / 2
    shared = c.copy()
    # With a column in common, the other column's correlation with it is one of the two compared: pooled as well.
    for (i, j), equal in (((0, 2), ((0, 3), (1, 2))), ((1, 3), ((0, 3), (1, 2))), ((0, 3), ((0, 2), (1, 3)))):
        if c[i, j] > 1 - 1e-12:
            for place in equal:
                shared[place] = mean
    if c[1, 2] > 1 - 1e-12:
        shared[0, 2] = shared[1, 3] = mean
    pooled = _between(shared, mean, mean)
    if pooled > 1 - 1e-9:
        return Difference(r1, r2, r1 - r2, (r1 - r2, r1 - r2), 1.0, "the same columns on both sides")
    z = (_z(r1) - _z(r2)) * np.sqrt((n - 3) / (2 - 2 * pooled))
    bounds = (fisher_interval(r1, n), fisher_interval(r2, n))
    interval = zou_interval((r1, r2), bounds, _between(c, r1, r2))
    return Difference(
        r1, r2, r1 - r2, interval, float(2 * stats.norm.sf(abs(z))), "dependent correlations: Steiger, Zou"
    )


def _between(c: FloatArray, r1: float, r2: float) -> float:
    """Correlation of two sample correlations r_jk and r_hm."""
    jh, jm, kh, km = (float(c[i, j]) for i, j in ((0, 2), (0, 3), (1, 2), (1, 3)))
    covariance = 0.5 * r1 * r2 * (jh**2 + jm**2 + kh**2 + km**2) + jh * km + jm * kh
    covariance -= r1 * jh * jm + r1 * kh * km + r2 * jh * kh + r2 * jm * km
    scale = max((1 - r1**2) * (1 - r2**2), 1e-300)
    return float(np.clip(covariance / scale, -1.0, 1.0))


def clustered_differences(first: Sample, second: Sample) -> dict[str, Difference] | str:
    """Differences of r and of the slope when people have several rows, or stand on both sides in part.

    Every person is left out in turn, on both sides at once; correlations on Fisher's z. Student's t with Welch and
    Satterthwaite's degrees of freedom of the two numbers of people.

    Returns
    -------
    dict of str to Difference, or str
        ``pearson_r`` and ``slope``; the reason in words when a side has fewer than five people or does not vary.
    """
    sides = []
    people = np.unique(np.concatenate([first.subject, second.subject]))
    pair = (first, second)
    if people.size > MOST_UNITS:
        # Groups of people are left out instead, the same on both sides.
        groups = [np.searchsorted(people, side.subject) % MOST_UNITS for side in pair]
        pair = (replace(first, subject=groups[0]), replace(second, subject=groups[1]))
        people = np.arange(MOST_UNITS)
    for side in pair:
        a = associate(side.x, side.y, side.covariates)
        if isinstance(a, str):
            return a
        here, code = np.unique(side.subject, return_inverse=True)
        if here.size < 5:
            return "fewer than five subjects"
        without, _ = jackknife(prepare(side.x, side.y, side.covariates), code.astype(np.int64))
        if not np.isfinite(without.r).all():
            return "nothing is left to compare without one of the subjects"
        # Someone who is not on this side changes nothing when left out.
        z_shift, slope_shift = np.zeros(people.size), np.zeros(people.size)
        place = np.searchsorted(people, here)
        z_shift[place] = np.arctanh(np.clip(without.r, -_NEARLY_ONE, _NEARLY_ONE)) - _z(a.pearson_r)
        slope_shift[place] = without.slope - a.slope
        sides.append((a, here.size, z_shift, slope_shift))
    (a1, s1, z1, b1), (a2, s2, z2, b2) = sides
    words = "subjects left out in turn on both sides (jackknife), t"
    z_se, z_dof, z_parts, between = _spread(z1, z2, s1, s2)
    b_se, b_dof, _, _ = _spread(b1, b2, s1, s2)
    bounds = []
    for a, error, size in ((a1, z_parts[0], s1), (a2, z_parts[1], s2)):
        half = float(stats.t.ppf(0.975, size - 1)) * error
        bounds.append((float(np.tanh(_z(a.pearson_r) - half)), float(np.tanh(_z(a.pearson_r) + half))))
    r1, r2 = a1.pearson_r, a2.pearson_r
    d, t = a1.slope - a2.slope, float(stats.t.ppf(0.975, b_dof))
    return {
        "pearson_r": Difference(
            r1,
            r2,
            r1 - r2,
            zou_interval((r1, r2), (bounds[0], bounds[1]), between),
            _t_p(_z(r1) - _z(r2), z_se, z_dof),
            f"{words}; Zou's interval",
        ),
        "slope": Difference(a1.slope, a2.slope, d, (d - t * b_se, d + t * b_se), _t_p(d, b_se, b_dof), words),
    }


def _spread(
    one: FloatArray, other: FloatArray, n_one: int, n_other: int
) -> tuple[float, float, tuple[float, float], float]:
    """Standard error of the difference, its degrees of freedom, those of the two, and their correlation."""
    v1, v2 = float(one @ one) * (n_one - 1) / n_one, float(other @ other) * (n_other - 1) / n_other
    between = float(one @ other) / np.sqrt(float(one @ one) * float(other @ other)) if v1 * v2 > 0 else 0.0
    dof = (v1 + v2) ** 2 / (v1**2 / (n_one - 1) + v2**2 / (n_other - 1)) if v1 + v2 > 0 else 1.0
    variance = max(v1 + v2 - 2 * between * np.sqrt(v1 * v2), 0.0)
    return float(np.sqrt(variance)), float(dof), (float(np.sqrt(v1)), float(np.sqrt(v2))), float(between)


def mean_difference(
    first: FloatArray,
    second: FloatArray,
    subject: tuple[IntArray, IntArray],
    covariates: tuple[FloatArray | None, FloatArray | None] = (None, None),
) -> Difference | str:
    """Difference of two means, a value a person: Welch's test, paired where all people stand on both sides.

    Parameters
    ----------
    first, second : ndarray, shapes (n,) and (m,)
        Values; several of one person are averaged first.
    subject : tuple of ndarray of int
        Codes shared by both sides.
    covariates : tuple of ndarray, shapes (n, k) and (m, k), optional
        Taken out by linear regression, for different people on both sides.

    Returns
    -------
    Difference or str
        The reason in words with fewer than two people on a side. People who stand on one side only are left out when
        others stand on both.
    """
    means = [_by_person(values, codes) for values, codes in zip((first, second), subject, strict=True)]
    (people1, a), (people2, b) = means
    if min(a.size, b.size) < 2:
        return "fewer than two subjects on a side"
    both = np.intersect1d(people1, people2)
    m1, m2 = float(a.mean()), float(b.mean())
    if both.size:
        if both.size < 2:
            return "a single subject stands on both sides"
        d = a[np.isin(people1, both)] - b[np.isin(people2, both)]
        error = float(d.std(ddof=1) / np.sqrt(d.size))
        half = float(stats.t.ppf(0.975, d.size - 1)) * error
        middle = float(d.mean())
        words = f"paired t, {d.size} subjects on both sides"
        one, other = float(a[np.isin(people1, both)].mean()), float(b[np.isin(people2, both)].mean())
        return Difference(one, other, middle, (middle - half, middle + half), _t_p(middle, error, d.size - 1), words)
    if covariates[0] is not None and covariates[1] is not None:
        z = np.vstack([_rows_by_person(c, s) for c, s in zip(covariates, subject, strict=True) if c is not None])
        side = np.concatenate([np.ones(a.size), np.zeros(b.size)])
        found = associate(side, np.concatenate([a, b]), z)
        if isinstance(found, str):
            return found
        words = "linear regression on group and covariates, a value a subject"
        return Difference(m1, m2, found.slope, found.slope_ci95, found.pearson_p, words)
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return "nothing varies within the groups"
    test = stats.ttest_ind(a, b, equal_var=False)
    ends = test.confidence_interval()
    return Difference(m1, m2, m1 - m2, (float(ends.low), float(ends.high)), float(test.pvalue), "Welch's t")


def _by_person(values: FloatArray, codes: IntArray) -> tuple[IntArray, FloatArray]:
    people, place = np.unique(codes, return_inverse=True)
    return people, np.asarray(np.bincount(place, weights=values) / np.bincount(place), dtype=np.float64)


def _rows_by_person(table: FloatArray, codes: IntArray) -> FloatArray:
    return np.column_stack([_by_person(column, codes)[1] for column in table.T])


def _z(r: float) -> float:
    return float(np.arctanh(np.clip(r, -_NEARLY_ONE, _NEARLY_ONE)))


def _t_p(estimate: float, error: float, dof: float) -> float:
    if error > 0:
        return float(2 * stats.t.sf(abs(estimate) / error, dof))
    return 0.0 if estimate else 1.0
