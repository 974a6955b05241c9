"""Which slopes a decomposition uses: those of a calibration, converted where asked for, or those of physics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.lesions.quantities import CALCIUM_PER_HYDROXYAPATITE, Form, form_of, saturated_slope
from phantomcal.lesions.system import Component, System
from phantomcal.materials import SUBSTANCES, expected_ct_slope, expected_qsm_slope
from phantomcal.phantom.reading.readable import readable_lines
from phantomcal.results import Calibration, Line, Modality

Array = NDArray[np.float64]

_SAME_ATTENUATION = 0.15  # slopes that differ by less are not worth a warning

MODALITIES: tuple[Modality, Modality] = ("ct", "qsm")
_ALIASES = {
    "gd": "gadolinium",
    "gadolinium": "gadolinium",
    "ca": "calcium",
    "calcium": "calcium",
    "cacl2": "calcium",
    "calcium chloride": "calcium",
    "caco3": "calcium",
    "calcium carbonate": "calcium",
    "hydroxyapatite": "hydroxyapatite",
    "ha": "hydroxyapatite",
    "hap": "hydroxyapatite",
    "fe": "iron",
    "iron": "iron",
    "fecl3": "iron",
    "ferritin": "iron",
    "haemosiderin": "iron",
    "hemosiderin": "iron",
    "spio": "SPIO",
    "uspio": "USPIO",
    "iodine": "iodine",
    "i": "iodine",
}
_MOLAR_MASS = {
    "iron": SUBSTANCES["iron"].molar_mass_g_per_mol,
    "SPIO": SUBSTANCES["iron"].molar_mass_g_per_mol,
    "USPIO": SUBSTANCES["iron"].molar_mass_g_per_mol,
    "calcium": SUBSTANCES["calcium"].molar_mass_g_per_mol,
    "gadolinium": SUBSTANCES["gadolinium"].molar_mass_g_per_mol,
    "iodine": SUBSTANCES["iodine"].molar_mass_g_per_mol,
}


def system_from(
    calibration: Calibration,
    materials: Sequence[str] | None = None,
    *,
    forms: Mapping[str, str] | None = None,
    tube_voltage_kvp: float | None = None,
    field_tesla: float | None = None,
    where: str = "the calibration",
) -> System:
    """The slopes of a calibration as the equations of a decomposition.

    Parameters
    ----------
    calibration : Calibration
    materials : sequence of str, optional
        Names of lines, or ``iron`` and ``calcium``. By default all that have a line in both modalities, where
        calcium-like lines count calcium, iron-like lines count iron, and a gadolinium line stands in for iron when no
        line of iron is there.
    forms : mapping of str to str, optional
        The form of a component, such as ``{"iron": "methaemoglobin"}``, see `phantomcal.lesions.quantities.form_of`:
        its slopes are then physics' times the ratio of measured to expected slope of the line. ``{"iron": "as
        calibrated"}`` forbids a conversion.
    tube_voltage_kvp, field_tesla : float, optional
        Of the images; those of the calibration by default, else 120 kVp and 3 T.
    where : str
        Name of the calibration in messages.

    Returns
    -------
    System

    Raises
    ------
    InputError
        Fewer than two materials with both lines, an unknown material or form, or slopes in one and the same direction.
    """
    lines, notes = readable_lines(calibration, where)
    conditions = calibration.references.get("conditions") or {}
    kvp = tube_voltage_kvp or _number(conditions.get("tube_voltage_kvp")) or 120.0
    calibrated_tesla = _number(conditions.get("field_tesla")) or 3.0
    tesla = field_tesla or calibrated_tesla
    both = [m for m in dict.fromkeys(name for name, _ in lines) if all((m, k) in lines for k in MODALITIES)]
    chosen = _chosen(materials, both, dict(forms or {}), where, sorted({n for n, _ in lines} - set(both)))
    parts = []
    for name, line_name in chosen:
        pair = (lines[line_name, "ct"], lines[line_name, "qsm"])
        asked = dict(forms or {}).get(name)
        parts.append(_part(name, line_name, pair, asked, kvp, (calibrated_tesla, tesla)))
    components = tuple(p.component for p in parts)
    slopes = np.array([[p.slope[k] for p in parts] for k in range(2)])
    covariance = np.array([np.diag([p.variance[k] for p in parts]) for k in range(2)])
    for k in range(2):  # two components from one line share its error
        for i, a in enumerate(parts):
            for j, b in enumerate(parts):
                if i != j and a.component.line == b.component.line:
                    covariance[k, i, j] = a.shared[k] * b.shared[k]
    used = list(dict.fromkeys(line for _, line in chosen))
    medium, variance, mixed, scatter, vial = _medium([[lines[name, m] for name in used] for m in MODALITIES])
    place = {name: k for k, name in enumerate(used)}
    factor = np.array([[p.factor[k] for p in parts] for k in range(2)])
    mixed = np.array([[mixed[k][place[line]] for _, line in chosen] for k in range(2)]) * factor
    system = System(
        components,
        slopes,
        covariance,
        np.array([[p.dof[k] for p in parts] for k in range(2)]),
        medium,
        variance,
        mixed,
        scatter,
        vial,
        (*notes, *(c.assumption for c in components if c.assumption), *_doubts(lines, used, parts)),
    )
    _require_independent(system, where)
    return system


def physics_system(
    forms: Mapping[str, str], *, tube_voltage_kvp: float = 120.0, field_tesla: float = 3.0, scale_se: float = 0.0
) -> System:
    """The equations by physics and literature alone, for simulations and for scanners never calibrated.

    Parameters
    ----------
    forms : mapping of str to str
        Component to its form, see `phantomcal.lesions.quantities.form_of`:
        ``{"calcium": "hydroxyapatite", "iron": "ferritin"}``.
    tube_voltage_kvp, field_tesla : float
    scale_se : float
        Relative standard error of every slope; 0 takes them as exact.

    Returns
    -------
    System
        With zero as the medium's HU and ppm.
    """
    found = {
        name: form_of(form, tube_voltage_kvp=tube_voltage_kvp, field_tesla=field_tesla) for name, form in forms.items()
    }
    m = len(found)
    slopes = np.array([[f.ct_hu for f in found.values()], [f.qsm_ppm for f in found.values()]])
    components = tuple(
        Component(
            name,
            "",
            f.name,
            _MOLAR_MASS.get(f.counts),
            (0.0, float("inf")),
            f"{name} is taken as {f.name} ({f.source})",
        )
        for name, f in found.items()
    )
    none = np.zeros(2)
    return System(
        components,
        slopes,
        np.array([np.diag((scale_se * row) ** 2) for row in slopes]),
        np.full((2, m), 1e6),
        none,
        none,
        np.zeros((2, m)),
        none,
        none,
        tuple(c.assumption for c in components),
    )


@dataclass(frozen=True)
class _Part:
    component: Component
    slope: tuple[float, float]
    variance: tuple[float, float]
    shared: tuple[float, float]
    factor: tuple[float, float]
    dof: tuple[float, float]


def _chosen(
    materials: Sequence[str] | None, both: list[str], forms: dict[str, str], where: str, single: list[str]
) -> list[tuple[str, str]]:
    """Name of each component and the line behind it."""
    kinds = {name: _ALIASES.get(name.strip().lower(), name) for name in both}
    asked = [m.strip() for m in materials] if materials is not None else None
    if asked is not None and len(set(asked)) < len(asked):
        raise InputError("a material is asked for twice", "--materials", "name each one once")
    have = f"it has both lines of {', '.join(both) or 'no material'}"
    if single:
        have += f" and one line of {', '.join(single)}"
    if asked is None:
        pairs = [(_counted(kinds[name], name, both, kinds), name) for name in both]
        if "iron" not in kinds.values() and forms.get("iron", "") != "as calibrated":
            stand_in = next((name for name in both if kinds[name] == "gadolinium"), None)
            pairs = [("iron", line) if line == stand_in else (name, line) for name, line in pairs]
    else:
        pairs = [(name, _line_for(name, both, kinds, where, have)) for name in asked]
        pairs = [(_counted(kinds[line], line, both, kinds) if name == line else name, line) for name, line in pairs]
    if len(pairs) < 2:
        raise InputError(
            "two unknowns need two materials, each with a CT and a QSM line"
            if materials is None
            else "one material is no decomposition",
            where,
            f"{have}; `phantomcal concentration` reads a single material",
        )
    unknown = sorted({n for n, form in forms.items() if form != "as calibrated"} - {name for name, _ in pairs})
    if unknown:
        raise InputError(
            f"a form of {unknown[0]!r}, which is not decomposed into",
            where,
            f"the materials are {', '.join(name for name, _ in pairs)}",
        )
    return pairs


def _counted(kind: str, name: str, both: list[str], kinds: dict[str, str]) -> str:
    """What a line's amounts are called: the element, unless two lines would then share the name."""
    element = "calcium" if kind in ("calcium", "hydroxyapatite") else kind
    same = [n for n in both if kinds[n] in (kind, *(("calcium", "hydroxyapatite") if element == "calcium" else ()))]
    return element if len(same) == 1 and element in ("calcium", "iron") else name


