# SPDX-License-Identifier: Apache-2.0
"""Independent pieces of work as tasks of Ray, each on a core or GPU of its own; after a lost node one starts again.

What they work on lies elsewhere, on a file system that all nodes share; Ray carries their beginning and end alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.ray_launcher import connected
from boxwright.system.distributed.ray_worker import imported_ray
from boxwright.system.signals import stops_collected

if TYPE_CHECKING:
    from collections.abc import Callable

ALWAYS_AGAIN = -1  # a task whose node is lost
LEAVING_S = 20.0  # that tasks have to leave behind a signal


def answers_of_tasks(
    work: Callable[[], Any], count: int, look: Callable[[], object], every_s: float, *, on_cpu: bool
) -> list[Any]:
    """What so many tasks of the same work come to. `look` is called again and again until all have ended.

    Raises SettingError where Ray cannot be had, LostError when it was lost, KeyboardInterrupt after a signal, when all
    tasks were told to stop.
    """
    ray = imported_ray()
    with connected(ray, 1), stops_collected() as request:
        on_gpu = not on_cpu and ray.cluster_resources().get("GPU", 0) > 0
        given = {"num_gpus": 1, "num_cpus": 1} if on_gpu else {"num_cpus": 1}
        task = ray.remote(max_retries=ALWAYS_AGAIN, **given)(_called)
        tasks = [task.remote(work) for _ in range(count)]
        running = list(tasks)
        try:
            while running:
                _, running = ray.wait(running, num_returns=len(running), timeout=every_s)
                look()
                if request.number:
                    for one in running:
                        ray.cancel(one)  # as KeyboardInterrupt
                    ray.wait(running, num_returns=len(running), timeout=LEAVING_S)
                    look()
                    request.raise_again()
            return list(ray.get(tasks))
        except ray.exceptions.RayError as error:
            raise LostError(
                f"Ray was lost ({str(error).strip().splitlines()[0]}). Start the same command again"
            ) from None


def _called(work: Callable[[], Any]) -> Any:
    return work()
