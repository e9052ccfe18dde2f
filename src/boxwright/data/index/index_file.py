# SPDX-License-Identifier: Apache-2.0
"""The bytes of an index on disk.

A short head with all counts, then plain arrays and texts, nothing packed, so that nothing can grow.

Memory is set aside only for what the file really holds, and an index is made only of what a scan could have found. L
images listed, N of them usable, M objects, P points, K regions to ignore.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from boxwright.data.index.index import DIGEST_BYTES, Index
from boxwright.data.labels.findings import Action, Finding, Severity
from boxwright.data.pixels.claims import MAX_PIXELS
from boxwright.paths import open_regular

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 4 << 30
MOST_HEAD_BYTES = 1 << 12
_MAGIC = b"boxwright index\n"
_SUM_BYTES, _LENGTH_BYTES = 32, 4
_BEFORE = len(_MAGIC) + _SUM_BYTES + _LENGTH_BYTES
_COUNTS = ("listed", "images", "objects", "points", "regions", "areas", "findings", "names")
_TEXTS = ("paths", "about", "called")  # bytes of each: image files, findings, class names
_FIELDS = 7  # of a finding
_MOST_DIGITS = 15  # of a line number
_HERE, _ELSEWHERE = "r", "a"  # what stands before a stored path: below the root, or as it is
_SLACK = 1e-3  # how far a normalised coordinate may be out of 0..1
_WORDS: tuple[frozenset[str], ...] = (frozenset(get_args(Severity)), frozenset(get_args(Action)))


class DamagedError(Exception):
    """Why a file is no index that can be used, in a few words."""


@dataclass(frozen=True)
class Stored:
    """What is kept.

    `listed` are all image files of the source, `stamps` (L,) uint64 of each with its annotations, `origin` that of the
    listing itself.
    """

    index: Index
    names: tuple[str, ...]
    listed: tuple[str, ...]
    stamps: np.ndarray
    origin: str


class Head(NamedTuple):
    """The beginning of a file: what it is of, and how much of everything follows."""

    key: str
    origin: str
    counts: dict[str, int]
    begin: int  # where it ends

    def shapes(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape of every array, in their order."""
        count = self.counts
        plain: dict[str, tuple[str, tuple[int, ...]]] = {
            "stamps": ("<u8", (count["listed"],)),
            "used": ("u1", (count["listed"],)),
            "sizes_wh": ("<i4", (count["images"], 2)),
            "first_object": ("<i8", (count["images"] + 1,)),
            "classes": ("<i4", (count["objects"],)),
            "boxes": ("<f4", (count["objects"], 4)),
            "first_point": ("<i8", (count["objects"] + 1,)),
            "points": ("<f4", (count["points"], 2)),
            "ignored": ("<f4", (count["regions"], 5)),
            "image_of_ignored": ("<i8", (count["regions"],)),
            "areas_px": ("<f4", (count["areas"],)),
            "digests": ("u1", (count["images"], DIGEST_BYTES)),
        }
        return {name: (np.dtype(kind), shape) for name, (kind, shape) in plain.items()}

    def total(self) -> int:
        """Bytes of the whole file."""
        arrays = sum(kind.itemsize * _product(shape) for kind, shape in self.shapes().values())
        return self.begin + arrays + sum(self.counts[text] for text in _TEXTS)


def _product(shape: tuple[int, ...]) -> int:
    whole = 1
    for side in shape:
        whole *= side
    return whole


# -- reading


