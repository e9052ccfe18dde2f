# SPDX-License-Identifier: Apache-2.0
"""The one door through which files are made, whole or not at all: beside the place, flushed, renamed, folder flushed.

Files of strangers are opened by `paths.py`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import shutil
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from PIL import Image

from boxwright.errors import UserError
from boxwright.paths import open_regular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


TEMPORARY_MARK = ".boxwright-part-"  # a name that holds this is an unfinished write
PREVIOUS = ".previous"
STEM_BYTES = (
    180  # of a name, so that an ending, a number or the mark above still fits into the 255 that file systems take
)
_INSIDE = "content"  # the file in a folder that stands for it
# What a system says that has no second names for files.
_WITHOUT_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class WriteError(UserError):
    """A file that cannot be written: which one, why, what to do."""


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a whole file: after a crash there is the old one or the new one. Raises WriteError.

    `durable=False` leaves it to the system when the content reaches the disk: for what can be made again.
    """
    part = _part_of(path)
    try:
        _write_part(part, content, durable=durable)
        os.replace(part, path)  # noqa: PTH105 -- Path.replace is this
        if durable:
            flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise write_error(path, error) from None


def create_bytes(path: Path, content: bytes) -> bool:
    """Write a whole file under a name that nothing has; False when something has it. Raises WriteError.

    Of several who try at once one succeeds, on network file systems too, and nobody ever sees a part of it. Where a
    file system has no second names for files, it is a folder with the file in it, for `read_created` to open.
    """
    part = _part_of(path)
    try:
        _write_part(part, content, durable=True)
        made = _given(part, path)
        flush_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return made


def read_created(path: Path, most_bytes: int) -> bytes:
    """What `create_bytes` or `write_bytes` wrote. Raises OSError, for a link as well: none is followed."""
    try:
        return read_regular(path, most_bytes, follow_links=False)
    except IsADirectoryError:
        return read_regular(path / _INSIDE, most_bytes, follow_links=False)


def _given(part: Path, path: Path) -> bool:
    """Give a finished file its name, unless something has it. Raises OSError."""
    try:
        os.link(part, path)
    except OSError as error:
        with open_regular(part) as file:  # opening asks the server anew
            if os.fstat(file.fileno()).st_nlink == 2:  # noqa: PLR2004 -- both names
                return True  # the server did it, its answer was lost, and the repeated question found the name taken
        if error.errno == errno.EEXIST:
            return False
        if error.errno not in _WITHOUT_LINKS:
            raise
        return _given_as_folder(part, path)
    return True


def _given_as_folder(part: Path, path: Path) -> bool:
    """The same for file systems without links: no system moves a folder onto a file or onto a folder with content."""
    folder = part.with_name(f"{part.name}{_INSIDE}")
    folder.mkdir()
    try:
        part.rename(folder / _INSIDE)
        folder.rename(path)
    except OSError as error:
        remove(folder)
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
            return False
        raise
    return True


def _part_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f".{fitting(path.name)}{TEMPORARY_MARK}{secrets.token_hex(6)}")


def _write_part(part: Path, content: bytes, *, durable: bool) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        _write_all(descriptor, content)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def flush_folder(folder: Path) -> None:
    """Make the new name durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_error(path: Path, error: OSError) -> WriteError:
    """What a failed write means for the user."""
    remedies = {
        "No space left on device": "Free some space or choose another place",
        "Permission denied": "Choose a place you may write to",
        "Read-only file system": "Choose a place you may write to",
        "No such file or directory": "The folder is gone; make it again or choose another place",
    }
    reason = error.strerror or str(error)
    return WriteError(str(path), f"cannot be written ({reason.lower()})", remedies.get(reason, "Choose another place"))


def fitting(stem: str) -> str:
    """The beginning of a name that leaves room for an ending, in whole letters."""
    content = os.fsencode(stem)
    return stem if len(content) <= STEM_BYTES else content[:STEM_BYTES].decode("utf-8", "ignore")


def previous_of(path: Path) -> Path:
    """Where the generation before this file is kept, of files that have generations."""
    return path.with_name(f"{path.stem}{PREVIOUS}{path.suffix}")


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file. Halves of letters, which come from file names that are no text, stand in it as escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document for people and programs."""
    write_text(path, json.dumps(document, indent=1, default=str) + "\n")


def write_yaml(path: Path, document: Any, *, head: str = "") -> None:
    """Write plain values as YAML, in their order, after comment lines."""
    write_text(path, head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))


def write_image(path: Path, image_rgb: np.ndarray, *, quality: int = 90, durable: bool = False) -> None:
    """Write a picture in the format of its suffix; the same pixels give the same bytes. (H, W, 3) uint8"""
    suffix = path.suffix.lower()
    buffer = io.BytesIO()
    picture = Image.fromarray(image_rgb)
    if suffix in {".jpg", ".jpeg"}:
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    else:
        picture.save(buffer, "PNG", compress_level=6)
    write_bytes(path, buffer.getvalue(), durable=durable)