def _line_for(name: str, both: list[str], kinds: dict[str, str], where: str, have: str) -> str:
    if name in both:
        return name
    kind = _ALIASES.get(name.lower(), name)
    wanted = {"calcium": ("calcium", "hydroxyapatite"), "iron": ("iron", "gadolinium")}.get(kind, (kind,))
    for candidate in wanted:
        found = [n for n in both if kinds[n] == candidate]
        if found:
            return found[0]
    raise InputError(f"no CT and QSM line of {name!r}", where, have)


def _part(
    name: str,
    line_name: str,
    pair: tuple[Line, Line],
    asked: str | None,
    kvp: float,
    tesla: tuple[float, float],
) -> _Part:
    """Slopes of one component: the lines' own, or physics' times what the lines measured of it."""
    kind = _ALIASES.get(line_name.strip().lower(), line_name)
    element = "calcium" if name == "calcium" or kind == "hydroxyapatite" else "iron" if name == "iron" else kind
    range_ = (
        max(line.abscissa_range[0] for line in pair),
        min(line.abscissa_range[1] for line in pair),
    )
    per = float(CALCIUM_PER_HYDROXYAPATITE) if kind == "hydroxyapatite" else 1.0
    form: Form | None = None
    if asked is not None and asked != "as calibrated":
        form = form_of(asked, tube_voltage_kvp=kvp, field_tesla=tesla[1])
    elif element == "iron" and kind == "gadolinium":
        form = form_of("ferritin", tube_voltage_kvp=kvp, field_tesla=tesla[1])
    factor = [1.0 / per, 1.0 / per]
    spread = [0.0, 0.0]
    told = ""
    if form is not None:
        factor, spread = _factors(form, line_name, kind, pair, kvp)
        told = (
            f"{name} is taken as {form.name} ({form.source}): {form.ct_hu:.3g} HU and {form.qsm_ppm:.3g} ppm per "
            "mmol/L, "
            f"scaled by what the {line_name} lines read of their expected slopes"
        )
    elif per != 1.0:
        told = f"{name} counts calcium: {CALCIUM_PER_HYDROXYAPATITE} per formula unit of hydroxyapatite"
    elif element == "calcium" and asked is None:
        told = _mineral_note(name, pair[0], kvp)
    if kind in ("SPIO", "USPIO") and tesla[0] != tesla[1] and form is None:
        factor[1] *= saturated_slope(1.0, *tesla)
        told = (
            f"{name} is saturated: its susceptibility at {tesla[1]:g} T is taken as {tesla[0] / tesla[1]:.3g} of that "
            f"at {tesla[0]:g} T"
        )
    slope = [line.slope * f for line, f in zip(pair, factor, strict=True)]
    own = [(line.slope_se or 0.0) * abs(f) for line, f in zip(pair, factor, strict=True)]
    variance = [o**2 + (s * sp) ** 2 for o, s, sp in zip(own, slope, spread, strict=True)]
    dof = [_dof(line) if o**2 >= 0.5 * v else 1e6 for line, o, v in zip(pair, own, variance, strict=True)]
    scale = abs(pair[0].slope / slope[0]) if form is None else abs(pair[1].slope / slope[1])
    component = Component(
        name,
        line_name,
        form.name if form is not None else "",
        _MOLAR_MASS.get(element),
        (range_[0] * scale, range_[1] * scale),
        told,
    )
    signed = [line.slope_se * f if line.slope_se else 0.0 for line, f in zip(pair, factor, strict=True)]
    return _Part(
        component,
        (slope[0], slope[1]),
        (variance[0], variance[1]),
        (signed[0], signed[1]),
        (factor[0], factor[1]),
        (dof[0], dof[1]),
    )


