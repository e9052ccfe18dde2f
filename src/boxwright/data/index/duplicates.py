# SPDX-License-Identifier: Apache-2.0
"""Pictures that are there twice, byte for byte or nearly, and those that stand in two splits. N images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from boxwright.data.pixels.channels import Kind, read_channels
from boxwright.data.pixels.image_files import MAX_BYTES, BrokenImageError, read_bgr
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIDE = 16  # of the small grey picture that is compared
MIN_LIKENESS = 0.99  # correlation of two small pictures: another size or compression of a picture keeps more than that
BLOCK = 512  # pictures that are compared with all others in one go
MAX_PAIRS = 100_000  # of pictures that are nearly alike: of one scene filmed for an hour every two are
MIN_CONTRAST = 4.0  # standard deviation of the small picture below which there is nothing to compare


class Print(NamedTuple):
    """What a picture is recognised by: the hash of its file, and its small version with mean 0 and length 1.

    All zero: too plain, or unreadable.
    """

    digest: str
    small: np.ndarray  # (256,) float32


class Pair(NamedTuple):
    """Two images of one list that look alike, by number. `likeness` 1 is the most; exact: the very same bytes."""

    first: int
    second: int
    likeness: float
    exact: bool


def print_of(path: str, kind: Kind) -> Print:
    """The fingerprint of a file."""
    nothing = np.zeros(SIDE * SIDE, np.float32)
    try:
        digest = hashlib.sha256(read_regular(path, MAX_BYTES)).hexdigest()
        pixels = read_bgr(path) if kind.usual else read_channels(path, kind)
    except (OSError, BrokenImageError):
        return Print("", nothing)
    grey = pixels.mean(axis=2, dtype=np.float32) * np.float32(255 / kind.full_scale)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(-1)
    if small.std() < MIN_CONTRAST:
        return Print(digest, nothing)
    centred = small - small.mean()
    return Print(digest, (centred / np.linalg.norm(centred)).astype(np.float32))


def prints_of(paths: Sequence[str], kind: Kind, threads: int, progress: Callable[[int, int], None]) -> list[Print]:
    """The fingerprints of many files."""
    found = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for done, one in enumerate(pool.map(lambda path: print_of(path, kind), paths), 1):
            found.append(one)
            progress(done, len(paths))
    return found


def pairs_of(prints: Sequence[Print]) -> list[Pair]:
    """Every pair that is equal, and up to MAX_PAIRS that are nearly so, each once, in order."""
    found: dict[tuple[int, int], Pair] = {}
    by_digest: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(prints):
        if one.digest:
            by_digest[one.digest].append(number)
    for same in by_digest.values():
        for other in same[1:]:
            found[same[0], other] = Pair(same[0], other, 1.0, exact=True)
    small = np.stack([one.small for one in prints]) if prints else np.zeros((0, SIDE * SIDE), np.float32)
    known = {digest: number for number, digest in enumerate(dict.fromkeys(one.digest for one in prints))}
    for first, second, likeness in _alike(small, np.array([known[one.digest] for one in prints], np.int64)):
        found[first, second] = Pair(first, second, likeness, exact=False)
    return [found[key] for key in sorted(found)]


def _alike(small: np.ndarray, contents: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of small pictures that agree, each once, up to MAX_PAIRS; not those of one content. (N, 256), (N,)"""
    found: list[tuple[int, int, float]] = []
    for begin in range(0, len(small), BLOCK):
        likeness = small[begin : begin + BLOCK] @ small[begin:].T
        other = contents[begin : begin + BLOCK, None] != contents[None, begin:]
        rows, columns = np.nonzero(np.triu((likeness >= MIN_LIKENESS) & other, 1))
        for row, column in zip(
            rows[: MAX_PAIRS - len(found)].tolist(), columns[: MAX_PAIRS - len(found)].tolist(), strict=True
        ):
            found.append((begin + row, begin + column, round(float(likeness[row, column]), 4)))
        if len(found) >= MAX_PAIRS:
            break
    return found
