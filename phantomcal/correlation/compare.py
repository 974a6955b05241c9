"""How do regions, groups, ages and readers compare? From a region table to differences with intervals."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.correlation.agreement import agreement_rows
from phantomcal.correlation.association import associate
from phantomcal.correlation.clustered import MIN_SUBJECTS, ClusterAware, cluster_aware
from phantomcal.correlation.differences import (
    Difference,
    Sample,
    clustered_differences,
    dependent_correlations,
    independent_correlations,
    mean_difference,
)
from phantomcal.correlation.expected_iron import DEFAULT_PPB_PER_MG, expected_ppm, iron_mg_per_100g, iron_region
from phantomcal.correlation.inference import ADJUSTMENTS, adjust_p
from phantomcal.correlation.resample import prepare
from phantomcal.correlation.rows import (
    DEFAULT_BY,
    DEFAULT_SUBJECT,
    DEFAULT_X,
    DEFAULT_Y,
    covariates_of,
    keys_of,
    natural,
    resolve,
    usable_rows,
)
from phantomcal.errors import InputError
from phantomcal.results import ComparisonRow, RegionComparison
from phantomcal.tables import numeric_column, require_columns

FloatArray = npt.NDArray[np.float64]

_OPTIONS = {"x": "--x", "y": "--y", "by": "--by", "subject": "--subject", "group": "--group", "age": "--age"}
_OLDEST = 120.0
_MOST_REGIONS = 30


def compare(
    table: pd.DataFrame,
    *,
    x: str = DEFAULT_X,
    y: str = DEFAULT_Y,
    by: str | None = DEFAULT_BY,
    subject: str | None = DEFAULT_SUBJECT,
    groups: Sequence[str] = (),
    age: str | None = None,
    covariates: Sequence[str] = (),
    second: str | None = None,
    reader: str | None = None,
    ppb_per_mg: float = DEFAULT_PPB_PER_MG,
    adjust: str = "holm",
    where: str = "the table",
) -> RegionComparison:
    """Compare regions with each other, groups, ages, and two readers.

    Parameters
    ----------
    table, x, y, by, subject, covariates, adjust, where
        As `correlate` takes them; covariates are taken out of correlations, of group means and of age slopes.
    groups : sequence of str
        Columns whose levels are compared (patients against volunteers, scanner against scanner), each pair of levels.
    age : str, optional
        Column of the age in years: change of x and of y per year, and the iron expected at that age.
    second : str, optional
        Column of a second reader's or reconstruction's values of y.
    reader : str, optional
        Column that names the reader or reconstruction, when their values of y stand in rows below each other; these
        rows are then averaged over readers for everything else.
    ppb_per_mg : float
        Susceptibility of 1 mg of iron in 100 g of tissue.

    Returns
    -------
    RegionComparison
        P values adjusted within each kind and quantity.

    Raises
    ------
    InputError
        A column missing or not a number, a group with one level, ages that are none, or nothing to compare.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError(f"unknown p adjustment {adjust!r}", "the call", f"use one of {', '.join(ADJUSTMENTS)}")
    if second is not None and reader is not None:
        raise InputError("a second column and a column of readers", "the call", "give --second or --reader, not both")
    by, subject, warnings = resolve(table, x, y, by, subject)
    columns = [name for name in (x, y, by, subject, age, second, reader, *groups, *covariates) if name is not None]
    roles = {x: "x", y: "y", by: "by", subject: "subject", age: "age"} | dict.fromkeys(groups, "group")
    options = {name: _OPTIONS[role] for name, role in roles.items() if name is not None}
    require_columns(table, columns, where, options)
    agreement, agreement_table = agreement_rows(table, y, by, subject, second, reader, where)
    if reader is not None:
        table = _over_readers(table, x, y, by, subject, reader)
    extra = table.copy()
    if age is not None:
        extra[age] = _ages(table, age, where)
    data, _, gone = usable_rows(extra, x, y, by, subject, covariates, where)
    warnings += [f"{count} row{'s' if count != 1 else ''} without {words} left out" for words, count in gone.items()]
    if subject is None:
        data = data.assign(subject=[f"row {i}" for i in data.index])
    data["person"] = pd.factorize(data["subject"], sort=True)[0]
    for name in groups:
        data[f"group {name}"] = keys_of(extra[name]).loc[data.index]
    if age is not None:
        data["age"] = extra[age].loc[data.index]
    regions = sorted(data["region"].unique(), key=natural)

    rows = _region_pairs(data, regions, subject is not None, warnings)
    for name in groups:
        rows += _group_pairs(data, regions, name, (x, y), where)
    if age is not None:
        rows += _age_effects(data, regions, (x, y))
        rows += _iron(data, regions, y, ppb_per_mg)
    rows += agreement
    if second is not None:
        data["second"] = numeric_column(extra, second, where).loc[data.index]
        rows += _two_readings(data, regions, (x, y, second))
    if not rows:
        raise InputError(
            "nothing to compare", where, "give two regions, or name a column with --group, --age, --second or --reader"
        )
    return RegionComparison(
        x=x,
        y=y,
        by=by if by is not None else "none",
        groups=list(groups),
        age=age or "",
        covariates=list(covariates),
        adjustment=f"{ADJUSTMENTS[adjust]} over the comparisons of one kind and quantity",
        iron_scale_ppb=ppb_per_mg if any(row.kind == "iron" for row in rows) else None,
        rows=_adjusted(rows, adjust),
        agreement=agreement_table,
        warnings=warnings,
    )


