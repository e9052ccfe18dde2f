# SPDX-License-Identifier: Apache-2.0
"""The two containers of torch: the zip of torch 1.6 and later, and the plain sequence of pickles before it."""

from __future__ import annotations

import os
import re
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boxwright.paths import open_regular, read_regular
from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.machine import Machine
from boxwright.system.torch_archive.nodes import STORAGES, GlobalName, RefusedError, Storage
from boxwright.system.torch_archive.opcodes import Program
from boxwright.system.torch_archive.records import stored_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAGIC = 0x1950A86A20F9469CFC6C  # first value of the plain format
PLAIN_VERSION = 1001
_BEGINNING = 1 << 16
_TAIL, _END = 65_557, b"PK\x05\x06"  # bytes in which a zip ends, and what stands there
_KEY = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class Contents:
    """What a file holds: the tree of inert values, the names it mentions, its container and its size."""

    tree: Any
    names: tuple[str, ...]
    container: str
    size: int


def read_archive(path: Path, most_bytes: int) -> bytes:
    """The content of a weights file; of one that is none only its beginning, which is enough to say so.

    A file without end may look like one of many gigabytes. Raises OSError.
    """
    with open_regular(path) as file:
        start = file.read(_BEGINNING)
        file.seek(-min(file.seek(0, os.SEEK_END), _TAIL), os.SEEK_END)
        ended = _END in file.read()
    whole = ended if start[:2] == b"PK" else start[:1] == b"\x80"
    return read_regular(path, most_bytes) if whole else start


def read_contents(content: bytes, limits: Limits) -> Contents:
    """The tree of a file's content. Raises RefusedError."""
    if content[:2] == b"PK":
        return _Zip(content, limits).contents()
    if content[:1] == b"\x80":
        return _Plain(content, limits).contents()
    if len(content) > 262 and content[257:262] == b"ustar":  # noqa: PLR2004 -- where a tar archive says what it is
        raise RefusedError("it is a tar archive of torch before 0.2, older than every detector of this family")
    raise RefusedError("it is no checkpoint (neither a zip nor a pickle)" if content else "it is empty")


class _Storages:
    """Storages by their key, as persistent ids describe them."""

    def __init__(self, limits: Limits, fields: int) -> None:
        self.limits, self.fields = limits, fields
        self.found: dict[str, Storage] = {}

    def of(self, identifier: Any) -> Any:
        """What a persistent id stands for."""
        if type(identifier) is not tuple:
            raise RefusedError("it holds an unknown kind of reference")
        match identifier:
            case ("module", GlobalName() as cls, _, _):  # the plain format adds class sources; they are left unread
                return cls
            case ("storage", GlobalName(module="torch", name=kind), str() as key, str(), int() as length, *rest) if (
                kind in STORAGES
            ):
                self._require_sound(key, length, rest, len(identifier))
                return self._storage(kind, key, length)
        raise RefusedError("it holds an unknown kind of reference")

    def _require_sound(self, key: str, length: int, rest: list[Any], fields: int) -> None:
        if fields != self.fields or any(item is not None for item in rest):
            raise RefusedError("it holds an unknown kind of storage")
        if not _KEY.fullmatch(key) or type(length) is not int or not 0 <= length < self.limits.elements:
            raise RefusedError("it holds a storage with an impossible key or length")

    def _storage(self, kind: str, key: str, length: int) -> Storage:
        known = self.found.get(key)
        if known is None:
            if len(self.found) >= self.limits.tensors:
                raise RefusedError("it holds too many storages")
            known = self.found[key] = Storage(kind, key, length)
        elif (known.dtype, known.length) != (STORAGES[kind][0], length):
            raise RefusedError("it describes one storage in two ways")
        return known


