"""What both ways of decomposing share: how it is asked for, and how materials and baseline are recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.results import BaselineUsed, Calibration, DecomposedMaterial

if TYPE_CHECKING:
    from phantomcal.lesions.decompose import Baseline
    from phantomcal.lesions.system import System


@dataclass(frozen=True)
class Choices:
    """How to decompose.

    Attributes
    ----------
    materials : tuple of str
        Lines of the calibration, or iron and calcium; empty takes what it has.
    forms : mapping of str to str
        Form of a material, such as ``{"iron": "methaemoglobin"}``.
    baseline : str
        ``auto``, ``medium``, ``tissue``, ``mirror``, ``fitted``, or ``HU,PPM``.
    hu_noise, ppm_noise : float or None
        Of a voxel; measured when None.
    density_g_per_ml : float
        Of tissue.
    tube_voltage_kvp, field_tesla : float or None
        Of the images; those of the calibration when None.
    """

    materials: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    baseline: str = "auto"
    hu_noise: float | None = None
    ppm_noise: float | None = None
    density_g_per_ml: float = 1.04
    tube_voltage_kvp: float | None = None
    field_tesla: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("--hu-noise", self.hu_noise),
            ("--ppm-noise", self.ppm_noise),
            ("--density", self.density_g_per_ml),
            ("--tube-voltage", self.tube_voltage_kvp),
            ("--field", self.field_tesla),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{value:g} is not possible", name, "give a positive number")

    def system(self, calibration: Calibration, where: str) -> "System":
        """The equations these choices make of a calibration."""
        from phantomcal.lesions.decompose import system_from

        return system_from(
            calibration,
            self.materials or None,
            forms=self.forms,
            tube_voltage_kvp=self.tube_voltage_kvp,
            field_tesla=self.field_tesla,
            where=where,
        )


def file_name(material: str) -> str:
    """A material's name as a file may carry it."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in material).strip("-.") or "material"


def given_baseline(text: str, system: "System") -> "Baseline | None":
    from phantomcal.lesions.baseline import KINDS, constant_baseline, medium_baseline

    if text == "medium":
        return medium_baseline(system)
    return None if text in KINDS else constant_baseline(text)


def material_rows(
    system: "System",
    baseline: "Baseline",
    noise: tuple[float, float],
    above: Sequence[float],
    negative: Sequence[float],
) -> list[DecomposedMaterial]:
    import numpy as np

    from phantomcal.lesions.decompose import decompose

    two = len(system.components) == 2
    errors = None
    if two:
        # A voxel that holds nothing: its error is that of noise and baseline.
        plain = replace(baseline, hu=0.0, ppm=0.0)
        errors = decompose(0.0, 0.0, hu_se=noise[0], ppm_se=noise[1], system=system, baseline=plain).standard_error
        errors = errors.reshape(2)
    rows = []
    for k, component in enumerate(system.components):
        rows.append(
            DecomposedMaterial(
                name=component.name,
                line=component.line,
                form=component.form,
                ct_slope_hu=float(system.slopes[0, k]),
                ct_slope_se=float(np.sqrt(system.slope_covariance[0, k, k])),
                qsm_slope_ppm=float(system.slopes[1, k]),
                qsm_slope_se=float(np.sqrt(system.slope_covariance[1, k, k])),
                molar_mass_g_per_mol=component.molar_mass_g_per_mol,
                calibrated_range_mmol_per_l=component.calibrated_range,
                critical_mmol_per_l=None if errors is None else 1.645 * float(errors[k]),
                voxel_standard_error_mmol_per_l=None if errors is None else float(errors[k]),
                above_critical_share=float(above[k]) if above and two else None,
                negative_share=float(negative[k]) if negative and two else None,
            )
        )
    return rows


def baseline_used(baseline: "Baseline", asked: str, local: bool) -> BaselineUsed:
    import numpy as np

    flat = np.ndim(baseline.hu) == 0
    note = baseline.note
    if local:
        note += "; in and around lesions the tissue fitted close around each"
    return BaselineUsed(
        kind=baseline.kind if asked != "fitted" else "fitted",
        hu=float(np.asarray(baseline.hu)) if flat else None,
        ppm=float(np.asarray(baseline.ppm)) if flat else None,
        hu_se=float(np.hypot(baseline.hu_se, baseline.hu_noise)),
        ppm_se=float(np.hypot(baseline.ppm_se, baseline.ppm_noise)),
        note=note,
    )


def many_words(system: "System") -> str:
    from phantomcal.lesions.ranges import ambiguity

    return ". ".join(ambiguity(system))


def title_of(calibration: Calibration, name: str) -> str:
    title = calibration.title or calibration.protocol or name
    return f"{title}, {calibration.session}" if calibration.session else title
