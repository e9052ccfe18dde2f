# SPDX-License-Identifier: Apache-2.0
"""What a split was when it was trained on.

A digest of all that training sees, and small prints by image to tell what is another now.

It covers the bytes of image files, their names, objects as they are after class edits and policy, class names in their
order, the kind of pixels, and how often each image is drawn. Where the data lies and when its files were written does
not matter.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.index.index import Index, short_name
from boxwright.data.pixels.channels import Kind
from boxwright.paths import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 3  # file or class names in a message
PARTS = ("name", "picture", "labels")


@dataclass(frozen=True)
class Fingerprint:
    """`whole` decides.

    `prints` (N, 3) int32 are of name, content and labels of every image: too short to decide, enough to tell which
    changed.
    """

    whole: str
    prints: np.ndarray


def fingerprint_of(index: Index, names: Sequence[str], kind: Kind, weights: np.ndarray | None) -> Fingerprint:
    """The fingerprint of a split; `weights` (N,) are those of its images where sources have some."""
    digest = hashlib.sha256(json.dumps([list(names), list(kind), [short_name(path) for path in index.paths]]).encode())
    for name, array in {**index.arrays(), "weights": np.zeros(0) if weights is None else weights}.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return Fingerprint(digest.hexdigest(), _prints(index))


def _prints(index: Index) -> np.ndarray:
    """(N, 3) int32"""
    objects, points = index.first_object.tolist(), index.first_point[index.first_object].tolist()
    regions = np.searchsorted(index.image_of_ignored, np.arange(len(index) + 1)).tolist()
    found = np.zeros((len(index), len(PARTS)), np.uint32)
    for image, path in enumerate(index.paths):
        mine, outlines, ignored = (slice(first[image], first[image + 1]) for first in (objects, points, regions))
        labels = zlib.crc32(index.classes[mine].tobytes())
        for part in (
            index.boxes[mine],
            index.points[outlines],
            index.ignored[ignored],
            index.areas_px[mine],
            index.sizes_wh[image],
        ):
            labels = zlib.crc32(part.tobytes(), labels)
        found[image, 0] = zlib.crc32(short_name(path).encode("utf-8", "surrogateescape"))
        found[image, 2] = labels
    if len(index.digests):
        found[:, 1] = np.ascontiguousarray(index.digests[:, :4]).view(np.uint32)[:, 0]
    return found.view(np.int32)


def difference(before: np.ndarray, index: Index, now: np.ndarray) -> str:
    """What is another now than it was, in words: the first few images, and how many; '' when no image tells.

    (N, 3) int32, (N', 3) int32
    """
    then = {int(row[0]): row for row in before}
    came = [image for image, row in enumerate(now) if int(row[0]) not in then]
    there = [(image, then[int(row[0])]) for image, row in enumerate(now) if int(row[0]) in then]
    pictures = [image for image, row in there if row[1] != now[image, 1]]
    labels = [image for image, row in there if row[2] != now[image, 2]]
    gone = len(set(then) - {int(row[0]) for row in now})
    parts = [
        _count_of(index, pictures, "another picture"),
        _count_of(index, labels, "other labels"),
        _count_of(index, came, "new"),
        f"gone: {gone} {'image' if gone == 1 else 'images'}" if gone else "",
    ]
    return "; ".join(part for part in parts if part)


def _count_of(index: Index, images: list[int], what: str) -> str:
    if not images:
        return ""
    shown = ", ".join(shortened(short_name(index.paths[image])) for image in images[:SHOWN])
    more = f", and {len(images) - SHOWN:,} more" if len(images) > SHOWN else ""
    return f"{what}: {shown}{more}"