def _mineral_note(name: str, line: Line, kvp: float) -> str:
    """What a line of a dissolved salt makes of mineral; empty where both attenuate alike, or nothing is tabulated."""
    mineral = expected_ct_slope("hydroxyapatite", kvp)
    if mineral is None:
        return ""
    per_calcium = mineral.value / CALCIUM_PER_HYDROXYAPATITE
    off = 100.0 * (per_calcium / line.slope - 1.0)
    if abs(off) < 100.0 * _SAME_ATTENUATION:
        return ""
    return (
        f"{name} is counted as in the {line.material} vials, {line.slope:.3g} HU per mmol/L; the mineral of calcified "
        f"tissue has {per_calcium:.3g}, so that its calcium comes out {abs(off):.0f} % too "
        f"{'low' if off < 0 else 'high'} by CT: for tissue give --form {name}=hydroxyapatite"
    )


def _factors(
    form: Form, line_name: str, kind: str, pair: tuple[Line, Line], kvp: float
) -> tuple[list[float], list[float]]:
    """What the line's slopes are multiplied with, and the relative uncertainty of that."""
    expected = [line.expected_slope for line in pair]
    substance = kind if kind != "calcium" else "CaCl2"
    if expected[0] is None and (ct := expected_ct_slope(substance, kvp)) is not None:
        expected[0] = ct.value
    if expected[1] is None and (qsm := expected_qsm_slope(substance)) is not None:
        expected[1] = qsm.value
    known = [e for e in expected if e]
    if len(known) < 2:
        raise InputError(
            f"{line_name} has no expected slopes, so it cannot stand for {form.name}",
            "the calibration",
            "calibrate with a protocol that names the substance, or leave the form out",
        )
    wanted = (form.ct_hu, form.qsm_ppm)
    spread = [form.ct_se / abs(form.ct_hu), form.qsm_se / abs(form.qsm_ppm)]
    return [w / e for w, e in zip(wanted, known, strict=True)], spread


