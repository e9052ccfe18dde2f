# SPDX-License-Identifier: Apache-2.0
"""What the processes of a training hold each for itself, and how they come to hold the same.

Weights, average and optimizer are the same everywhere, since all make the same steps. Statistics of batch normalisation
that is not shared are not, nor are gradients that wait for a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import named_state
from boxwright.structures.checkpoint import Checkpoint, RankRecord
from boxwright.system.distributed.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER, GRADIENT = "buffer/", "gradient/"


def gathered_ranks(machines: Machinery, world: World) -> tuple[RankRecord, ...]:
    """What only each process knows, in the order of their ranks. All of them ask at one time."""
    own = {BUFFER + name: buffer.detach() for name, buffer in machines.detector.named_buffers()}
    for name, parameter in machines.detector.named_parameters():
        if parameter.grad is not None:
            own[GRADIENT + name] = parameter.grad.detach().contiguous()
    everyone = world.gather_arrays({name: value.cpu().numpy() for name, value in own.items()}, "saving")
    return tuple(
        RankRecord(
            *(
                {
                    name.removeprefix(kind): torch.from_numpy(value)
                    for name, value in arrays.items()
                    if name.startswith(kind)
                }
                for kind in (BUFFER, GRADIENT)
            )
        )
        for arrays in everyone
    )


@torch.no_grad()
def take_own(machines: Machinery, stored: Checkpoint, world: World) -> list[str]:
    """Of a run that goes on: what this process had for itself, where as many went on as there are now; what to say."""
    before = max(len(stored.ranks), 1)
    if before == world.size:
        if world.is_several:
            _take(machines, stored.ranks[world.rank])
        return []
    for name, parameter in machines.detector.named_parameters():
        waiting = [rank.gradients[name] for rank in stored.ranks if name in rank.gradients] if world.is_main else []
        if before > 1 or not world.is_main:  # rank 0 has them all
            parameter.grad = None if not waiting else torch.empty_like(parameter).copy_(torch.stack(waiting).sum(0))
    return [f"processes {before} -> {world.size}: the same batches and schedule, sums in another order"]


def _take(machines: Machinery, own: RankRecord) -> None:
    for name, buffer in machines.detector.named_buffers():
        buffer.copy_(own.buffers[name])
    for name, parameter in machines.detector.named_parameters():
        kept = own.gradients.get(name)
        parameter.grad = None if kept is None else torch.empty_like(parameter).copy_(kept)


@torch.no_grad()
def send_state(machines: Machinery, world: World) -> None:
    """Make all processes hold what rank 0 holds: weights, average, optimizer, balance, scale."""
    world.send_(_tensors(machines), "the state of rank 0")
    balance = machines.loss.balance.clone()
    world.send_([balance], "balance")
    machines.loss.balance = balance
    machines.average.updates = world.broadcast(machines.average.updates)
    machines.precision.restore(world.broadcast(machines.precision.state()))


def _tensors(machines: Machinery) -> Iterator[torch.Tensor]:
    yield from machines.detector.state_dict().values()
    yield from machines.average.network.state_dict().values()
    for kept in named_state(machines.detector, machines.optimizer).values():
        yield from (value for value in kept.values() if isinstance(value, torch.Tensor))
