# SPDX-License-Identifier: Apache-2.0
"""What a training will need, before it is begun.

Memory from the shapes of its tensors, time from a few steps on random pixels.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boxwright.data.index.index import Index
from boxwright.engine.multi_scale import largest_size
from boxwright.keyed import Purpose, generator
from boxwright.model.memory import activation_memory
from boxwright.runs.plan import TrainPlan
from boxwright.runs.sizing.trial_steps import Trial
from boxwright.system.device import configured_process, is_out_of_memory, release_memory, synchronize
from boxwright.system.precision import Name, Precision, candidates

if TYPE_CHECKING:
    from collections.abc import Callable

FLOAT_BYTES = 4
WARM_UP, MEASURED = 1, 4  # steps; the first one chooses kernels and fills caches
PATIENCE_S = 15.0  # after which no further step is begun: on a slow machine one step may take minutes
MINUTE, HOUR = 60, 3600
MIB = 2**20


@dataclass(frozen=True)
class MemoryEstimate:
    """In bytes: what is held whatever the batches are, what a training batch adds, what a validation batch adds."""

    held: int
    batch: int
    validation: int

    @property
    def peak(self) -> int:
        """The most of it at one time."""
        return self.held + max(self.batch, self.validation)


@dataclass(frozen=True)
class TimeEstimate:
    """In seconds: one batch, one optimizer step, one image of a validation, one epoch and the whole run."""

    batch: float
    step: float
    validated_image: float
    epoch: float
    run: float


def memory_of(plan: TrainPlan) -> MemoryEstimate:
    """What a training needs, from shapes alone. Mixed precision keeps activations in half the bytes."""
    settings, spec = plan.settings, plan.detector.spec
    size = largest_size(plan.train_size, plan.grid) if settings.multi_scale else plan.train_size
    share = 1.0 if precision_of(plan) == "fp32" else 0.5
    training = activation_memory(spec, settings.batch_size, size).training
    validation = activation_memory(spec, settings.batch_size * settings.val_batch_factor, plan.val_size).inference
    return MemoryEstimate(_held(plan), round(training * share), round(validation * share))


def _held(plan: TrainPlan) -> int:
    """Weights, average, gradients and the optimizer's memory."""
    all_of_it: int = sum(tensor.numel() for tensor in plan.detector.state_dict().values())
    training: int = sum(parameter.numel() for parameter in plan.detector.parameters() if parameter.requires_grad)
    moments = 2 if plan.settings.optimizer.startswith("Adam") else 1
    return FLOAT_BYTES * (2 * all_of_it + (1 + moments) * training)


def precision_of(plan: TrainPlan) -> Name:
    """The precision that the run would try first, or that of the run it goes on from."""
    if plan.resumed is not None and plan.resumed.precision is not None:
        return plan.resumed.precision.name
    return candidates(plan.settings.amp, plan.device, on_cpu=plan.settings.amp_on_cpu)[0]


def time_of(plan: TrainPlan, batches: int, steps: int) -> TimeEstimate | None:
    """What a run of so many batches an epoch and optimizer steps in all takes.

    None when a step does not fit in memory.
    """
    try:
        with configured_process(plan.device, plan.settings.threads):
            return _measured(plan, batches, steps)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    finally:
        release_memory(plan.device)


def _measured(plan: TrainPlan, batches: int, steps: int) -> TimeEstimate:
    settings, device = plan.settings, plan.device
    trial = Trial.of(settings, plan.detector, Precision(precision_of(plan), device), plan.train_size)
    images = _pixels(plan, settings.batch_size, plan.train_size)
    targets = _targets(plan.data.splits["train"], settings.batch_size).to(device)
    watch = _Watch(device)
    batch = watch.median(lambda: trial.learn(images, targets))
    step = watch.median(trial.step)
    count = settings.batch_size * settings.val_batch_factor
    pictures = _pixels(plan, count, plan.val_size)
    trial.average.network.eval()
    image = watch.median(lambda: trial.look(pictures)) / count
    validation = image * len(plan.data.splits["val"])
    done = plan.resumed.position.epoch if plan.resumed is not None and plan.resumed.position is not None else 0
    left = max(settings.epochs - done, 0)
    share = left / settings.epochs
    validations = 1 if settings.noval else left
    training = left * batch * batches + share * step * steps
    epoch = batch * batches + step * steps / settings.epochs + validation
    return TimeEstimate(batch, step, image, epoch, training + validations * validation)


def _pixels(plan: TrainPlan, count: int, size: int) -> torch.Tensor:
    """Random images in 0..1. (count, C, size, size)"""
    draw = generator(plan.settings.seed, Purpose.DRAWING, -1)
    pixels = draw.random((count, plan.detector.spec.in_channels, size, size), dtype=np.float32)
    return torch.from_numpy(pixels).to(plan.device).contiguous(memory_format=torch.channels_last)


def _targets(index: Index, count: int) -> torch.Tensor:
    """The labels of the first images. (N, 6) image, class, cx, cy, w, h"""
    rows = []
    for place in range(count):
        objects = index.objects(place % len(index))
        boxes = index.boxes[objects]
        rows.append(np.concatenate((np.full((len(boxes), 1), place), index.classes[objects, None], boxes), axis=1))
    return torch.from_numpy(np.concatenate(rows).astype(np.float32))


class _Watch:
    """Measures work, all of it within one time limit."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._ends = time.perf_counter() + PATIENCE_S

    def median(self, work: Callable[[], None]) -> float:
        """Seconds of a warm repetition; of the first one where there is no time for more."""
        found = [self._once(work)]
        while len(found) < WARM_UP + MEASURED and time.perf_counter() < self._ends:
            found.append(self._once(work))
        return statistics.median(found[WARM_UP:] or found)

    def _once(self, work: Callable[[], None]) -> float:
        self._wait()
        began = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        synchronize(self.device)


def lines_of(plan: TrainPlan, memory: MemoryEstimate, duration: TimeEstimate | None) -> list[str]:
    """Both estimates in words."""
    settings, name = plan.settings, precision_of(plan)
    size = largest_size(plan.train_size, plan.grid) if settings.multi_scale else plan.train_size
    memory_line = (
        f"memory (estimated from shapes): {memory.peak / MIB:.0f} MiB, of which {memory.held / MIB:.0f} MiB for "
        "weights, average, gradients and optimizer; "
        f"a batch of {settings.batch_size} at {size} pixels in {name} adds {memory.batch / MIB:.0f} MiB, "
        f"a validation batch of {settings.batch_size * settings.val_batch_factor} {memory.validation / MIB:.0f} MiB"
    )
    if duration is None:
        return [
            memory_line,
            "time: unknown, a step of this batch size does not fit in memory; --batch -1 measures what does",
        ]
    time_line = (
        f"time (estimated from a few steps on random pixels): {in_words(duration.run)}, of which an epoch takes "
        f"{in_words(duration.epoch)}; "
        f"{1e3 * duration.batch:.0f} ms a batch, {1e3 * duration.step:.0f} ms an optimizer step, "
        f"{1e3 * duration.validated_image:.1f} ms an image validated"
    )
    return [memory_line, time_line, "reading and augmenting images, suppression and saving are not in it"]


def in_words(seconds: float) -> str:
    """A duration to two figures or so."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{math.ceil(seconds / MINUTE)} min"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def document_of(memory: MemoryEstimate, duration: TimeEstimate | None) -> dict[str, Any]:
    """Both estimates as plain values."""
    return {
        "memory_bytes": {**asdict(memory), "peak": memory.peak},
        "seconds": None if duration is None else asdict(duration),
    }
