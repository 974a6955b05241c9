"""What lesions hold, and what that reads in HU and ppm: blood at its stages, calcification, and the tissue around.

Blood. The HU of blood are its protein's: ``Hb (g/dL) = -0.875 + 0.329 HU`` (n 522), in which the attenuation of the
haemoglobin's own iron is contained. A clot of 60 to 90 HU thus holds 19 to 29 g/dL, four iron atoms to a molecule of
64.5 kDa. Blood takes the place of tissue. Its susceptibility at a stage is drawn from patients (Chang et al. 2016,
10.1002/jmri.25143); the same iron reads more or less by its state (oxygenated haemoglobin: nothing; deoxygenated:
0.16 ppm per mmol/L from Spees et al. 2001, 10.1002/mrm.1072; ferric: Curie's law), so the ppm per mmol/L of a draw is
its ppm over its iron. In old blood the protein is gone: haemosiderin lies in tissue, isodense but for the iron's own
0.247 HU per mmol/L at 120 kVp, and has the molar susceptibility of ferritin iron.

Calcification. Hydroxyapatite added to tissue: CT by the materials table (ten calcium atoms a formula unit);
susceptibility -2.7e-4 ppm per mmol/L of calcium, which is -0.0020 ppm per HU at 120 kVp: what calcified choroid plexus
shows between -0.10 ppm at 60 HU and -0.15 ppm at 100 HU once its fluid is taken off (10.64898/2026.05.26.26354154), and
bone (-0.0020 ppm per HU, Diefenbach et al. 2018, 10.1002/mrm.27531).

What a decomposition with one slope per material assumes beyond this, and what therefore is not exact by construction:
that HU above tissue come from calcium or iron (not from protein), that all iron is of one form, that calcium is of one
compound.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from phantomcal.errors import InputError
from phantomcal.materials import SUBSTANCES, curie_molar_susceptibility, expected_ct_slope
from phantomcal.simulate.brain import CSF, GREY, OEDEMA, THALAMUS, TYPICAL_VALUES, VEIN, WHITE, RegionValue

CALCIUM_G_PER_MOL = SUBSTANCES["calcium"].molar_mass_g_per_mol
IRON_G_PER_MOL = SUBSTANCES["iron"].molar_mass_g_per_mol
CALCIUM_PER_HYDROXYAPATITE = 10
# Hb (g/dL) = -0.875 + 0.329 HU; four iron atoms in 64,458 g of haemoglobin.
HB_INTERCEPT, HB_PER_HU = -0.875, 0.329
IRON_MMOL_PER_L_PER_HB_G_PER_DL = 4 * 10 / 64.458
# Fully deoxygenated red cells are 0.27 ppm (cgs) above oxygenated ones and hold 33.5 g/dL.
DEOXYGENATED_PPM_PER_MMOL_PER_L = 4 * np.pi * 0.27 / (33.5 * IRON_MMOL_PER_L_PER_HB_G_PER_DL)
FERRIC_PPM_PER_MMOL_PER_L = curie_molar_susceptibility(2.5, 37.0)
FERRITIN_PPM_PER_MMOL_PER_L = float(SUBSTANCES["ferritin"].qsm_ppm_per_mmol_per_l or 0.0)
CALCIUM_PPM_PER_MMOL_PER_L = -2.7e-4
# Blood without its iron: near water.
PLASMA_PPM = 0.0


@dataclass(frozen=True)
class Scanner:
    """What the two scanners make of a substance.

    Attributes
    ----------
    tube_voltage_kvp : float
        Of the CT.
    ct_gain : float
        HU of calcium, iron and gadolinium over those of the materials table (spectrum, filter, body size); the HU of
        tissue and protein, which are nearly water, stay.
    qsm_gain : float
        ppm of the map over true ppm (underestimation by the reconstruction): of everything in it.
    mineral_gain : float
        HU of calcium in lesions over those of hydroxyapatite in a phantom: what physics does not know of the mineral.
    """

    tube_voltage_kvp: float = 120.0
    ct_gain: float = 1.0
    qsm_gain: float = 1.0
    mineral_gain: float = 1.0

    def hu_per_mmol_per_l(self, substance: str) -> float:
        """CT number that one mmol/L adds on this scanner.

        Raises
        ------
        InputError
            No attenuation is known for the substance or the tube voltage.
        """
        slope = expected_ct_slope(substance, self.tube_voltage_kvp)
        if slope is None:
            raise InputError(
                f"no CT attenuation of {substance} at {self.tube_voltage_kvp:g} kVp", "the scanner", "use 80 to 140 kVp"
            )
        return self.ct_gain * slope.value

    @property
    def calcium_hu_per_mmol_per_l(self) -> float:
        """Per mmol/L of a lesion's calcium, bound as hydroxyapatite."""
        return self.mineral_gain * self.hu_per_mmol_per_l("hydroxyapatite") / CALCIUM_PER_HYDROXYAPATITE


