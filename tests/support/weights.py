# SPDX-License-Identifier: Apache-2.0
"""Weights that find something in drawn sets without having been trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import yaml

from boxwright.system.tensors import write_tensors
from tests.support.networks import tiny

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def lively() -> dict[str, torch.Tensor]:
    """The state of a tiny network of three classes with statistics of maps, so that it answers to what it sees."""
    detector = tiny().train()
    with torch.no_grad():
        for number in range(10):
            detector.features(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(number)))
    return detector.state_dict()


def called(path: Path, state: Mapping[str, torch.Tensor], names: Sequence[str]) -> Path:
    """A checkpoint of this state whose classes are called so."""
    network = yaml.safe_dump(tiny().spec.source | {"nc": len(names)}, sort_keys=False)
    evaluation = {"imgsz": 64, "batch_size": 4, "pad": 0.5}
    document = {"kind": "checkpoint", "epoch": -1, "network": network, "names": list(names), "evaluation": evaluation}
    write_tensors(path, {**document, "model": {name: tensor.clone() for name, tensor in state.items()}})
    return path
