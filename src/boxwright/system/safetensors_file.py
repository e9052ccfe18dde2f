# SPDX-License-Identifier: Apache-2.0
"""Safetensors files: named tensors and a header of words. Nothing in them can be run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch

from boxwright.errors import WeightsError
from boxwright.paths import open_regular
from boxwright.system.files import write_bytes
from boxwright.system.torch_archive.limits import LARGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".safetensors"
WORDS = "__metadata__"  # the part of the header that is no tensor
_LENGTH = 8  # bytes that say how long the header is
_FORMAT_LIMIT = 100_000_000  # of the header, by the format
_LONGEST_HEADER = 16 << 20  # of a detector: a thousand tensors take a tenth of a megabyte, the longest class names 16
_MOST_TENSORS, _LONGEST_NAME = 50_000, 1000
# Numbers that a network is made of; others are in no detector, and the framework cannot reckon with all of them.
_NUMBERS = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}


def is_safetensors(path: Path) -> bool:
    """Whether a file looks like one: by its suffix, or a length and a JSON object at its start."""
    if path.suffix == SUFFIX:
        return True
    with open_regular(path) as file:
        start = file.read(_LENGTH + 1)
    return (
        len(start) == _LENGTH + 1
        and start[_LENGTH:] == b"{"
        and 1 < int.from_bytes(start[:_LENGTH], "little") <= _FORMAT_LIMIT
    )


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and the words of the header. Raises WeightsError."""
    try:
        header = _header(path)
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    except (
        safetensors.SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        RecursionError,
        AttributeError,
    ) as error:
        raise _unsound(path, " ".join(str(error).split())[:120]) from None
    strange = next(
        (name for name, tensor in tensors.items() if tensor.dtype not in _NUMBERS or len(name) > _LONGEST_NAME), None
    )
    if strange is not None or not 0 < len(tensors) <= _MOST_TENSORS:
        what = (
            "holds no tensors, or too many"
            if strange is None
            else f"holds a tensor that no detector has ({strange[:60]!r})"
        )
        raise WeightsError(str(path), what, "Give the weights of a detector")
    words = header.get(WORDS) or {}
    return tensors, {str(key): str(value) for key, value in words.items()}


def _header(path: Path) -> dict[str, Any]:
    """What a file says of itself, before its tensors are read.

    Raises WeightsError for a header longer than any detector's, and for a file of another length than its tensors have.
    """
    size = path.stat().st_size
    with open_regular(path) as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > min(_LONGEST_HEADER, size):
            raise _unsound(path, f"a header of {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
    end = max([0, *(tensor["data_offsets"][1] for name, tensor in header.items() if name != WORDS)])
    if size != _LENGTH + length + end:
        raise _unsound(path, f"{size} bytes, and its tensors end after {_LENGTH + length + end}")
    if size > LARGEST_BYTES:
        raise _unsound(path, f"more than {LARGEST_BYTES >> 30} GiB")
    return header


def _unsound(path: Path, reason: str) -> WeightsError:
    return WeightsError(str(path), f"is no sound safetensors file ({reason})", "Give another file")


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], words: Mapping[str, str]) -> None:
    """Write named tensors with words in the header. Raises WriteError."""
    apart = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, safetensors.torch.save(apart, metadata=dict(words)))
