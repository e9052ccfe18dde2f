# SPDX-License-Identifier: Apache-2.0
"""Weights into a network: by name and shape, with an account of what fitted and what did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.errors import WeightsError
from boxwright.model.class_names import ClassPairs
from boxwright.model.detector import Detector
from boxwright.structures.maps import OBJECTNESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


Adapted = tuple[torch.Tensor, str]  # a tensor made to fit, and how


@dataclass(frozen=True)
class Transfer:
    """What came over.

    `adapted`: made to fit, and how; `other_shape`: here and there, but of different shapes; `absent`: only here;
    `unused`: only there.
    """

    matched: tuple[str, ...]
    other_shape: tuple[str, ...]
    absent: tuple[str, ...]
    unused: tuple[str, ...]
    adapted: tuple[str, ...] = ()
    learnt: int = 0  # tensors that came over and are more than statistics and counts: of two dimensions or more

    @property
    def total(self) -> int:
        """Tensors of the network."""
        return len(self.matched) + len(self.adapted) + len(self.other_shape) + len(self.absent)

    def __str__(self) -> str:
        return f"Transferred {len(self.matched) + len(self.adapted)}/{self.total} items"

    def account(self) -> list[str]:
        """What did not come over, in words."""
        lines = [f"adapted: {how}" for how in self.adapted]
        for names, why in (
            (self.other_shape, "other shape"),
            (self.absent, "not in the file"),
            (self.unused, "not in the network"),
        ):
            if names:
                shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")  # noqa: PLR2004 -- what fits on a line
                lines.append(f"{len(names)} left out ({why}): {shown}")
        return lines


@torch.no_grad()
def transfer(
    detector: Detector,
    state: Mapping[str, torch.Tensor],
    *,
    skip: Iterable[str] = (),
    classes: ClassPairs | None = None,
    classes_by: str = "name",
) -> Transfer:
    """Copy what fits by name and shape, leaving out names that contain a word of `skip`.

    A first layer for another number of input channels is made to fit. With `classes`, pairs of a class here and one
    there, the head takes over the rows of these classes and keeps its own for the others; `classes_by` says what paired
    them.
    """
    skipped = tuple(skip)
    mine = detector.state_dict()
    offered = {name: tensor for name, tensor in state.items() if not any(word in name for word in skipped)}
    made = _made_to_fit(detector, mine, offered, classes, classes_by)
    matched = [
        name
        for name, tensor in offered.items()
        if name in mine and name not in made and mine[name].shape == tensor.shape
    ]
    for name in matched:
        mine[name].copy_(offered[name])
    for name, (tensor, _) in made.items():
        mine[name].copy_(tensor)
    came = {*matched, *made}
    return Transfer(
        matched=tuple(matched),
        other_shape=tuple(name for name in offered if name in mine and name not in came),
        absent=tuple(name for name in mine if name not in offered),
        unused=tuple(name for name in offered if name not in mine),
        adapted=tuple(f"{name} {how}" for name, (_, how) in made.items()),
        learnt=sum(mine[name].dim() > 1 for name in came),
    )


def _made_to_fit(
    detector: Detector,
    mine: Mapping[str, torch.Tensor],
    offered: Mapping[str, torch.Tensor],
    classes: ClassPairs | None,
    classes_by: str,
) -> dict[str, Adapted]:
    made = _first_layer(detector, mine, offered)
    if classes is None:
        return made
    rows = class_rows(detector, mine, offered, classes)
    how = f"({len(classes)} of {detector.num_classes} classes by {classes_by})"
    return made | {name: (tensor, how) for name, tensor in rows.items()}


def head_tensors(detector: Detector) -> list[str]:
    """The tensors that have rows for classes."""
    last, levels = len(detector.spec.rows) - 1, detector.head.num_levels
    return [f"model.{last}.m.{level}.{part}" for level in range(levels) for part in ("weight", "bias")]


def class_rows(
    detector: Detector, mine: Mapping[str, torch.Tensor], offered: Mapping[str, torch.Tensor], classes: ClassPairs
) -> dict[str, torch.Tensor]:
    """Tensors of the head as `mine`, with boxes, objectness and rows of paired classes as `offered`, where they fit."""
    found: dict[str, torch.Tensor] = {}
    for name in head_tensors(detector):
        if name in mine and name in offered:
            tensor = _class_rows(mine[name], offered[name], detector.head.num_anchors, classes)
            found |= {} if tensor is None else {name: tensor}
    return found


def _class_rows(own: torch.Tensor, other: torch.Tensor, num_anchors: int, classes: ClassPairs) -> torch.Tensor | None:
    """A head's tensor with box, objectness and the rows of shared classes from the other; None: it does not fit."""
    if own.dim() != other.dim() or own.shape[1:] != other.shape[1:] or len(other) % num_anchors:
        return None
    made = own.clone()
    here, there = made.view(num_anchors, -1, *own.shape[1:]), other.view(num_anchors, -1, *own.shape[1:])
    if there.shape[1] <= OBJECTNESS + 1 + max((number for _, number in classes), default=-1):
        return None
    here[:, : OBJECTNESS + 1] = there[:, : OBJECTNESS + 1]
    for to, origin in classes:
        here[:, OBJECTNESS + 1 + to] = there[:, OBJECTNESS + 1 + origin]
    return made


