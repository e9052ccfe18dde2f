# SPDX-License-Identifier: Apache-2.0
"""The reference numbers: where they are, how their inputs are made anew, how large arrays are thinned.

BOXWRIGHT_GOLDEN names another folder of them, made with another seed; nothing here knows a seed.
"""

from __future__ import annotations

import functools
import json
import os
import zlib
from pathlib import Path

import numpy as np
import torch

VENDORED = Path(__file__).parent.parent / "data" / "golden"
FOLDER = Path(os.environ.get("BOXWRIGHT_GOLDEN", VENDORED))


@functools.cache
def document(name: str) -> dict:
    """A JSON file.

    Structure of models is the same under every seed and comes from our own folder when it is not there.
    """
    path = FOLDER / f"{name}.json"
    if name == "models" and not path.exists():
        path = VENDORED / "models.json"
    return json.loads(path.read_text())


def arrays(name: str) -> np.lib.npyio.NpzFile:
    """An npz file."""
    return np.load(FOLDER / f"{name}.npz")


def seed() -> int:
    return document("manifest")["seed"]


def rng(tag: str) -> np.random.Generator:
    """The stream that belongs to a word."""
    return np.random.default_rng(zlib.crc32(tag.encode()) + seed())


def models() -> dict[str, dict]:
    return document("models")["models"]


@torch.no_grad()
def fill(network: torch.nn.Module) -> None:
    """Give every floating tensor of a network its reference values."""
    state = network.state_dict()
    last = max(int(key.split(".")[1]) for key in state)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not key.endswith("anchors"):
            tensor.copy_(torch.from_numpy(np.asarray(_drawn(key, tuple(tensor.shape), last))).float())


def _drawn(key: str, shape: tuple[int, ...], last: int) -> np.ndarray:
    draw = np.random.default_rng(zlib.crc32(key.encode()) + seed())
    if key.endswith("running_mean"):
        return draw.normal(0, 0.1, shape)
    if key.endswith("running_var"):
        return draw.uniform(0.5, 1.5, shape)
    if len(shape) >= 2:
        return draw.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    if key.endswith("bias"):
        return draw.normal(0, 1.0 if key.startswith(f"model.{last}.m.") else 0.1, shape)
    return draw.uniform(0.5, 1.5, shape)


def images(shape: list[int] | tuple[int, ...]) -> torch.Tensor:
    """The reference images of this shape."""
    return torch.from_numpy(rng("x").uniform(0, 1, tuple(shape)).astype(np.float32))


def stored(prefix: str) -> dict[str, tuple[np.ndarray, int]]:
    """Every array of the files that begin so, with the step it was thinned by (1 = complete)."""
    found = {}
    for path in sorted(FOLDER.glob(f"{prefix}*.npz")):
        with np.load(path) as file:
            for name in file.files:
                if not name.endswith("__k"):
                    step = int(file[f"{name}__k"]) if f"{name}__k" in file.files else 1
                    found.setdefault(name, (file[name], step))
    return found


def thinned(tensor: torch.Tensor, step: int) -> np.ndarray:
    """A result as the reference stores it."""
    return tensor.detach().contiguous().numpy().ravel()[::step]
