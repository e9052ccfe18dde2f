# SPDX-License-Identifier: Apache-2.0
"""Files as the original program writes them: the real one, and stand-ins made by the framework's own pickling.

The stand-ins are classes under the original names, without any code of theirs: what a file says is in its attributes.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from boxwright.model.blocks import conv, csp, pool
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent.parent / "data" / "legacy"
REAL = FOLDER / "yolov5n_bccd_final.pt"

# Forward passes of ours for stand-ins of theirs: they work on attributes alone, so a file with the right ones runs.
BLOCKS = {
    "Conv": conv.Conv,
    "Focus": conv.Focus,
    "Bottleneck": csp.Bottleneck,
    "BottleneckCSP": csp.BottleneckCSP,
    "C3": csp.C3,
    "SPP": pool.SPP,
    "SPPF": pool.SPPF,
    "Concat": pool.Concat,
}
MODULES = {"models.common": tuple(BLOCKS), "models.yolo": ("DetectionModel", "Model", "Detect")}


def described() -> list[tuple[Path, Path]]:
    """Real files with the JSON that says what is in them: the one kept here, and those of BOXWRIGHT_DATA."""
    folders = [FOLDER, *([Path(os.environ["BOXWRIGHT_DATA"]) / "legacy"] if os.environ.get("BOXWRIGHT_DATA") else [])]
    return [(path.with_suffix(".pt"), path) for folder in folders for path in sorted(folder.glob("*.json")) if path.with_suffix(".pt").is_file()]


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Modules under the original names for as long as this lasts."""
    made = {"models": types.ModuleType("models"), **{name: types.ModuleType(name) for name in MODULES}}
    for module, names in MODULES.items():
        for name in names:
            body = {"__module__": module, "__qualname__": name}
            if name in BLOCKS:
                body["forward"] = BLOCKS[name].forward
            setattr(made[module], name, type(name, (nn.Module,), body))
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def loaded(content: bytes) -> dict:
    """What torch itself makes of a file, with stand-ins for the classes it names."""
    with stand_ins():
        return torch.load(io.BytesIO(content), weights_only=False)


def repickled(content: bytes, *, zipped: bool) -> bytes:
    """The same objects, pickled by torch: in today's format, or in the plain one before torch 1.6."""
    buffer = io.BytesIO()
    with stand_ins(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the stand-ins have no source to put into the file
        torch.save(torch.load(io.BytesIO(content), weights_only=False), buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def plain_bytes(detector: nn.Module) -> bytes:
    """A network in the plain format."""
    return repickled(legacy_bytes(LegacyContent(detector, ("a", "b", "c"))), zipped=False)
