# SPDX-License-Identifier: Apache-2.0
"""A graph as its file says it, walked with shapes in place of numbers, for images of a shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boxwright.system.graphs.costs import LOAD, Budget, OverBudgetError, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

FEW = 4096  # numbers that are followed by value; sizes of tensors and places of slices are fewer
MOST_DIMENSIONS = 8


class UnknownSizeError(Exception):
    """A graph whose sizes cannot be said before it runs, and why, in a few words."""


@dataclass(frozen=True)
class Operand:
    """Shape, bytes per element, and the numbers themselves where they are few and known.

    Not exact: the shape may be smaller when the graph runs.
    """

    shape: Shape
    width: int = 4
    value: np.ndarray | None = None
    exact: bool = True

    @property
    def num_bytes(self) -> int:
        """Of all its numbers."""
        return math.prod(self.shape) * max(self.width, 4)  # narrow kinds are widened while they are worked on


@dataclass(frozen=True)
class Answer:
    """What an operation makes, its work in multiplications, and bytes that it needs beside while it works."""

    operands: tuple[Operand, ...]
    work: int
    beside: int = 0


@dataclass(frozen=True)
class GraphNode:
    """An operation on named values; an empty name where an operand is left out."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Nodes in the order of their file, the stored values, and the names of what goes in and comes out."""

    nodes: list[GraphNode] = field(default_factory=list)
    stored: dict[str, Operand] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def require_within_budget(graph: Graph, rules: Mapping[str, Any], images: Sequence[int]) -> list[Shape]:
    """The shapes of what comes out, for images (B, C, H, W).

    Raises OverBudgetError or UnknownSizeError for a graph that takes more on them than a network.
    Also what does not fit together raises UnknownSizeError: the runtime would say so later, and less plainly.
    """
    if len(graph.inputs) != 1:
        raise UnknownSizeError("it takes something else than images")
    budget = Budget.of_images(images)
    known: dict[str, Operand] = {**graph.stored, graph.inputs[0]: Operand(tuple(images))}
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    ends: dict[int, list[str]] = {}
    for name, number in last.items():
        ends.setdefault(number, []).append(name)
    made: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        answer = _answer(node, known, rules)
        budget.take(answer.beside, answer.work + LOAD)
        budget.give_back(answer.beside)
        for name, operand in zip(node.outputs, answer.operands, strict=False):
            if not name:
                continue
            if name in known:
                raise UnknownSizeError("it gives two values one name")
            known[name], made[name] = operand, operand.num_bytes
            budget.take(made[name], 0)
        for name in ends.get(number, ()):
            if name not in graph.outputs:
                budget.give_back(made.pop(name, 0))
    if not graph.outputs or any(name not in known for name in graph.outputs):
        raise UnknownSizeError("it does not make what it answers")
    return [known[name].shape for name in graph.outputs]


def _answer(node: GraphNode, known: Mapping[str, Operand], rules: Mapping[str, Any]) -> Answer:
    try:
        given = [known[name] if name else None for name in node.inputs]
        answer: Answer = rules[node.kind](given, node.attributes)
    except (UnknownSizeError, OverBudgetError):
        raise
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, ArithmeticError):
        raise UnknownSizeError(f"its {node.kind[:40]!r} does not fit what goes into it") from None
    for operand in answer.operands:
        if len(operand.shape) > MOST_DIMENSIONS or any(side < 0 for side in operand.shape):
            raise UnknownSizeError(f"its {node.kind[:40]!r} does not fit what goes into it")
    return answer
