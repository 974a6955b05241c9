"""Tables of the tracking report."""

from collections.abc import Mapping, Sequence

import pandas as pd

from phantomcal.report.columns import table_of
from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    interval,
    number,
    p_number,
    percent,
    with_interval,
    with_uncertainty,
)
from phantomcal.report.page import RowFlag, TableBlock
from phantomcal.results.accuracy import Proportion
from phantomcal.results.tracking import (
    ChangeRate,
    EventRate,
    GroupContrast,
    ScannerCorrection,
    SessionMatch,
    Survival,
    ThresholdAgainstClinical,
)

MOST_ROWS = 60
_EVENTS = {"threshold": "threshold", "repeatability": "repeatability coefficient", "clinical": "clinical event"}


def _block(
    columns: dict[str, tuple[str, Sequence[object]]],
    caption: str,
    *,
    numbers: Sequence[str] = (),
    units: dict[str, str] | None = None,
    flags: Sequence[RowFlag] = (),
    note: str = "",
    exact: Mapping[str, Sequence[object]] | None = None,
) -> TableBlock:
    """A table; columns that hold nothing are left out."""
    kept = {k: v for k, v in columns.items() if any(cell not in ("", NONE) for cell in v[1])}
    return TableBlock(
        table_of({k: list(v[1]) for k, v in kept.items()}),
        caption,
        {k: v[0] for k, v in kept.items()},
        {k: u for k, u in (units or {}).items() if k in kept},
        numbers=[n for n in numbers if n in kept],
        flags=flags,
        note=note,
        exact=exact or {},
    )


def rate_table(rates: Sequence[ChangeRate], caption: str = "Change of susceptibility per year") -> TableBlock:
    """Change per year, estimate by estimate."""
    return _block(
        {
            "name": ("Estimate", [r.name for r in rates]),
            "value": ("Change ± SE", [with_uncertainty(r.percent_per_year, r.standard_error) for r in rates]),
            "ci": ("95 % interval", [interval(r.ci95) for r in rates]),
            "n": ("Patients", [r.n_patients for r in rates]),
            "lesions": ("Lesions", [r.n_lesions for r in rates]),
            "years": ("Years", [number(r.years, 4) for r in rates]),
            "method": ("Method", [r.method for r in rates]),
            "note": ("Remark", [r.note for r in rates]),
        },
        caption,
        numbers=("value", "ci", "years"),
        units={"value": "% per year", "ci": "% per year"},
    )


def event_table(rows: Sequence[EventRate]) -> TableBlock:
    """Events per year."""
    return _block(
        {
            "event": ("Event", [_EVENTS[r.event] for r in rows]),
            "unit": ("Per", [f"{r.unit}-year" for r in rows]),
            "events": ("Events", [r.events for r in rows]),
            "years": ("Years", [number(r.years, 4) for r in rows]),
            "rate": ("Rate ± SE", [with_uncertainty(r.per_year, r.standard_error) for r in rows]),
            "ci": ("95 %, exact", [interval(r.ci95) for r in rows]),
            "by": ("95 %, by patients", [interval(r.clustered_ci95) for r in rows]),
            "note": ("Remark", [r.note for r in rows]),
        },
        "Events per year of observation",
        numbers=("years", "rate", "ci", "by"),
        units={"rate": "per year", "ci": "per year", "by": "per year"},
    )


def share_table(shares: Sequence[Proportion], caption: str) -> TableBlock:
    """Shares with exact intervals."""
    return _block(
        {
            "name": ("Share", [s.name for s in shares]),
            "k": ("Of", [f"{s.count} of {s.n}" for s in shares]),
            "value": ("Value", [percent(s.value) for s in shares]),
            "exact": ("95 %, exact", [_percent_interval(s.ci95_exact) for s in shares]),
            "other": (
                "95 %, clustered",
                [_percent_interval(s.ci95) if s.design_effect is not None else "" for s in shares],
            ),
            "note": ("Remark", [s.note for s in shares]),
        },
        caption,
        numbers=("k", "value", "exact", "other"),
    )


def _percent_interval(bounds: tuple[float, float] | None) -> str:
    return NONE if bounds is None else f"{percent(bounds[0])} to {percent(bounds[1])}"


