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
import uuid
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError
from boxwright.system.cgroups import granted_cores
from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.launch_environment import Launch, cluster_of_ray
from boxwright.system.distributed.ray_worker import LOOK_S, Desk, imported_ray
from boxwright.system.signals import stops_collected
from boxwright.system.terminal import libraries_silenced, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

AGAIN = " once more, since one was lost or there is room for another number"
LEAVING_S = 5.0  # that workers have to end by themselves behind the answer of one of them
ROOM_LOOKS = 600  # two minutes at least: on a busy machine workers take one to start where there is room for them
CALLS_AT_ONCE = 8  # of the desk: one for as long as it all lasts
LONGEST_REASON = 200  # characters
OBJECT_BYTES = 80 << 20  # of memory for objects, about the least that Ray takes: we have none


def answer_of_workers(
    work: Callable[[Launch], Any],
    sizes: Sequence[int],
    max_failures: int,
    *,
    on_cpu: bool,
    notes: TextIO | None = None,
) -> Any:
    """What a function comes to on workers; `sizes` are the numbers of them that can do it together.

    Their lines come to this terminal, what is said of them here goes to `notes`, and signals go to them. Raises
    SettingError where Ray cannot be had, LostError when workers were lost more often than `max_failures`,
    KeyboardInterrupt after a signal before they began.
    """
    ray = imported_ray()
    with tempfile.TemporaryDirectory(prefix="boxwright-") as place, connected(ray, min(sizes)):
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        desk = ray.remote(num_cpus=0, max_concurrency=CALLS_AT_ONCE, scheduling_strategy=here)(Desk).remote()
        on_gpu = not on_cpu and ray.cluster_resources().get("GPU", 0) > 0
        given = {"work": work, "sizes": sizes, "desk": desk, "job": uuid.uuid4().hex, "on_gpu": on_gpu}
        training = desk.fit.remote(given, place, max_failures)
        try:
            return _attended(ray, desk, training, min(sizes), notes or sys.stdout)
        except ray.exceptions.RayError as error:
            raise LostError(f"Ray was lost ({str(error).strip().splitlines()[0]}). Go on with --resume") from None
        finally:
            ray.kill(desk)  # and with it what it has started, should that still be there


@contextlib.contextmanager
def connected(ray: Any, fewest: int) -> Iterator[None]:
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


def _attended(ray: Any, desk: Any, training: Any, fewest: int, notes: TextIO) -> Any:
    """Print what workers tell and pass signals on until they end; their answer."""
    begun, answer, left_s, running, looks = 0, None, LEAVING_S, [training], 0
    with stops_collected() as request:
        while running and left_s > 0:
            looks += 1
            if looks == ROOM_LOOKS and not begun:
                waits = f"it waits for room for {fewest} in the cluster (ray status)"
                say(f"Ray has started no worker so far; {waits}", notes)
            _, running = ray.wait([training], timeout=LOOK_S)
            left_s -= LOOK_S if answer is not None else 0
            for kind, value in ray.get(desk.look.remote(request.number)):
                if kind == "answer":
                    answer = value if answer is None else answer
                elif kind == "begun":
                    begun += 1
                    say(f"Ray has started {value}{AGAIN if begun > 1 else ''}", notes)
                else:
                    say(value, sys.stdout if kind == "out" else sys.stderr, whole=True)
            sys.stdout.flush()  # whoever reads along through a pipe waits for it
            if request.number and not begun:
                request.raise_again()
    if answer is None:
        raise LostError(f"Ray {ray.get(training) or 'ended without an answer'}. Go on with --resume")
    return answer
