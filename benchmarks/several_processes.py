# SPDX-License-Identifier: Apache-2.0
"""Several processes of one thread against one process, and what a process that is alone pays for being able to be many.

Whole trainings of yolov5n on a CPU at 320 pixels, one after the other and in turns; what counts is the time from the
start of an epoch to its last step, the first epoch aside.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, paired, shares
from boxwright.engine.accelerator import Accelerator
from boxwright.engine.step_exchange import StepExchange, numbers_of
from boxwright.system.distributed.world import World
from boxwright.system.run_folder import RunFile
from boxwright.track.sinks.event_log import read_log
from tests.support import datasets
from tests.support.networks import spec
from tests.support.training import Watch, machines, schedule, trainer

IMAGES, SIZE, BATCH, EPOCHS, ROUNDS = 48, 320, 8, 3, 3


class Timed(World):
    """A world of one that adds up the seconds that are spent on asking it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def __getattribute__(self, name: str) -> Any:
        begin = time.perf_counter()
        value = super().__getattribute__(name)
        if name not in {"seconds", "__dict__"}:
            self.seconds += time.perf_counter() - begin
        return value

    def agree(self, reason: str, name: str) -> str:
        begin = time.perf_counter()
        answer = super().agree(reason, name)
        self.seconds += time.perf_counter() - begin
        return answer


def run() -> list[Result]:
    return [_world_of_one(), *_processes()]


def _world_of_one() -> Result:
    pairs = [_asked_and_whole() for _ in range(ROUNDS + 1)][1:]
    return shares("what fifteen steps of n, 64, batch 2 ask of a world of one / the steps", pairs, goal=0.01)


def _asked_and_whole() -> tuple[float, float]:
    """Seconds of both. The smaller a step, the larger the share of everything around it."""
    world = Timed()
    made = machines(schedule(epochs=3), network=spec("yolov5n", num_classes=3))
    made.accelerator = Accelerator(made.precision, StepExchange(world, numbers_of(made.detector)))
    loop = trainer(made, Watch(world=world))
    world.seconds, begin = 0.0, time.perf_counter()
    loop.fit()
    return world.seconds, time.perf_counter() - begin


def _processes() -> list[Result]:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        data = datasets.write(home / "data", train=IMAGES, val=2)
        sides = {"two": (2, 1), "threads": (1, 2), "one": (1, 1)}
        found: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(ROUNDS):
            for name, (processes, threads) in sides.items():
                found[name].append(_epoch_s(data, home / f"{name}{number}", processes, threads))
    title = f"epoch, n, {SIZE}, batch {BATCH}, two processes of one thread / "
    return [
        paired(title + "one process of one thread", list(zip(found["two"], found["one"], strict=True)), goal=1.3),
        paired(title + "one process of two threads", list(zip(found["two"], found["threads"], strict=True)), goal=0.9),
    ]


def _epoch_s(data: Path, folder: Path, processes: int, threads: int) -> float:
    """Seconds from the start of an epoch to its last step; the mean of all but the first."""
    words = [
        *("train", "--data", data, "--cfg", "yolov5n", "--imgsz", SIZE, "--batch", BATCH, "--epochs", EPOCHS),
        *("--device", "cpu", "--processes", processes, "--workers", 1, "--noplots", "--noval", "--nosave", "--quiet"),
        *("--cache", "ram", "--project", folder),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "boxwright", *map(str, words)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    steps = read_log(folder / "exp" / RunFile.EVENTS).steps
    return sum(steps[epoch].elapsed_s for epoch in range(1, EPOCHS)) / (EPOCHS - 1)


if __name__ == "__main__":
    for result in run():
        print(result)
