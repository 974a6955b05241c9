"""What happened to a region on the way to its mean, as a flag and in words."""

from dataclasses import KW_ONLY, dataclass

from phantomcal.correlation.sampling import Sampling

AIR_HU = -900.0


@dataclass(frozen=True)
class Facts:
    """How many voxels of a region are left after each step."""

    whole: int
    eroded: int
    measured: int
    covered: int
    used: int
    air: int
    _: KW_ONLY
    how: Sampling
    has_ct: bool


def flag(f: Facts) -> str:
    """The one word for what is wrong with a region, the worst first; empty when nothing is."""
    if f.eroded == 0:
        return "vanished"
    if f.measured == 0:
        return "outside the map"
    if f.has_ct and f.covered == 0:
        return "outside the CT"
    if f.used == 0:
        return "vanished"
    if f.used < f.how.min_voxels:
        return "too small"
    if f.has_ct and f.covered < f.measured:
        return "partly outside the CT"
    return "partly outside the map" if f.measured < f.eroded else ""


def note(f: Facts) -> str:
    """What was left out of a region, in words with counts."""
    if f.eroded == 0:
        return f"erosion leaves nothing of its {f.whole} voxels"
    notes = []
    if f.measured < f.eroded:
        notes.append(
            f"{f.eroded - f.measured} of {f.eroded} voxels lie outside the measured part of the map and are left out"
        )
    if f.has_ct and f.measured > 0 and f.covered == 0:
        notes.append("it lies outside the CT")
    elif f.has_ct and f.covered < f.measured:
        share = 100 * (1 - f.covered / f.measured)
        notes.append(f"{share:.1f} % of it lies outside the CT and is left out of the CT values")
    if f.how.hu_window is not None and f.used < f.covered:
        notes.append(f"{f.covered - f.used} of {f.covered} voxels are left out by the HU window")
    if 0 < f.used < f.how.min_voxels:
        notes.append(f"{f.used} voxels are fewer than the {f.how.min_voxels} asked for, so it has no values")
    if f.air:
        notes.append(f"{f.air} voxels read as air (below {AIR_HU:.0f} HU): check the alignment")
    return "; ".join(notes)
