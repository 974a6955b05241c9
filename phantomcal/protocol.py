"""What a phantom is, as data: vials, materials, layout, expected slopes and tolerances, read from YAML."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from phantomcal.errors import InputError
from phantomcal.materials import SUBSTANCES, ExpectedSlope, expected_ct_slope, expected_qsm_slope
from phantomcal.results import Modality
from phantomcal.shipped import shipped_folder
from phantomcal.units import CONCENTRATION_UNIT, concentration_factor

_COMMANDS = ("draft", "show")  # `phantomcal protocols NAME` could not tell them from a name


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )


class Abscissa(_Strict):
    """The quantity lines are drawn against."""

    quantity: str = Field(
        "concentration", description="concentration, nominal attenuation, relative electron density, ..."
    )
    unit: str = Field(CONCENTRATION_UNIT, description="Unit of the vials' values in this file")
    relative_sd: float | None = Field(
        None, ge=0, lt=1, description="Relative standard uncertainty of the values, for vials without one of their own"
    )


class SlopeReference(_Strict):
    """An expected slope given by the protocol itself; it overrides the shipped physics."""

    value: float
    standard_error: float = Field(0.0, ge=0)
    source: str = ""


class Material(_Strict):
    """What a series of vials holds."""

    substance: str = Field("", description="Name known to phantomcal (see docs), for expected slopes and molar mass")
    molar_mass_g_per_mol: float | None = Field(None, gt=0)
    expected_slope: dict[Modality, SlopeReference] = Field(default_factory=dict)


class Vial(_Strict):
    """One vial and where it stands in the layout plane."""

    id: str = Field(min_length=1)
    material: str = Field(min_length=1)
    value: float = Field(
        validation_alias=AliasChoices("value", "concentration"),
        description="Abscissa in the protocol's unit; a concentration may be written as `concentration`",
    )
    sd: float | None = Field(None, ge=0, description="Standard uncertainty of the value, in the protocol's unit")
    x_mm: float | None = None
    y_mm: float | None = None
    radius_mm: float | None = Field(None, gt=0)


class Geometry(_Strict):
    """Shape of the phantom, millimetres in the layout plane."""

    vial_radius_mm: float = Field(gt=0, description="Inner radius of a vial")
    body_radius_mm: float | None = Field(None, gt=0)
    vial_length_mm: float | None = Field(None, gt=0, description="Filled length along the vial axis")
    erosion_mm: dict[Modality, float] = Field(
        default_factory=dict, description="Measure only this far inside the vial wall; by default set from the voxels"
    )
    position_tolerance_mm: float = Field(1.5, gt=0, description="How far a vial may stand from its printed place")


class Tolerances(_Strict):
    """What still counts as good; outside it the result says so."""

    vial_deviation: dict[Modality, float] = Field(
        default_factory=dict, description="Distance of a vial from its line that makes it suspect, in HU or ppm"
    )
    slope_ratio: tuple[float, float] = Field((0.5, 1.5), description="Accepted measured over expected slope")
    slope_drift_percent: dict[Modality, tuple[float, float]] = Field(
        default_factory=dict,
        description="Change of a slope against its baseline that warns, and that fails, in percent",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Tolerances":
        low, high = self.slope_ratio
        if not 0 <= low < high:
            raise ValueError(f"slope_ratio [{low:g}, {high:g}] is no range; give the lower bound first, from 0")
        return self


class Protocol(_Strict):
    """A phantom described as data; the YAML files in protocols/ hold these fields.

    Attributes are documented by their field descriptions; `phantomcal schema protocol` prints them.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    title: str
    source: str = Field(description="Where layout and values come from, with DOI")
    notes: str = ""
    modalities: list[Modality] = Field(["ct", "qsm"], min_length=1)
    abscissa: Abscissa = Abscissa()
    geometry: Geometry
    temperature_celsius: float = Field(20.0, gt=-50, lt=100)
    temperature_sd_celsius: float | None = Field(None, ge=0, description="Standard uncertainty of the temperature")
    batch: str = Field("", description="Batch or lot of the vials, for the certificate")
    field_tesla: float = Field(3.0, gt=0)
    tube_voltage_kvp: float = Field(120.0, gt=0)
    single_line: str = Field("", description="When set, all vials form one line of this name, whatever their material")
    reference: Literal["none", "water", "phantom"] = Field(
        "none", description="What QSM values are referred to: nothing, the water vials, or the whole phantom body"
    )
    materials: dict[str, Material] = Field(default_factory=dict)
    vials: list[Vial] = Field(min_length=2)
    tolerances: Tolerances = Tolerances()

    @model_validator(mode="after")
    def _check(self) -> "Protocol":
        repeated = [k for k, n in Counter(v.id for v in self.vials).items() if n > 1]
        if repeated:
            raise ValueError(f"duplicate vial id {', '.join(map(repr, repeated))}; give each vial its own id")
        if self.name in _COMMANDS:
            raise ValueError(f"no protocol can be called {self.name!r}: it is a command of `phantomcal protocols`")
        placed = [v.x_mm is not None and v.y_mm is not None for v in self.vials]
        if any(placed) and not all(placed):
            missing = ", ".join(repr(v.id) for v, p in zip(self.vials, placed, strict=True) if not p)
            raise ValueError(f"no x_mm and y_mm for vial {missing}; give every vial a place, or none")
        for k, vial in enumerate(self.vials if all(placed) else []):
            for other in self.vials[:k]:
                apart = float(((vial.x_mm or 0) - (other.x_mm or 0)) ** 2 + ((vial.y_mm or 0) - (other.y_mm or 0)) ** 2)
                if apart**0.5 < max(self.radius_of(vial), self.radius_of(other)):
                    raise ValueError(
                        f"vials {other.id!r} and {vial.id!r} stand in each other: {apart**0.5:.1f} mm between centres"
                    )
        for name, material in self.materials.items():
            if material.substance and material.substance not in SUBSTANCES:
                raise ValueError(
                    f"unknown substance {material.substance!r} of {name!r}; known: {', '.join(SUBSTANCES)}"
                )
        if self.is_concentration:
            for name in {v.material for v in self.vials}:
                concentration_factor(self.abscissa.unit, self._molar_mass(name), f"material {name!r}")
            negative = [v.id for v in self.vials if v.value < 0]
            if negative:
                raise ValueError(f"negative concentration of vial {negative[0]!r}")
        return self

    @property
    def is_concentration(self) -> bool:
        """Whether the abscissa is a concentration (then it is reported in mmol/L)."""
        return self.abscissa.quantity == "concentration"

    @property
    def has_layout(self) -> bool:
        """Whether the vials' places are known."""
        return self.vials[0].x_mm is not None

    @property
    def abscissa_unit(self) -> str:
        """Unit of the abscissa in every output."""
        return CONCENTRATION_UNIT if self.is_concentration else self.abscissa.unit

    def _molar_mass(self, material: str) -> float | None:
        entry = self.materials.get(material)
        if entry is None:
            return None
        if entry.molar_mass_g_per_mol is not None:
            return entry.molar_mass_g_per_mol
        known = SUBSTANCES.get(entry.substance)
        return known.molar_mass_g_per_mol if known else None

    def abscissa_of(self, vial: Vial) -> float:
        """Abscissa of a vial in `abscissa_unit`: mmol/L for concentrations."""
        if not self.is_concentration:
            return vial.value
        return vial.value * concentration_factor(self.abscissa.unit, self._molar_mass(vial.material))

    def abscissa_sd_of(self, vial: Vial) -> float | None:
        """Standard uncertainty of a vial's abscissa in `abscissa_unit`; None when the protocol states none."""
        if vial.sd is None and self.abscissa.relative_sd is None:
            return None
        sd = vial.sd if vial.sd is not None else (self.abscissa.relative_sd or 0.0) * abs(vial.value)
        if not self.is_concentration:
            return sd
        return sd * concentration_factor(self.abscissa.unit, self._molar_mass(vial.material))

    def series_of(self, vial: Vial) -> str:
        """Name of the line a vial belongs to."""
        return self.single_line or vial.material

    def radius_of(self, vial: Vial) -> float:
        """Inner radius of a vial, mm."""
        return vial.radius_mm or self.geometry.vial_radius_mm

    def expected_slope(self, series: str, modality: Modality) -> ExpectedSlope | None:
        """Slope that the protocol, else physics, predicts for a line; None when neither knows.

        Returns
        -------
        ExpectedSlope or None
            HU or ppm per abscissa unit.
        """
        unit = f"{'HU' if modality == 'ct' else 'ppm'}/({self.abscissa_unit})"
        entry = self.materials.get(series)
        if entry is None:
            return None
        given = entry.expected_slope.get(modality)
        if given is not None:
            return ExpectedSlope(given.value, given.standard_error, unit, given.source or self.source)
        if not self.is_concentration:
            return None
        if modality == "ct":
            return expected_ct_slope(entry.substance, self.tube_voltage_kvp)
        return expected_qsm_slope(
            entry.substance, self.temperature_celsius, self.field_tesla, self.temperature_sd_celsius
        )


