# SPDX-License-Identifier: Apache-2.0
"""TorchScript files as the framework writes and loads them.

Such a file is a program in a language of the framework, with operators that write and map files, and parts of it can
run while it is loaded. So the framework loads only what was written here a moment before, for comparison. Files that
are given to the program are read by `infer/traced` instead, and run by operators of its own choice.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUFFIX = ".torchscript"


def torchscript_bytes(module: torch.nn.Module, example: torch.Tensor, words: Mapping[str, str]) -> bytes:
    """A network as it ran on an example, with words beside it."""
    buffer = io.BytesIO()
    with advice_left_out(), torch.no_grad():
        traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]  # the caller compares on real images
        torch.jit.save(traced, buffer, _extra_files={key: value.encode() for key, value in words.items()})
    return buffer.getvalue()


def own_module(content: bytes) -> torch.jit.ScriptModule:
    """The program of a file whose content this process has just written, as the framework runs it."""
    with advice_left_out():
        module: torch.jit.ScriptModule = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    return module.eval()


@contextlib.contextmanager
def advice_left_out() -> Iterator[None]:
    """The framework advises against this format, and users ask for it: that advice is left out.

    So is the one that something may have become a constant: the comparison on images of several shapes finds out
    whether it matters.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # it is there
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
        yield
