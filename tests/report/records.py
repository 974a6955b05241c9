"""Small, realistic result records for report tests, fitted here by textbook formulas."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.results import (
    Alignment,
    Calibration,
    Correlation,
    InputFile,
    Line,
    LineSummary,
    Provenance,
    RegionCorrelation,
    StepOutcome,
    StudyRun,
    VialLocation,
    VialMeasurement,
)

UNITS = {"ct": "HU", "qsm": "ppm"}


def provenance(command: str = "calibrate", duration: float = 1.0) -> Provenance:
    return Provenance(
        command=command,
        inputs=[InputFile(role="qsm", name="sub-phantom_Chimap.nii.gz", sha256="3f5a" * 16)],
        versions={"phantomcal": "0.1.0", "numpy": "2.4.0"},
        parameters={"qsm_unit": "ppm", "exclude": [], "mask": {"erosion_mm": 1.0}},
        run={"date_utc": "2031-02-03T04:05:06", "duration_s": duration},
    )


def vial(
    name: str, x: float, y: float, material: str = "gadolinium", modality: str = "qsm", **more: Any
) -> VialMeasurement:
    fields: dict[str, Any] = {
        "vial_id": name,
        "material": material,
        "series": material,
        "concentration_mmol_per_l": x,
        "abscissa": x,
        "abscissa_unit": "mmol/L",
        "modality": modality,
        "value": y,
        "unit": UNITS[modality],
        "sd": 0.02,
        "sem": 0.004,
        "n_voxels": 400,
        "n_effective": 25.0,
        "x_mm": 0.0,
        "y_mm": 0.0,
        "z_mm": 0.0,
        "used": True,
    }
    return VialMeasurement(**{**fields, **more})


def line(vials: Sequence[VialMeasurement], expected: float | None = None, **more: Any) -> Line:
    used = [v for v in vials if v.used]
    excluded = [v.vial_id for v in vials if not v.used]
    unit, abscissa_unit = used[0].unit, used[0].abscissa_unit
    fit, extra = _fitted(used)
    ratio = None if expected is None else fit["slope"] / expected
    interval = fit["slope_ci95"]
    fields: dict[str, Any] = {
        "material": used[0].series,
        "modality": used[0].modality,
        "unit": unit,
        "abscissa_unit": abscissa_unit,
        "abscissa_range": (min(v.abscissa for v in used), max(v.abscissa for v in used)),
        "method": "ordinary least squares",
        "slope_unit": f"{unit}/({abscissa_unit})",
        "lod": None if fit["residual_sd"] is None else 3.3 * fit["residual_sd"] / abs(fit["slope"]),
        "loq": None if fit["residual_sd"] is None else 10 * fit["residual_sd"] / abs(fit["slope"]),
        "linearity": "no curvature detected" if len(used) > 3 else "not testable with so few vials",
        "quadratic_p": 0.41 if len(used) > 3 else None,
        "expected_slope": expected,
        "expected_slope_se": None if expected is None else abs(expected) * 0.1,
        "expected_slope_source": "" if expected is None else "Curie law at 20 C",
        "slope_ratio": ratio,
        "slope_ratio_ci95": None
        if ratio is None or interval is None
        else tuple(sorted(b / expected for b in interval)),
        "established": fit["p_value"] is not None and fit["p_value"] < 0.05,
        "excluded": excluded,
        "all_vials": LineSummary(**_fitted(vials)[0]) if excluded else None,
    }
    return Line(**{**fields, **fit, **extra, **more})


def _fitted(vials: Sequence[VialMeasurement]) -> tuple[dict[str, Any], dict[str, Any]]:
    x, y = np.array([v.abscissa for v in vials]), np.array([v.value for v in vials])
    if len(x) == 2:
        slope = float((y[1] - y[0]) / (x[1] - x[0]))
        none = dict.fromkeys(("slope_se", "slope_ci95", "r2", "p_value", "residual_sd"))
        fit = {"n_vials": 2, "slope": slope, "intercept": float(y[0] - slope * x[0]), **none}
        return fit, {"intercept_se": None, "intercept_ci95": None}
    found = stats.linregress(x, y)
    t = stats.t.ppf(0.975, len(x) - 2)
    fit = {
        "n_vials": len(x),
        "slope": found.slope,
        "slope_se": found.stderr,
        "slope_ci95": (found.slope - t * found.stderr, found.slope + t * found.stderr),
        "intercept": found.intercept,
        "r2": found.rvalue**2,
        "p_value": found.pvalue,
        "residual_sd": float(np.sqrt(((y - found.intercept - found.slope * x) ** 2).sum() / (len(x) - 2))),
    }
    extra = {
        "intercept_se": found.intercept_stderr,
        "intercept_ci95": (
            found.intercept - t * found.intercept_stderr,
            found.intercept + t * found.intercept_stderr,
        ),
        "covariance_slope_intercept": -x.mean() * found.stderr**2,
    }
    return fit, extra


def series(
    rng: np.random.Generator,
    material: str = "gadolinium",
    modality: str = "qsm",
    slope: float = 0.33,
    levels: Sequence[float] = (0, 0.625, 1.25, 2.5, 5, 10),
    failed: Sequence[int] = (),
    noise: float = 0.01,
) -> list[VialMeasurement]:
    short = f"{material[:2].title()}{modality[0]}"
    vials = []
    for i, x in enumerate(levels):
        bad = i in failed
        y = slope * x + rng.normal(0, noise) + (0.5 * abs(slope) * max(levels) if bad else 0.0)
        flag = "failed: does not follow the line" if bad else ""
        vials.append(vial(f"{short}{x:g}", x, y, material, modality, used=not bad, flag=flag))
    return vials


def calibration(groups: Sequence[tuple[list[VialMeasurement], float | None]], **more: Any) -> Calibration:
    vials = [v for group, _ in groups for v in group]
    fields: dict[str, Any] = {
        "protocol": "simulated-gd-ca",
        "title": "Simulated cylinder",
        "session": "2026-01",
        "lines": [line(group, expected) for group, expected in groups],
        "vials": vials,
        "locations": [location(modality) for modality in dict.fromkeys(v.modality for v in vials) if modality],
        "references": {"reference_region": "water", "algorithm": "thresholded inversion"},
        "sources": ["Hooper et al., doi 10.1101/2024.02.18.580843 (concentrations)"],
        "provenance": provenance(),
    }
    return Calibration(**{**fields, **more})


def location(modality: str) -> VialLocation:
    return VialLocation(
        modality=modality,
        rotation_deg=-14.8,
        mirrored=False,
        axis=2,
        tilt_deg=0.4,
        centre_mm=(0.0, 0.0, 0.0),
        first_slice=3,
        last_slice=40,
        match=0.98,
        margin=9.1,
        runner_up="mirrored",
        position_residual_mm=0.3,
        found=["Ga0"],
    )


def region_table(rng: np.random.Generator, correlations: dict[str, float], n: int = 40) -> pd.DataFrame:
    rows = []
    for roi, r in correlations.items():
        for i in range(n):
            a, b = rng.normal(size=2)
            rows.append(
                {
                    "subject_id": f"sub-{i:02d}",
                    "roi": roi,
                    "ct_hu": 40 + 6 * a,
                    "qsm_ppm": 0.05 + 0.03 * (r * a + np.sqrt(1 - r * r) * b),
                    "group": "patient" if i % 2 else "volunteer",
                }
            )
    return pd.DataFrame(rows)


def correlation(table: pd.DataFrame, **more: Any) -> Correlation:
    regions = []
    for roi, rows in table.groupby("roi", sort=False):
        x, y = rows["ct_hu"], rows["qsm_ppm"]
        pearson, spearman, fit = stats.pearsonr(x, y), stats.spearmanr(x, y), stats.linregress(x, y)
        interval = pearson.confidence_interval()
        adjusted = min(1.0, pearson.pvalue * table["roi"].nunique())
        behaviour = "undetermined" if adjusted >= 0.05 else "paramagnetic" if fit.slope > 0 else "diamagnetic"
        regions.append(
            RegionCorrelation(
                roi=str(roi),
                n=len(rows),
                n_subjects=rows["subject_id"].nunique(),
                pearson_r=pearson.statistic,
                pearson_ci95_low=interval.low,
                pearson_ci95_high=interval.high,
                pearson_p=pearson.pvalue,
                pearson_p_adjusted=adjusted,
                spearman_rho=spearman.statistic,
                spearman_ci95_low=max(-1.0, spearman.statistic - 0.2),
                spearman_ci95_high=min(1.0, spearman.statistic + 0.2),
                spearman_p=spearman.pvalue,
                spearman_p_adjusted=min(1.0, spearman.pvalue * table["roi"].nunique()),
                r2=pearson.statistic**2,
                slope=fit.slope,
                slope_se=fit.stderr,
                intercept=fit.intercept,
                behaviour=behaviour,
            )
        )
    fields: dict[str, Any] = {
        "x": "ct_hu",
        "y": "qsm_ppm",
        "by": "roi",
        "adjustment": "Holm over all regions",
        "rule": "adjusted p below 0.05 and one sign",
        "regions": regions,
        "provenance": provenance("correlate"),
    }
    return Correlation(**{**fields, **more})


def empty_region(roi: str) -> RegionCorrelation:
    given = ("roi", "n", "n_subjects", "behaviour", "note")
    numbers = [n for n, field in RegionCorrelation.model_fields.items() if field.is_required() and n not in given]
    return RegionCorrelation(
        roi=roi, n=2, n_subjects=2, behaviour="undetermined", note="too few rows", **dict.fromkeys(numbers)
    )


def alignment(verdict: str = "pass", predicted_error_mm: float = 0.4, **more: Any) -> Alignment:
    fields: dict[str, Any] = {
        "verdict": verdict,
        "reasons": ["Independent repeats agree."] if verdict == "pass" else ["Repeats disagree by 3.1 mm."],
        "rotation_deg": (3.2, -1.4, 8.8),
        "translation_mm": (4.1, -22.3, 11.9),
        "centre_mm": (0.0, 1.0, 2.0),
        "mutual_information": 0.84,
        "mutual_information_start": 0.22,
        "overlap_fraction": 0.98,
        "start_spread_mm": 0.1,
        "predicted_error_mm": predicted_error_mm,
        "n_repeats": 3,
        "warnings": [] if verdict == "pass" else ["look at the picture first"],
        "provenance": provenance("register"),
    }
    return Alignment(**{**fields, **more})


def study(calibrations: list[Calibration], cor: Correlation | None = None, **more: Any) -> StudyRun:
    fields: dict[str, Any] = {
        "study": "A study",
        "n_subjects": 3,
        "steps": [
            StepOutcome(step="calibrate", session="2026-01", status="done"),
            StepOutcome(step="register", subject="sub-01", status="done"),
            StepOutcome(step="register", subject="sub-02", status="skipped", message="no CT"),
        ],
        "calibrations": calibrations,
        "alignments": {"sub-01": alignment()},
        "correlation": cor,
        "provenance": provenance("run"),
    }
    return StudyRun(**{**fields, **more})
