"""What may be chosen about simulated lesions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from phantomcal.errors import InputError
from phantomcal.simulate.lesions_physics import (
    CALCIUM_PPM_PER_MMOL_PER_L,
    FERRITIN_PPM_PER_MMOL_PER_L,
    Content,
    Scanner,
)
from phantomcal.simulate.shapes import Triple

Kind = Literal["haemorrhage", "calcification", "mixed", "none"]
KINDS: tuple[Kind, ...] = ("haemorrhage", "calcification", "mixed", "none")
EVEN: Mapping[str, float] = {"haemorrhage": 0.5, "calcification": 0.5}


@dataclass(frozen=True)
class LesionOptions:
    """Grids, noise, and how varied lesions are.

    Attributes
    ----------
    ct_spacing_mm, qsm_spacing_mm : tuple of float
        Voxel sizes; the third of the CT is the slice thickness.
    ct_noise_hu : float
        SD in 2.5 mm slices; other slices get it times sqrt(2.5 mm / thickness).
    ct_psf_fwhm_mm, qsm_psf_fwhm_mm : float
        Point spread beyond the voxel: of the CT in plane, of the map along all axes.
    qsm_noise_ppm, qsm_background_ppm : float
        SD of voxel noise, and of the slow variation that background field removal leaves; a lesion's mean then varies
        by about 5 ppb between scans, as in basal ganglia.
    inversion : bool
        Whether the map comes out of a simulated field by dipole inversion, with its underestimation and streaks.
    field_noise_ppm : float
        Of the field, when `inversion`.
    margin_mm : float
        Tissue around a lesion in its patch.
    scanner : Scanner
        Tube voltage and gains.
    stages : mapping of str to float, optional
        Share of the stages of blood; those of `lesions_physics.STAGES` by default.
    hosts : mapping of str to float, optional
        Share of the tissues that lesions lie in; by kind of lesion by default, see `lesions_physics.HOSTS`.
    arrangements : mapping of str to float
        Share of mixed lesions that are a calcified ``rim`` around blood, and two ``halves``.
    composition_cv : float
        Coefficient of variation of calcium's molar susceptibility between lesions.
    calcium_ppm_per_mmol_per_l, haemosiderin_ppm_per_mmol_per_l : float
        Molar susceptibility of calcium (its mean) and of the iron of old blood.
    heterogeneity : float
        Relative SD of the filling within a lesion.
    texture_hu, texture_ppm : float
        SD of the tissue's own variation in space.
    subject_hu, subject_ppm : float
        SD of tissue between people.
    vein_share : float
        Of lesions beside a vein.
    lesions_per_subject : int
        Lesions of one person share the offsets of the tissue.
    content : Content, optional
        This content instead of drawn ones, in all parts of haemorrhages and calcifications.
    """

    ct_spacing_mm: Triple = (0.45, 0.45, 2.5)
    qsm_spacing_mm: Triple = (1.0, 1.0, 1.0)
    ct_noise_hu: float = 4.0
    ct_psf_fwhm_mm: float = 0.8
    qsm_psf_fwhm_mm: float = 1.0
    qsm_noise_ppm: float = 0.008
    qsm_background_ppm: float = 0.005
    inversion: bool = False
    field_noise_ppm: float = 0.003
    margin_mm: float = 8.0
    scanner: Scanner = field(default_factory=Scanner)
    stages: Mapping[str, float] | None = None
    hosts: Mapping[str, float] | None = None
    arrangements: Mapping[str, float] = field(default_factory=lambda: {"rim": 0.5, "halves": 0.5})
    composition_cv: float = 0.2
    calcium_ppm_per_mmol_per_l: float = CALCIUM_PPM_PER_MMOL_PER_L
    haemosiderin_ppm_per_mmol_per_l: float = FERRITIN_PPM_PER_MMOL_PER_L
    heterogeneity: float = 0.15
    texture_hu: float = 1.2
    texture_ppm: float = 0.005
    subject_hu: float = 1.0
    subject_ppm: float = 0.008
    vein_share: float = 0.25
    lesions_per_subject: int = 3
    content: Content | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = -math.inf if one.name == "calcium_ppm_per_mmol_per_l" else 0.0
            if isinstance(value, float) and not (math.isfinite(value) and value >= least):
                raise InputError(f"{one.name} cannot be {value:g}", "the lesion options", "give a number from 0")
        if not self.haemosiderin_ppm_per_mmol_per_l > 0:
            raise InputError("iron without susceptibility", "the lesion options", "give a number above 0")
        if not min(*self.ct_spacing_mm, *self.qsm_spacing_mm) > 0.1:
            raise InputError("voxels below 0.1 mm cannot be simulated", "the lesion options", "use larger voxels")
        if self.lesions_per_subject < 1:
            raise InputError("a subject has at least one lesion", "the lesion options", "raise lesions_per_subject")