def comparison_frame(comparison: RegionComparison) -> pd.DataFrame:
    """The table of comparison.csv, a row per comparison."""
    return pd.DataFrame([row.model_dump() for row in comparison.rows], columns=list(ComparisonRow.model_fields))


def _over_readers(
    table: pd.DataFrame, x: str, y: str, by: str | None, subject: str | None, reader: str
) -> pd.DataFrame:
    keys = [k for k in (by, subject, "session", "hemisphere", "lesion_id") if k is not None and k in table.columns]
    others = {name: "first" for name in table.columns if name not in (*keys, x, y, reader)}
    frame = table.assign(**{name: numeric_column(table, name) for name in (x, y)})
    return frame.groupby(keys, sort=False, dropna=False).agg(others | {x: "mean", y: "mean"}).reset_index()


def _ages(table: pd.DataFrame, age: str, where: str) -> "pd.Series[float]":
    years = numeric_column(table, age, where)
    wrong = (years < 0) | (years > _OLDEST)
    if wrong.any():
        raise InputError(f"an age of {years[wrong].iloc[0]:g}", where, f"{age!r} must be years, 0 to {_OLDEST:.0f}")
    if years.notna().sum() < 3 or np.ptp(years.dropna()) == 0:
        raise InputError(f"column {age!r} has no ages that differ", where, "leave --age out")
    return years


def _sample(rows: pd.DataFrame) -> Sample:
    return Sample(
        rows["x"].to_numpy(), rows["y"].to_numpy(), rows["person"].to_numpy(dtype=np.int64), covariates_of(rows)
    )


def _row(kind: str, roi: str, other: str, quantity: str, answer: Difference | str, **more: object) -> ComparisonRow:
    values: dict[str, object] = {"estimate": None, "ci95_low": None, "ci95_high": None, "method": "not compared"}
    if isinstance(answer, str):
        values["note"] = answer
    else:
        values |= {"first": answer.first, "second": answer.second, "estimate": answer.estimate, "p": answer.p}
        values |= {"ci95_low": answer.ci95[0], "ci95_high": answer.ci95[1], "method": answer.method}
    return ComparisonRow(kind=kind, roi=roi, other=other, quantity=quantity, **{**values, **more})


def _region_pairs(
    data: pd.DataFrame, regions: list[str], has_subjects: bool, warnings: list[str]
) -> list[ComparisonRow]:
    if len(regions) > _MOST_REGIONS:
        warnings.append(f"{len(regions)} regions are not compared pair by pair, {_MOST_REGIONS} at most")
        return []
    if len(regions) > 1 and not has_subjects:
        warnings.append("no subjects: correlations of two regions are compared as if of different people")
    parts = {region: data[data["region"] == region].sort_values("person", kind="stable") for region in regions}
    rows = []
    for one, other in combinations(regions, 2):
        a, b = parts[one], parts[other]
        answer = _correlations(a, b)
        rows.append(_row("regions", one, other, "pearson_r", answer, **_counts(a, b)))
    return rows