@dataclass(frozen=True)
class Content:
    """What a lesion, or a part of it, is filled with.

    Attributes
    ----------
    calcium_mmol_per_l, iron_mmol_per_l : float
        Of the lesion's volume.
    haemoglobin_g_per_dl : float
        Blood of this content takes the tissue's place; 0 leaves the tissue and adds to it.
    calcium_ppm_per_mmol_per_l, iron_ppm_per_mmol_per_l : float
        Molar susceptibility of the form they are in.
    stage : str
        Of blood: a key of `STAGES`; else empty.
    """

    calcium_mmol_per_l: float = 0.0
    iron_mmol_per_l: float = 0.0
    haemoglobin_g_per_dl: float = 0.0
    calcium_ppm_per_mmol_per_l: float = CALCIUM_PPM_PER_MMOL_PER_L
    iron_ppm_per_mmol_per_l: float = FERRITIN_PPM_PER_MMOL_PER_L
    stage: str = ""

    @property
    def is_blood(self) -> bool:
        """Whether it takes the tissue's place."""
        return self.haemoglobin_g_per_dl > 0

    def hu(self, scanner: Scanner) -> float:
        """HU of its own (blood), or added to those of the tissue."""
        calcium = scanner.calcium_hu_per_mmol_per_l * self.calcium_mmol_per_l
        if self.is_blood:
            return calcium + (self.haemoglobin_g_per_dl - HB_INTERCEPT) / HB_PER_HU
        return calcium + scanner.hu_per_mmol_per_l("iron") * self.iron_mmol_per_l

    def ppm(self) -> float:
        """True ppm of its own (blood), or added to those of the tissue."""
        return (
            self.calcium_ppm_per_mmol_per_l * self.calcium_mmol_per_l
            + self.iron_ppm_per_mmol_per_l * self.iron_mmol_per_l
            + (PLASMA_PPM if self.is_blood else 0.0)
        )


@dataclass(frozen=True)
class Stage:
    """Blood at an age.

    Attributes
    ----------
    share : float
        Of drawn haemorrhages; shares are scaled to one.
    ppm : tuple of float
        Mean and SD, or median and log SD when `lognormal`.
    hu : tuple of float or None
        Mean and SD of the blood's HU; None when only haemosiderin is left.
    oedema : float
        Chance of a dark rim of oedema.
    """

    share: float
    ppm: tuple[float, float]
    hu: tuple[float, float] | None
    oedema: float = 0.0
    lognormal: bool = False


# ppm: Chang et al. 2016. HU: clots of 60 to 90 HU, fading over weeks. Shares, and the susceptibility of microbleeds
# (0.1 to 1 ppm, the weaker ones near the noise once blurred), are the simulator's choice; all stages together give
# 0.7 +- 0.5 ppm and 48 +- 17 HU, beside 0.88 +- 0.57 ppm and 40 +- 15 HU of the lesions of Jacobsen et al. 2017 (AAPM,
# abstract WE-G-201-5), who labelled by CT.
STAGES: dict[str, Stage] = {
    "hyperacute": Stage(0.05, (0.57, 0.48), (66.0, 7.0), 0.5),
    "acute": Stage(0.15, (1.30, 0.33), (76.0, 8.0), 0.8),
    "early subacute": Stage(0.15, (1.14, 0.46), (62.0, 8.0), 0.8),
    "late subacute": Stage(0.20, (0.40, 0.13), (43.0, 6.0), 0.3),
    "chronic": Stage(0.25, (0.71, 0.31), None),
    "microbleed": Stage(0.20, (0.25, 0.80), None, lognormal=True),
}
OLD_STAGES = ("chronic", "microbleed")


@dataclass(frozen=True)
class Host:
    """Where a lesion lies.

    Attributes
    ----------
    value : RegionValue
        HU and ppm of the tissue.
    shares : mapping of str to float
        How often by kind of lesion.
    """

    value: RegionValue
    shares: Mapping[str, float] = field(default_factory=dict)


# Calcium favours the pallidum, whose iron hides its sign, and the choroid plexus. Shares are the simulator's choice.
HOSTS: dict[str, Host] = {
    "white matter": Host(
        RegionValue(WHITE.hu, WHITE.ppm), {"haemorrhage": 0.45, "calcification": 0.35, "mixed": 0.5, "none": 0.5}
    ),
    "grey matter": Host(
        RegionValue(GREY.hu, GREY.ppm), {"haemorrhage": 0.30, "calcification": 0.25, "mixed": 0.3, "none": 0.3}
    ),
    "thalamus": Host(
        RegionValue(THALAMUS.hu, THALAMUS.ppm), {"haemorrhage": 0.15, "calcification": 0.10, "mixed": 0.2, "none": 0.1}
    ),
    "globus pallidus": Host(
        TYPICAL_VALUES["globus pallidus"], {"haemorrhage": 0.10, "calcification": 0.15, "none": 0.1}
    ),
    "cerebrospinal fluid": Host(RegionValue(CSF.hu, CSF.ppm), {"calcification": 0.15}),
}
SURROUND = RegionValue(WHITE.hu, WHITE.ppm)
VEIN_VALUE = RegionValue(VEIN.hu, VEIN.ppm)
OEDEMA_VALUE = RegionValue(OEDEMA.hu, OEDEMA.ppm)

