"""One simulated lesion, and the record of what was put into it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phantomcal.simulate.lesions_imaging import Surroundings
from phantomcal.simulate.lesions_options import Kind
from phantomcal.simulate.lesions_physics import (
    CALCIUM_G_PER_MOL,
    CALCIUM_PPM_PER_MMOL_PER_L,
    FERRITIN_PPM_PER_MMOL_PER_L,
    HOSTS,
    IRON_G_PER_MOL,
    Content,
    Scanner,
)
from phantomcal.simulate.lesions_shape import Arrangement, LesionShape
from phantomcal.simulate.shapes import Triple

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True)
class LesionTruth:
    """What was put into a lesion.

    Attributes
    ----------
    kind : {"haemorrhage", "calcification", "mixed", "none"}
    stage : str
        Of the blood; empty without.
    arrangement : {"whole", "rim", "halves"}
    host : str
        Tissue that it lies in.
    diameter_mm, volume_mm3 : float
        Of the sphere of the same volume; the volume itself.
    calcium_mg, iron_mg : float
        All calcium and all iron in the lesion, whatever they look like: iron of oxygenated haemoglobin included.
    calcium_mmol_per_l, iron_mmol_per_l : float
        The same over the lesion's volume.
    ferritin_equivalent_iron_mg : float
        Iron that would read the same excess ppm if all of it were ferritin's: what a decomposition that assumes
        ferritin is after. Equal to `iron_mg` in old blood.
    calcium_equivalent_mg : float
        Calcium that would read the same excess ppm (without iron) at -2.7e-4 ppm per mmol/L; differs from `calcium_mg`
        by the composition drawn for the lesion.
    contents : tuple of Content
        Of its parts (rim: inside, then rim).
    part_volumes_mm3 : tuple of float
    tissue_hu, tissue_ppm : float
        True values of the tissue it lies in, on this scanner's scale, texture left out.
    vein_distance_mm : float or None
        From surface to surface.
    oedema_mm : float
    misregistration_mm : tuple of float
        Believed minus true position in the CT.
    """

    kind: Kind
    stage: str
    arrangement: Arrangement
    host: str
    diameter_mm: float
    volume_mm3: float
    calcium_mg: float
    iron_mg: float
    calcium_mmol_per_l: float
    iron_mmol_per_l: float
    ferritin_equivalent_iron_mg: float
    calcium_equivalent_mg: float
    contents: tuple[Content, ...]
    part_volumes_mm3: tuple[float, ...]
    tissue_hu: float
    tissue_ppm: float
    vein_distance_mm: float | None
    oedema_mm: float
    misregistration_mm: Triple

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SimulatedLesion:
    """One lesion as a study would hold it.

    Attributes
    ----------
    subject_id, lesion_id : str
    ct : SimpleITK.Image
        HU, int16, in the CT's world.
    qsm : SimpleITK.Image
        ppm, float32, in the MR's world.
    lesion_labels : SimpleITK.Image
        On the grid of `qsm`, uint8: 1 where the lesion fills at least half a voxel (the fullest voxel when it fills
        none to half), as a careful reader would outline it.
    ct_from_mr : SimpleITK.Euler3DTransform
        As believed: takes MR world points to CT world points.
    true_ct_from_mr : SimpleITK.Euler3DTransform
    truth : LesionTruth
    """

    subject_id: str
    lesion_id: str
    ct: "sitk.Image"
    qsm: "sitk.Image"
    lesion_labels: "sitk.Image"
    ct_from_mr: "sitk.Euler3DTransform"
    true_ct_from_mr: "sitk.Euler3DTransform"
    truth: LesionTruth


def truth_of(
    kind: Kind,
    shape: LesionShape,
    contents: tuple[Content, ...],
    host: str,
    around: Surroundings,
    vein_distance_mm: float | None,
    scanner: Scanner,
    moved_mm: Triple,
    diameter_mm: float,
) -> LesionTruth:
    """Record what was put in; masses follow from the exact volumes of the shape's parts.

    Parameters
    ----------
    kind : {"haemorrhage", "calcification", "mixed", "none"}
    shape : LesionShape
    contents : tuple of Content
        Of its parts; none for tissue without a lesion.
    host : str
    around : Surroundings
    vein_distance_mm : float or None
    scanner : Scanner
    moved_mm : tuple of float
        Misregistration.
    diameter_mm : float

    Returns
    -------
    LesionTruth
    """
    volumes = shape.volumes_mm3 if contents else ()
    volume = float(np.pi / 6 * diameter_mm**3)

    def total(values: list[float]) -> float:
        """mmol/L times mm^3, in mmol."""
        return 1e-6 * float(np.dot(values, volumes)) if contents else 0.0

    calcium, iron = (total([getattr(c, name) for c in contents]) for name in ("calcium_mmol_per_l", "iron_mmol_per_l"))
    as_ferritin = total([c.iron_mmol_per_l * c.iron_ppm_per_mmol_per_l for c in contents]) / FERRITIN_PPM_PER_MMOL_PER_L
    as_calcium = (
        total([c.calcium_mmol_per_l * c.calcium_ppm_per_mmol_per_l for c in contents]) / CALCIUM_PPM_PER_MMOL_PER_L
    )
    tissue = HOSTS[host].value
    return LesionTruth(
        kind=kind,
        stage=next((c.stage for c in contents if c.stage), ""),
        arrangement=shape.arrangement,
        host=host,
        diameter_mm=diameter_mm,
        volume_mm3=volume,
        calcium_mg=calcium * CALCIUM_G_PER_MOL,
        iron_mg=iron * IRON_G_PER_MOL,
        calcium_mmol_per_l=1e6 * calcium / volume,
        iron_mmol_per_l=1e6 * iron / volume,
        ferritin_equivalent_iron_mg=as_ferritin * IRON_G_PER_MOL,
        calcium_equivalent_mg=as_calcium * CALCIUM_G_PER_MOL,
        contents=contents,
        part_volumes_mm3=volumes,
        tissue_hu=tissue.ct_hu + around.offset.ct_hu,
        tissue_ppm=scanner.qsm_gain * (tissue.qsm_ppm + around.offset.qsm_ppm),
        vein_distance_mm=vein_distance_mm,
        oedema_mm=around.oedema_mm,
        misregistration_mm=moved_mm,
    )
