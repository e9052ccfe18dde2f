# SPDX-License-Identifier: Apache-2.0
"""A traced program as a row of steps: every method is put where it is called, every part where it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from boxwright.infer.traced.archive import Contents
from boxwright.infer.traced.grammar import Attribute, Call, Constant, ForeignError, Forward, Method, Name
from boxwright.infer.traced.operators import ARRANGE, ARRANGE_WORDS, MOST_DIMENSIONS, OPERATORS, require_form
from boxwright.system.torch_archive.nodes import Node, TensorView

MAX_STEPS = 50_000  # the largest network of the family has 1,500
MAX_CALLS = 100_000
MAX_DEPTH = 40  # methods in methods
IMAGES = 0  # the slot that the images are put into
UNPACK = "unpack"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value that is there while the network runs; kind as in forms."""

    number: int
    kind: str


@dataclass(slots=True)
class Step:
    """An operator on slots and plain values into a slot (or, for UNPACK, several).

    `spent`: slots that nothing needs afterwards.
    """

    operator: str
    arguments: list[Any]
    words: dict[str, Any]
    into: list[int]
    spent: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Steps:
    """A whole network. `constants` by slot."""

    steps: list[Step]
    constants: dict[int, torch.Tensor]
    answer: int
    num_slots: int


def steps_of(contents: Contents) -> Steps:
    """The steps of the network's `forward`. Raises ForeignError."""
    inliner = _Inliner(contents)
    try:
        answer = inliner.forward(contents.root, "forward", [Slot(IMAGES, "t")], 0)
    except RecursionError:
        raise ForeignError("its program is nested too deeply") from None
    if type(answer) is not Slot or answer.kind != "t":
        raise ForeignError("its program answers with something else than a tensor")
    _mark_spent(inliner.steps, {answer.number, *inliner.constants})
    return Steps(inliner.steps, inliner.constants, answer.number, inliner.num_slots)


def _mark_spent(steps: list[Step], kept: set[int]) -> None:
    seen = set(kept)
    for step in reversed(steps):
        touched = [*step.into, *_slots(step.arguments)]
        step.spent = [number for number in dict.fromkeys(touched) if number not in seen]
        seen.update(touched)


def _slots(value: Any) -> list[int]:
    if type(value) is Slot:
        return [value.number]
    return [number for part in value for number in _slots(part)] if type(value) is list else []


class _Inliner:
    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.steps: list[Step] = []
        self.constants: dict[int, torch.Tensor] = {}
        self.num_slots, self._calls = 1, 0
        self._known: dict[TensorView, Slot] = {}

    def forward(self, module: Any, name: str, arguments: list[Any], depth: int) -> Any:
        """What a method answers."""
        self._calls += 1
        methods = self.contents.classes.get(module.cls.text, {}) if type(module) is Node else {}
        method: Method | None = methods.get(name)
        if method is None or len(method.parameters) != len(arguments):
            raise ForeignError(f"its program calls a method {name[:40]!r} that it does not have in this form")
        if depth > MAX_DEPTH or self._calls > MAX_CALLS:
            raise ForeignError("its program is longer than that of a network")
        names: dict[str, Any] = dict(zip(method.parameters, arguments, strict=True)) | {"self": module}
        for targets, expression in method.statements:
            value = self._value(expression, names, depth)
            names.update([(targets[0], value)] if len(targets) == 1 else self._unpacked(value, targets))
        return self._value(method.answer, names, depth)

    def _value(self, expression: Any, names: dict[str, Any], depth: int) -> Any:
        self._calls += 1
        match expression:
            case Name(text):
                return names[text]
            case Attribute(owner, name):
                return self._part(self._value(owner, names, depth), name)
            case Constant(name):
                return self._constant(int(name[1:]))
            case Forward(owner, method, arguments):
                module = self._value(owner, names, depth)
                return self.forward(module, method, [self._value(one, names, depth) for one in arguments], depth + 1)
            case Call():
                return self._called(expression, names, depth)
        return [self._value(one, names, depth) for one in expression] if type(expression) is list else expression

    def _constant(self, number: int) -> Slot:
        if number >= len(self.contents.constants):
            raise ForeignError("its program uses a constant that is not there")
        return self._tensor(self.contents.constants[number])

    def _part(self, owner: Any, name: str) -> Any:
        parts = owner.state if type(owner) is Node else None
        if type(parts) is not dict or name not in parts:
            raise ForeignError(f"its program uses a part {name[:40]!r} that is not there")
        part = parts[name]
        return self._tensor(part) if type(part) is TensorView else part

    def _tensor(self, view: TensorView) -> Slot:
        slot = self._known.get(view)
        if slot is None:
            slot = self._known[view] = self._slot("t")
            self.constants[slot.number] = self.contents.tensors[view]
        return slot

    def _slot(self, kind: str) -> Slot:
        self.num_slots += 1
        return Slot(self.num_slots - 1, kind)

    def _called(self, call: Call, names: dict[str, Any], depth: int) -> Any:
        words = {word: self._value(value, names, depth) for word, value in call.words}
        if call.operator == "torch.device" and call.arguments == ("cpu",) and not words:
            return torch.device("cpu")
        arguments = [self._value(value, names, depth) for value in call.arguments]
        if call.operator == ARRANGE:
            require_form(ARRANGE, "i", arguments, [_kind(value) for value in arguments])
            return self._step(ARRANGE, arguments, {}, ["t"], allowed=words == ARRANGE_WORDS)[0]
        operator = OPERATORS.get(call.operator)
        if operator is None:
            raise ForeignError(f"its program has {call.operator[:60]}, which no network of this program needs")
        require_form(call.operator, operator.form, arguments, [_kind(value) for value in arguments])
        return self._step(call.operator, arguments, words, [operator.gives], allowed=words == dict(operator.words))[0]

    def _step(
        self, operator: str, arguments: list[Any], words: dict[str, Any], kinds: list[str], *, allowed: bool
    ) -> list[Slot]:
        if not allowed:
            raise ForeignError(f"its program calls {operator[:60]} in a way that no network of this program needs")
        if len(self.steps) >= MAX_STEPS:
            raise ForeignError("its program is longer than that of a network")
        slots = [self._slot(kind) for kind in kinds]
        self.steps.append(Step(operator, arguments, words, [slot.number for slot in slots]))
        return slots

    def _unpacked(self, value: Any, targets: tuple[str, ...]) -> list[tuple[str, Any]]:
        if type(value) is not Slot or value.kind != "T":
            raise ForeignError("its program takes something apart that is no list")
        return list(zip(targets, self._step(UNPACK, [value], {}, ["t"] * len(targets), allowed=True), strict=True))


def _kind(value: Any) -> str:
    """The letter of a value in forms; E an empty list, '' what fits nowhere."""
    plain = {bool: "b", int: "i", float: "f", str: "s", type(None): "N"}
    if type(value) is Slot:
        return value.kind
    if type(value) is list:
        kinds = {_kind(part) for part in value}
        if not kinds:
            return "E"
        if kinds == {"i"} and len(value) <= MOST_DIMENSIONS:
            return "I"
        return {"t": "T", "f": "F"}.get(next(iter(kinds)), "") if len(kinds) == 1 else ""
    return plain.get(type(value), "")
