"""The methods paragraph of a decomposition, said only as far as it was done, with what it cites."""

from phantomcal.lesions.assumptions import THRESHOLD
from phantomcal.report.numerals import count, listed, number
from phantomcal.results import Decomposition

HOOPER = (
    "Hooper 2024. Molar susceptibilities of ferritin, iron oxide and calcium salts in phantoms. "
    "doi 10.1101/2024.02.18.580843"
)
LAWSON_HANSON = "Lawson CL, Hanson RJ. Solving least squares problems. Prentice-Hall 1974, chapter 23."
ROUSSET = (
    "Rousset OG, Ma Y, Evans AC. Correction for partial volume effects in PET: principle and validation. "
    "J Nucl Med 1998;39:904-911."
)
CRESSIE = "Cressie NAC. Statistics for spatial data, revised ed. Wiley 1993, sections 2.3 and 2.4."
GUM = "Joint Committee for Guides in Metrology. JCGM 100:2008. doi 10.59161/JCGM100-2008E"
DANTZIG = "Dantzig GB. Linear programming and extensions. Princeton University Press 1963."


def decomposition_methods(record: Decomposition) -> str:
    """Paragraphs ready to paste, parted by blank lines.

    Parameters
    ----------
    record : Decomposition

    Returns
    -------
    str
    """
    names = [m.name for m in record.materials]
    slopes = "; ".join(
        f"{m.name} {number(m.ct_slope_hu, 3)} HU and {number(m.qsm_slope_ppm, 3)} ppm per mmol/L"
        + (f" (as {m.form})" if m.form else "")
        for m in record.materials
    )
    base = record.baseline
    level = f" ({number(base.hu, 3)} HU, {number(base.ppm, 3)} ppm)" if base.hu is not None else ""
    parts = [
        f"HU and ppm above a baseline{level} were taken as sums over {listed(names)} with the slopes of the "
        f"calibration {record.calibration}: {slopes}. Baseline: {base.note}."
    ]
    if record.alignment:
        parts[0] += f" Alignment of CT and map: {record.alignment}."
    if len(names) == 2:
        parts.append(
            "The two equations were solved for both amounts; negative ones were replaced by the nearest non-negative "
            "pair in the metric of the noise (Lawson and Hanson). Standard errors are of first order (JCGM 100:2008) "
            "from noise, slopes and baseline; what is common to all voxels is kept apart from what averages out. "
            "Probabilities are those of an amount above the critical value, the one-sided 5 % point of nothing."
        )
    else:
        parts.append(
            "Two readings do not determine more than two amounts: smallest and largest amounts over all non-negative "
            "mixtures that give the readings are reported (corners of the feasible set, Dantzig)."
        )
    if record.lesions:
        parts.append(
            f"Masses of {count(len(record.lesions), 'lesion')}: the excess was summed over each mask and what blur "
            "carries out of it, after a least-squares fit of tissue and blurred mask with a free place, width and "
            "uneven filling (after Rousset et al.). Its variance comes from the variogram of the tissue around "
            "(Cressie), to which the dependence on the assumed blur, on how far the tissue is looked at and on the "
            "place are added, and the slopes' covariance, which lesions share. Intervals are Student's with Welch and "
            "Satterthwaite's degrees of freedom."
        )
    if any(lesion.verdict for lesion in record.lesions):
        parts.append(
            "Lesions were named haemorrhage, calcification or mixed by the likelihood of their HU and ppm, tissue plus "
            "mean excess over it, under what blood and calcium read by calibration and literature (as "
            f"`phantomcal classify`); below a probability of {THRESHOLD:g} they are undetermined."
        )
    units = (
        f"Tissue was taken to weigh {number(record.density_g_per_ml, 3)} g/mL; iron counts as 55.845 g/mol, calcium "
    )
    parts.append(units + "as 40.078 g/mol, and ten calcium atoms make a formula unit of hydroxyapatite (1004.6 g/mol).")
    if record.assumptions:
        parts.append("Assumptions: " + "; ".join(record.assumptions) + ".")
    return "\n\n".join(parts)


def decomposition_references(record: Decomposition) -> list[str]:
    """What the methods cite."""
    found = [LAWSON_HANSON, GUM] if len(record.materials) == 2 else [DANTZIG]
    if record.lesions:
        found += [ROUSSET, CRESSIE]
    if any("Hooper" in a for a in record.assumptions):
        found.append(HOOPER)
    return found
