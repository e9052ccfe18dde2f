# SPDX-License-Identifier: Apache-2.0
"""A tree of inert module objects as a network: its tensors by name, its YAML, names, strides, activations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from boxwright.system.torch_archive.nodes import Node, RefusedError, TensorView
from boxwright.system.torch_archive.values import Plainer, pairs_of, set_members

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_STRIDE, MAX_LEVELS = 4096, 100
LONGEST_PATH = 1000  # characters of a name of a tensor
MOST_NAMES, LONGEST_NAMES = 100_000, 16 << 20  # classes, and characters of all their names: as in a data set
DERIVED_BUFFERS = ("anchor_grid",)  # kept by networks before 2021-10; the anchors times their strides
DEFAULT_ACTIVATION = "SiLU"
JOIN_ACTIVATION_BLOCK = "BottleneckCSP"


@dataclass(frozen=True)
class LegacyNetwork:
    """A stored network.

    `classes` are class names by module path; `parameters` are names in the order of the program that trained it.
    """

    state: dict[str, torch.Tensor]
    parameters: tuple[str, ...]
    classes: dict[str, str]
    yaml: dict[str, Any] | None
    names: tuple[str, ...]
    strides: tuple[float, ...]
    hyp: dict[str, Any]
    yaml_file: str = ""

    @property
    def dtype(self) -> str:
        """Element type of the weights."""
        kinds = Counter(
            str(tensor.dtype).removeprefix("torch.") for tensor in self.state.values() if tensor.is_floating_point()
        )
        return kinds.most_common(1)[0][0] if kinds else ""


@dataclass(frozen=True)
class _Module:
    """One module of the tree."""

    path: str
    node: Node

    @property
    def attributes(self) -> dict[str, Any]:
        attributes: dict[str, Any] = self.node.state
        return attributes

    def table(self, name: str) -> list[tuple[str, Any]]:
        """One of the module's tables of parts."""
        pairs = pairs_of(self.attributes.get(name, {}))
        if not all(type(key) is str for key, _ in pairs):
            raise RefusedError(f"its module '{self.path}' has parts without names")
        return [(key, value) for key, value in pairs if value is not None]

    def full(self, name: str) -> str:
        """The name of a part, from the top. Raises RefusedError for one that no network has."""
        if len(self.path) + len(name) > LONGEST_PATH:
            raise RefusedError("its network has a part with an endless name")
        return f"{self.path}.{name}" if self.path else name


def is_module(value: Any) -> bool:
    """Whether an inert object has the shape of a module."""
    return (
        type(value) is Node
        and type(value.state) is dict
        and {"_parameters", "_buffers", "_modules"} <= value.state.keys()
    )


def read_network(root: Node, plainer: Plainer) -> LegacyNetwork:
    """A network from its tree. Raises RefusedError."""
    modules = list(_walk(root, plainer))
    state: dict[str, torch.Tensor] = {}
    parameters: list[str] = []
    looked_at = 0
    for module in modules:
        parameters += [module.full(name) for name, _ in module.table("_parameters")]
        views, parts = _tensors(module)
        looked_at += parts
        if looked_at > plainer.limits.tensors:
            raise RefusedError("its network has too many tensors")
        for name, view in views:
            state[module.full(name)] = plainer.tensor(view)
    top = modules[0].attributes
    return LegacyNetwork(
        state=state,
        parameters=tuple(parameters),
        classes={module.path: module.node.cls.text for module in modules},
        yaml=_yaml(top, modules, plainer),
        names=class_names(plainer.plain(top.get("names"))),
        strides=_strides(plainer.plain(top.get("stride"))),
        hyp=_mapping(plainer.plain(top.get("hyp"))),
        yaml_file=str(plainer.plain(top.get("yaml_file")) or ""),
    )


def network_of_state(state: dict[str, torch.Tensor]) -> LegacyNetwork:
    """A network of which only the tensors are stored."""
    return LegacyNetwork(state, tuple(state), {}, None, (), (), {})


