"""Who does the sessions' work: this process, a cluster of processes on this machine, or one that is there already."""

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import phantomcal
from phantomcal.errors import InputError, PhantomcalError
from phantomcal.pipeline.tasks import Task, failed, work_on

Workforce = Callable[[Sequence[Task]], Iterator[tuple[Task, str]]]

_LEAST_IN_FLIGHT = 8
_WAIT_FOR_WORKERS_S = 60
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextmanager
def workforce(n_tasks: int, jobs: int = 0, scheduler: str | None = None) -> Iterator[Workforce]:
    """A function that does tasks and tells of each as it is finished.

    Parameters
    ----------
    n_tasks : int
        How many there are in all.
    jobs : int
        Worker processes on this machine; 0 is one per core. One, or a single task, needs no workers at all.
    scheduler : str, optional
        Address of a running Dask scheduler (``tcp://host:8786``); its workers must have this version of phantomcal and
        see the study and the output folder under the same paths.

    Yields
    ------
    callable
        Takes tasks and yields (task, how it ended): ``done``, ``reused`` or ``lost`` (its worker died twice; a record
        that says so was written). Only a bounded number of tasks is with the workers at any time.

    Raises
    ------
    InputError
        The scheduler cannot be reached, has no workers, or they have another version or other folders.
    """
    if scheduler is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(jobs or cores, max(n_tasks, 1))
        if workers == 1:
            yield _here
            return
        with _local(workers, max(cores // workers, 1)) as client:
            yield lambda tasks: _on_cluster(client, tasks, max(_LEAST_IN_FLIGHT, 2 * workers))
        return
    with _existing(scheduler) as client:
        threads = sum(client.ncores().values())
        yield lambda tasks: _on_cluster(client, tasks, max(_LEAST_IN_FLIGHT, 2 * threads))


def _here(tasks: Sequence[Task]) -> Iterator[tuple[Task, str]]:
    for task in tasks:
        yield task, work_on(task)


@contextmanager
def _local(workers: int, threads: int) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    settings = {
        # A session that takes its worker down is tried once more, alone: see `_on_cluster`.
        "distributed.scheduler.allowed-failures": 0,
        # One session a worker: those that only wait are not blamed for a death.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        "distributed.comm.timeouts.connect": "120s",
    }
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="phantomcal-") as scratch, dask.config.set(settings), _importable_main():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: a second run must not complain
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        )
        with cluster, Client(cluster) as client:
            yield client


@contextmanager
def _importable_main() -> Iterator[None]:
    """Workers start as fresh interpreters, which cannot find a main module read from standard input."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    hidden = file is not None and not Path(file).exists()
    if hidden:
        del main.__file__
    try:
        yield
    finally:
        if hidden:
            main.__file__ = file


@contextmanager
def _existing(address: str) -> Iterator[Any]:
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_WAIT_FOR_WORKERS_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            "no Dask scheduler answers", address, "start one with `dask scheduler`, and give its address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS_S)
        except TimeoutError as error:
            raise InputError(
                "the scheduler has no workers", address, "start some with `dask worker ADDRESS`, see docs/cluster.md"
            ) from error
        yield client


def _seen(folders: tuple[str, ...]) -> tuple[str, list[str]]:
    """On a worker: its version, and which folders it does not see."""
    return phantomcal.__version__, [folder for folder in folders if not Path(folder).is_dir()]


def _require_same_world(client: Any, tasks: Sequence[Task]) -> None:
    """Workers elsewhere must run this version and see the same folders."""
    folders = tuple(dict.fromkeys([*(str(p.parent) for p in tasks[0].session.files.values()), str(tasks[0].work)]))
    try:
        answers = client.run(_seen, folders)
    except Exception as error:
        raise InputError(
            f"the workers cannot run phantomcal ({type(error).__name__})",
            client.scheduler.address,
            f"install phantomcal {phantomcal.__version__} where the workers run",
        ) from error
    for worker, (version, unseen) in answers.items():
        if version != phantomcal.__version__:
            raise InputError(
                f"a worker has phantomcal {version}, not {phantomcal.__version__}", worker, "install the same version"
            )
        if unseen:
            raise InputError(
                f"a worker does not see {unseen[0]}", worker, "use a file system all machines share, under one path"
            )


def _on_cluster(client: Any, tasks: Sequence[Task], in_flight: int) -> Iterator[tuple[Task, str]]:
    if not tasks:
        return
    _require_same_world(client, tasks)
    suspects: list[Task] = []
    for task, ended in _streamed(client, tasks, in_flight):
        if ended == "killed":
            suspects.append(task)
        else:
            yield task, ended
    # A worker's death may be the doing of a neighbour, or of two large sessions at once: each once more, alone.
    for task in suspects:
        ((_, ended),) = _streamed(client, [task], 1)
        if ended == "killed":
            failed(task, "its worker process was killed, twice: most likely it ran out of memory")
            ended = "lost"
        yield task, ended


def _streamed(client: Any, tasks: Sequence[Task], in_flight: int) -> Iterator[tuple[Task, str]]:
    """Tasks with the workers, never more than `in_flight`, as they end."""
    from distributed import KilledWorker, as_completed

    waiting = iter(tasks)
    pending = {_submitted(client, task): task for task in islice(waiting, in_flight)}
    ends = as_completed(pending)
    for future in ends:
        task = pending.pop(future)
        if future.status == "finished":
            ended = future.result()
        elif isinstance(future.exception() if future.status == "error" else None, KilledWorker):
            ended = "killed"
        elif future.status == "error":
            failed(task, f"{type(future.exception()).__name__}: {' '.join(str(future.exception()).split())[:200]}")
            ended = "lost"
        else:
            raise PhantomcalError(
                f"the connection to the workers was lost ({future.status}); finished sessions are kept: "
                "run again with --resume"
            )
        del future
        for new in islice(waiting, 1):
            submitted = _submitted(client, new)
            pending[submitted] = new
            ends.add(submitted)
        yield task, ended


def _submitted(client: Any, task: Task) -> Any:
    return client.submit(work_on, task, pure=False)
