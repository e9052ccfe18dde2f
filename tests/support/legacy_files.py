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
    return [
        (path.with_suffix(".pt"), path)
        for folder in folders
        for path in sorted(folder.glob("*.json"))
        if path.with_suffix(".pt").is_file()
    ]


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


OPTIONS = {
    "data": "data/missing.yaml",
    "epochs": 3,
    "batch_size": 4,
    "imgsz": 64,
    "rect": False,
    "evolve_population": "data/hyps",
    "optimizer": "SGD",
    "cos_lr": False,
    "patience": 100,
    "freeze": [0],
    "seed": 0,
    "save_period": -1,
    "workers": 2,
    "local_rank": -1,
    "unheard_of": 1,
    "save_dir": "runs/train/exp",
    "hyp": {
        "lr0": 0.02,
        "lrf": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "warmup_epochs": 0.0,
        "box": 0.05,
        "cls": 0.5,
        "obj": 1.0,
    },
}


def groups_of(detector: nn.Module) -> list[list[str]]:
    """Names of biases, decaying weights and weights of normalisation.

    As the original program of 2022 orders its groups.
    """
    norms = {f"{name}.weight" for name, module in detector.named_modules() if isinstance(module, nn.BatchNorm2d)}
    names = [name for name, _ in detector.named_parameters()]
    return [
        [name for name in names if name.endswith(".bias")],
        [name for name in names if not name.endswith(".bias") and name not in norms],
        [name for name in names if name in norms],
    ]


def momentum_of(detector: nn.Module) -> dict[str, torch.Tensor]:
    """A momentum for every parameter that tells them apart."""
    return {
        name: torch.full_like(parameter, number + 1.0)
        for number, (name, parameter) in enumerate(detector.named_parameters())
    }


def midrun_bytes(
    detector: nn.Module, average: nn.Module, names: tuple[str, ...], *, epoch: int = 0, **entries: object
) -> bytes:
    """A checkpoint of the middle of a run: after this epoch, with optimizer, average and options."""
    groups, momentum = groups_of(detector), momentum_of(detector)
    flat = [name for group in groups for name in group]
    constant = {"lr": 0.02, "momentum": 0.9, "nesterov": True}
    numbers = iter(range(len(flat)))
    listed = [
        {**constant, "weight_decay": decay, "params": [next(numbers) for _ in group]}
        for group, decay in zip(groups, (0, 0.0005, 0), strict=True)
    ]
    stored = {
        "epoch": epoch,
        "best_fitness": 0.25,
        "updates": 7,
        "optimizer": {
            "state": {number: {"momentum_buffer": momentum[name]} for number, name in enumerate(flat)},
            "param_groups": listed,
        },
        "opt": OPTIONS,
    }
    return legacy_bytes(LegacyContent(detector, names, average, {**stored, **entries}))
