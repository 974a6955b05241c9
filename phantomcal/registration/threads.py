"""A job done by a few threads, piece by piece, with the same result on any number of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def share(job: Callable[[int, int], None], size: int, *, least: int = 1) -> None:
    """Call ``job(start, stop)`` so that the ranges cover 0 to `size`, on as many threads as numba would use.

    The ranges depend on the number of threads: a job whose result must not may only write to places of its own index.
    Jobs must release the interpreter lock to gain anything, and must not share work themselves.
    """
    from phantomcal.registration.kernel import n_threads

    threads = min(n_threads(), max(1, size // least))
    if threads <= 1:
        job(0, size)
        return
    edges = [round(k * size / threads) for k in range(threads + 1)]
    pool = _workers(threads)
    others = [pool.submit(job, a, b) for a, b in pairwise(edges[1:])]
    try:
        job(0, edges[1])
    finally:
        for other in others:
            other.result()


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
