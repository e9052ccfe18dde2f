# SPDX-License-Identifier: Apache-2.0
"""One network or several as one: every member predicts, and all predictions go into one suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from boxwright.errors import WeightsError
from boxwright.infer.exported import Exported
from boxwright.model.augmented import augmented
from boxwright.model.detector import Detector
from boxwright.model.fuse import fused
from boxwright.model.head import Inference
from boxwright.structures.maps import OBJECTNESS, DenseMaps

if TYPE_CHECKING:
    from collections.abc import Sequence


Member = Detector | Exported
CLASSES = OBJECTNESS + 1  # where the scores of classes begin


class Ensemble:
    """Networks with the same classes and strides, ready for use.

    `augment`: each of them sees three sizes, one mirrored.
    """

    def __init__(
        self,
        members: Sequence[Member],
        device: torch.device,
        *,
        augment: bool = False,
        columns: Sequence[tuple[int, ...] | None] = (),
    ) -> None:
        """Put the networks on a device and fold them there, as the validation inside a training does.

        So that numbers repeat. `columns`: of each network, which of its classes stands for class 0, 1, ... of the
        answer, below 0 for one that it does not know; None: its own, in order.
        """
        self.members: list[Member] = [
            member.to(device) if isinstance(member, Exported) else _folded(member, device) for member in members
        ]
        self.augment = augment
        self.columns = [
            None if mine is None else torch.tensor(mine, dtype=torch.long, device=device) for mine in columns
        ]

    def __call__(self, images: torch.Tensor) -> Inference:
        """Predictions of all members side by side, without raw maps: these belong to one network.

        (B, 3, H, W) -> (B, sum of P, 5 + C)
        """
        decoded = [
            augmented(member, images) if self.augment and isinstance(member, Detector) else member(images).decoded
            for member in self.members
        ]
        for place, mine in enumerate(self.columns):
            decoded[place] = decoded[place] if mine is None else _renumbered(decoded[place], mine)
        return Inference(torch.cat(decoded, 1), DenseMaps(()))


def _renumbered(decoded: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Predictions with other classes in other places; one that is below 0 is never found. (B, P, 5 + C), (D,)"""
    scores = decoded[..., CLASSES:].index_select(-1, columns.clamp(min=0)) * (columns >= 0)
    return torch.cat((decoded[..., :CLASSES], scores), -1)


def _folded(detector: Detector, device: torch.device) -> Detector:
    placed: Detector = fused(detector.to(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # known to the framework
    return placed


def require_alike(members: Sequence[Member], files: Sequence[str]) -> None:
    """Networks that shall answer together have to mean the same by their answers.

    Raises WeightsError with the one that does not.
    """
    first = members[0]
    for member, file in zip(members[1:], files[1:], strict=True):
        for what, here, there in (
            ("classes", member.num_classes, first.num_classes),
            ("strides", member.strides, first.strides),
            ("input channels", member.in_channels, first.in_channels),
        ):
            if here != there:
                raise WeightsError(
                    file,
                    f"has {_shown(here)} {what} where {files[0]} has {_shown(there)}",
                    "Only networks that agree in this predict together",
                )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