def read_head(path: Path) -> tuple[Head, np.ndarray]:
    """The head and the stamps, of a file whose length is that which its head says.

    Raises FileNotFoundError and DamagedError.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = _head(file, size)
        count = head.counts["listed"]
        stamps = np.frombuffer(_exactly(file, 8 * count), "<u8")
    return head, stamps


def _opened(path: Path) -> Any:
    """A regular file, open for reading. Raises FileNotFoundError and DamagedError."""
    try:
        return open_regular(path)
    except NotADirectoryError:
        raise FileNotFoundError(path) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedError((error.strerror or str(error)).lower()) from None


def _exactly(file: Any, count: int) -> bytes:
    try:
        content: bytes = file.read(count)
    except OSError as error:
        raise DamagedError((error.strerror or str(error)).lower()) from None
    if len(content) != count:
        raise DamagedError("it ends too early")
    return content


def _head(file: Any, size: int) -> Head:
    start = _exactly(file, _BEFORE)
    if not start.startswith(_MAGIC):
        raise DamagedError("it is something else")
    length = int.from_bytes(start[-_LENGTH_BYTES:], "little")
    if length > MOST_HEAD_BYTES:
        raise DamagedError("its head is too long")
    try:
        found = json.loads(_exactly(file, length))
    except (ValueError, RecursionError):
        raise DamagedError("its head cannot be read") from None
    if not isinstance(found, dict) or set(found) != {"key", "origin", "counts"}:
        raise DamagedError("its head is that of something else")
    counts = found["counts"]
    if not isinstance(found["key"], str) or not isinstance(found["origin"], str) or not isinstance(counts, dict):
        raise DamagedError("its head is that of something else")
    if set(counts) != {*_COUNTS, *_TEXTS} or not all(
        type(count) is int and 0 <= count <= MOST_BYTES for count in counts.values()
    ):
        raise DamagedError("its counts are none")
    head = Head(found["key"], found["origin"], counts, _BEFORE + length)
    if size > MOST_BYTES or head.total() != size:
        raise DamagedError("its length is not the one it states")
    return head


def read(path: Path, head: Head, root: str, most_bytes: int | None) -> Stored:
    """The whole of a file whose head was read. Raises DamagedError when it is not what a scan would have written."""
    size = head.total()
    if most_bytes is not None and size > most_bytes:
        raise DamagedError("it is larger than these annotations can make it")
    try:
        with _opened(path) as file:
            content = _exactly(file, size)
    except FileNotFoundError:
        raise DamagedError("it is gone") from None
    if (
        hashlib.sha256(memoryview(content)[len(_MAGIC) + _SUM_BYTES :]).digest()
        != content[len(_MAGIC) : len(_MAGIC) + _SUM_BYTES]
    ):
        raise DamagedError("its checksum does not fit")
    arrays, at = {}, head.begin
    for name, (kind, shape) in head.shapes().items():
        values = np.frombuffer(content, kind, _product(shape), at)
        arrays[name] = values.reshape(shape).copy()
        at += values.nbytes
    texts = {}
    for name in _TEXTS:
        texts[name] = content[at : at + head.counts[name]]
        at += head.counts[name]
    return _stored(head, arrays, texts, root)


def _stored(head: Head, arrays: dict[str, np.ndarray], texts: dict[str, bytes], root: str) -> Stored:
    counts = head.counts
    listed = tuple(_long(path, root) for path in _divided(texts["paths"], counts["listed"]))
    names = tuple(_divided(texts["called"], counts["names"]))
    fields = _divided(texts["about"], _FIELDS * counts["findings"])
    findings = tuple(_finding(fields[at : at + _FIELDS], root) for at in range(0, len(fields), _FIELDS))
    stamps, used = arrays.pop("stamps"), arrays.pop("used")
    if not np.isin(used, (0, 1)).all() or int(used.sum()) != counts["images"]:
        raise DamagedError("it does not say which images can be used")
    _require_sound(arrays, counts)
    paths = (
        tuple(path for path, usable in zip(listed, used.tolist(), strict=True) if usable)
        if len(listed) > counts["images"]
        else listed
    )
    return Stored(
        Index(paths=paths, findings=findings, skipped=len(listed) - len(paths), **arrays),
        names,
        listed,
        stamps,
        head.origin,
    )


def _divided(text: bytes, count: int) -> list[str]:
    """Exactly so many texts with a NUL after each."""
    if text.count(b"\0") != count or (text and not text.endswith(b"\0")):
        raise DamagedError("its texts are not as many as it states")
    try:
        return text.decode("utf-8", "surrogateescape").split("\0")[:-1]
    except UnicodeDecodeError:
        raise DamagedError("its texts are no text") from None


def _long(path: str, root: str) -> str:
    kind, rest = path[:1], path[1:]
    if kind not in {_HERE, _ELSEWHERE} or not rest:
        raise DamagedError("a path in it is none")
    return f"{root}{rest}" if kind == _HERE else rest


def _finding(fields: list[str], root: str) -> Finding:
    file, line, rule, severity, text, action, fix = fields
    sound = (
        severity in _WORDS[0]
        and action in _WORDS[1]
        and rule
        and text
        and (not line or (line.isascii() and line.isdigit() and len(line) <= _MOST_DIGITS))
    )
    if not sound:
        raise DamagedError("a finding in it is none")
    return Finding(_long(file, root), int(line) if line else None, rule, severity, text, action, fix)  # type: ignore[arg-type]  # they are among the words


def _require_sound(arrays: dict[str, np.ndarray], counts: dict[str, int]) -> None:
    """Refuse numbers that no scan comes to. Raises DamagedError."""
    sizes = arrays["sizes_wh"].astype(np.int64)
    regions, owners, areas = arrays["ignored"], arrays["image_of_ignored"], arrays["areas_px"]
    faults = {
        "sizes of images": (sizes < 1).any() or (sizes.prod(axis=1) > MAX_PIXELS).any(),
        "the objects of images": not _runs(arrays["first_object"], counts["objects"]),
        "the points of objects": not _runs(arrays["first_point"], counts["points"]),
        "classes": (arrays["classes"] < 0).any(),
        "boxes": not _shares(arrays["boxes"]),
        "points": not _shares(arrays["points"]),
        "regions": not _shares(regions[:, 1:]) or not _numbers(regions[:, 0], counts["names"]),
        "the images of regions": (np.diff(owners) < 0).any()
        or (owners < 0).any()
        or (owners >= counts["images"]).any(),
        "areas": len(areas) not in {0, counts["objects"]} or (areas <= 0).any() or np.isposinf(areas).any(),
    }
    wrong = [what for what, fault in faults.items() if fault]
    if wrong:
        raise DamagedError(f"{' and '.join(wrong)} are such as no scan finds")


def _runs(first: np.ndarray, total: int) -> bool:
    """Whether these are the places at which runs begin, and where the last one ends."""
    return bool(first[0] == 0 and first[-1] == total and (np.diff(first) >= 0).all())


def _shares(values: np.ndarray) -> bool:
    """Whether all are finite and from 0 to 1."""
    return bool(((values >= -_SLACK) & (values <= 1 + _SLACK)).all())


def _numbers(classes: np.ndarray, count: int) -> bool:
    """Whether all are whole numbers of classes."""
    return bool(((classes >= 0) & (classes < count) & (classes == np.floor(classes))).all())


# -- writing


def packed(stored: Stored, key: str, root: str) -> bytes | None:
    """The bytes of a file; None for an index that would not be read back as it is."""
    index = stored.index
    paths = set(index.paths)
    used = np.array([path in paths for path in stored.listed], np.uint8)
    findings = [text for finding in index.findings for text in _texts(finding, root)]
    texts = [[_stored_path(path, root) for path in stored.listed], findings, list(stored.names)]
    arrays = {**index.arrays(), "stamps": stored.stamps, "used": used}
    counts = (
        len(stored.listed),
        len(index),
        len(index.classes),
        len(index.points),
        len(index.ignored),
        len(index.areas_px),
        len(index.findings),
    )
    try:
        blocks = ["".join(f"{text}\0" for text in column).encode("utf-8", "surrogateescape") for column in texts]
        head = Head(
            key,
            stored.origin,
            dict(zip((*_COUNTS, *_TEXTS), (*counts, len(stored.names), *map(len, blocks)), strict=True)),
            0,
        )
        ordered = {
            name: np.ascontiguousarray(arrays[name], kind).reshape(shape)
            for name, (kind, shape) in head.shapes().items()
        }
        _stored(
            head,
            {name: values.copy() for name, values in ordered.items()},
            dict(zip(_TEXTS, blocks, strict=True)),
            root,
        )
    except (ValueError, DamagedError):  # ValueError: half a surrogate pair, or images without digests
        return None
    text = json.dumps({"key": head.key, "origin": head.origin, "counts": head.counts}).encode()
    payload = b"".join(
        (len(text).to_bytes(_LENGTH_BYTES, "little"), text, *(values.tobytes() for values in ordered.values()), *blocks)
    )
    if len(_MAGIC) + _SUM_BYTES + len(payload) > MOST_BYTES:
        return None
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _stored_path(path: str, root: str) -> str:
    return f"{_HERE}{path[len(root) :]}" if path.startswith(f"{root}/") else f"{_ELSEWHERE}{path}"


def _texts(finding: Finding, root: str) -> tuple[str, ...]:
    line = "" if finding.line is None else str(finding.line)
    words = finding.rule, finding.severity, finding.text, finding.action, finding.fix
    return (_stored_path(finding.file, root), line, *words)
