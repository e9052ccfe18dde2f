# SPDX-License-Identifier: Apache-2.0
"""What a worker of Ray does for a training: finds the others, works, and tells whoever asked.

An actor of Ray, the desk, carries lines and answers there, and a signal back.
"""

from __future__ import annotations

import contextlib
import io
import threading
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError
from boxwright.system.distributed.launch_environment import Launch, cluster_of_ray
from boxwright.system.distributed.process_group import store_at
from boxwright.system.signals import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 0.2  # between looks at the desk
_kept: list[Any] = []  # the store of this process, into which others look to the very end


class Desk:
    """Starts workers, and is where they tell ('out' or 'err', line), ('begun', what), ('answer', document)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.signal, self._lock = 0, threading.Lock()

    def fit(self, given: dict[str, Any], place: str, max_failures: int) -> str:
        """Have the work done; what went wrong in the end, or ''."""
        ray, sizes = imported_ray(), given["sizes"]
        failures = ray.train.FailureConfig(max_failures=max_failures)
        trainer = ray.train.v2.api.data_parallel_trainer.DataParallelTrainer(
            in_worker,
            train_loop_config=given,
            scaling_config=ray.train.ScalingConfig(num_workers=(min(sizes), max(sizes)), use_gpu=given["on_gpu"]),
            run_config=ray.train.RunConfig(name=given["job"], storage_path=place, failure_config=failures),
        )
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            ranks = [f"rank {rank}" for rank in sorted(getattr(error, "worker_failures", ()))]
            what = f"lost {', '.join(ranks)}" if ranks else str(error).strip().splitlines()[-1]
            return f"{what}, and --max-restarts {max_failures} allows no more"
        return ""

    def tell(self, *told: tuple[str, Any]) -> int:
        """Leave something, and hear by which signal all are to stop, 0 = none."""
        with self._lock:
            self.told += told
        return self.signal

    def look(self, signal: int) -> list[tuple[str, Any]]:
        """What was left since the last look; leave a signal."""
        with self._lock:
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


def in_worker(given: dict[str, Any]) -> None:
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
    local, beside = place.get_local_rank(), min(place.get_local_world_size(), size - rank + place.get_local_rank())
    if given["on_gpu"]:
        local, beside = 0, 1  # Ray shows each of them its own GPU alone
    launch = Launch(rank, size, local, beside, address, port, hosted=True, job=given["job"], stop=stop)
    out = _Lines(lambda line: ray.get(desk.tell.remote(("out", line))))
    err = _Lines(lambda line: ray.get(desk.tell.remote(("err", line))))
    ended = threading.Event()

    def heed() -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # whoever asked is gone, and Ray ends this process
            while not ended.wait(LOOK_S) and not stop.number:
                if signal := ray.get(desk.tell.remote()):
                    stop(signal, None)

    threading.Thread(target=heed, daemon=True).start()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        answer = given["work"](launch)
    ended.set()
    if answer is not None:
        ray.get(desk.tell.remote(("answer", answer)))
