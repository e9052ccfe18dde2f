# SPDX-License-Identifier: Apache-2.0
"""Weights into a network: by name and shape, with an account of what fitted and what did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.errors import WeightsError
from boxwright.model.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Transfer:
    """What came over. `other_shape`: here and there, but of different shapes; `absent`: only here; `unused`: only there."""

    matched: tuple[str, ...]
    other_shape: tuple[str, ...]
    absent: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def total(self) -> int:
        """Tensors of the network."""
        return len(self.matched) + len(self.other_shape) + len(self.absent)

    def __str__(self) -> str:
        return f"Transferred {len(self.matched)}/{self.total} items"

    def account(self) -> list[str]:
        """What did not come over, in words."""
        lines = []
        for names, why in ((self.other_shape, "other shape"), (self.absent, "not in the file"), (self.unused, "not in the network")):
            if names:
                shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")  # noqa: PLR2004 -- what fits on a line
                lines.append(f"{len(names)} left out ({why}): {shown}")
        return lines


@torch.no_grad()
def transfer(detector: Detector, state: Mapping[str, torch.Tensor], *, skip: Iterable[str] = ()) -> Transfer:
    """Copy what fits by name and shape, leaving out names that contain a word of `skip`."""
    skipped = tuple(skip)
    mine = detector.state_dict()
    offered = {name: tensor for name, tensor in state.items() if not any(word in name for word in skipped)}
    matched = [name for name, tensor in offered.items() if name in mine and mine[name].shape == tensor.shape]
    for name in matched:
        mine[name].copy_(offered[name])
    return Transfer(
        matched=tuple(matched),
        other_shape=tuple(name for name in offered if name in mine and name not in set(matched)),
        absent=tuple(name for name in mine if name not in offered),
        unused=tuple(name for name in offered if name not in mine),
    )


def load_exactly(detector: Detector, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Every tensor of the network, or an error. Raises WeightsError."""
    found = transfer(detector, state)
    if len(found.matched) != found.total:
        raise WeightsError(where, f"does not fit the network ({'; '.join(found.account())})", "Give weights of this network")
