# SPDX-License-Identifier: Apache-2.0
"""The one way to validate: a split prepared by an `EvaluationPlan`, and a network judged on it.

Epochs of a training, the end of a run, `val`, reports and comparisons all come through here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.stores.image_store import ImageStore, Keeping
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.evaluator import Evaluation, Evaluator, Seen
from boxwright.loss.detection import DetectionLoss
from boxwright.model.detector import Detector
from boxwright.runs.evaluation.plan import EvaluationPlan, Order
from boxwright.runs.inputs.open_data import OpenData
from boxwright.structures.batch import Batch
from boxwright.system.device import is_cuda, is_out_of_memory, release_memory
from boxwright.system.distributed.world import World
from boxwright.system.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch


@dataclass(frozen=True)
class ValidationData:
    """A split as a plan wants it: its images, their batches, and what reads them."""

    plan: EvaluationPlan
    device: torch.device
    num_classes: int
    samples: PlainSamples
    batches: Order
    loader: Loader

    def under(self, plan: EvaluationPlan) -> ValidationData:
        """The same images judged by another plan. Raises ValueError where that would need other batches."""
        if not plan.same_batches(self.plan):
            raise ValueError("another image size, batch or split has to be prepared anew")
        return replace(self, plan=plan)


def prepare(
    plan: EvaluationPlan,
    data: OpenData,
    device: torch.device,
    *,
    threads: int,
    keep: Keeping = "no",
    report: Callable[[str], None] | None = None,
) -> ValidationData:
    """Prepare a split. `threads` read it, `keep` says where decoded images stay, `report` is told of broken ones."""
    index, kind = data.splits[plan.split], data.dataset.kind
    samples = PlainSamples(index, ImageStore(index, plan.imgsz, keep=keep, smooth=True, kind=kind), report=report)
    loader = Loader(samples, threads=threads, pinned=is_cuda(device), kind=kind)
    return ValidationData(plan, device, data.num_classes, samples, plan.order(index), loader)


class Hooks(Protocol):
    """What a training adds to a validation. Nothing of it moves a number."""

    @property
    def loss(self) -> DetectionLoss | None:
        """What the loss of the split is computed with; None: it is not asked for."""
        ...

    @property
    def seen(self) -> Callable[[Seen], None] | None:
        """Who sees every batch with what was found in it; None: nobody, which is faster."""
        ...

    def batches(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """The same images, told of as they pass, and in smaller batches where memory asks for it."""
        ...

    def made_smaller(self, largest: int) -> bool:
        """Memory ran out: whether batches will be smaller now. `largest`: images of the largest one."""
        ...


class _NoHooks:
    """A validation that nobody watches."""

    loss = None
    seen = None

    def batches(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        return batches

    def made_smaller(self, largest: int) -> bool:  # noqa: ARG002 -- as the hooks of a training
        return False


def evaluate(
    data: ValidationData,
    network: Detector | Ensemble,
    hooks: Hooks | None = None,
    most: int | None = None,
    world: World | None = None,
) -> Evaluation:
    """Validate a network that is on the device and in evaluation mode.

    It begins anew where memory runs out and the hooks make batches smaller. `most` = leave off after so many images,
    with the batch that holds the last of them. The processes of a `world` share the batches, and all get the answer.
    """
    world = world or World()
    plan, hooks = data.plan, hooks or _NoHooks()
    evaluator = Evaluator(
        num_classes=data.num_classes,
        rules=plan.rules(),
        samples=data.samples,
        autocast=Precision(plan.precision, data.device).autocast,
        seen=hooks.seen,
        labels=plan.labels(),
    )
    batches = data.batches.batches()
    if most is not None:
        batches = batches[: -(-most // plan.batch_size)]
    batches = batches[world.rank :: world.size]
    while True:
        try:
            return evaluator.run(network, hooks.batches(data.loader(batches)), data.device, hooks.loss, world)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not hooks.made_smaller(max(map(len, batches), default=0)):
                raise
        release_memory(data.device)
