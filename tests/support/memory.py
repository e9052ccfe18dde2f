# SPDX-License-Identifier: Apache-2.0
"""Trainings in a process of their own that looks at what is alive in it: `python -m tests.support.memory FOLDER`.

A process that has run a thousand tests holds so much that its own counting moves more memory than is allowed.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

import boxwright
from tests.support import datasets

EARLY, EPOCHS = 5, 20
CASES = {
    "usual": {},
    "shapes": {"multi_scale": True, "cache": "ram"},
    "alone": {"workers": 0, "rect": True, "decoded_memory": 0.0},
}


class Alive(NamedTuple):
    """What a process holds."""

    tensors: int
    objects: int
    threads: int
    files: int
    memory: int


def alive() -> Alive:
    gc.collect()
    objects = gc.get_objects()
    process = psutil.Process()
    with warnings.catch_warnings():  # to ask some objects for their class is deprecated
        warnings.simplefilter("ignore")
        tensors = sum(isinstance(one, torch.Tensor) for one in objects)
    return Alive(tensors, len(objects), threading.active_count(), len(process.open_files()), process.memory_info().rss)


class Watcher:
    """Looks at the end of two epochs, after their validation."""

    def __init__(self) -> None:
        self.epochs, self.found = 0, []

    def on_fit_epoch_end(self, *_: object) -> None:
        self.epochs += 1
        if self.epochs in {EARLY, EPOCHS}:
            self.found.append(alive())


def trained(folder: Path, more: dict[str, object]) -> list[Alive]:
    """A training, looked at twice."""
    watcher = Watcher()
    settings = {
        "data": str(datasets.write(folder / "set")),
        "cfg": str(datasets.write_model(folder)),
        "imgsz": 64,
        "batch_size": 4,
        "workers": 2,
    }
    settings |= {"epochs": EPOCHS, "device": "cpu", "project": str(folder / "runs"), "noplots": True, "quiet": True}
    boxwright.train(**settings | more, observers=[watcher])
    return watcher.found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, more in CASES.items():
        sys.stdout.write(f"FOUND {json.dumps([name, *trained(Path(sys.argv[1]) / name, more)])}\n")