def _walk(root: Node, plainer: Plainer) -> Iterator[_Module]:
    """Every module, a parent before its children, in their order."""
    waiting = [(_Module("", root), 0)]
    seen = 0
    while waiting:
        module, depth = waiting.pop()
        seen += 1
        if depth > plainer.limits.depth or seen > plainer.limits.tensors:
            raise RefusedError("its network has too many modules, or contains itself")
        yield module
        children = module.table("_modules")
        if len(children) + len(waiting) > plainer.limits.tensors:
            raise RefusedError("its network has too many modules")
        for name, child in reversed(children):
            if not is_module(child):
                raise RefusedError(f"its module '{module.full(name)}' is none")
            waiting.append((_Module(module.full(name), child), depth + 1))


def _tensors(module: _Module) -> tuple[list[tuple[str, TensorView]], int]:
    """The tensors of a module that are kept, and how many parts had to be looked at.

    A module may stand in a network many times.
    """
    fleeting = module.attributes.get("_non_persistent_buffers_set")
    left_out = {name for name in set_members(fleeting) if type(name) is str} if type(fleeting) is Node else set()
    buffers = [
        (name, value)
        for name, value in module.table("_buffers")
        if name not in left_out and name not in DERIVED_BUFFERS
    ]
    found = module.table("_parameters") + buffers
    for name, value in found:
        if type(value) is not TensorView:
            raise RefusedError(f"'{module.full(name)}' is no tensor")
    return found, len(found) + len(left_out)


def class_names(stored: Any) -> tuple[str, ...]:
    """Class names from a list, or a mapping from numbers."""
    if isinstance(stored, dict):
        if (
            len(stored) > MOST_NAMES
            or not all(type(key) is int for key in stored)
            or sorted(stored) != list(range(len(stored)))
        ):
            raise RefusedError("its class names are not numbered from 0")
        stored = [stored[number] for number in range(len(stored))]
    if stored is None:
        return ()
    if not isinstance(stored, list | tuple) or not all(isinstance(name, str | int) for name in stored):
        raise RefusedError("its class names are no list of words")
    if len(stored) > MOST_NAMES or sum(len(name) for name in stored if isinstance(name, str)) > LONGEST_NAMES:
        raise RefusedError("its class names are endless")
    return tuple(str(name) for name in stored)


def _strides(stored: Any) -> tuple[float, ...]:
    if (
        not isinstance(stored, torch.Tensor)
        or stored.dim() != 1
        or len(stored) > MAX_LEVELS
        or not stored.is_floating_point()
    ):
        return ()
    strides: tuple[float, ...] = tuple(stored.float().tolist())
    return strides if all(1 <= stride <= MAX_STRIDE for stride in strides) else ()


def _mapping(stored: Any) -> dict[str, Any]:
    return stored if isinstance(stored, dict) else {}


def _yaml(top: dict[str, Any], modules: list[_Module], plainer: Plainer) -> dict[str, Any] | None:
    """The model YAML.

    With the activation that its modules have, when that is not today's default and goes without saying in old files.
    """
    stored = plainer.plain(top.get("yaml"))
    if not isinstance(stored, dict):
        return None
    act, join = _activation(modules, "Conv"), _activation(modules, JOIN_ACTIVATION_BLOCK)
    said = {
        key: f"nn.{word}"
        for key, word in (("activation", act), ("csp_activation", join))
        if word and not word.startswith(DEFAULT_ACTIVATION)
    }
    return {**said, **stored}


def _activation(modules: list[_Module], block: str) -> str:
    """The commonest activation inside a kind of block, with its numbers; '' when there is none."""
    by_path = {module.path: module for module in modules}
    counted: Counter[str] = Counter()
    for module in modules:
        act = by_path.get(module.full("act"))
        if module.node.cls.name == block and act is not None and act.node.cls.name != "Identity":
            slope = act.attributes.get("negative_slope")
            counted[act.node.cls.name + (f"({slope})" if type(slope) is float else "()")] += 1
    return counted.most_common(1)[0][0] if counted else ""
