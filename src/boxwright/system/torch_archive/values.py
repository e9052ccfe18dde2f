# SPDX-License-Identifier: Apache-2.0
"""From inert values to plain ones: numbers, text, lists, mappings and tensors."""

from __future__ import annotations

import math
import struct
import time
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.names import Role, role_of
from boxwright.system.torch_archive.nodes import GlobalName, Node, RefusedError, Storage, TensorView

if TYPE_CHECKING:
    from collections.abc import Callable

# numpy's names of plain numbers, and how struct calls them.
NUMBERS = {
    "f8": "d",
    "f4": "f",
    "f2": "e",
    "i8": "q",
    "i4": "i",
    "i2": "h",
    "i1": "b",
    "u8": "Q",
    "u4": "I",
    "u2": "H",
    "u1": "B",
    "b1": "?",
}
_LITTLE_ENDIAN = {"<", "|", "="}
_SCALARS = (bool, int, float, str)
_WORD = 8  # bytes that a number, or a reference to something else, counts as
_STEP = 256  # what a part of an object counts as, which is looked at several times
_CLOCK_EVERY = 256  # containers
_ROOM = 64 << 20  # bytes beside a multiple of the file's size that its tensors may take


class Plainer:
    """Turns the values of one file into plain ones. Values that appear twice are made once.

    `keep_strides`: tensors keep their order in memory, which a run needs that goes on to the bit; else they are
    contiguous.
    """

    def __init__(self, limits: Limits, file_size: int, *, keep_strides: bool = False) -> None:
        self.limits = limits
        self.deadline = limits.deadline()
        self._format = torch.preserve_format if keep_strides else torch.contiguous_format
        self._room = 4 * file_size + _ROOM  # a tensor may be shared, but not a small storage blown up
        self._work = limits.written_bytes + file_size  # what making containers may cost in all
        self._tensors: dict[int, tuple[TensorView, torch.Tensor]] = {}
        self._bases: dict[Storage, torch.Tensor] = {}  # the storages of two pickles may have one key
        self._made: dict[int, tuple[Any, Any, int]] = {}
        self._open: set[int] = set()

    def plain(self, value: Any, depth: int = 0) -> Any:
        """The plain value. An object of another class becomes the text of its class name. Raises RefusedError."""
        if value is None or type(value) in {bool, int, float, str, bytes}:
            return value
        if type(value) is TensorView:
            return self.tensor(value)
        if type(value) is GlobalName:
            return value.text
        if depth > self.limits.depth:
            raise RefusedError("it is nested too deeply")
        known = self._made.get(id(value))
        if known is not None:
            return known[1]
        if id(value) in self._open:
            raise RefusedError("it holds something that contains itself")
        if len(self._made) + len(self._open) >= self.limits.values:
            raise RefusedError("it holds too many values")
        self._open.add(id(value))
        self._charge(_cost(value))
        made = self._container(value, lambda part: self.plain(part, depth + 1))
        self._open.discard(id(value))
        self._made[id(value)] = (
            value,
            made,
            self._weight(value, made),
        )  # the value is kept so that its id stays its own
        return made

    def _charge(self, cost: int) -> None:
        self._work -= cost
        if self._work < 0 or (len(self._made) % _CLOCK_EVERY == 0 and time.monotonic() > self.deadline):
            raise RefusedError("it makes far more of its values than it holds")

    def _weight(self, value: Any, made: Any) -> int:
        """Bytes of a container that is written out. Raises RefusedError when that is more than any use has for it."""
        if not made:
            return _WORD
        parts = _parts(value)
        weight = _WORD + (
            sum(map(self._weight_of, parts))
            if parts is not None
            else len(made) * _WORD
            if isinstance(made, str | list)
            else 0
        )
        if weight > self.limits.written_bytes:
            raise RefusedError("it holds values that are endless when they are written out")
        return weight

    def _weight_of(self, part: Any) -> int:
        known = self._made.get(id(part))
        if known is not None:
            return known[2]
        return _WORD + len(part) if isinstance(part, str | bytes) else _WORD

    def tensor(self, view: TensorView) -> torch.Tensor:
        """The tensor that a view describes, with memory of its own."""
        known = self._tensors.get(id(view))
        if known is not None:
            return known[1]
        self._room -= view.num_elements * view.storage.width
        if self._room < 0 or len(self._tensors) >= self.limits.tensors or time.monotonic() > self.deadline:
            raise RefusedError("its tensors take far more room than the file")
        try:
            made = self._made_tensor(view)
        except RuntimeError:  # sizes that the framework cannot hold, of tensors without elements
            raise RefusedError("it holds a tensor with an impossible shape") from None
        self._tensors[id(view)] = (view, made)
        return made

    def _made_tensor(self, view: TensorView) -> torch.Tensor:
        dtype = getattr(torch, view.storage.dtype)
        if not view.num_elements:
            return torch.empty(view.shape, dtype=dtype)
        base = self._bases.get(view.storage)
        fresh = base is None
        if base is None:
            content = bytearray(view.storage.data)
            if view.storage.dtype == "bool":
                content = bytearray(map(bool, content))  # any other byte would be neither true nor false
            base = self._bases[view.storage] = torch.frombuffer(content, dtype=dtype)
        seen = base.as_strided(view.shape, view.strides, view.offset)
        if fresh and seen.numel() == base.numel() and seen.is_contiguous():
            return seen  # the usual tensor: all of its storage, which nobody else needs as it is
        return seen.clone(memory_format=self._format)

    def _container(self, value: Any, inner: Callable[[Any], Any]) -> Any:
        if type(value) is dict:
            return {_key(key): inner(item) for key, item in value.items()}
        if type(value) is list:
            return [inner(item) for item in value]
        if type(value) is tuple:
            return tuple(inner(item) for item in value)
        if type(value) is Node:
            return self._object(value, inner)
        raise RefusedError(
            "it holds a storage without a tensor" if type(value) is Storage else "it holds an unknown value"
        )

    def _object(self, node: Node, inner: Callable[[Any], Any]) -> Any:
        role = role_of(node.cls)
        if role in _ALONE:
            return _ALONE[role](node)
        if role is Role.MAPPING:
            return {_key(key): inner(item) for key, item in pairs_of(node)}
        if role is Role.SIZE:
            return inner(node.arguments[0]) if node.arguments else ()
        if node.cls.text == "argparse.Namespace":
            return inner(node.state) if type(node.state) is dict else {}
        return f"object of {node.cls.text}"


