# SPDX-License-Identifier: Apache-2.0
"""Runs a function on workers of Ray Train, as many as there is room for.

Ray starts the workers, and all of them anew when one was lost or their number changes. Each gets its place in a world
of ours and does the rest itself (`ray_worker.py`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import uuid
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError
from boxwright.system.cgroups import granted_cores
from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.launch_environment import Launch, cluster_of_ray
from boxwright.system.distributed.ray_worker import LOOK_S, Desk, imported_ray, in_worker
from boxwright.system.signals import stops_collected
from boxwright.system.terminal import libraries_silenced, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LEAVING_S = 15.0  # that workers have to end by themselves behind the answer of one of them
LONGEST_REASON = 200  # characters
OBJECT_BYTES = 80 << 20  # of memory for objects, about the least that Ray takes: we have none


def answer_of_workers(work: Callable[[Launch], Any], sizes: Sequence[int], max_failures: int, *, on_cpu: bool) -> Any:
    """What a function comes to on workers; `sizes` are the numbers of them that can do it together.

    Their lines come to this terminal, and signals go to them. Raises SettingError where Ray cannot be had, LostError
    when workers were lost more often than `max_failures`, KeyboardInterrupt after a signal before they began.
    """
    ray, name, failed = imported_ray(), uuid.uuid4().hex, list[Exception]()
    with tempfile.TemporaryDirectory(prefix="boxwright-") as place, _connected(ray, min(sizes)):
        desk = ray.remote(num_cpus=0)(Desk).remote()
        on_gpu = not on_cpu and ray.cluster_resources().get("GPU", 0) > 0
        given = {"work": work, "sizes": sizes, "desk": desk, "job": name, "on_gpu": on_gpu}
        failures = ray.train.FailureConfig(max_failures=max_failures)
        trainer = ray.train.v2.api.data_parallel_trainer.DataParallelTrainer(
            in_worker,
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
        try:
            answer = _attended(ray, desk, fitting)
        except ray.exceptions.RayError as error:
            failed.append(error)
            answer = None
    if answer is None:
        raise LostError(f"{_why(failed)}, and --max-restarts {max_failures} allows no more. Go on with --resume")
    return answer


def _why(failed: Sequence[Exception]) -> str:
    ranks = [f"rank {rank}" for error in failed for rank in sorted(getattr(error, "worker_failures", ()))]
    reason = str(failed[-1]).strip().splitlines() if failed and not ranks else []
    return f"Ray lost {', '.join(ranks) or 'the training'}{f' ({reason[0]})' if reason else ''}"


@contextlib.contextmanager
def _connected(ray: Any, fewest: int) -> Iterator[None]:
    """The cluster of the environment, or one of this machine for as long as this lasts."""
    if ray.is_initialized():  # by the program that called us, which will also end it
        yield
        return
    address, cores = cluster_of_ray(), max(min(os.cpu_count() or 1, granted_cores()), fewest)
    own = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": OBJECT_BYTES}
    try:
        with libraries_silenced():
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1][:LONGEST_REASON]
        what = f"Ray cannot be had at {address or 'this machine'} ({reason})"
        remedy = "Look whether the cluster is up and takes RAY_AUTH_MODE as it is here, or unset RAY_ADDRESS"
        raise SettingError("RAY_ADDRESS" if address else "--engine ray", what, remedy if address else "") from None
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001 -- no other way to leave out what the raylet says
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