def _correlations(a: pd.DataFrame, b: pd.DataFrame) -> Difference | str:
    """The test that fits how the people of both sides relate."""
    one, other = _sample(a), _sample(b)
    single = not (a["person"].duplicated().any() or b["person"].duplicated().any())
    shared = np.intersect1d(one.subject, other.subject).size
    if single and shared == 0:
        return _independent(one, other)
    if single and one.covariates is None and shared == len(a) == len(b):
        return dependent_correlations(one.x, one.y, other.x, other.y)
    answer = clustered_differences(one, other)
    return answer if isinstance(answer, str) else answer["pearson_r"]


def _independent(one: Sample, other: Sample) -> Difference | str:
    found = [associate(side.x, side.y, side.covariates) for side in (one, other)]
    first, second = found
    if isinstance(first, str):
        return first
    if isinstance(second, str):
        return second
    k = first.n - 2 - first.dof
    return independent_correlations(first.pearson_r, first.n, second.pearson_r, second.n, k)


def _counts(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, int]:
    people = np.union1d(a["person"], b["person"]).size
    return {"n_first": len(a), "n_second": len(b), "n_subjects": int(people)}


def _group_pairs(
    data: pd.DataFrame, regions: list[str], group: str, names: tuple[str, str], where: str
) -> list[ComparisonRow]:
    column = f"group {group}"
    levels = sorted(set(data[column]) - {""}, key=natural)
    if len(levels) < 2:
        raise InputError(f"column {group!r} has one group only", where, "name a column with two or more with --group")
    rows: list[ComparisonRow] = []
    for region in regions:
        here = data[data["region"] == region]
        for one, other in combinations(levels, 2):
            a, b = here[here[column] == one], here[here[column] == other]
            if a.empty or b.empty:
                continue
            said, counts = f"{one} - {other}", _counts(a, b)
            rows.append(_row("groups", region, said, "pearson_r", _correlations(a, b), **counts))
            slopes = clustered_differences(_sample(a), _sample(b))
            slope: Difference | str = slopes if isinstance(slopes, str) else slopes["slope"]
            rows.append(_row("groups", region, said, "slope", slope, unit=f"{names[1]} per {names[0]}", **counts))
            people = (a["person"].to_numpy(dtype=np.int64), b["person"].to_numpy(dtype=np.int64))
            z = (covariates_of(a), covariates_of(b))
            for role, name in zip(("x", "y"), names, strict=True):
                answer = mean_difference(a[role].to_numpy(), b[role].to_numpy(), people, z)
                rows.append(_row("groups", region, said, f"mean {name}", answer, unit=_unit(name), **counts))
    return rows


def _two_readings(data: pd.DataFrame, regions: list[str], names: tuple[str, str, str]) -> list[ComparisonRow]:
    """Does x go together better with one reading of y than with the other? Both share x and the people."""
    rows = []
    for region in regions:
        here = data[(data["region"] == region) & data["second"].notna()].sort_values("person", kind="stable")
        if len(here) < 3:
            continue
        answer = _correlations(here, here.assign(y=here["second"]))
        counts = {"n_first": len(here), "n_subjects": int(here["person"].nunique())}
        rows.append(
            _row("agreement", region, f"{names[1]} - {names[2]}", f"pearson_r with {names[0]}", answer, **counts)
        )
    return rows


def _age_effects(data: pd.DataFrame, regions: list[str], names: tuple[str, str]) -> list[ComparisonRow]:
    rows = []
    for region in regions:
        here = data[(data["region"] == region) & data["age"].notna()]
        person = here["person"].to_numpy(dtype=np.int64)
        people = np.unique(person).size
        for role, name in zip(("x", "y"), names, strict=True):
            more = {"n_first": len(here), "n_subjects": people, "unit": f"{_unit(name)} per year".strip()}
            answer = _line(here["age"].to_numpy(), here[role].to_numpy(), person, covariates_of(here))
            rows.append(_row("age", region, "", f"{name} per year", answer, **more))
    return rows


