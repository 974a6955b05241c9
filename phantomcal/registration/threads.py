"""Jobs done by a few threads, with the same result on any number of them."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, pairwise
from typing import Any, TypeVar

_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_state = threading.local()  # .inside is set while a thread does one of several jobs

T = TypeVar("T")
U = TypeVar("U")


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What each of several independent jobs returns, in their order; done side by side, longest ones best first.

    A job does not share out its own work further, so that no thread ever waits for another. Jobs must release the
    interpreter lock most of the time to gain anything. The fault of the first job that has one is raised.
    """
    from phantomcal.registration.kernel import n_threads

    threads = 1 if getattr(_state, "inside", False) else min(n_threads(), len(jobs))
    if threads <= 1:
        return [job() for job in jobs]
    results: list[T | None] = [None] * len(jobs)
    faults: list[Exception | None] = [None] * len(jobs)
    turns = count()  # taking the next number is one step for the interpreter

    def work() -> None:
        _state.inside = True
        try:
            while (turn := next(turns)) < len(jobs):
                try:
                    results[turn] = jobs[turn]()
                except Exception as fault:  # raised below, in the caller's thread
                    faults[turn] = fault
        finally:
            _state.inside = False

    others = [_workers(threads - 1).submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        other.result()
    for fault in faults:
        if fault is not None:
            raise fault
    return results  # type: ignore[return-value]


def both(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """What two independent jobs of different kinds return, as `together`."""
    jobs: list[Callable[[], Any]] = [one, other]
    first, second = together(jobs)
    return first, second


def share(job: Callable[[int, int], None], size: int, *, least: int = 1) -> None:
    """Call ``job(start, stop)`` so that the ranges cover 0 to `size`, on as many threads as numba would use.

    The ranges depend on the number of threads: a job whose result must not may only write to places of its own index.
    """
    from phantomcal.registration.kernel import n_threads

    pieces = 1 if getattr(_state, "inside", False) else min(n_threads(), max(1, size // least))
    edges = [round(k * size / pieces) for k in range(pieces + 1)]
    together([partial(job, a, b) for a, b in pairwise(edges)])


def _workers(count: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    if _pool is None or _pool_size < count:
        _pool, _pool_size = ThreadPoolExecutor(count, thread_name_prefix="phantomcal"), count
    return _pool


def _forget() -> None:
    global _pool, _pool_size
    _pool, _pool_size = None, 0


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked child
    os.register_at_fork(after_in_child=_forget)
