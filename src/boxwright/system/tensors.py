# SPDX-License-Identifier: Apache-2.0
"""Tensor files.

Plain values and tensors, nothing pickled by name, checked by length and digest before anything is used.

A file is an ordinary zip that `torch.load(path, weights_only=True)` opens with torch alone. Its zip comment holds our
header: format, version, length and SHA-256 of everything before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar, overload

import torch

from boxwright.errors import WeightsError
from boxwright.paths import open_regular, read_regular
from boxwright.system.files import TEMPORARY_MARK, WriteError, flush_folder, previous_of, remove, rename, write_bytes
from boxwright.system.torch_archive.archive import read_contents
from boxwright.system.torch_archive.limits import LARGEST_BYTES, OWN
from boxwright.system.torch_archive.nodes import RefusedError
from boxwright.system.torch_archive.values import Plainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = "boxwright"
VERSION = 1
Content = TypeVar("Content")

_END_RECORD = b"PK\x05\x06"
_END_LENGTH = 22  # of a zip's end record without a comment; its last two bytes count the comment


class DamagedFileError(WeightsError):
    """A tensor file that is incomplete or changed."""


def write_tensors(path: Path, document: dict[str, Any]) -> None:
    """Write a whole file, durably. Raises WriteError."""
    write_bytes(path, packed(document))


def packed(document: dict[str, Any]) -> bytes:
    """The bytes of a file."""
    _require_plain(document, "the document")
    buffer = io.BytesIO()
    torch.save(document, buffer)
    body = buffer.getvalue()
    header = {"format": FORMAT, "version": VERSION, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    comment = json.dumps(header).encode()
    return body[:-2] + len(comment).to_bytes(2, "little") + comment


def _require_plain(value: Any, where: str) -> None:
    """Only tensors and plain values, so that every reader can open what we write."""
    if type(value) is dict:
        for key, item in value.items():
            assert type(key) in {str, int}, f"{where} has a key of type {type(key).__name__}"
            _require_plain(item, f"{where}[{key!r}]")
    elif type(value) in {list, tuple}:
        for item in value:
            _require_plain(item, where)
    else:
        assert type(value) in {str, int, float, bool, type(None), torch.Tensor}, f"{where} is a {type(value).__name__}"


def read_tensors(path: Path) -> dict[str, Any]:
    """What a file of ours holds. Raises as `read_versioned` does."""
    return read_versioned(path)[0]


def read_versioned(path: Path) -> tuple[dict[str, Any], int]:
    """What a file of ours holds, and the version of its format.

    Raises DamagedFileError when it is not whole, WeightsError when it is none of ours.

    A digest proves that nothing was lost, not who wrote it: the file is read as data, like foreign ones.
    """
    try:
        content = read_regular(path, LARGEST_BYTES)
        version = _require_whole(path, content)
        contents = read_contents(content, OWN)
        document = Plainer(OWN, contents.size, keep_strides=True).plain(contents.tree)
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    except (RefusedError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, RefusedError) else "it asks for more than a checkpoint needs"
        raise WeightsError(str(path), f"cannot be opened: {reason}", "Give another file") from None
    if not isinstance(document, dict):
        raise WeightsError(str(path), "holds no dictionary", "Give a checkpoint of this program")
    return document, version


def is_ours(path: Path) -> bool:
    """Whether a file bears our header, whole or not."""
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            file.seek(max(size - 65_557, 0))
            return _header(file.read()) is not None
    except OSError:
        return False


def _header(content: bytes) -> tuple[dict[str, Any], int] | None:
    """The header in the zip comment and where in `content` the comment begins, if it is one of ours."""
    at = content.rfind(_END_RECORD)
    if at < 0:
        return None
    try:
        header = json.loads(content[at + _END_LENGTH :])
    except (ValueError, RecursionError):  # the second for brackets without end
        return None
    return (header, at + _END_LENGTH) if isinstance(header, dict) and header.get("format") == FORMAT else None


def _require_whole(path: Path, content: bytes) -> int:
    """The version of the format. Raises when the body is not what was written."""
    window = content[-65_557:]
    found = _header(window)
    if found is None:
        kind = "is not whole, or none of ours" if content.startswith(b"PK") else "is no checkpoint"
        raise DamagedFileError(str(path), kind, "Give another file")
    header, behind = found
    if header.get("version") != VERSION:
        shown = str(header.get("version"))[:20]
        raise WeightsError(
            str(path), f"was written in format version {shown}, this program reads {VERSION}", "Use a newer program"
        )
    length = len(content) - len(window) + behind  # all but the comment itself
    digest = hashlib.sha256(memoryview(content)[: length - 2])
    digest.update(b"\0\0")  # an end record without a comment counts 0 bytes of one
    if header.get("length") != length or digest.hexdigest() != header.get("sha256"):
        raise DamagedFileError(str(path), "is damaged: its content does not match its checksum", "Give another file")
    return VERSION


def next_of(path: Path) -> Path:
    """Where a generation lies that is written but does not bear the name yet."""
    return path.with_name(f".{path.name}{TEMPORARY_MARK}next")


def rotate_and_write(path: Path, document: dict[str, Any]) -> None:
    """Write a new generation; the one before stays as `NAME.previous.SUFFIX`. Raises WriteError.

    At every moment there are two whole generations that do not share their bytes, as soon as there were two: a kill and
    one damaged file leave one to go on from. A damaged file is no generation: it gives way without taking the place of
    a whole one.
    """
    try:
        write_bytes(next_of(path), packed(document))
    except WriteError as error:
        raise WriteError(str(path), error.what, error.remedy) from None
    finish_rotation(path)


def finish_rotation(path: Path) -> bool:
    """Give a generation its name that a killed process had written already; whether there was one.

    Raises WriteError.
    """
    coming = next_of(path)
    if not is_whole(coming):
        remove(coming)
        return False
    if is_whole(path):
        _keep(path)
    rename(coming, path)
    flush_folder(path.parent)
    return True


def _keep(path: Path) -> None:
    """Let the newest generation be the one before as well, until its name goes to a newer one."""
    keep = previous_of(path)
    spare = keep.with_name(f".{keep.name}{TEMPORARY_MARK}link")
    try:
        remove(spare)
        os.link(path, spare)
        os.replace(spare, keep)  # noqa: PTH105 -- Path.replace is this
        remove(spare)  # still there when both names meant one file already
    except OSError:
        rename(path, keep)  # a file system without links


def is_whole(path: Path) -> bool:
    """Whether this is a file of ours whose content matches its checksum."""
    try:
        _require_whole(path, read_regular(path, LARGEST_BYTES))
    except (OSError, WeightsError):
        return False
    return True


@overload
def newest_whole(path: Path) -> tuple[dict[str, Any], Path, str]: ...


@overload
def newest_whole(path: Path, read: Callable[[Path], Content]) -> tuple[Content, Path, str]: ...


def newest_whole(path: Path, read: Callable[[Path], Any] = read_tensors) -> tuple[Any, Path, str]:
    """The file, or the generation before it when it cannot be used; which one it was.

    And a note about what was passed over.

    `read` raises WeightsError for what cannot be used.
    """
    try:
        return read(path), path, ""
    except WeightsError as error:  # damage can look like another version of the format, too
        before = previous_of(path)
        if not is_whole(before):
            raise
        return read(before), before, f"{error.where}: {error.what}. Going on from {before.name} instead"
