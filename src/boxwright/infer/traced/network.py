# SPDX-License-Identifier: Apache-2.0
"""A traced network: its steps on images, each of them after it was found to stay within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from boxwright.errors import WeightsError
from boxwright.infer.traced.archive import TracedArchive
from boxwright.infer.traced.grammar import ForeignError
from boxwright.infer.traced.operators import ARRANGE, LEAST_WIDTH, OPERATORS
from boxwright.infer.traced.steps import IMAGES, UNPACK, Slot, Step, Steps, steps_of
from boxwright.paths import read_regular
from boxwright.system.graphs.costs import Budget, for_each
from boxwright.system.torch_archive.nodes import Node, RefusedError, TensorView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 8 << 30  # of a file; the largest network of the family has half of one


class TracedNetwork:
    """Images (B, C, H, W) in 0..1 to what the program answers."""

    def __init__(self, steps: Steps) -> None:
        self.steps, self.constants = steps, steps.constants

    def to(self, device: torch.device) -> TracedNetwork:
        """The same with its numbers on a device."""
        self.constants = {number: tensor.to(device) for number, tensor in self.steps.constants.items()}
        return self

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Raises OverBudgetError for a program that takes more on images than a network.

        The framework raises its own kinds where it does not fit.
        """
        return _Pass(self, images).answer()


class _Pass:
    """One batch of images on its way. What a step will take is known before it is done."""

    def __init__(self, network: TracedNetwork, images: torch.Tensor) -> None:
        self.steps, self.device = network.steps, images.device
        self.budget = Budget.of_images(images.shape)
        self.slots: list[Any] = [None] * self.steps.num_slots
        self.sizes: dict[int, int] = {}  # bytes by slot
        self.slots[IMAGES] = images
        for number, tensor in network.constants.items():
            self.slots[number] = tensor

    def answer(self) -> torch.Tensor:
        for step in self.steps.steps:
            self._take(step)
            for number in step.spent:
                self.slots[number] = None
                self.budget.give_back(self.sizes.pop(number, 0))
        answer: torch.Tensor = self.slots[self.steps.answer]
        return answer

    def _take(self, step: Step) -> None:
        arguments = [self._filled(value) for value in step.arguments]
        if step.operator == UNPACK:
            if len(arguments[0]) != len(step.into):
                raise ForeignError("its program takes a list apart into another number of parts")
            for number, value in zip(step.into, arguments[0], strict=True):
                self.slots[number] = value
        elif step.operator == ARRANGE:
            made = max(arguments[0], 0)
            self._spend(step.into[0], 2 * made * LEAST_WIDTH, for_each((made,)))
            self.slots[step.into[0]] = torch.arange(arguments[0], device=self.device)
        else:
            operator = OPERATORS[step.operator]
            if operator.size is not None:
                made = operator.size(*arguments)
                self._spend(step.into[0], made * _width(arguments), operator.work(made, *arguments))
            self.slots[step.into[0]] = operator.run(*arguments, **step.words)

    def _filled(self, value: Any) -> Any:
        if type(value) is Slot:
            return self.slots[value.number]
        return [self._filled(part) for part in value] if type(value) is list else value

    def _spend(self, number: int, num_bytes: int, work: int) -> None:
        """Raise OverBudgetError before a step that takes more than is left."""
        self.sizes[number] = num_bytes
        self.budget.take(num_bytes, work)


def _width(arguments: list[Any]) -> int:
    """Bytes per element of an answer."""
    flat = [part for value in arguments for part in (value if type(value) is list else [value])]
    return max([LEAST_WIDTH, *(part.element_size() for part in flat if isinstance(part, torch.Tensor))])


def _named_tensors(root: Node, tensors: dict[TensorView, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors of the objects by their path."""
    open_: list[tuple[str, Any]] = [("", root)]
    seen: set[int] = set()
    while open_:
        path, node = open_.pop()
        if type(node) is TensorView:
            yield path, tensors[node]
        elif type(node) is Node and type(node.state) is dict and id(node) not in seen:
            seen.add(id(node))
            open_ += [(f"{path}.{name}".strip("."), part) for name, part in node.state.items()]


def open_archive(path: Path) -> TracedArchive:
    """The archive of a file. Raises WeightsError."""
    try:
        return TracedArchive(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    except ForeignError as error:
        raise _refused(path, error) from None


def read_extra(archive: TracedArchive, path: Path, name: str) -> str | None:
    """Words that lie beside the program, None where there are none. Raises WeightsError."""
    try:
        return archive.words(name)
    except (ForeignError, UnicodeDecodeError) as error:
        raise _refused(path, error) from None


def read_traced(archive: TracedArchive, path: Path) -> tuple[TracedNetwork, dict[str, torch.Tensor]]:
    """The network, and its tensors by name. Raises WeightsError for what `boxwright export` does not write."""
    try:
        contents = archive.contents()
        return TracedNetwork(steps_of(contents)), dict(_named_tensors(contents.root, contents.tensors))
    except (ForeignError, RefusedError) as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())[:160]
    return WeightsError(
        str(path),
        f"is no TorchScript file that this program wrote: {reason}",
        "Nothing of it was run. Give one that `boxwright export` wrote",
    )