def against_table(rows: Sequence[ThresholdAgainstClinical]) -> TableBlock:
    """The threshold beside clinical events: counts, sensitivity, specificity and predictive values."""

    def cell(row: ThresholdAgainstClinical, k: int) -> str:
        share = row.shares[k]
        if share.value is None or share.ci95_exact is None:
            return NONE
        low, high = share.ci95_exact
        return f"{fixed(100 * share.value, 0)} [{fixed(100 * low, 0)}, {fixed(100 * high, 0)}]"

    names = ("Sensitivity", "Specificity", "PPV", "NPV")
    return _block(
        {
            "threshold": ("Rise of", [_EVENTS[r.threshold] for r in rows]),
            "unit": ("By", [r.unit for r in rows]),
            "tp": ("TP", [r.true_positive for r in rows]),
            "fn": ("FN", [r.false_negative for r in rows]),
            "fp": ("FP", [r.false_positive for r in rows]),
            "tn": ("TN", [r.true_negative for r in rows]),
            **{name: (f"{name} [95 %]", [cell(r, k) for r in rows]) for k, name in enumerate(names)},
        },
        "Rises beside clinical events",
        numbers=names,
        units=dict.fromkeys(names, "%"),
        note="TP: clinical event and rise; FN: event without; FP: rise without; TN: neither. "
        "PPV, NPV: predictive values. Exact intervals (Clopper and Pearson) take rows as independent; "
        "by patient they are. " + ". ".join(dict.fromkeys(f"By {r.unit}: {r.note}" for r in rows if r.note)) + ".",
    )


def survival_table(rows: Sequence[Survival]) -> TableBlock:
    """Median times."""

    def bounds(row: Survival) -> str:
        if row.median_ci95 is None:
            return NONE
        low, high = row.median_ci95
        return f"{fixed(low) if low is not None else 'unknown'} to {fixed(high) if high is not None else 'not reached'}"

    return _block(
        {
            "group": ("Group", [r.group or f"all {r.unit}s" for r in rows]),
            "n": ("n", [r.n for r in rows]),
            "events": ("Events", [r.events for r in rows]),
            "median": ("Median", [fixed(r.median_years, reason="fewer than half passed") for r in rows]),
            "ci": ("95 % interval", [bounds(r) for r in rows]),
        },
        "Time to the first threshold event",
        numbers=("median", "ci"),
        units={"median": "years", "ci": "years"},
        note=". ".join(dict.fromkeys(text[0].upper() + text[1:] for r in rows for text in r.note.split("; "))) + ".",
    )


def contrast_table(rows: Sequence[GroupContrast]) -> TableBlock:
    """Groups compared."""
    pairs = [f"{r.column}: {r.second} against {r.first}" for r in rows]
    quantity = {"rate of change": "change, % per year", "time to threshold": "hazard ratio"}
    return _block(
        {
            "pair": ("Second against first", pairs if len(set(pairs)) > 1 else [""] * len(rows)),
            "what": ("Quantity", [quantity.get(r.quantity, f"{_EVENTS.get(r.event, '')} rate ratio") for r in rows]),
            "value": (
                "Estimate [95 %]",
                [number(r.estimate, 3) if r.ci95 is None else with_interval(r.estimate, r.ci95) for r in rows],
            ),
            "n": ("Patients", [f"{r.n_first} / {r.n_second}" for r in rows]),
            "p": ("p", [p_number(r.p_value) for r in rows]),
            "padj": ("p, Holm", [p_number(r.p_adjusted) for r in rows]),
            "test": ("Test", [r.test for r in rows]),
            "note": ("Remark", [r.note for r in rows]),
        },
        "Groups compared" if len(set(pairs)) > 1 else f"Groups compared, {pairs[0]}",
        numbers=("value", "n", "p", "padj"),
        flags=["" if r.p_adjusted is not None and r.p_adjusted < 0.05 else "muted" for r in rows],
    )


def scale_table(correction: ScannerCorrection) -> TableBlock:
    """Scales of the scanners."""
    rows = correction.scales[:MOST_ROWS]
    more = len(correction.scales) - len(rows)
    return _block(
        {
            "scanner": ("Scanner", [r.scanner for r in rows]),
            "date": ("Calibration", [r.calibration_date for r in rows]),
            "line": ("Line", [r.material for r in rows]),
            "drift": ("Drift ± SE", [with_uncertainty(r.drift_percent, r.drift_se_percent) for r in rows]),
            "scale": ("Divided by", [fixed(r.scale, 4) for r in rows]),
            "n": ("Visits", [r.n_visits for r in rows]),
            "note": ("Remark", [r.note for r in rows]),
        },
        "Scales of the sessions",
        numbers=("drift", "scale"),
        units={"drift": "%"},
        note=f"{more} more calibrations are in tracking.json." if more > 0 else "",
    )


def side_by_side(correction: ScannerCorrection, corrected: Sequence[ChangeRate]) -> TableBlock:
    """Rates and events as measured and corrected."""
    names = [r.name for r in correction.rates_uncorrected]
    after = {r.name: r for r in corrected}

    def cell(rate: ChangeRate | None) -> str:
        return NONE if rate is None else with_interval(rate.percent_per_year, rate.ci95)

    return _block(
        {
            "what": ("Quantity", [*(f"change {n}, % per year [95 %]" for n in names), "threshold events"]),
            "before": ("As measured", [*map(cell, correction.rates_uncorrected), str(correction.events_uncorrected)]),
            "after": ("Corrected", [*(cell(after.get(n)) for n in names), str(correction.events_corrected)]),
        },
        "As measured and corrected",
        numbers=("before", "after"),
        note=f"{count(correction.events_lost, 'event')} lost and {correction.events_gained} gained by the correction, "
        f"of {count(correction.n_intervals, 'interval')}.",
    )