def _line(at: FloatArray, values: FloatArray, person: npt.NDArray[np.int64], z: FloatArray | None) -> Difference | str:
    """Slope of values on something, rows of one person taken together."""
    a = associate(at, values, z)
    if isinstance(a, str):
        return a
    codes = np.unique(person, return_inverse=True)[1].astype(np.int64)
    nan = float("nan")
    if codes.max() + 1 == a.n:
        return Difference(nan, nan, a.slope, a.slope_ci95, a.pearson_p, "linear regression")
    aware = cluster_aware(a, prepare(at, values, z), codes, a.axis_slope)
    if not isinstance(aware, ClusterAware):
        return f"several rows a subject, and {aware} (at least {MIN_SUBJECTS} are needed)"
    p = _slope_p(a.slope, aware)
    return Difference(nan, nan, a.slope, aware.slope_ci95, p, "linear regression, subjects left out in turn")


def _slope_p(slope: float, aware: ClusterAware) -> float:
    from scipy import stats

    return float(2 * stats.t.sf(abs(slope) / aware.slope_se, aware.dof)) if aware.slope_se > 0 else 0.0


def _iron(data: pd.DataFrame, regions: list[str], y: str, ppb_per_mg: float) -> list[ComparisonRow]:
    """Measured beside expected, a value a subject; and what 1 mg of expected iron adds to the measured value."""
    known = [(region, tissue) for region in regions if (tissue := iron_region(region)) is not None]
    if "ppm" not in y.lower() and "ppb" not in y.lower():
        return []
    to_ppm = 1e-3 if "ppb" in y.lower() else 1.0
    rows = []
    for region, tissue in known:
        here = data[(data["region"] == region) & data["age"].notna()]
        means = here.groupby("person")[["y", "age"]].mean()
        if len(means) < 3:
            continue
        age = means["age"].to_numpy()
        measured, expected = means["y"].to_numpy() * to_ppm, expected_ppm(tissue, age, ppb_per_mg)
        codes = np.arange(len(means))
        more = {"n_first": len(means), "n_subjects": len(means)}
        note = f"expected from iron alone at {ppb_per_mg:g} ppb per mg/100 g, without the reference region's own value"
        answer = mean_difference(measured, expected, (codes, codes))
        rows.append(_row("iron", region, "expected at that age", "mean", answer, unit="ppm", note=note, **more))
        slope = _line(iron_mg_per_100g(tissue, age), 1e3 * measured, codes, None)
        unit = "ppb per mg/100 g"
        rows.append(_row("iron", region, "expected at that age", "slope on expected iron", slope, unit=unit, **more))
    return rows


def _unit(name: str) -> str:
    words = name.lower().split("_")
    return next((unit for word, unit in (("hu", "HU"), ("ppm", "ppm"), ("ppb", "ppb")) if word in words), "")


def _adjusted(rows: list[ComparisonRow], adjust: str) -> list[ComparisonRow]:
    """P adjusted within each kind and quantity."""
    key: Callable[[ComparisonRow], tuple[str, str]] = lambda row: (row.kind, row.quantity)  # noqa: E731
    out = [_without_nan(row) for row in rows]
    for family in dict.fromkeys(key(row) for row in out):
        places = [i for i, row in enumerate(out) if key(row) == family]
        p = np.array([out[i].p if out[i].p is not None else np.nan for i in places], dtype=np.float64)
        for i, value in zip(places, adjust_p(p, adjust), strict=True):
            if np.isfinite(value):
                out[i] = out[i].model_copy(update={"p_adjusted": float(value)})
    return out


def _without_nan(row: ComparisonRow) -> ComparisonRow:
    wrong = {name: None for name in ("first", "second", "p") if (v := getattr(row, name)) is not None and np.isnan(v)}
    return row.model_copy(update=wrong) if wrong else row
