"""Do two readers or reconstructions agree? Limits of agreement and intraclass correlation, region by region."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.correlation.clustered import MIN_SUBJECTS, jackknife_se, subject_codes
from phantomcal.correlation.rows import ALL, keys_of, natural
from phantomcal.errors import InputError
from phantomcal.phantom.repeating.agreement import bland_altman, intraclass
from phantomcal.results import ComparisonRow, RegionAgreement
from phantomcal.tables import numeric_column

FloatArray = npt.NDArray[np.float64]

_KEYS = ("session", "hemisphere", "lesion_id", "label")
# One reader's value, both readers a sample of readers; and the same two readers always.
_SHOWN = ("ICC(2,1)", "ICC(3,1)")


def agreement_rows(
    table: pd.DataFrame,
    y: str,
    by: str | None,
    subject: str | None,
    second: str | None,
    reader: str | None,
    where: str = "the table",
) -> tuple[list[ComparisonRow], list[RegionAgreement]]:
    """Agreement of two readers, per region and over all regions.

    Parameters
    ----------
    table : pandas.DataFrame
        With either a column of the second reader's values, or a row for each reader.
    y, by, subject : str or None
        Column of the first values, of the region, of the subject.
    second, reader : str, optional
        The second reader's column, or the column that names the reader.
    where : str
        The file, for messages.

    Returns
    -------
    rows : list of ComparisonRow
        Bias (second minus first, with its interval and p), limits of agreement, ICC(2,1) and ICC(3,1).
    regions : list of RegionAgreement
        All six ICCs and the pairs, for plots.

    Raises
    ------
    InputError
        More or fewer than two readers, or a reader who measured something twice.
    """
    if second is None and reader is None:
        return [], []
    pairs, names = _pairs(table, y, by, subject, second, reader, where)
    rows: list[ComparisonRow] = []
    found: list[RegionAgreement] = []
    regions = sorted(pairs["region"].unique(), key=natural)
    for region in regions:
        here = pairs[pairs["region"] == region]
        a, b = here["first"].to_numpy(), here["second"].to_numpy()
        if len(here) < 3:
            continue
        plot = bland_altman(a, b, names)
        icc = intraclass(np.column_stack([a, b])) if np.ptp(np.concatenate([a, b])) > 0 else []
        found.append(
            RegionAgreement(
                roi=region, bland_altman=plot, icc=icc, first=[float(v) for v in a], second=[*map(float, b)]
            )
        )
        people = int(here["subject"].nunique()) if subject is not None else None
        clustered = people is not None and people < len(here)
        note = ""
        if clustered:
            note = f"{len(here)} pairs of {people} subjects: pairs of one subject are not independent"
        common = {"kind": "agreement", "roi": region, "other": f"{names[1]} - {names[0]}", "n_first": len(here)}
        common |= {"n_subjects": people, "note": note}
        middle = {"first": float(b.mean()), "second": float(a.mean())}
        ends: tuple[float | None, float | None] = plot.bias_ci95 or (None, None)
        p, words = _paired_p(b - a), "Bland and Altman; paired t"
        if clustered:
            ends, p = _clustered_bias(b - a, subject_codes(here["subject"].to_numpy(dtype=object)))
            words = "Bland and Altman; subjects left out in turn (jackknife), t"
        rows.append(
            ComparisonRow(
                quantity=f"bias of {y}",
                estimate=plot.bias,
                ci95_low=ends[0],
                ci95_high=ends[1],
                p=p,
                method=words,
                **common,
                **middle,
            )
        )
        for quantity, value, limits in (
            ("lower limit of agreement", plot.lower, plot.lower_ci95),
            ("upper limit of agreement", plot.upper, plot.upper_ci95),
        ):
            low, high = limits if limits is not None and not clustered else (None, None)
            rows.append(
                ComparisonRow(
                    quantity=quantity, estimate=value, ci95_low=low, ci95_high=high, method="bias -/+ 1.96 SD", **common
                )
            )
        for one in icc:
            if one.form in _SHOWN:
                low, high = one.ci95 if one.ci95 is not None and not clustered else (None, None)
                rows.append(
                    ComparisonRow(
                        quantity=one.form,
                        estimate=one.value,
                        ci95_low=low,
                        ci95_high=high,
                        method=f"Shrout and Fleiss: {one.model}",
                        **common,
                    )
                )
    if not rows:
        raise InputError("no region has three pairs of values", where, "check --second or --reader")
    return rows, found


def _clustered_bias(
    difference: FloatArray, person: npt.NDArray[np.int64]
) -> tuple[tuple[float | None, float | None], float | None]:
    """Interval and p of the mean difference when pairs of one subject hang together; none below five subjects."""
    from scipy import stats

    count = np.bincount(person)
    if count.size < MIN_SUBJECTS:
        return (None, None), None
    mean = float(difference.mean())
    without = (difference.sum() - np.bincount(person, weights=difference)) / (difference.size - count)
    error = jackknife_se(mean, without)
    if error == 0:
        return (None, None), None
    half = float(stats.t.ppf(0.975, count.size - 1)) * error
    return (mean - half, mean + half), float(2 * stats.t.sf(abs(mean) / error, count.size - 1))


def _paired_p(difference: FloatArray) -> float | None:
    from scipy import stats

    if difference.std() == 0:
        return None
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def _pairs(
    table: pd.DataFrame,
    y: str,
    by: str | None,
    subject: str | None,
    second: str | None,
    reader: str | None,
    where: str,
) -> tuple[pd.DataFrame, tuple[str, str]]:
    region = keys_of(table[by]) if by is not None else pd.Series(ALL, index=table.index)
    person = keys_of(table[subject]) if subject is not None else pd.Series("", index=table.index)
    first = numeric_column(table, y, where)
    if second is not None:
        frame = pd.DataFrame({"region": region, "subject": person, "first": first})
        frame["second"] = numeric_column(table, second, where)
        return frame.dropna(subset=["first", "second"]), (y, second)
    who = keys_of(table[str(reader)])
    names = sorted(set(who) - {""}, key=natural)
    if len(names) != 2:
        raise InputError(
            f"column {reader!r} names {len(names)} readers ({', '.join(names[:5])})", where, "compare two at a time"
        )
    if subject is None:
        raise InputError("readers cannot be paired without subjects", where, "name the column with --subject")
    keys = {name: keys_of(table[name]) for name in _KEYS if name in table.columns}
    frame = pd.DataFrame({"region": region, "subject": person, **keys, "reader": who, "value": first})
    frame = frame[frame["reader"] != ""].dropna(subset=["value"])
    index = ["region", "subject", *keys]
    twice = frame[frame.duplicated([*index, "reader"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(
            f"reader {row['reader']!r} measured {row['region']!r} of subject {row['subject']!r} twice",
            where,
            f"tell the rows apart by a column {' or '.join(_KEYS[:3])}",
        )
    wide = frame.pivot_table(index=index, columns="reader", values="value", sort=False).reset_index()
    wide = wide.dropna(subset=names).rename(columns={names[0]: "first", names[1]: "second"})
    return wide, (names[0], names[1])
