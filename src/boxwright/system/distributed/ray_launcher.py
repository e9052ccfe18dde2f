# SPDX-License-Identifier: Apache-2.0
"""Runs a function on workers of Ray Train, as many as there is room for. The only importer of Ray, which few need.

Ray starts the workers, and all of them anew when one was lost or their number changes. Each gets its place in a world
of ours and does the rest itself. An actor, the desk, carries lines and answers to whoever asked, and signals back.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError
from boxwright.system.distributed.hang_watch import WAY_ON, LostError
from boxwright.system.distributed.launch_environment import Launch, cluster_of_ray
from boxwright.system.distributed.process_group import store_at
from boxwright.system.signals import StopRequest, stops_collected
from boxwright.system.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LOOK_S = 0.2  # between looks at the desk
LEAVING_S = 15.0  # that workers have to end by themselves behind the answer of one of them
OBJECT_BYTES = 80 << 20  # of memory for objects, about the least that Ray takes: we have none
_kept: list[Any] = []  # the store of this process, into which others look to the very end


class Desk:
    """What workers tell: ('out' or 'err', line), ('begun', what in words), ('answer', document). And a signal."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.signal = 0

    def tell(self, *told: tuple[str, Any]) -> int:
        """Leave something, and hear by which signal all are to stop, 0 = none."""
        self.told += told
        return self.signal

    def look(self, signal: int) -> list[tuple[str, Any]]:
        """What was left since the last look; leave a signal."""
        told, self.told, self.signal = self.told, [], signal
        return told


class _Lines(io.TextIOBase):
    """A stream that tells its lines elsewhere, each before it goes on."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.at_once, self._open = tell, ""

    def write(self, text: str) -> int:
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            self.at_once(line)
        return len(text)


def imported_ray() -> Any:
    """Ray and its Train. Raises SettingError where they are not installed."""
    cluster_of_ray()  # leaves in the environment what is read by the import
    try:
        import ray.train.collective  # noqa: PLC0415 -- an extra that takes seconds
        import ray.train.v2.api.data_parallel_trainer  # noqa: PLC0415
    except ImportError as error:
        what, remedy = f"Ray Train cannot be imported ({error})", "Install it: pip install 'boxwright[ray]'"
        raise SettingError("--engine ray", what, remedy) from None
    return ray


def answer_of_workers(work: Callable[[Launch], Any], sizes: Sequence[int], max_failures: int, *, on_cpu: bool) -> Any:
    """What a function comes to on workers; `sizes` are the numbers of them that can do it together.

    Their lines come to this terminal, and signals go to them. Raises SettingError where Ray cannot be had, LostError
    when workers were lost more often than `max_failures`, KeyboardInterrupt after a signal before they began.
    """
    ray, name, failed = imported_ray(), uuid.uuid4().hex, list[Exception]()
    with tempfile.TemporaryDirectory(prefix="boxwright-") as place, _connected(ray, min(sizes)):
        desk = ray.remote(num_cpus=0)(Desk).remote()
        on_gpu = not on_cpu and ray.cluster_resources().get("GPU", 0) > 0
        given = {"work": work, "sizes": sizes, "desk": desk, "folder": str(Path.cwd()), "job": name, "on_gpu": on_gpu}
        failures = ray.train.FailureConfig(max_failures=max_failures)
        trainer = ray.train.v2.api.data_parallel_trainer.DataParallelTrainer(
            _in_worker,
            train_loop_config=given,
            scaling_config=ray.train.ScalingConfig(num_workers=(min(sizes), max(sizes)), use_gpu=on_gpu),
            run_config=ray.train.RunConfig(name=name, storage_path=place, failure_config=failures),
        )

        def fit() -> None:
            try:
                trainer.fit()
            except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
                failed.append(error)

        fitting = threading.Thread(target=fit, daemon=True)  # in the main thread it would answer signals in its own way
        fitting.start()
        answer = _attended(ray, desk, fitting)
    if answer is None:
        lost = ", ".join(f"rank {rank}" for rank in sorted(getattr(failed[0], "worker_failures", ()))) if failed else ""
        raise LostError(f"Ray lost {lost or 'the training'} more often than --max-restarts {max_failures}. {WAY_ON}")
    return answer


@contextlib.contextmanager
def _connected(ray: Any, fewest: int) -> Iterator[None]:
    """The cluster of the environment, or one of this machine for as long as this lasts."""
    if ray.is_initialized():  # by the program that called us, which will also end it
        yield
        return
    address, cores = cluster_of_ray(), max(len(os.sched_getaffinity(0)), fewest)
    own = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": OBJECT_BYTES}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own))
    except (OSError, RuntimeError, ValueError) as error:
        what = f"Ray cannot be had at {address or 'this machine'} ({str(error).splitlines()[0]})"
        raise SettingError("RAY_ADDRESS", what, "Look whether the cluster is up, or unset it") from None
    try:
        yield
    finally:
        ray.shutdown()


def _attended(ray: Any, desk: Any, fitting: threading.Thread) -> Any:
    """Print what workers tell and pass signals on until they end; their answer, None without one."""
    begun, answer, left_s = 0, None, LEAVING_S
    with stops_collected() as request:
        while fitting.is_alive() and left_s > 0:
            fitting.join(LOOK_S)
            left_s -= LOOK_S if answer is not None else 0
            for kind, value in ray.get(desk.look.remote(request.number)):
                if kind == "answer":
                    answer = value if answer is None else answer
                elif kind == "begun":
                    begun += 1
                    say(f"Ray has started {value}{' once more' if begun > 1 else ''}")
                else:
                    say(value, sys.stdout if kind == "out" else sys.stderr, whole=True)
            sys.stdout.flush()  # whoever reads along through a pipe waits for it
            if request.number and not begun:
                request.raise_again()
    return answer


def _in_worker(given: dict[str, Any]) -> None:
    """What each worker does; those that are more than can share the work are there for when others are lost."""
    ray, desk, stop = imported_ray(), given["desk"], StopRequest()
    place = ray.train.get_context()
    rank, workers, meeting = place.get_world_rank(), place.get_world_size(), None
    size = max(size for size in given["sizes"] if size <= workers)
    if rank == 0:
        address = ray.util.get_node_ip_address()
        _kept.append(store_at(address))
        meeting = address, _kept[-1].port
        ray.get(desk.tell.remote(("begun", f"{size} of {workers} workers" if size < workers else f"{size} workers")))
    address, port = ray.train.collective.broadcast_from_rank_zero(meeting)
    if rank >= size:
        return
    local, beside = place.get_local_rank(), place.get_local_world_size()
    here = (0, 1) if given["on_gpu"] else (local, min(beside, size - rank + local))  # Ray shows each its own GPU alone
    launch = Launch(rank, size, *here, address, port, hosted=True, job=given["job"], stop=stop)
    out, err = (_Lines(lambda line, kind=kind: ray.get(desk.tell.remote((kind, line)))) for kind in ("out", "err"))
    ended = threading.Event()

    def heed() -> None:
        while not ended.wait(LOOK_S) and not stop.number:
            if signal := ray.get(desk.tell.remote()):
                stop(signal, None)

    os.chdir(given["folder"])
    threading.Thread(target=heed, daemon=True).start()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        answer = given["work"](launch)
    ended.set()
    if answer is not None:
        ray.get(desk.tell.remote(("answer", answer)))
