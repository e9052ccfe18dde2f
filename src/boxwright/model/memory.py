# SPDX-License-Identifier: Apache-2.0
"""Memory of activations, by keeping a ledger of every tensor that an operation makes.

And that is still there, on shapes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from boxwright.model.detector import shape_only
from boxwright.model.spec import ModelSpec


@dataclass(frozen=True)
class ActivationMemory:
    """In bytes, float32, weights and the loss left out. `training`: what one forward pass keeps for backward.

    `inference`: the peak of one pass.
    """

    training: int
    inference: int


def activation_memory(spec: ModelSpec, batch_size: int, image_size: int) -> ActivationMemory:
    """What a batch of square images needs."""
    detector = shape_only(spec)
    images = torch.empty(batch_size, spec.in_channels, image_size, image_size, device="meta")
    training = Ledger()
    with training:
        answer = detector.train()(images)
        kept = training.alive()
    del answer
    inference = Ledger()
    with torch.no_grad(), inference:
        detector.eval()(images)
    return ActivationMemory(kept, inference.peak)


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in the framework
    """Bytes of the storages that operations made while this was on, and of those that are still alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._made: dict[int, tuple[Any, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}  # noqa: SLF001 -- the storage's identity
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in known:  # noqa: SLF001
                self._add(tensor.untyped_storage())
        self.peak = max(self.peak, self.alive())
        return result

    def _add(self, storage: Any) -> None:
        self._made[storage._cdata] = StorageWeakRef(storage), storage.nbytes()  # type: ignore[no-untyped-call]  # noqa: SLF001 -- as above

    def alive(self) -> int:
        """Bytes that are still held by something."""
        self._made = {key: entry for key, entry in self._made.items() if not entry[0].expired()}
        return sum(size for _, size in self._made.values())