def _dof(line: Line) -> float:
    if line.errors_known:
        return 1e6
    return float(line.degrees_of_freedom if line.degrees_of_freedom is not None else max(line.n_vials - 2, 1))


def _medium(lines: list[list[Line]]) -> tuple[Array, Array, list[list[float]], Array, Array]:
    """Intercepts of all lines together, their variance, their covariance with each slope, and the vials' scatter."""
    medium, variance, scatter, vial = np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2)
    mixed: list[list[float]] = []
    for k, members in enumerate(lines):
        se = np.array([line.intercept_se or 0.0 for line in members])
        weight = np.ones(se.size) if np.any(se == 0) else 1.0 / se**2
        weight /= weight.sum()
        values = np.array([line.intercept for line in members])
        medium[k] = weight @ values
        # Lines in different media (or with offsets of their own) do not agree better than they do.
        between = float(np.average((values - medium[k]) ** 2, weights=weight)) if se.size > 1 else 0.0
        variance[k] = max(float(weight**2 @ se**2), between)
        mixed.append(
            [float(w * (line.covariance_slope_intercept or 0.0)) for w, line in zip(weight, members, strict=True)]
        )
        residual = np.array([line.residual_sd or 0.0 for line in members])
        noise = np.array([line.vial_noise or 0.0 for line in members])
        scatter[k] = float(np.sqrt(np.mean(np.maximum(residual**2 - noise**2, 0.0))))
        vial[k] = float(np.sqrt(np.mean(residual**2)))
    return medium, variance, mixed, scatter, vial


def _doubts(lines: Mapping[tuple[str, Modality], Line], used: Sequence[str], parts: Sequence[_Part]) -> list[str]:
    told = []
    for name in used:
        for m in MODALITIES:
            line = lines[name, m]
            if not line.established:
                told.append(
                    f"the slope of {name} in {m.upper()} is not established: amounts that rest on it are not either"
                )
    for part in parts:
        if part.slope[0] < 0:
            told.append(f"{part.component.name} lowers HU by its line: check the calibration")
    return told


def _require_independent(system: System, where: str) -> None:
    scaled = system.slopes / np.abs(system.slopes).max(axis=1, keepdims=True)
    m = len(system.components)
    best = max(
        abs(float(np.linalg.det(scaled[:, [i, j]]))) / float(np.prod(np.linalg.norm(scaled[:, [i, j]], axis=0)))
        for i in range(m)
        for j in range(i + 1, m)
    )
    if best < 1e-9:
        raise InputError(
            f"{' and '.join(system.names)} change HU and ppm in one and the same ratio and cannot be told apart",
            where,
            "calibrate with a second material",
        )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None
