# SPDX-License-Identifier: Apache-2.0
"""A run as one document of plain values and tensors, and back.

Full precision throughout: a resumed run has the same bits.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import named_state, restore_state
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.structures.checkpoint import KIND, require_sound
from boxwright.system.tensors import read_tensors

if TYPE_CHECKING:
    from pathlib import Path

STRIPPED_EPOCH = -1


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of ours, whole and with every part in its type. Raises WeightsError."""
    document = read_tensors(path)
    require_sound(document, str(path))
    return document


def snapshot(machines: Machinery, state: TrainState, running: RunningLosses, facts: dict[str, Any]) -> dict[str, Any]:
    """Everything that must survive a restart. `facts` holds what the run was made of: settings, network, data."""
    return {
        "kind": KIND,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "epoch": state.epoch - 1 if state.batch == 0 else state.epoch,
        "state": state.document(),
        "model": copied(machines.detector),
        "ema": copied(machines.average.network),
        "ema_updates": machines.average.updates,
        "optimizer": {
            "groups": [group["group"] for group in machines.optimizer.param_groups],
            "memory": _memory(machines),
        },
        "gradients": {
            name: p.grad.detach().to("cpu", copy=True)
            for name, p in machines.detector.named_parameters()
            if p.grad is not None
        },
        "precision": machines.precision.state(),
        "balance": machines.loss.balance.clone(),
        "running": {"sums": running.sums.clone(), "batches": running.batches},
        "torch_rng": torch.get_rng_state(),
        **facts,
    }


def copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's state on the CPU, apart from the one that goes on training."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def _memory(machines: Machinery) -> dict[str, dict[str, object]]:
    """The optimizer's memory on the CPU, apart from the one that goes on."""
    found = named_state(machines.detector, machines.optimizer)
    return {
        name: {
            key: value.to("cpu", copy=True) if isinstance(value, torch.Tensor) else value for key, value in kept.items()
        }
        for name, kept in found.items()
    }


@torch.no_grad()
def restore(machines: Machinery, running: RunningLosses, stored: dict[str, Any]) -> TrainState:
    """Put a run back to where it stood."""
    put_back(machines, stored)
    if "precision" in stored:
        for name, parameter in machines.detector.named_parameters():
            pending = stored["gradients"].get(name)  # of batches that no step has used yet
            parameter.grad = (
                None if pending is None else pending.clone(memory_format=torch.preserve_format).to(parameter.device)
            )
        running.sums.copy_(stored["running"]["sums"])
        running.batches = stored["running"]["batches"]
        torch.set_rng_state(stored["torch_rng"])
    return TrainState.from_document(stored["state"])


@torch.no_grad()
def put_back(machines: Machinery, stored: dict[str, Any]) -> None:
    """Weights, average, optimizer and scale as they were; the position of the run stays."""
    machines.detector.load_state_dict(stored["model"])
    machines.average.network.load_state_dict(stored["ema"])
    machines.average.updates = stored["ema_updates"]
    restore_state(machines.detector, machines.optimizer, stored["optimizer"]["memory"])
    if "precision" in stored:  # a run of another program goes on without what only ours keeps
        machines.precision.restore(stored["precision"])
        machines.loss.balance = stored["balance"].to(machines.device)


def stripped(stored: dict[str, Any]) -> dict[str, Any]:
    """For use, not for going on: the average as the model, no training state, epoch -1.

    Which epoch it is of stays known.
    """
    gone = {
        "state",
        "ema",
        "ema_updates",
        "optimizer",
        "gradients",
        "precision",
        "balance",
        "running",
        "torch_rng",
        "data_prints",
    }
    return {
        **{key: value for key, value in stored.items() if key not in gone},
        "model": stored["ema"],
        "epoch": STRIPPED_EPOCH,
        "stripped_from_epoch": stored["epoch"],
    }
