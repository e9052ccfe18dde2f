# SPDX-License-Identifier: Apache-2.0
"""A small real training through the command line: what it is started with, and what two runs have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from boxwright.system.tensors import read_tensors
from tests.support import datasets
from tests.support.commands import Said, command
from tests.support.training import bits_of

EPOCHS = 8


@dataclass(frozen=True)
class Ground:
    """A data set and a network to train on."""

    folder: Path
    data: Path
    cfg: Path

    @classmethod
    def laid(cls, folder: Path) -> Ground:
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, datasets.write(folder / "data"), datasets.write_model(folder))

    def words(self, project: Path | str, *more: str, epochs: int = EPOCHS, plots: bool = False) -> list[str]:
        """A command line that trains in a second. `plots`: with its pictures, which take four more."""
        usual = [
            "train",
            "--data",
            self.data,
            "--cfg",
            self.cfg,
            "--hyp",
            "small-data",
            "--imgsz",
            64,
            "--batch",
            4,
            "--workers",
            2,
            "--device",
            "cpu",
        ]
        drawn = [] if plots or "--noplots" in more else ["--noplots"]
        return [str(word) for word in (*usual, *drawn, "--epochs", epochs, "--project", project, *more)]


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    ground: Ground
    folder: Path
    said: Said

    @property
    def best(self) -> Path:
        return self.folder / "weights" / "best.pt"

    @property
    def last(self) -> Path:
        return self.folder / "weights" / "last.pt"


def train(ground: Ground, project: Path, *more: str, epochs: int = EPOCHS, plots: bool = False) -> Trained:
    said = command(*ground.words(project, *more, epochs=epochs, plots=plots))
    assert said.code == 0, said.err
    return Trained(ground, Path(said.lines[-1]), said)


def differences(one: object, other: object, where: str = "") -> list[str]:
    """Where two checkpoints differ, to the last bit. What a clock or a place wrote does not count."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if bits_of(one) == bits_of(other) else [where]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other}, key=str)
        return [found for key in keys for found in differences(one.get(key), other.get(key), f"{where}/{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [
            found
            for i, (a, b) in enumerate(zip(one, other, strict=True))
            for found in differences(a, b, f"{where}/{i}")
        ]
    return [] if one == other else [where]


TRAINED = ("model", "ema", "ema_updates", "optimizer", "precision", "balance", "running", "state", "epoch")


def training_state(path: Path) -> dict[str, object]:
    """What must be the same in two runs of the same training."""
    document = read_tensors(path)
    return {key: document[key] for key in TRAINED}
