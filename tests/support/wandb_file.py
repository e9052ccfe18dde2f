# SPDX-License-Identifier: Apache-2.0
"""Reads what W&B writes offline: records of its protocol in blocks as of LevelDB. For `make test-trackers`."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK, FILE_HEAD, HEAD = 32768, 7, 7
WHOLE, LAST = 1, 4  # kinds of pieces that end a record


def records(path: Path) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2 as protocol  # noqa: PLC0415 -- an extra

    data, at, piece = path.read_bytes(), FILE_HEAD, b""
    while at + HEAD <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEAD:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + HEAD])
        piece += data[at + HEAD : at + HEAD + size]
        at += HEAD + size
        if kind in {WHOLE, LAST}:
            record = protocol.Record()
            record.ParseFromString(piece)
            yield record
            piece = b""


def rows(path: Path) -> list[dict[str, Any]]:
    """The history, by the names of its numbers."""
    found = [record.history.item for record in records(path) if record.WhichOneof("record_type") == "history"]
    return [{one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in items} for items in found]


def artifacts(path: Path) -> dict[tuple[str, str], list[str]]:
    """Aliases by name and file of an artifact."""
    found = [record.artifact for record in records(path) if record.WhichOneof("record_type") == "artifact"]
    return {(one.name, entry.path): list(one.aliases) for one in found for entry in one.manifest.contents}


def config(path: Path) -> dict[str, Any]:
    found = [record.config.update for record in records(path) if record.WhichOneof("record_type") == "config"]
    return {one.key: json.loads(one.value_json) for updates in found for one in updates if one.key}
