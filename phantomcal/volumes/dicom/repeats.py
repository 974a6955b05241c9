"""Several images in one place: the same one twice, or phases, echoes and components that must be told apart."""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.frames import labels_of
from phantomcal.volumes.dicom.layout import SAME_PLACE_MM, Layout, without
from phantomcal.volumes.quirks import Quirk


def places_of(layout: Layout) -> list[list[int]]:
    """Indices of the frames by place, in order along the normal."""
    first = np.ones(len(layout.frames), dtype=int)
    first[[after for _, after in layout.repeats]] = 0
    place = np.cumsum(first)
    return [[k for k, _ in group] for _, group in groupby(enumerate(place), key=lambda pair: pair[1])]


def require_told_apart(layout: Layout) -> None:
    """Refuse images in one place that their headers call different (echoes, phases, components, repeats).

    Raises
    ------
    InputError
        It names what they differ in, and how to choose one.
    """
    shared = [place for place in places_of(layout) if len(place) > 1]
    if not shared:
        return
    labels = [[labels_of(layout.frames[k]) for k in place] for place in shared]
    for name in sorted({name for place in labels for one in place for name in one}, key=_helpful):
        # Told apart by this label: at most places the images have as many values of it as there are images.
        told = sum(len({one.get(name) for one in place}) == len(place) for place in labels)
        if 2 * told > len(labels):
            offered = sorted({one[name] for place in labels for one in place if name in one}, key=_in_order)
            listed = ", ".join(offered[:8]) + (", ..." if len(offered) > 8 else "")
            raise InputError(
                f"{len(shared)} places of the DICOM series hold {len(shared[0])} images each: {name} {listed}",
                "the DICOM series",
                f"choose one, as in DIR::SERIES_UID::{name}={offered[0]}",
            )


def _helpful(name: str) -> tuple[int, str]:
    order = ("component", "echo_ms", "time", "trigger_ms", "b_value", "kernel", "kvp", "type", "acquisition")
    return (order.index(name) if name in order else len(order), name)


def _in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def drop_repeats(layout: Layout, values: NDArray[np.float32]) -> tuple[Layout, list[int]]:
    """Layout without images that are in the series twice, and the indices of the frames that stay.

    Parameters
    ----------
    layout : Layout
        As it was laid out.
    values : ndarray, shape (frames, rows, columns)
        Scaled values of its frames.

    Raises
    ------
    InputError
        Images in one place with different values.
    """
    dropped: list[int] = []
    differing: list[tuple[int, int]] = []
    for first, *others in places_of(layout):
        for k in others:
            here, there = layout.frames[first], layout.frames[k]
            beside = float(np.abs(here.position_mm - there.position_mm).max())
            if beside < SAME_PLACE_MM and np.array_equal(values[first], values[k], equal_nan=True):
                dropped.append(k)
            else:
                differing.append((first, k))
    if differing:
        names = [layout.frames[k].where for k in differing[0]]
        count = "1 slice" if len(differing) == 1 else f"{len(differing)} slices"
        raise InputError(
            f"{count} of the DICOM series where another one lies, with other values",
            " and ".join(names),
            "keep one image per position",
        )
    if not dropped:
        return layout, list(range(len(layout.frames)))
    quirk = Quirk(f"{len(dropped)} {'image is' if len(dropped) == 1 else 'images are'} in the series twice", "left out")
    return without(layout, dropped, [quirk]), [k for k in range(len(layout.frames)) if k not in set(dropped)]