class _Zip:
    """The zip format: `NAME/data.pkl` and one record per storage, none of them compressed, each with its checksum."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content, self.limits = memoryview(content), limits
        self.records = {record.name: record for record in stored_records(content, limits)}

    def contents(self) -> Contents:
        programs = [name for name in self.records if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise RefusedError("it is a zip, but no checkpoint (there is no single data.pkl)")
        root = programs[0].removesuffix("data.pkl")
        if any(name.startswith(f"{root}code/") or name == f"{root}constants.pkl" for name in self.records):
            raise RefusedError("it is a TorchScript program, not weights to read")
        if f"{root}byteorder" in self.records and bytes(self._read(f"{root}byteorder", 16)) != b"little":
            raise RefusedError("its numbers are big-endian")
        storages = _Storages(self.limits, fields=5)
        program = Program(self._read(programs[0], self.limits.program_bytes), self.limits)
        deadline = self.limits.deadline()
        machine = Machine(program, storages.of, deadline)
        tree = machine.run()
        self._fill(storages, root, deadline)
        return Contents(tree, tuple(sorted(machine.names)), "zip", len(self.content))

    def _fill(self, storages: _Storages, root: str, deadline: float) -> None:
        for key, storage in storages.found.items():
            record = self.records.get(f"{root}data/{key}")
            if record is None:
                raise RefusedError(f"the data of storage {key} is missing")
            if record.size != storage.num_bytes:
                raise RefusedError(f"storage {key} promises {storage.num_bytes} bytes and has {record.size}")
            if time.monotonic() > deadline:
                raise RefusedError("it takes too long to read")
            storage.data = self._read(record.name, storage.num_bytes)

    def _read(self, name: str, limit: int) -> memoryview:
        """A record in its place: nothing is copied."""
        record = self.records[name]
        if record.size > limit:
            raise RefusedError(f"its record {name[:60]!r} is too large")
        inside = self.content[record.begin : record.begin + record.size]
        if zlib.crc32(inside) != record.checksum:
            raise RefusedError(f"its record {name[:60]!r} is damaged")
        return inside


class _Plain:
    """The plain format: magic, version, machine, the tree, the order of storages, then their bytes.

    It has no checksums.
    """

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content, self.limits = memoryview(content), limits
        self.at = 0
        self.deadline = limits.deadline()
        self.names: dict[str, GlobalName] = {}

    def contents(self) -> Contents:
        if self._value(_no_reference) != MAGIC:
            raise RefusedError("it is a pickle, but no checkpoint of torch")
        if self._value(_no_reference) != PLAIN_VERSION:
            raise RefusedError("it is written in an unknown version of the plain format")
        machine = self._value(_no_reference)
        if type(machine) is not dict or machine.get("little_endian") is not True:
            raise RefusedError("its numbers are big-endian")
        storages = _Storages(self.limits, fields=6)
        tree = self._value(storages.of)
        order = self._value(_no_reference)
        if (
            type(order) is not list
            or not all(type(key) is str for key in order)
            or sorted(order) != sorted(storages.found)
        ):
            raise RefusedError("its list of storages does not fit its tensors")
        for key in order:
            self._fill(storages.found[key])
        return Contents(tree, tuple(sorted(self.names)), "plain", len(self.content))

    def _value(self, persistent: Callable[[Any], Any]) -> Any:
        window = self.content[: self.at + self.limits.program_bytes]
        program = Program(window, self.limits, self.at)
        machine = Machine(program, persistent, self.deadline)
        value = machine.run()
        self.at = program.at
        self.names |= machine.names
        return value

    def _fill(self, storage: Storage) -> None:
        begin = self.at + 8
        self.at = begin + storage.num_bytes
        if self.at > len(self.content):
            raise RefusedError("it is incomplete: tensor data is cut short")
        if int.from_bytes(self.content[begin - 8 : begin], "little", signed=True) != storage.length:
            raise RefusedError(f"storage {storage.key} has another length than promised")
        storage.data = self.content[begin : self.at]


def _no_reference(_identifier: Any) -> Any:
    raise RefusedError("it holds a reference where none belongs")
