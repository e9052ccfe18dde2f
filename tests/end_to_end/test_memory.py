# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with epochs.

What is alive at the end of the fifth is what is alive at the end of the twentieth.
"""

from __future__ import annotations

import gc
import threading
import warnings
from typing import NamedTuple

import psutil
import pytest
import torch

import boxwright
from tests.support import datasets

pytestmark = pytest.mark.slow

EARLY, EPOCHS = 5, 20
ALLOWED_BYTES = 4 << 20  # 0.4 MiB were seen, pages that are touched for the first time; a system may hand out 2 at once


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


@pytest.mark.parametrize(
    "more",
    [{}, {"multi_scale": True, "cache": "ram"}, {"workers": 0, "rect": True, "decoded_memory": 0.0}],
    ids=["usual", "shapes", "alone"],
)
def test_memory_does_not_grow_with_epochs(tmp_path, more):
    watcher = Watcher()
    settings = {
        "data": str(datasets.write(tmp_path / "set")),
        "cfg": str(datasets.write_model(tmp_path)),
        "imgsz": 64,
        "batch_size": 4,
        "workers": 2,
    }
    settings |= {"epochs": EPOCHS, "device": "cpu", "project": str(tmp_path / "runs"), "noplots": True, "quiet": True}
    boxwright.train(**settings | more, observers=[watcher])
    early, late = watcher.found
    assert (late.tensors, late.threads, late.files) == (early.tensors, early.threads, early.files)
    assert late.objects - early.objects < EPOCHS - EARLY, "not one object for each epoch"
    assert late.memory - early.memory < ALLOWED_BYTES
