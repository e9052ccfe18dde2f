# SPDX-License-Identifier: Apache-2.0
"""A run as a checkpoint, and back; files of them.

Full precision throughout: a resumed run has the same bits.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import named_state, restore_state
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.structures.checkpoint import (
    Checkpoint,
    ExactState,
    OptimizerRecord,
    Origin,
    PrecisionRecord,
    RunningRecord,
)
from boxwright.structures.checkpoint_keys import checkpoint_of, document_of
from boxwright.system.tensors import read_versioned, rotate_and_write, write_tensors

if TYPE_CHECKING:
    from pathlib import Path


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint of ours, whole and with every part in its type. Raises WeightsError."""
    document, version = read_versioned(path)
    return checkpoint_of(document, str(path), version)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a whole file, durably. Raises WriteError."""
    write_tensors(path, document_of(checkpoint))


def rotate_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a new generation beside the one before. Raises WriteError."""
    rotate_and_write(path, document_of(checkpoint))


def snapshot(machines: Machinery, state: TrainState, running: RunningLosses, facts: Checkpoint) -> Checkpoint:
    """Everything that must survive a restart. `facts` says what the run is made of: settings, network, data."""
    precision = machines.precision.state()
    return replace(
        facts,
        date=time.strftime("%Y-%m-%dT%H:%M:%S"),
        epoch=state.epoch - 1 if state.batch == 0 else state.epoch,
        position=state.position(),
        model=copied(machines.detector),
        ema=copied(machines.average.network),
        ema_updates=machines.average.updates,
        optimizer=OptimizerRecord(
            _memory(machines), tuple(group["group"] for group in machines.optimizer.param_groups)
        ),
        exact=ExactState(
            gradients={
                name: p.grad.detach().to("cpu", copy=True)
                for name, p in machines.detector.named_parameters()
                if p.grad is not None
            },
            precision=PrecisionRecord(precision["name"], precision["scaler"]),
            balance=machines.loss.balance.clone(),
            running=RunningRecord(running.sums.clone(), running.batches),
            torch_rng=torch.get_rng_state(),
        ),
    )


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
def restore(machines: Machinery, running: RunningLosses, stored: Checkpoint) -> TrainState:
    """Put a run back to where it stood."""
    put_back(machines, stored)
    if (exact := exact_state(stored)) is not None:
        for name, parameter in machines.detector.named_parameters():
            pending = exact.gradients.get(name)  # of batches that no step has used yet
            parameter.grad = (
                None if pending is None else pending.clone(memory_format=torch.preserve_format).to(parameter.device)
            )
        running.sums.copy_(exact.running.sums)
        running.batches = exact.running.batches
        torch.set_rng_state(exact.torch_rng)
    assert stored.position is not None  # of a run to go on
    return TrainState.at(stored.position)


@torch.no_grad()
def put_back(machines: Machinery, stored: Checkpoint) -> None:
    """Weights, average, optimizer and scale as they were; the position of the run stays."""
    assert stored.ema is not None  # of a run to go on
    assert stored.ema_updates is not None
    assert stored.optimizer is not None
    machines.detector.load_state_dict(stored.model)
    machines.average.network.load_state_dict(stored.ema)
    machines.average.updates = stored.ema_updates
    restore_state(machines.detector, machines.optimizer, stored.optimizer.memory)
    if (exact := exact_state(stored)) is not None:
        machines.precision.restore({"name": exact.precision.name, "scaler": exact.precision.scaler})
        machines.loss.balance = exact.balance.to(machines.device)


def exact_state(stored: Checkpoint) -> ExactState | None:
    """What only a run of this program keeps; one of the original program goes on without."""
    if stored.origin is Origin.LEGACY:
        return None
    assert stored.exact is not None  # the schema asks for it
    return stored.exact
