"""Which labels make which region, and what is it called?"""

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phantomcal.correlation.labels import IntArray, LabelMap
from phantomcal.correlation.lookup import hemisphere, without_side
from phantomcal.correlation.sampling import Sampling
from phantomcal.errors import InputError
from phantomcal.tables import require_columns

MOST_NAMES = 8


@dataclass(frozen=True)
class Regions:
    """Which labels make which region.

    Attributes
    ----------
    names : list of str
        Of the regions.
    label : list of int
        The lowest label of each.
    of_label : ndarray of int64
        The region of each label, in the order of the map's labels.
    wanted : frozenset of str
        The regions asked for.
    warnings : list of str
    """

    names: list[str]
    label: list[int]
    of_label: IntArray
    wanted: frozenset[str]
    warnings: list[str]


def regions_of(found: LabelMap, lookup: pd.DataFrame | None, how: Sampling) -> Regions:
    """Names of the labels there are; says what the lookup table and the map do not share.

    Raises
    ------
    InputError
        A region asked for is not in the map.
    """
    own = [int(k) for k in found.original]
    known: dict[int, str] = {}
    warnings = []
    if lookup is not None:
        require_columns(lookup, ["index", "name"], "the lookup table")
        known = dict(zip(lookup["index"].astype(np.int64).tolist(), lookup["name"].astype(str), strict=True))
        unnamed = [f"label-{k}" for k in own if k not in known]
        if unnamed:
            warnings.append(f"not in the lookup table: {listed(unnamed)}")
        present = set(own)
        absent = [f"{name} ({k})" for k, name in known.items() if k != 0 and k not in present]
        if absent and not how.regions:
            warnings.append(f"in the lookup table but not in the label map, so left out: {listed(absent)}")
    names = [known.get(k, f"label-{k}") for k in own]
    if how.merge_hemispheres:
        merged, region_of, label = _merged(names, own, warnings)
    else:
        merged, region_of, label = names, np.arange(len(own), dtype=np.int64), own
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            warnings.append(f"several labels share a name and stay separate rows: {listed(twice)}")
    wanted = frozenset(find_region(name, merged, list(known.values())) for name in how.regions)
    return Regions(merged, label, region_of, wanted, warnings)


def _merged(names: list[str], own: list[int], warnings: list[str]) -> tuple[list[str], IntArray, list[int]]:
    """Left and right of one name as one region, in the order of the lower label."""
    bases = [without_side(name) for name in names]
    key_of: dict[str, int] = {}
    region_of = np.array([key_of.setdefault(base.casefold(), len(key_of)) for base in bases], dtype=np.int64)
    merged, label = [], []
    for region in range(len(key_of)):
        members = [k for k in range(len(names)) if region_of[k] == region]
        sides = {hemisphere(names[k]) for k in members} - {""}
        merged.append(bases[members[0]])
        label.append(own[members[0]])
        if len(sides) == 1:
            warnings.append(f"{bases[members[0]]}: only its {sides.pop()} side is in the map")
    return merged, region_of, label


def find_region(name: str, names: list[str], known: list[str]) -> str:
    """The region a user means; case does not matter."""
    for candidate in names:
        if candidate.casefold() == name.strip().casefold():
            return candidate
    if any(candidate.casefold() == name.strip().casefold() for candidate in known):
        raise InputError(f"region {name!r} is in the lookup table but in no voxel", "the label map", "leave it out")
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:MOST_NAMES]
    raise InputError(f"no region {name!r}", "the label map", f"it has {', '.join(near)}")


def listed(names: list[str]) -> str:
    more = len(names) - 3 * MOST_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[: 3 * MOST_NAMES])} and {more} more"
