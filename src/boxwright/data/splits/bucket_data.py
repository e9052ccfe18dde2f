# SPDX-License-Identifier: Apache-2.0
"""A data set that lies in a bucket, as a folder here: pictures, labels, lists, and nothing else of what is there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from boxwright.data.pixels.image_files import SUFFIXES
from boxwright.system.buckets.address import Address, read_address
from boxwright.system.buckets.cache import replica
from boxwright.system.buckets.remote import opened

if TYPE_CHECKING:
    from collections.abc import Callable

# Pictures, labels, annotations, lists. Nothing that a program runs, imports or reads by itself when it starts.
TEXTS = frozenset((".csv", ".json", ".jsonl", ".md", ".names", ".tsv", ".txt", ".xml", ".yaml", ".yml"))
KINDS = SUFFIXES | {".gif", ".npy"} | TEXTS
DOCUMENTS = (".yaml", ".yml", ".json")


def data_of_bucket(
    text: str, where: str, progress: Callable[[int, int], object] = lambda _done, _all: None, *, looking: bool = True
) -> Path:
    """The YAML, JSON or folder that an address names, here with everything that lies in its folder.

    file:// is a place here already. Without `looking` it is what was fetched before. Raises BucketError.
    """
    address = read_address(text, where)
    if address.scheme == "file":
        return Path(address.bucket, address.key)
    is_document = PurePosixPath(address.key).suffix.lower() in DOCUMENTS
    folder = replica(opened(_folder(address, is_document=is_document)), KINDS, progress, looking=looking)
    return folder / address.name if is_document else folder


def _folder(address: Address, *, is_document: bool) -> Address:
    return address.parent if is_document else address
