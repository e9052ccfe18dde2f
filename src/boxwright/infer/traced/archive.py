# SPDX-License-Identifier: Apache-2.0
"""The archive of a traced network: its program as a tree, its objects and constants as inert values with their tensors.

Records are read by one reader and used by no other. Those that have no part in the answer (debug information, traced
inputs) are left unread.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boxwright.infer.traced.grammar import MAX_CODE_CHARACTERS, Classes, ForeignError, classes_of
from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.machine import Machine
from boxwright.system.torch_archive.names import role_of
from boxwright.system.torch_archive.nodes import STORAGES, GlobalName, Node, RefusedError, Storage, TensorView
from boxwright.system.torch_archive.opcodes import Program
from boxwright.system.torch_archive.values import Plainer

if TYPE_CHECKING:
    import torch

MAX_RECORDS = 60_000
MAX_EXTRA_BYTES = 1 << 20
MAX_PICKLE_BYTES = 8 << 20
LIMITS = Limits(program_bytes=MAX_PICKLE_BYTES)
_LISTED = b"PK\x01\x02"  # before every entry of a zip's list
_ENCRYPTED = 0x1
_CODE = re.compile(r"code/((?:[A-Za-z_]\w{0,63}/){1,16}[A-Za-z_]\w{0,63})\.py", re.ASCII)
_CLASS = re.compile(r"__torch__(?:\.\w{1,64}){1,16}", re.ASCII)
_KEY = re.compile(r"\d{1,10}", re.ASCII)
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    EOFError,
    IndexError,
    KeyError,
)


@dataclass(frozen=True)
class Contents:
    """What a file holds. `root` is the object of the network; tensors by the views that mention them."""

    classes: Classes
    root: Node
    constants: tuple[TensorView, ...]
    tensors: dict[TensorView, torch.Tensor]


class TracedArchive:
    """An opened file. Everything raises ForeignError for what the exporter does not write."""

    def __init__(self, content: bytes) -> None:
        if content.count(_LISTED) > MAX_RECORDS:
            raise ForeignError("it holds too many records")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            listed = self._archive.infolist()
        except DAMAGED:
            raise ForeignError("it is no archive, or a damaged one") from None
        self._records = {entry.filename: entry for entry in listed}
        if len(self._records) != len(listed):
            raise ForeignError("it holds two records of one name")
        tops = {name.split("/", 1)[0] for name in self._records}
        if len(tops) != 1 or any("\\" in name or ".." in name.split("/") for name in self._records):
            raise ForeignError("its records have names that the exporter does not give")
        self._top, self._size = f"{tops.pop()}/", len(content)

    def words(self, name: str) -> str | None:
        """Words that lie beside the program, None where there are none."""
        return (
            self._read(f"extra/{name}", MAX_EXTRA_BYTES).decode()
            if f"{self._top}extra/{name}" in self._records
            else None
        )

    def contents(self) -> Contents:
        """Program, objects and tensors."""
        if f"{self._top}byteorder" in self._records and self._read("byteorder", 16) != b"little":
            raise ForeignError("its numbers are big-endian")
        classes = self._classes()
        tensors: dict[TensorView, torch.Tensor] = {}
        root = self._unpickled("data", tensors)
        constants = self._unpickled("constants", tensors)
        if (
            type(root) is not Node
            or type(constants) is not tuple
            or any(type(one) is not TensorView for one in constants)
        ):
            raise ForeignError("its objects are none of a traced network")
        return Contents(classes, root, constants, tensors)

    def _classes(self) -> Classes:
        names = [
            name for name in self._records if name.startswith(f"{self._top}code/") and not name.endswith(".debug_pkl")
        ]
        if not names or sum(self._records[name].file_size for name in names) > MAX_CODE_CHARACTERS:
            raise ForeignError("it holds no program, or one too long for a network")
        found: Classes = {}
        for name in names:
            match = _CODE.fullmatch(name.removeprefix(self._top))
            if match is None:
                raise ForeignError(f"it holds a record {name[:60]!r}")
            content = self._read(name.removeprefix(self._top), MAX_CODE_CHARACTERS)
            if not content.isascii():
                raise ForeignError("its program holds letters outside ASCII")
            found |= classes_of(content.decode("ascii"), match.group(1).replace("/", "."))
        return found

    def _unpickled(self, name: str, tensors: dict[TensorView, torch.Tensor]) -> Any:
        """The value of a pickle of the archive; its tensors are added to the table."""
        plainer = Plainer(LIMITS, self._size)  # one of its own: both pickles count their storages from 0
        storages: dict[str, Storage] = {}
        machine = _Machine(Program(self._read(f"{name}.pkl", MAX_PICKLE_BYTES), LIMITS), storages)
        value = machine.run()
        by_storage: dict[str, list[TensorView]] = {}
        for view in machine.views:
            by_storage.setdefault(view.storage.key, []).append(view)
        for key, views in by_storage.items():
            storage = storages[key]
            storage.data = self._read(f"{name}/{key}", storage.num_bytes)
            if len(storage.data) != storage.num_bytes:
                raise ForeignError(f"its numbers {key} are cut short")
            tensors |= {view: plainer.tensor(view) for view in views}
            storage.data = b""
        return value

    def _read(self, name: str, limit: int) -> bytes:
        record = self._records.get(self._top + name)
        if record is None:
            raise ForeignError(f"its record {name[:60]!r} is missing")
        if record.file_size > limit or record.flag_bits & _ENCRYPTED:
            raise ForeignError(f"its record {name[:60]!r} is too large, or encrypted")
        try:
            return self._archive.read(record)
        except DAMAGED:
            raise ForeignError(f"its record {name[:60]!r} is damaged") from None


class _Machine(Machine):
    """Objects of the program's classes, tensors, and plain values."""

    def __init__(self, program: Program, storages: dict[str, Storage]) -> None:
        super().__init__(program, self._storage, LIMITS.deadline())
        self.storages = storages
        self.views: list[TensorView] = []

    def _global(self, module: object, name: object) -> None:
        if type(module) is str and type(name) is str and _CLASS.fullmatch(f"{module}.{name}"):
            self._push(GlobalName(module, name))
        else:
            super()._global(module, name)

    def _new_object(self) -> None:
        arguments, cls = self._stack.pop(), self._stack.pop()
        if type(cls) is not GlobalName or not _CLASS.fullmatch(cls.text) or arguments != ():
            raise RefusedError("it makes an object of something else than a class of its program")
        self._push(Node(cls))

    def _reduce(self) -> None:
        called = self._stack[-2]
        if type(called) is GlobalName and role_of(called) is None:
            raise RefusedError(f"it calls {called.text[:60]}, which no network needs")
        super()._reduce()
        made = self._stack[-1]
        if type(made) is TensorView:
            self.views.append(made)
            if len(self.views) > LIMITS.tensors:
                raise RefusedError("it holds too many tensors")

    def _storage(self, identifier: Any) -> Storage:
        match identifier:
            case ("storage", GlobalName(module="torch", name=kind), str() as key, str(), int() as length) if (
                kind in STORAGES and _KEY.fullmatch(key)
            ):
                found = self.storages.setdefault(key, Storage(kind, key, length))
                if found.dtype == STORAGES[kind][0] and found.length == length and 0 <= length < LIMITS.elements:
                    return found
        raise RefusedError("it holds an unknown kind of storage")
