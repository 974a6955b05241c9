"""Amounts in the units clinicians and pathologists use, and what is assumed about the form of iron and calcium."""

from dataclasses import dataclass

from phantomcal.errors import InputError
from phantomcal.materials import SUBSTANCES, expected_ct_slope, expected_qsm_slope

TISSUE_DENSITY_G_PER_ML = 1.04
IRON_G_PER_MOL = SUBSTANCES["iron"].molar_mass_g_per_mol
CALCIUM_G_PER_MOL = SUBSTANCES["calcium"].molar_mass_g_per_mol
HYDROXYAPATITE_G_PER_MOL = SUBSTANCES["hydroxyapatite"].molar_mass_g_per_mol
CALCIUM_PER_HYDROXYAPATITE = 10

HOOPER_2024 = "Hooper 2024, doi 10.1101/2024.02.18.580843"
DIEFENBACH_2018 = "Diefenbach 2018, doi 10.1002/mrm.27531"
SPEES_2001 = "Spees 2001, doi 10.1002/mrm.1072"

# One haem iron with its quarter of a haemoglobin molecule (16.1 kg/mol, 0.749 cm3/g), from the elemental composition
# and tabulated attenuation coefficients as in `phantomcal.attenuation`; 3.1 to 3.3 between 55 and 75 keV.
_HAEM_CT = (3.26, 0.35)
# -0.0020 ppm per HU times 0.136 HU per mmol/L of calcium.
_HYDROXYAPATITE_QSM = (-2.7e-4, 0.2 * 2.7e-4)


@dataclass(frozen=True)
class Form:
    """What the counted atom is bound in: what one mmol/L of it does to HU and ppm.

    Attributes
    ----------
    name : str
    counts : {"iron", "calcium", "gadolinium", "iodine"}
        What the amounts count.
    ct_hu, ct_se : float
        HU per mmol/L of the counted atom and its standard uncertainty.
    qsm_ppm, qsm_se : float
        ppm (SI) per mmol/L.
    source : str
        Where they come from, and what they take for granted.
    """

    name: str
    counts: str
    ct_hu: float
    ct_se: float
    qsm_ppm: float
    qsm_se: float
    source: str


IRON_FORMS = ("ferritin", "haemosiderin", "deoxyhaemoglobin", "methaemoglobin", "SPIO", "USPIO", "free Fe3+")
HAEM_FORMS = ("deoxyhaemoglobin", "methaemoglobin")
CALCIUM_FORMS = ("hydroxyapatite", "CaCl2", "CaCO3")


def form_of(name: str, *, tube_voltage_kvp: float = 120.0, field_tesla: float = 3.0) -> Form:
    """HU and ppm that a form of iron or calcium gives, by physics or literature.

    Parameters
    ----------
    name : str
        ``ferritin``, ``haemosiderin``, ``deoxyhaemoglobin``, ``methaemoglobin``, ``SPIO``, ``USPIO``, ``free Fe3+``,
        ``hydroxyapatite``, ``CaCl2``, ``CaCO3`` or ``gadolinium``; with values of one's own as ``ferritin=0.09`` or
        ``ferritin=0.09:0.01`` (ppm per mmol/L and its standard uncertainty).
    tube_voltage_kvp : float
        It enters the attenuation.
    field_tesla : float
        It enters the susceptibility of saturating particles, which falls as 1/B0.

    Returns
    -------
    Form

    Raises
    ------
    InputError
        Unknown name, a value that is no number, or a tube voltage outside 80 to 140 kVp.

    Notes
    -----
    Haemosiderin has no shipped measurement of its own: it is taken to be as magnetic per iron as ferritin, with a
    standard uncertainty of 25 %. Blood's iron sits in haemoglobin, whose protein attenuates a dozen times more than
    the iron itself, so that 1 mmol/L of haem iron adds 3.3 HU instead of 0.25.
    """
    name, _, said = name.partition("=")
    name = name.strip()
    found = _known(name, tube_voltage_kvp, field_tesla)
    if not said:
        return found
    try:
        numbers = [float(part) for part in said.split(":")]
    except ValueError as error:
        raise InputError(
            f"{said!r} is no susceptibility", f"the form {name}", "write it as ferritin=0.09:0.01"
        ) from error
    if len(numbers) > 2 or numbers[0] == 0 or (len(numbers) == 2 and numbers[1] < 0):
        raise InputError(f"{said!r} is no susceptibility", f"the form {name}", "write it as ferritin=0.09:0.01")
    return Form(
        name,
        found.counts,
        found.ct_hu,
        found.ct_se,
        numbers[0],
        numbers[1] if len(numbers) == 2 else 0.0,
        f"{numbers[0]:g} ppm per mmol/L as given; HU: {found.source}",
    )


