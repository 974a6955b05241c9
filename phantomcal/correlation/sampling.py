"""How regions are to be sampled: erosion, trimming, windows, sides and reference, checked once and put in words."""

from dataclasses import dataclass
from typing import Any, Literal

from phantomcal.errors import InputError

NO_REFERENCE = "none"
WHOLE_BRAIN = "whole-brain"


@dataclass(frozen=True)
class Sampling:
    """Choices of `sample_regions`; the defaults change nothing.

    Attributes
    ----------
    min_voxels : int
        A region with fewer voxels gets no values, and says so.
    erode_voxels : int
        Layers of face neighbours peeled off each region, neighbouring regions included.
    erode_mm : float
        Leaves out voxels with a voxel centre of another label within this distance.
    trim_percent : float
        Share of each region's voxels left out of mean and SD at either end, in each modality by its own values.
    hu_window : tuple of float or None
        Lower and upper HU.
    hu_window_mode : {"in", "out"}
        Keep only voxels within the window, or leave them out; both modalities follow. Voxels without CT are left out.
    merge_hemispheres : bool
        Left and right of one name become one region.
    percentiles : tuple of float
        Columns beside the mean: 50 is named median.
    reference : str
        Subtracted from every susceptibility: ``none``, ``whole-brain`` (mean of the measured map) or a region's name.
    regions : tuple of str
        Only these; each must be in the map.

    Raises
    ------
    InputError
        An impossible value.
    """

    min_voxels: int = 1
    erode_voxels: int = 0
    erode_mm: float = 0.0
    trim_percent: float = 0.0
    hu_window: tuple[float, float] | None = None
    hu_window_mode: Literal["in", "out"] = "in"
    merge_hemispheres: bool = False
    percentiles: tuple[float, ...] = (50.0,)
    reference: str = NO_REFERENCE
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.erode_voxels < 0:
            raise InputError(f"cannot erode by {self.erode_voxels} layers", "the call", "give 0 or more")
        if not 0 <= self.erode_mm < 100:
            raise InputError(f"cannot erode by {self.erode_mm:g} mm", "the call", "give 0 to 100 mm")
        if not 0 <= self.trim_percent < 50:
            raise InputError(
                f"cannot trim {self.trim_percent:g} % at either end", "the call", "give 0 to less than 50 %"
            )
        if self.hu_window is not None and not self.hu_window[0] < self.hu_window[1]:
            raise InputError(
                f"an empty HU window ({self.hu_window[0]:g} to {self.hu_window[1]:g})",
                "the call",
                "give LOW below HIGH",
            )
        if self.hu_window_mode not in ("in", "out"):
            raise InputError(f"unknown HU window mode {self.hu_window_mode!r}", "the call", "use in or out")
        for percentile in self.percentiles:
            if not 0 <= percentile <= 100:
                raise InputError(f"no percentile {percentile:g}", "the call", "give 0 to 100")

    def words(self) -> str:
        """What differs from the defaults, as the table's ``sampling`` column records it."""
        parts = []
        if self.erode_voxels:
            parts.append(f"eroded {self.erode_voxels} voxel{'s' if self.erode_voxels > 1 else ''}")
        if self.erode_mm:
            parts.append(f"eroded {self.erode_mm:g} mm")
        if self.hu_window is not None:
            low, high = self.hu_window
            parts.append(f"{'only' if self.hu_window_mode == 'in' else 'without'} {low:g} to {high:g} HU")
        if self.trim_percent:
            parts.append(f"trimmed {self.trim_percent:g} % at either end")
        if self.merge_hemispheres:
            parts.append("sides merged")
        if self.min_voxels > 1:
            parts.append(f"at least {self.min_voxels} voxels")
        return ", ".join(parts)

    def parameters(self) -> dict[str, Any]:
        """Every choice, for the provenance."""
        return {**vars(self), "percentiles": list(self.percentiles), "regions": list(self.regions)} | {
            "hu_window": None if self.hu_window is None else list(self.hu_window)
        }