def interval_table(frame: pd.DataFrame, threshold_percent: float) -> TableBlock:
    """Intervals with an event, then the largest changes; at most `MOST_ROWS`."""
    key = frame["threshold_event"].fillna(False).astype(int) + frame["event"].fillna(False).astype(int)
    key += frame["repeatability_event"].fillna(False).astype(int)
    order = frame.assign(_key=key, _size=frame["change_percent"].abs().fillna(0))
    rows = order.sort_values(["_key", "_size"], ascending=False, kind="stable").head(MOST_ROWS)
    dated = rows["from_date"].notna().all()
    told = [
        _told(t, r, c)
        for t, r, c in zip(rows["threshold_event"], rows["repeatability_event"], rows["event"], strict=True)
    ]
    when = [f"{d:%Y-%m-%d}" for d in rows["to_date"]] if dated else [fixed(y) for y in rows["to_years"]]
    low, high = rows["change_percent_ci95_low"], rows["change_percent_ci95_high"]
    chance = rows["probability_above_threshold"]
    more = len(frame) - len(rows)
    return _block(
        {
            "who": ("Patient", rows["subject_id"].tolist()),
            "lesion": ("Lesion", rows["lesion_id"].tolist()),
            "when": ("Until", when),
            "years": ("Years", [fixed(y) for y in rows["years"]]),
            "ppm": (
                "From, to",
                [f"{number(a, 3)}, {number(b, 3)}" for a, b in zip(rows["from_ppm"], rows["to_ppm"], strict=True)],
            ),
            "change": (
                "Change [95 %]",
                [
                    with_interval(v, None if pd.isna(a) or pd.isna(b) else (a, b), 1)
                    for v, a, b in zip(rows["change_percent"], low, high, strict=True)
                ],
            ),
            "year": ("Per year", [fixed(v, 1) for v in rows["change_percent_per_year"]]),
            "p": (f"P(≥ {threshold_percent:g} %)", ["" if pd.isna(v) else _chance(v) for v in chance]),
            "volume": ("Volume", ["" if pd.isna(v) else fixed(v, 0) for v in rows["volume_change_percent"]]),
            "event": ("Event", told),
            "note": ("Remark", rows["note"].tolist()),
        },
        "Intervals",
        numbers=("when", "years", "ppm", "change", "year", "p", "volume"),
        units={"ppm": "ppm", "change": "%", "year": "%", "volume": "%"},
        exact={
            "years": rows["years"].tolist(),
            "change": rows["change_percent"].tolist(),
            "year": rows["change_percent_per_year"].tolist(),
            "p": chance.tolist(),
            **{name: rows[name].tolist() for name in ("from_ppm", "to_ppm")},
            "change_percent_ci95_low": low.tolist(),
            "change_percent_ci95_high": high.tolist(),
        },
        flags=[
            "warn" if text else "" if whole else "muted" for text, whole in zip(told, rows["comparable"], strict=True)
        ],
        note="Those with events first."
        + (" RC: a rise of the repeatability coefficient." if any("RC" in text for text in told) else "")
        + (f" {count(more, 'more interval')} in intervals.csv." if more > 0 else ""),
    )


def _told(threshold: object, repeatability: object, clinical: object) -> str:
    names = (("threshold", threshold), ("RC", repeatability), ("clinical", clinical))
    return ", ".join(name for name, value in names if value is True or str(value) == "True")


def _chance(value: float) -> str:
    """Never rounded to 0 or 1."""
    return "< 0.01" if value < 0.01 else "> 0.99" if value > 0.99 else fixed(value, 2)


def session_table(rows: Sequence[SessionMatch]) -> TableBlock:
    """How later sessions were aligned."""
    shown = rows[:MOST_ROWS]
    return _block(
        {
            "who": ("Patient", [r.subject_id for r in shown]),
            "session": ("Session", [r.session for r in shown]),
            "before": ("Agreement before", [fixed(r.agreement_before) for r in shown]),
            "after": ("Aligned", [fixed(r.agreement) for r in shown]),
            "moved": ("Moved", [fixed(r.moved_mm, 1) for r in shown]),
            "covered": ("Head covered", [percent(r.overlap, 0) for r in shown]),
            "note": ("Remark", [r.note for r in shown]),
        },
        "Alignment to the first session",
        numbers=("before", "after", "moved", "covered"),
        units={"before": "r", "after": "r", "moved": "mm"},
        flags=["" if r.used else "fail" for r in shown],
    )
