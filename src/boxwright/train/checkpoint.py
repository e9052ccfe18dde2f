# SPDX-License-Identifier: Apache-2.0
"""A run as one document of plain values and tensors, and back. Full precision throughout: a resumed run has the same bits."""

from __future__ import annotations

import time
from typing import Any

import torch

from boxwright.train.loop import Machinery
from boxwright.train.optim import named_state, restore_state
from boxwright.train.state import RunningLosses, TrainState

KIND = "checkpoint"
STRIPPED_EPOCH = -1


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
        "optimizer": {"groups": [group["group"] for group in machines.optimizer.param_groups], "memory": named_state(machines.detector, machines.optimizer)},
        "precision": machines.precision.state(),
        "balance": machines.loss.balance.clone(),
        "running": {"sums": running.sums.clone(), "batches": running.batches},
        "pending": {name: p.grad.detach().to("cpu", copy=True) for name, p in machines.detector.named_parameters() if p.grad is not None},
        "torch_rng": torch.get_rng_state(),
        **facts,
    }


def copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's state on the CPU, apart from the one that goes on training."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


@torch.no_grad()
def restore(machines: Machinery, running: RunningLosses, stored: dict[str, Any]) -> TrainState:
    """Put a run back to where it stood."""
    put_back(machines, stored)
    running.sums.copy_(stored["running"]["sums"])
    running.batches = stored["running"]["batches"]
    parameters = dict(machines.detector.named_parameters())
    for name, gradient in stored.get("pending", {}).items():
        parameters[name].grad = gradient.clone().to(machines.device)
    torch.set_rng_state(stored["torch_rng"])
    return TrainState.from_document(stored["state"])


@torch.no_grad()
def put_back(machines: Machinery, stored: dict[str, Any]) -> None:
    """Weights, average, optimizer and scale as they were; the position of the run stays."""
    machines.detector.load_state_dict(stored["model"])
    machines.average.network.load_state_dict(stored["ema"])
    machines.average.updates = stored["ema_updates"]
    restore_state(machines.detector, machines.optimizer, stored["optimizer"]["memory"])
    machines.precision.restore(stored["precision"])
    machines.loss.balance = stored["balance"].to(machines.device)


def stripped(stored: dict[str, Any]) -> dict[str, Any]:
    """For use, not for going on: the average as the model, no training state, epoch -1."""
    gone = {"state", "ema", "ema_updates", "optimizer", "precision", "balance", "running", "pending", "torch_rng"}
    return {**{key: value for key, value in stored.items() if key not in gone}, "model": stored["ema"], "epoch": STRIPPED_EPOCH}