def append_line(path: Path, line: str) -> None:
    """Add one line to a log in one write.

    A line before it that was torn by a full disk or a kill stays a line of its own. A link is not followed: in a folder
    that somebody else has made it would lead to a file of the user's. Raises WriteError.
    """
    try:
        with os.fdopen(open_to_add(path), "ab+") as file:
            torn = file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            file.write(b"\n" * torn + line.encode() + b"\n")
    except OSError as error:
        raise write_error(path, error) from None


def open_to_add(path: Path) -> int:
    """A descriptor to add to the regular file of this name, and to nothing it leads to. Raises OSError, WriteError."""
    never = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | never, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise WriteError(str(path), "is a link, and none is followed here", "Remove it") from None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise WriteError(str(path), "is no regular file", "Remove it")


def open_shared(path: Path, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A file of this many bytes as memory that is shared with whoever else has it open.

    Made of zeros when it is not there. Raises WriteError.

    The disk gives all of it at once: a write to memory whose place on a full disk is missing would end the process
    without a word.
    """
    make_folder(path.parent)
    try:
        if os.path.lexists(path) and not stat.S_ISREG(
            path.lstat().st_mode
        ):  # a link would lead to somebody else's file, a pipe to nowhere
            raise WriteError(str(path), "is no regular file", "Remove it")
        with path.open("ab") as file:
            there = file.tell()
            if there != size:
                file.truncate(size)  # never smaller in between: somebody may be reading
            if there != size and size and hasattr(os, "posix_fallocate"):
                _take(file.fileno(), there, size)
        return np.memmap(path, np.uint8, mode="r+", shape=(size,))
    except OSError as error:
        raise write_error(path, error) from None


def _take(descriptor: int, there: int, size: int) -> None:
    """Claim the disk blocks of a whole file, or leave it as long as it was. Raises OSError."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.ftruncate(descriptor, there)
        raise


def free_disk_bytes(folder: Path) -> int:
    """Free space where a folder is or will be."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def stream_to(path: Path, chunks: Iterable[bytes], on_progress: Callable[[int], object] = lambda _done: None) -> int:
    """Write what comes into a new file, piece by piece; returns the number of bytes. Nothing is written over.

    An unfinished file is for the caller to remove. Raises WriteError.
    """
    done = 0
    try:
        file = path.open("xb", buffering=0)
    except OSError as error:
        raise write_error(path, error) from None
    with file:
        for chunk in chunks:
            try:
                _write_all(file.fileno(), chunk)
            except OSError as error:
                raise write_error(path, error) from None
            done += len(chunk)
            on_progress(done)
    return done


def copy_file(source: Path, target: Path) -> None:
    """A copy of a file, whole or not at all. Raises WriteError."""
    write_bytes(target, source.read_bytes(), durable=False)


def link_file(source: Path, target: Path) -> None:
    """A link to where a file is. Raises WriteError."""
    try:
        target.symlink_to(source.resolve())
    except OSError as error:
        raise write_error(target, error) from None


def hold_file(source: Path, target: Path) -> None:
    """Give what is in a file a second name, so that it stays when the file is written anew. Raises WriteError."""
    try:
        make_folder(target.parent)
        remove(target)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            with source.open("rb") as file:
                stream_to(target, iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise write_error(target, error) from None


def move_new(source: Path, target: Path) -> None:
    """Give a finished file or folder a name that nothing has: never in place of something. Raises WriteError.

    The system itself refuses to give a folder the name of a file or of a folder with content, and to link to a taken
    name.
    """
    try:
        if source.is_dir():
            source.rename(target)
            return
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with source.open("rb") as file:
                stream_to(target, iter(lambda: file.read(1 << 20), b""))
        source.unlink()
    except OSError as error:
        raise write_error(target, error) from None


def make_unfinished_folder(folder: Path) -> Path:
    """A new folder inside this one, under a name of an unfinished write. Raises WriteError."""
    path = folder / f"{TEMPORARY_MARK}{secrets.token_hex(6)}"
    try:
        path.mkdir(mode=0o755)
    except OSError as error:
        raise write_error(path, error) from None
    return path


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises WriteError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with what is in it, in place of an older copy. Raises WriteError."""
    try:
        remove(target)
        shutil.copytree(source, target, symlinks=True)  # a link may lead to anything
    except OSError as error:
        raise write_error(target, error) from None


def rename(path: Path, target: Path) -> None:
    """Give a file another name, in place of one that has it. Raises WriteError."""
    try:
        os.replace(path, target)  # noqa: PTH105 -- Path.replace is this
    except OSError as error:
        raise write_error(target, error) from None


def sweep_unfinished(folder: Path) -> list[str]:
    """Remove what interrupted writes left behind, and say what it was."""
    swept = []
    for path in folder.glob(f".*{TEMPORARY_MARK}*"):
        with contextlib.suppress(OSError):
            path.unlink()
            swept.append(path.name)
    return swept


def remove(path: Path) -> None:
    """Remove a file or folder of ours, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
