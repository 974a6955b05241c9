"""What is taken for granted about tissue, blood, calcium and the errors of a reading, each number with its source."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from phantomcal.errors import InputError
from phantomcal.phantom.reading.readable import readable_lines
from phantomcal.results import Calibration, Line

CLASSES = ("haemorrhage", "calcification", "mixed", "nothing")
DEFAULT_PRIOR: Mapping[str, float] = {"haemorrhage": 0.47, "calcification": 0.47, "mixed": 0.03, "nothing": 0.03}
THRESHOLD = 0.9

_POSITIVE = (
    "_median",
    "_log_sd",
    "tissue_hu_sd",
    "tissue_ppm_sd",
    "local_hu_sd",
    "local_ppm_sd",
    "_scale",
    "_diameter_mm",
)
_NOT_NEGATIVE = ("_scale_sd", "_span", "registration_mm", "partial_volume", "floor_ppm", "floor_hu", "scatter_hu",
                 "scatter_ppm", "unknown_ppm", "unknown_hu")  # fmt: skip

# Names that calibrations give to calcium and to what calibrates the scale of a map; the nearest to tissue first.
_CALCIUM = ("hydroxyapatite", "calcium", "caco3", "cacl2", "ca")
_IRON = ("ferritin", "iron", "fe")
_SCALE = (*_IRON, "gadolinium", "gd")


@dataclass(frozen=True)
class Assumptions:
    """Numbers behind the likelihood; every one of them can be replaced.

    Attributes
    ----------
    tissue_hu, tissue_hu_sd, tissue_ppm, tissue_ppm_sd : float
        Brain around a lesion when its surroundings were not measured: 28 HU in white and 37 in grey matter, -0.03 and
        0.02 ppm (QSM challenge 2.0 model); deep grey nuclei lie above.
    local_hu_sd, local_ppm_sd : float
        How far the tissue a lesion replaced may lie from measured surroundings.
    blood_hu_span : float
        Blood adds 0 (resorbed) to this (clotted: 90 HU), evenly: what attenuates is protein, not iron.
    blood_ppm_median, blood_ppm_log_sd : float
        Susceptibility that blood adds, log-normal: 95 % between 0.07 and 2.3 ppm, from faint haemosiderin to
        deoxygenated clot (means of 0.4 to 1.3 ppm by stage, Chang et al. 2016, 10.1002/jmri.25143).
    calcium_hu_median, calcium_hu_log_sd : float
        CT number that calcium adds, log-normal: 95 % between 17 and 580 HU (lesions of 180 +- 32 HU, Oshima et al.
        2020, 10.1148/radiol.2019182934; choroid plexus of 60 to 100 HU; thin ones read less).
    calcium_ppm_per_hu, calcium_log_sd : float
        Its susceptibility per HU, log-normal: calcium carbonate gives -0.0008, calcium chloride -0.0013, bone -0.0020
        (Diefenbach et al. 2018, 10.1002/mrm.27531), calcified choroid plexus above its surroundings -0.002 to -0.004.
        A calibration scales or replaces the median.
    iron_hu_per_ppm : float
        Attenuation of the iron itself, which is small: 0.247 HU over 0.0813 ppm per mmol/L of ferritin iron.
    qsm_scale, qsm_scale_sd : float
        Of the map against physics; a calibration sets it.
    scatter_hu, scatter_ppm : float
        How far places differ beyond noise, as vials do about their line.
    registration_mm : float
        Standard error of where CT and QSM put the lesion against each other.
    partial_volume : float
        Relative spread of a reading's excess over tissue, by which CT and QSM see different parts of an edge.
    default_diameter_mm : float
        Of a lesion whose volume is not known.
    floor_ppm, floor_hu : float
        Scan-rescan SD that noise within one scan does not show: 5 ppb (basal ganglia).
    unknown_ppm, unknown_hu : float
        Standard error of a reading without SD or number of voxels: 10 ppb (small nuclei).
    prior : mapping of str to float
        Of the four classes.
    source : str
        Where the lines come from, in words.
    """

    tissue_hu: float = 33.0
    tissue_hu_sd: float = 5.0
    tissue_ppm: float = 0.0
    tissue_ppm_sd: float = 0.03
    local_hu_sd: float = 3.0
    local_ppm_sd: float = 0.015
    blood_hu_span: float = 57.0
    blood_ppm_median: float = 0.4
    blood_ppm_log_sd: float = 0.9
    calcium_hu_median: float = 100.0
    calcium_hu_log_sd: float = 0.9
    calcium_ppm_per_hu: float = -0.0018
    calcium_log_sd: float = 0.4
    iron_hu_per_ppm: float = 3.0
    qsm_scale: float = 1.0
    qsm_scale_sd: float = 0.1
    scatter_hu: float = 0.0
    scatter_ppm: float = 0.0
    registration_mm: float = 0.5
    partial_volume: float = 0.15
    default_diameter_mm: float = 6.0
    floor_ppm: float = 0.005
    floor_hu: float = 1.0
    unknown_ppm: float = 0.010
    unknown_hu: float = 3.0
    prior: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_PRIOR))
    source: str = "physics and literature"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, float) and not np.isfinite(value):
                raise InputError(f"{name} cannot be {value:g}", "the assumptions", "give a number")
            if name.endswith(_POSITIVE) and not value > 0:
                raise InputError(f"{name} cannot be {value:g}", "the assumptions", "give a number above 0")
            if name.endswith(_NOT_NEGATIVE) and not value >= 0:
                raise InputError(f"{name} cannot be {value:g}", "the assumptions", "give 0 or more")
        if not self.calcium_ppm_per_hu < 0:
            raise InputError(
                f"calcium_ppm_per_hu cannot be {self.calcium_ppm_per_hu:g}", "the assumptions", "calcium is diamagnetic"
            )

    def parameters(self) -> dict[str, Any]:
        """Every number, for the record."""
        return asdict(self)


def assumptions_from(numbers: Mapping[str, float]) -> Assumptions:
    """The defaults with some numbers replaced by name.

    Raises
    ------
    InputError
        A name that is no number of `Assumptions`, or an impossible value.
    """
    known = [name for name, value in asdict(Assumptions()).items() if isinstance(value, float)]
    wrong = sorted(set(numbers) - set(known))
    if wrong:
        raise InputError(f"no assumption {wrong[0]!r}", "--assume", f"choose from {', '.join(known)}")
    return replace(Assumptions(), **{name: float(value) for name, value in numbers.items()})  # type: ignore[arg-type]


def prior_of(given: Mapping[str, float] | None) -> dict[str, float]:
    """Prior probabilities of all four classes from those that were given.

    Parameters
    ----------
    given : mapping of str to float, optional
        Weights of any of haemorrhage, calcification, mixed and nothing; classes left out keep their default, and all
        are scaled to add up to 1.

    Raises
    ------
    InputError
        An unknown class, a negative weight, or no weight left.
    """
    said = dict(given or {})
    for name, weight in said.items():
        if name not in CLASSES:
            raise InputError(f"unknown class {name!r}", "--prior", f"choose from {', '.join(CLASSES)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise InputError(f"{weight:g} is no weight of {name}", "--prior", "give a number from 0")
    weights = {**DEFAULT_PRIOR, **said}
    total = sum(weights.values())
    if weights["haemorrhage"] + weights["calcification"] <= 0:
        raise InputError("neither haemorrhage nor calcification is possible", "--prior", "give one of them a weight")
    return {name: weights[name] / total for name in CLASSES}


def assumptions_for(
    calibration: Calibration | None,
    *,
    base: Assumptions | None = None,
    prior: Mapping[str, float] | None = None,
    where: str = "the calibration",
) -> tuple[Assumptions, list[str]]:
    """Assumptions with what a calibration measured put in, and what it could not tell, in words.

    The calcium lines of CT and QSM give calcium's direction in the plane of HU and ppm, with the errors of both slopes:
    vials of hydroxyapatite directly, other salts by their ratio to physics. A paramagnetic line gives the scale of the
    map against physics. The scatter of vials about their lines beyond noise is that of any place in a scan.

    Parameters
    ----------
    calibration : Calibration, optional
    base : Assumptions, optional
        Instead of the defaults.
    prior : mapping of str to float, optional
        See `prior_of`.
    where : str
        Name of the calibration in messages.

    Returns
    -------
    assumptions : Assumptions
    warnings : list of str

    Raises
    ------
    InputError
        No usable line in the calibration.
    """
    known = base or Assumptions()
    known = replace(known, prior=prior_of(prior if prior is not None else known.prior))
    if calibration is None:
        return known, []
    lines, warnings = readable_lines(calibration, where)
    told = []
    name = _first({material for material, _ in lines if _both(lines, material)}, _CALCIUM)
    if name is not None and _opposed(lines[name, "ct"], lines[name, "qsm"]):
        ct, qsm = lines[name, "ct"], lines[name, "qsm"]
        slope, words = _calcium_slope(name, ct, qsm, known.calcium_ppm_per_hu)
        known = replace(
            known,
            calcium_ppm_per_hu=slope,
            calcium_log_sd=float(np.hypot(known.calcium_log_sd, np.hypot(_relative(ct), _relative(qsm)))),
            scatter_hu=_scatter(ct),
            scatter_ppm=_scatter(qsm),
        )
        told.append(words)
    else:
        warnings.append(
            "the calibration has no calcium line with rising HU and falling ppm: calcium is taken from physics"
        )
    scale = _first({m for m, modality in lines if modality == "qsm"}, _SCALE)
    ratio = None if scale is None else lines[scale, "qsm"].slope_ratio
    if scale is not None and ratio is not None and ratio > 0:
        interval = lines[scale, "qsm"].slope_ratio_ci95
        spread = (interval[1] - interval[0]) / 3.92 if interval is not None else known.qsm_scale_sd
        known = replace(known, qsm_scale=float(ratio), qsm_scale_sd=float(min(spread, 0.5)))
        told.append(f"the map reads {ratio:.3g} of physics ({scale})")
    iron = _first({m for m, _ in lines if _both(lines, m)}, _IRON)
    if iron is not None and lines[iron, "ct"].slope > 0 and lines[iron, "qsm"].slope > 0:
        known = replace(known, iron_hu_per_ppm=lines[iron, "ct"].slope / lines[iron, "qsm"].slope)
    return replace(known, source="; ".join(told) if told else known.source), warnings


def _first(names: set[str], wanted: tuple[str, ...]) -> str | None:
    plain = {name.lower().replace(" ", "").replace("-", ""): name for name in sorted(names)}
    exact = next((plain[w] for w in wanted if w in plain), None)
    return exact or next((plain[p] for w in wanted for p in plain if p.startswith(w)), None)


def _both(lines: Mapping[Any, Line], material: str) -> bool:
    return (material, "ct") in lines and (material, "qsm") in lines


def _opposed(ct: Line, qsm: Line) -> bool:
    return ct.slope > 0 > qsm.slope and ct.abscissa_unit == qsm.abscissa_unit


def _calcium_slope(name: str, ct: Line, qsm: Line, physics: float) -> tuple[float, str]:
    """Calcium's ppm per HU on this scanner, and how it was come by.

    Lesions hold hydroxyapatite. Vials of it tell directly; vials of another salt tell how the scanners' scales compare
    with what physics expects of that salt, which is carried over.
    """
    measured = qsm.slope / ct.slope
    if "apatite" in name.lower() or ct.slope_ratio is None or qsm.slope_ratio is None or ct.slope_ratio <= 0:
        return measured, f"calcium's line is that of {name}: {measured:.3g} ppm per HU"
    scaled = physics * qsm.slope_ratio / ct.slope_ratio
    return scaled, (
        f"calcium's line is {physics:.3g} ppm per HU, scaled to {scaled:.3g} by what {name} reads of physics "
        f"(QSM {qsm.slope_ratio:.3g}, CT {ct.slope_ratio:.3g})"
    )


def _relative(line: Line) -> float:
    return abs((line.slope_se or 0.0) / line.slope)


def _scatter(line: Line) -> float:
    """Spread of vials about their line that their noise does not explain."""
    return float(np.sqrt(max((line.residual_sd or 0.0) ** 2 - (line.vial_noise or 0.0) ** 2, 0.0)))