def _parts(value: Any) -> Any:
    """What lies directly inside a container; None for objects that hold nothing but plain values."""
    if type(value) is dict:
        return (*value.keys(), *value.values())
    if type(value) is not Node:
        return value
    role = role_of(value.cls)
    if role is Role.MAPPING:
        return [part for pair in pairs_of(value) for part in pair]
    return value.arguments[:1] if role is Role.SIZE else (value.state,) if role is Role.CLASS else None


def _cost(value: Any) -> int:
    """Steps and bytes that making a container takes.

    What it was made of may be shared, and is gone through again every time.
    """
    if type(value) is not Node:
        return _WORD * len(value) if isinstance(value, list | tuple | dict) else _WORD
    if not (value.arguments or value.items or value.pairs or value.state):
        return _WORD
    shared = [part for part in (*value.arguments, *value.items, *value.pairs, value.state) if part is not None]
    inner = [part for part in shared if isinstance(part, list | tuple)]
    texts = sum(
        len(part) for part in (*shared, *(one for part in inner for one in part)) if isinstance(part, str | bytes)
    )
    return _STEP * (1 + len(shared) + sum(map(len, inner))) + _WORD * texts


def pairs_of(node: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a mapping, or of an object that is one. Raises RefusedError."""
    if type(node) is dict:
        return list(node.items())
    if type(node) is not Node or role_of(node.cls) is not Role.MAPPING:
        raise RefusedError("it holds something else where a mapping belongs")
    first = node.arguments[0] if node.arguments and type(node.arguments[0]) in {list, tuple} else ()
    listed = [(item[0], item[1]) for item in first if type(item) in {list, tuple} and len(item) == 2]  # noqa: PLR2004 -- key and value
    if len(listed) != len(first):
        raise RefusedError("it holds a mapping made of something else than pairs")
    return [*listed, *node.pairs]


def set_members(node: Node) -> list[Any]:
    """What a set was made of."""
    first = node.arguments[0] if node.arguments else ()
    if type(first) not in {list, tuple}:
        raise RefusedError("it holds a set made of something else than a list")
    return [*first, *node.items]


def _key(key: Any) -> Any:
    if type(key) is GlobalName:
        return key.text
    if type(key) not in _SCALARS and type(key) not in {tuple, bytes, type(None)}:
        raise RefusedError("it holds a mapping with unusual keys")
    return key


def _set(node: Node) -> list[Any]:
    members = set_members(node)
    if not all(type(member) in _SCALARS for member in members):
        raise RefusedError("it holds a set of unusual things")
    return sorted(set(members), key=repr)


def _path(node: Node) -> str:
    if not all(type(part) is str for part in node.arguments):
        raise RefusedError("it holds an unusual path")
    kind = PureWindowsPath if "Windows" in node.cls.name else PurePosixPath
    return str(kind(*node.arguments))  # text only: nothing is opened


def _number_type(node: Any) -> str:
    if type(node) is not Node or role_of(node.cls) is not Role.NUMBER_TYPE:
        raise RefusedError("it holds an array without a number type")
    name = node.arguments[0] if node.arguments else ""
    state = node.state
    sound = state is None or (
        type(state) is tuple and len(state) > 1 and type(state[1]) is str and state[1] in _LITTLE_ENDIAN
    )
    if type(name) is not str or name not in NUMBERS or not sound:
        raise RefusedError("it holds an array of something else than plain little-endian numbers")
    return name


def _number(node: Node) -> Any:
    if len(node.arguments) != 2 or type(node.arguments[1]) is not bytes:  # noqa: PLR2004 -- type and bytes
        raise RefusedError("it holds a damaged number")
    form = "<" + NUMBERS[_number_type(node.arguments[0])]
    if struct.calcsize(form) != len(node.arguments[1]):
        raise RefusedError("it holds a damaged number")
    return struct.unpack(form, node.arguments[1])[0]


def _array(node: Node) -> list[Any]:
    """An array as nested lists."""
    match node.state:
        case (_, tuple() as shape, kind, False | 0, bytes() as content) if all(
            type(size) is int and size >= 0 for size in shape
        ):
            name = _number_type(kind)
            width = struct.calcsize("<" + NUMBERS[name])
            if len(shape) > Limits.dimensions or math.prod(shape) * width != len(content) or 0 in shape[:-1]:
                raise RefusedError("it holds a damaged array")
            if not content:
                return []
            listed: list[Any] = np.frombuffer(content, dtype=f"<{name}").reshape(shape).tolist()
            return listed
    raise RefusedError("it holds a damaged array")


def _device(node: Node) -> str:
    return node.arguments[0] if node.arguments and type(node.arguments[0]) is str else "cpu"


# Objects that hold nothing but plain values.
_ALONE: dict[Role | None, Callable[[Node], Any]] = {
    Role.SET: _set,
    Role.PATH: _path,
    Role.NUMBER_TYPE: _number_type,
    Role.NUMBER: _number,
    Role.ARRAY: _array,
    Role.DEVICE: _device,
}
