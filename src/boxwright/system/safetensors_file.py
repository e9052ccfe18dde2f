# SPDX-License-Identifier: Apache-2.0
"""Safetensors files: named tensors and a header of words. Nothing in them can be run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import safetensors
import safetensors.torch

from boxwright.errors import WeightsError
from boxwright.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

SUFFIX = ".safetensors"
_LENGTH = 8  # bytes that say how long the header is
_LONGEST_HEADER = 100_000_000  # the format's own limit


def is_safetensors(path: Path) -> bool:
    """Whether a file looks like one: by its suffix, or a length and a JSON object at its start."""
    if path.suffix == SUFFIX:
        return True
    with path.open("rb") as file:
        start = file.read(_LENGTH + 1)
    return len(start) == _LENGTH + 1 and start[_LENGTH:] == b"{" and 1 < int.from_bytes(start[:_LENGTH], "little") <= _LONGEST_HEADER


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and the words of the header. Raises WeightsError."""
    try:
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:_LENGTH], "little")
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except OSError as error:
        raise WeightsError(str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path") from None
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise WeightsError(str(path), f"is no sound safetensors file ({reason})", "Give another file") from None
    words = header.get("__metadata__") or {}
    return tensors, {str(key): str(value) for key, value in words.items()}


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], words: Mapping[str, str]) -> None:
    """Write named tensors with words in the header. Raises WriteError."""
    apart = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, safetensors.torch.save(apart, metadata=dict(words)))