def builtin_protocols() -> dict[str, Path]:
    """Names and files of the protocols shipped with phantomcal, in alphabetical order."""
    return {p.stem: p for p in sorted(shipped_folder("protocols").glob("*.yaml"))}


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Read a protocol by built-in name or from a YAML file.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        ``qsm-20-vial``, ... or the path of a ``.yaml`` file.

    Returns
    -------
    Protocol

    Raises
    ------
    InputError
        Unknown name, unreadable YAML, or a field that is missing or wrong (named by its path in the file).
    """
    text_name = str(name_or_path)
    known = builtin_protocols()
    path = Path(name_or_path)
    if text_name in known and not path.is_file():
        path = known[text_name]
    elif not path.is_file():
        raise InputError(
            f"no protocol {text_name!r}", "", f"built in are {', '.join(known)}; or give the path of a YAML file"
        )
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"unreadable YAML ({' '.join(str(error).split())[:160]})", path.name, "correct the syntax"
        ) from error
    if not isinstance(raw, dict):
        raise InputError("a protocol must be a mapping of fields", path.name, "see `phantomcal protocols qsm-20-vial`")
    _require_filled(raw, path.name)
    try:
        return Protocol.model_validate(raw)
    except ValidationError as error:
        raise InputError(
            _in_words(error, raw), path.name, "correct the field; `phantomcal schema protocol` lists them"
        ) from error
    except InputError as error:
        raise InputError(error.what, f"{path.name}, {error.where}" if error.where else path.name, error.fix) from error


def _require_filled(raw: dict[str, Any], where: str) -> None:
    """Refuse a draft whose nulls have not been filled in, naming all of them at once."""
    open_fields: list[str] = [name for name in ("title", "source") if name in raw and raw[name] is None]
    vials = [v for v in raw["vials"] if isinstance(v, dict)] if isinstance(raw.get("vials"), list) else []
    for field in ("material", "concentration", "value"):
        ids = [str(v.get("id", "?")) for v in vials if field in v and v[field] is None]
        if len(ids) > 1 or (ids and open_fields):  # a single one is a slip, named in its place
            named = ", ".join(ids[:4]) + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")
            open_fields.append(f"{field} of {named}")
    if open_fields:
        raise InputError(
            f"a draft that is not filled in: {'; '.join(open_fields)}", where, "replace every null by what is known"
        )


def _in_words(error: ValidationError, raw: dict[str, Any]) -> str:
    first = error.errors()[0]
    place = ".".join(str(p) for p in first["loc"])
    if first["loc"][:1] == ("vials",) and len(first["loc"]) > 1:
        entry = raw["vials"][first["loc"][1]]
        label = entry.get("id", f"number {int(first['loc'][1]) + 1}") if isinstance(entry, dict) else str(entry)
        place = f"vial {label!r} {'.'.join(str(p) for p in first['loc'][2:])}".strip()
        if first["type"] == "missing" and first["loc"][-1] in ("value", "concentration"):
            return f"vial {label!r} has no concentration (or value)"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
