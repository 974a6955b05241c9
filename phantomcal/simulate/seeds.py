"""Independent random streams from one seed."""

from numpy.random import Generator, default_rng

from phantomcal.errors import InputError


def streams(seed: int, count: int) -> list[Generator]:
    """Generators that do not disturb each other: more draws from one leave the others as they were.

    Parameters
    ----------
    seed : int
        Zero or positive.
    count : int
        How many generators.

    Raises
    ------
    InputError
        If the seed is negative or not whole.
    """
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError("a seed is a whole number from 0", f"seed {seed!r}", "give e.g. 1")
    return list(default_rng(int(seed)).spawn(count))