# Hydroxyapatite, mg/cm3: median and log SD. One in five reads below 100 HU; 0.178 +- 0.079 thousand HU are published
# (Jacobsen et al. 2017), 180 +- 32 HU by Oshima et al. 2020.
_HYDROXYAPATITE_MG_PER_ML = (90.0, 0.65)
_MOST_MG_PER_ML = 800.0


def draw_blood(
    rng: np.random.Generator,
    stages: Mapping[str, float] | None = None,
    haemosiderin_ppm_per_mmol_per_l: float = FERRITIN_PPM_PER_MMOL_PER_L,
) -> Content:
    """Blood of a stage drawn at random.

    Parameters
    ----------
    rng : numpy.random.Generator
    stages : mapping of str to float, optional
        Share by stage; those of `STAGES` by default.
    haemosiderin_ppm_per_mmol_per_l : float
        Molar susceptibility of the iron of old blood.

    Returns
    -------
    Content

    Raises
    ------
    InputError
        An unknown stage.
    """
    shares = {name: stage.share for name, stage in STAGES.items()} if stages is None else dict(stages)
    name = pick(shares, STAGES, "stage", rng)
    stage = STAGES[name]
    centre, width = stage.ppm
    ppm = float(centre * np.exp(width * rng.standard_normal())) if stage.lognormal else 0.0
    while not ppm >= 0.04:
        ppm = float(rng.normal(centre, width)) if not stage.lognormal else 0.04
    if stage.hu is None:
        molar = haemosiderin_ppm_per_mmol_per_l
        return Content(iron_mmol_per_l=ppm / molar, iron_ppm_per_mmol_per_l=molar, stage=name)
    hu = max(float(rng.normal(*stage.hu)), 25.0)
    haemoglobin = HB_INTERCEPT + HB_PER_HU * hu
    iron = haemoglobin * IRON_MMOL_PER_L_PER_HB_G_PER_DL
    # No more than if all iron were ferric.
    molar = min(ppm / iron, FERRIC_PPM_PER_MMOL_PER_L)
    return Content(iron_mmol_per_l=iron, haemoglobin_g_per_dl=haemoglobin, iron_ppm_per_mmol_per_l=molar, stage=name)


def draw_calcification(
    rng: np.random.Generator,
    composition_cv: float = 0.2,
    ppm_per_mmol_per_l: float = CALCIUM_PPM_PER_MMOL_PER_L,
) -> Content:
    """Calcification of a density drawn at random.

    Parameters
    ----------
    rng : numpy.random.Generator
    composition_cv : float
        Coefficient of variation of the molar susceptibility between lesions (carbonate, traces of iron, packing);
        lesions of Jacobsen et al. 2017 read less than half of what choroid plexus does.
    ppm_per_mmol_per_l : float
        Its mean.

    Returns
    -------
    Content
    """
    centre, width = _HYDROXYAPATITE_MG_PER_ML
    density = min(float(centre * np.exp(width * rng.standard_normal())), _MOST_MG_PER_ML)
    molar = ppm_per_mmol_per_l * max(1.0 + composition_cv * float(rng.standard_normal()), 0.2)
    return Content(calcium_mmol_per_l=calcium_of_hydroxyapatite(density), calcium_ppm_per_mmol_per_l=molar)


def calcium_of_hydroxyapatite(mg_per_ml: float) -> float:
    """Calcium in mmol/L of so much hydroxyapatite."""
    return 1000 * mg_per_ml / SUBSTANCES["hydroxyapatite"].molar_mass_g_per_mol * CALCIUM_PER_HYDROXYAPATITE


def scaled(value: RegionValue, scanner: Scanner) -> RegionValue:
    """Tissue as the scanners show it."""
    return RegionValue(value.ct_hu, scanner.qsm_gain * value.qsm_ppm)


def pick(shares: Mapping[str, float], known: Mapping[str, object], what: str, rng: np.random.Generator) -> str:
    """A name drawn by its share.

    Raises
    ------
    InputError
        An unknown name, or no positive share.
    """
    wrong = sorted(set(shares) - set(known))
    if wrong:
        raise InputError(f"unknown {what} {wrong[0]!r}", "the lesions to simulate", f"known are {', '.join(known)}")
    weights = np.array(list(shares.values()), float)
    if not (weights.size and np.all(weights >= 0) and weights.sum() > 0):
        raise InputError(f"no {what} has a positive share", "the lesions to simulate", "give shares from 0")
    return list(shares)[int(rng.choice(weights.size, p=weights / weights.sum()))]