def _known(name: str, tube_voltage_kvp: float, field_tesla: float) -> Form:
    key = {n.lower(): n for n in (*IRON_FORMS, *CALCIUM_FORMS, "gadolinium")}.get(name.lower())
    if key is None:
        raise InputError(
            f"unknown form {name!r}",
            "the forms of iron and calcium",
            f"use {', '.join((*IRON_FORMS, *CALCIUM_FORMS))} or gadolinium",
        )
    substance = {"haemosiderin": "ferritin", "free Fe3+": "iron"}.get(key, key)
    if key in HAEM_FORMS:
        return _haem(key)
    ct = expected_ct_slope(substance, tube_voltage_kvp)
    if key == "hydroxyapatite" and ct is not None:
        per = CALCIUM_PER_HYDROXYAPATITE
        return Form(
            key,
            "calcium",
            ct.value / per,
            ct.standard_error / per,
            *_HYDROXYAPATITE_QSM,
            f"a tenth of the formula unit's attenuation; ppm as bone shows per HU ({DIEFENBACH_2018}), 20 %",
        )
    qsm = expected_qsm_slope(substance, 37.0, field_tesla)
    if ct is None or qsm is None:
        raise InputError(
            f"no attenuation of {key} at {tube_voltage_kvp:g} kVp", "the tube voltage", "give one from 80 to 140 kVp"
        )
    counts = "gadolinium" if key == "gadolinium" else "calcium" if key in CALCIUM_FORMS else "iron"
    if key == "haemosiderin":
        return Form(
            key,
            counts,
            ct.value,
            ct.standard_error,
            qsm.value,
            0.25 * qsm.value,
            f"taken to be as magnetic per iron as ferritin ({HOOPER_2024}), 25 % standard uncertainty",
        )
    return Form(key, counts, ct.value, ct.standard_error, qsm.value, qsm.standard_error, qsm.source)


def _haem(key: str) -> Form:
    protein = "attenuation with the protein of haemoglobin, from its elemental composition"
    if key == "deoxyhaemoglobin":
        # 4 pi x 0.27 ppm of packed, wholly deoxygenated red cells that hold 20.8 mmol/L of haem (33.5 g/dL).
        return Form(key, "iron", *_HAEM_CT, 0.163, 0.015, f"{SPEES_2001}, 20.8 mmol/L haem in red cells; {protein}")
    free = expected_qsm_slope("iron", 37.0)
    assert free is not None
    return Form(
        key, "iron", *_HAEM_CT, free.value, 0.08 * free.value, f"high-spin Fe3+ by Curie's law at 37 C, 8 %; {protein}"
    )


def iron_mg_per_100g(iron_mmol_per_l: float, density_g_per_ml: float = TISSUE_DENSITY_G_PER_ML) -> float:
    """Iron in mg per 100 g of wet tissue.

    mmol/L times g/mol is mg/L; a litre of tissue weighs 1000 times its density in g/mL, ten times that in units of
    100 g.
    """
    return iron_mmol_per_l * IRON_G_PER_MOL / (10.0 * density_g_per_ml)


def hydroxyapatite_mg_per_cm3(calcium_mmol_per_l: float) -> float:
    """Hydroxyapatite, Ca10(PO4)6(OH)2, that holds so much calcium, in mg per cm3 (mg HA/cm3)."""
    return calcium_mmol_per_l / CALCIUM_PER_HYDROXYAPATITE * HYDROXYAPATITE_G_PER_MOL / 1000.0


def hydroxyapatite_mg(calcium_mg: float) -> float:
    """Mass of hydroxyapatite that holds a mass of calcium (39.9 % of it is calcium)."""
    return calcium_mg * HYDROXYAPATITE_G_PER_MOL / (CALCIUM_PER_HYDROXYAPATITE * CALCIUM_G_PER_MOL)


def ferritin_iron_ppb(iron_mg_per_100g_tissue: float, density_g_per_ml: float = TISSUE_DENSITY_G_PER_ML) -> float:
    """Susceptibility of so much ferritin iron in tissue, ppb: the rule of thumb of 15 ppb per mg per 100 g."""
    form = form_of("ferritin")
    return 1000.0 * form.qsm_ppm * iron_mg_per_100g_tissue * 10.0 * density_g_per_ml / IRON_G_PER_MOL


def saturated_slope(ppm_per_mmol_per_l: float, calibrated_tesla: float, used_tesla: float) -> float:
    """Apparent molar susceptibility of saturated particles (SPIO) at another field: it falls as 1/B0.

    Above saturation (well below 1 T for magnetite) the moment stays the same, so that moment over field falls.

    Raises
    ------
    InputError
        A field below 0.5 T, where saturation cannot be taken for granted.
    """
    if min(calibrated_tesla, used_tesla) < 0.5:
        raise InputError(
            f"iron oxide particles are not saturated at {min(calibrated_tesla, used_tesla):g} T",
            "the field strength",
            "calibrate at the field that is used",
        )
    return ppm_per_mmol_per_l * calibrated_tesla / used_tesla


def mass_mg(concentration_mmol_per_l: float, volume_mm3: float, molar_mass_g_per_mol: float) -> float:
    """Mass in mg of a concentration over a volume: 1 mm3 is 1e-6 L, g/mol is mg/mmol."""
    return concentration_mmol_per_l * volume_mm3 * 1e-6 * molar_mass_g_per_mol
