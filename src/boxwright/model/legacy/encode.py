# SPDX-License-Identifier: Apache-2.0
"""Inert values as a pickle program of protocol 2, written instruction by instruction; the counterpart of `machine`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from boxwright.system.torch_archive.names import Role, named, role_of
from boxwright.system.torch_archive.nodes import STORAGES, GlobalName, Node, Storage, TensorView
from boxwright.system.torch_archive.opcodes import CODES

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOL = 2  # what torch writes
ORDERED_DICT = GlobalName("collections", "OrderedDict")
SET = GlobalName("__builtin__", "set")  # protocol 2 keeps the names of Python 2
_REBUILD_TENSOR = GlobalName("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = GlobalName("torch._utils", "_rebuild_parameter")
_STORAGE_NAMES = {dtype: name for name, (dtype, _) in STORAGES.items()}
_ONE_BYTE, _TWO_BYTES, _FOUR_BYTES = 1 << 8, 1 << 16, 1 << 31


def program_of(tree: Any) -> tuple[bytes, list[Storage]]:
    """The program that makes this tree, and the storages it refers to, in their order."""
    encoder = _Encoder()
    encoder.write(CODES["PROTO"], bytes([PROTOCOL]))
    encoder.value(tree)
    encoder.write(CODES["STOP"])
    return b"".join(encoder.parts), encoder.storages


class _Encoder:
    """Writes values; text, names, lists, mappings and objects that come again are recalled instead."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.storages: list[Storage] = []
        self._places: dict[Any, int] = {}
        self._kept: list[Any] = []  # so that ids stay their own
        self._writers: dict[type, Callable[[Any], None]] = {
            type(None): lambda _value: self.write(CODES["NONE"]),
            bool: lambda value: self.write(CODES["NEWTRUE" if value else "NEWFALSE"]),
            int: self._integer,
            float: lambda value: self.write(CODES["BINFLOAT"], struct.pack(">d", value)),
            str: self._text,
            tuple: self._tuple,
            list: self._list,
            dict: self._dict,
            GlobalName: self._name,
            Node: self._object,
            TensorView: self._tensor,
        }

    def write(self, *parts: bytes) -> None:
        """Append instructions."""
        self.parts.extend(parts)

    def value(self, value: Any) -> None:
        """Write any value."""
        self._writers[type(value)](value)

    def _integer(self, value: int) -> None:
        if 0 <= value < _ONE_BYTE:
            self.write(CODES["BININT1"], bytes([value]))
        elif 0 <= value < _TWO_BYTES:
            self.write(CODES["BININT2"], struct.pack("<H", value))
        elif -_FOUR_BYTES <= value < _FOUR_BYTES:
            self.write(CODES["BININT"], struct.pack("<i", value))
        else:
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.write(CODES["LONG1"], bytes([len(content)]), content)

    def _recalled(self, key: Any) -> bool:
        place = self._places.get(key)
        if place is None:
            return False
        self.write(
            *(
                (CODES["BINGET"], bytes([place]))
                if place < _ONE_BYTE
                else (CODES["LONG_BINGET"], struct.pack("<I", place))
            )
        )
        return True

    def _remember(self, key: Any, value: Any) -> None:
        place = self._places[key] = len(self._places)
        self._kept.append(value)
        self.write(
            *(
                (CODES["BINPUT"], bytes([place]))
                if place < _ONE_BYTE
                else (CODES["LONG_BINPUT"], struct.pack("<I", place))
            )
        )

    def _text(self, value: str) -> None:
        if not self._recalled(("text", value)):
            content = value.encode("utf-8")
            self.write(CODES["BINUNICODE"], struct.pack("<I", len(content)), content)
            self._remember(("text", value), value)

    def _name(self, value: GlobalName) -> None:
        if not self._recalled(("name", value.text)):
            named(value.module, value.name)  # what we write is on the list of what we read
            self.write(CODES["GLOBAL"], f"{value.module}\n{value.name}\n".encode("ascii"))
            self._remember(("name", value.text), value)

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if len(value) > 3:  # noqa: PLR2004 -- up to three have an instruction of their own
            self.write(CODES["MARK"])
        for part in value:
            self.value(part)
        self.write(CODES[("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")[len(value)] if len(value) <= 3 else "TUPLE"])  # noqa: PLR2004

    def _list(self, value: list[Any]) -> None:
        if self._recalled(id(value)):
            return
        self.write(CODES["EMPTY_LIST"])
        self._remember(id(value), value)
        if value:
            self.write(CODES["MARK"])
            for part in value:
                self.value(part)
            self.write(CODES["APPENDS"])

    def _dict(self, value: dict[Any, Any]) -> None:
        if self._recalled(id(value)):
            return
        self.write(CODES["EMPTY_DICT"])
        self._remember(id(value), value)
        self._items(list(value.items()))

    def _items(self, pairs: list[tuple[Any, Any]]) -> None:
        if pairs:
            self.write(CODES["MARK"])
            for key, item in pairs:
                self.value(key)
                self.value(item)
            self.write(CODES["SETITEMS"])

    def _object(self, node: Node) -> None:
        if self._recalled(id(node)):
            return
        self.value(node.cls)
        self.value(node.arguments)
        self.write(CODES["NEWOBJ" if role_of(node.cls) is Role.CLASS else "REDUCE"])
        self._remember(id(node), node)
        self._items(list(node.pairs))
        if node.state is not None:
            self.value(node.state)
            self.write(CODES["BUILD"])

    def _tensor(self, view: TensorView) -> None:
        if view.parameter:
            self.value(_REBUILD_PARAMETER)
            self.write(CODES["MARK"])
        self.value(_REBUILD_TENSOR)
        self.write(CODES["MARK"])
        self._reference(view.storage)
        for part in (view.offset, view.shape, view.strides, False, Node(ORDERED_DICT)):
            self.value(part)
        self.write(CODES["TUPLE"], CODES["REDUCE"])
        if view.parameter:
            self.value(value=False)  # a checkpoint is not being trained
            self.value(Node(ORDERED_DICT))
            self.write(CODES["TUPLE"], CODES["REDUCE"])

    def _reference(self, storage: Storage) -> None:
        self.storages.append(storage)
        self.value(("storage", GlobalName("torch", _STORAGE_NAMES[storage.dtype]), storage.key, "cpu", storage.length))
        self.write(CODES["BINPERSID"])