def _first_layer(
    detector: Detector, mine: Mapping[str, torch.Tensor], offered: Mapping[str, torch.Tensor]
) -> dict[str, Adapted]:
    """The first convolution for another number of channels.

    Each gets their mean, scaled so that a grey image is answered alike.

    A Focus layer sees every channel four times, one pixel phase after the other; each phase is adapted for itself.
    """
    phases = 4 if detector.spec.rows[0].block == "Focus" else 1
    name = "model.0.conv.conv.weight" if phases > 1 else "model.0.conv.weight"
    own, other = mine.get(name), offered.get(name)
    if own is None or other is None or own.dim() != 4 or other.dim() != 4 or own.shape[1] == other.shape[1]:  # noqa: PLR2004 -- a convolution's weight
        return {}
    here, there = detector.spec.in_channels, other.shape[1] // phases
    if (
        own.shape[1] != here * phases
        or other.shape[1] % phases
        or (own.shape[0], *own.shape[2:]) != (other.shape[0], *other.shape[2:])
    ):
        return {}
    by_phase = other.view(len(other), phases, there, *other.shape[2:])
    each = by_phase.mean(2, keepdim=True) * (there / here)
    return {
        name: (
            each.expand(-1, -1, here, -1, -1).reshape(own.shape),
            f"({there} to {here} input channels: their mean, scaled by {there}/{here})",
        )
    }


def require_fit(detector: Detector, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Whether every tensor of the network is there in its shape, asked before any memory is taken for it.

    Raises WeightsError.
    """
    lacking = [
        name for name, tensor in detector.state_dict().items() if name not in state or state[name].shape != tensor.shape
    ]
    if lacking:
        what = (
            f"does not fit the network that it describes: {len(lacking)} tensors are missing or of another "
            "shape, "
            f"such as {lacking[0]}"
        )
        raise WeightsError(where, what, "Give weights of this network")


def require_numbers(tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Every value is a number, and no variance is below zero.

    Raises WeightsError with the first tensor in which one is not.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            what = f"has values in '{name}' that are no finite numbers (NaN or infinite), so it can detect nothing"
            raise WeightsError(where, what, "Give a checkpoint from before its training failed")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise WeightsError(
                where, f"has variances below zero in '{name}', which no training leaves", "Give another checkpoint"
            )


def load_exactly(detector: Detector, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Every tensor of the network, or an error. Raises WeightsError."""
    found = transfer(detector, state)
    if len(found.matched) != found.total:
        raise WeightsError(
            where, f"does not fit the network ({'; '.join(found.account())})", "Give weights of this network"
        )
