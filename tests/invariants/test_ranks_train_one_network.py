# SPDX-License-Identifier: Apache-2.0
"""Several processes train the network that one would: the same losses and weights, whatever a batch divides into."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from boxwright.data.sampling.shares import Share
from boxwright.engine.accelerator import Accelerator
from boxwright.engine.shared_batch_norm import share_batch_norm
from boxwright.engine.step_exchange import StepExchange, numbers_of
from boxwright.keyed import Purpose, generator
from boxwright.loss.detection import DetectionLoss
from boxwright.structures.batch import Batch
from boxwright.system.distributed.world import World
from boxwright.track.events import StepLogged
from tests.support.networks import few_norms_spec
from tests.support.ranks import ranks
from tests.support.training import SIZE, Watch, machines, schedule, trainer

pytestmark = pytest.mark.loopback
SIZES = (4, 4, 3, 4, 1)  # images of the batches of an epoch: some do not divide, one is for a single rank
EPOCHS = 10


class Wide(Accelerator):
    """Images in float64, as the network."""

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        return super().pixels(images).double()


def whole_batch(epoch: int, number: int) -> Batch:
    """The images of all ranks, with objects in some of them only."""
    draw, count = generator(0, Purpose.DRAWING, epoch, number), SIZES[number]
    images = torch.from_numpy(draw.integers(0, 256, (count, 3, SIZE, SIZE), dtype=np.uint8))
    objects = 5
    columns = (
        np.sort(draw.integers(0, count, objects)),
        draw.integers(0, 3, objects),
        *draw.uniform(0.3, 0.7, (2, objects)),
        *draw.uniform(0.2, 0.5, (2, objects)),
    )
    return Batch(images, torch.from_numpy(np.stack(columns, 1).astype(np.float32)), tuple(range(count)))


def shares(share: Share, epoch: int, first: int):
    for number in range(first, len(SIZES)):
        batch = whole_batch(epoch, number)
        mine = share.of(range(len(batch)))
        yield batch.part(mine[0], mine[-1] + 1) if mine else batch.part(0, 0)


def trained(
    world: World, *, double: bool, epochs: int = EPOCHS, rules: dict | None = None, arm=lambda *_: None
) -> dict:
    """Train with shared statistics; losses after every step, and the weights."""
    made = machines(schedule(epochs=epochs), network=few_norms_spec())
    if double:
        made.detector.double()
        made.average.network.double()
        for memory in made.optimizer.state.values():
            memory.update({key: value.double() for key, value in memory.items()})
    if rules:
        given = replace(made.loss.rules, **rules)
        made.loss = DetectionLoss(given, made.detector.head.anchors, made.detector.strides, 3)
    exchange = StepExchange(world, numbers_of(made.detector))
    made.accelerator = (Wide if double else Accelerator)(made.precision, exchange)
    if world.is_several:
        made.loss.across = partial(exchange.sum, name="counts")
        share_batch_norm(made.detector, exchange)
        made.shares_statistics = True
    watch = Watch(batches=partial(shares, Share(world.rank, world.size)), world=world)
    loop = trainer(made, watch)
    arm(loop, world)
    loop.fit()
    state = made.detector.state_dict()
    return {
        "losses": [list(event.losses) for event in watch.told if isinstance(event, StepLogged)],
        "weights": {} if world.rank else {key: tensor.double().flatten().tolist() for key, tensor in state.items()},
        "digest": hashlib.sha256(
            b"".join(p.detach().numpy().tobytes() for p in made.detector.parameters())
        ).hexdigest(),
        "parts": loop.state.parts,
    }


def farthest(one: dict, other: dict) -> float:
    """The largest difference of any tensor, relative to its largest value."""
    return max(np.abs(np.subtract(one[name], other[name])).max() / max(np.abs(one[name]).max(), 1e-3) for name in one)


@pytest.mark.parametrize("rules", [{}, {"autobalance": True, "focal_gamma": 1.5}], ids=["plain", "autobalance"])
def test_two_three_and_four_ranks_have_the_losses_and_weights_of_one_in_float64(rules):
    alone = trained(World(), double=True, rules=rules)
    for size in (2, 3, 4) if not rules else (3,):
        found = ranks(size, partial(trained, double=True, rules=rules))
        assert [one.code for one in found] == [0] * size, found
        assert len({one.answer["digest"] for one in found}) == 1
        np.testing.assert_allclose(found[0].answer["losses"], alone["losses"], rtol=1e-6)
        assert farthest(alone["weights"], found[0].answer["weights"]) < 1e-6


def test_two_ranks_have_the_weights_of_one_in_float32_after_an_epoch():
    alone = trained(World(), double=False, epochs=1)
    found = ranks(2, partial(trained, double=False, epochs=1))
    assert [one.code for one in found] == [0, 0], found
    assert farthest(alone["weights"], found[0].answer["weights"]) < 1e-4


class SmallMemory:
    """Memory of one rank that holds one image from a step in the middle of an epoch on; it runs out in forward."""

    def __init__(self, rank: int, step: int) -> None:
        self.rank, self.step = rank, step

    def __call__(self, loop, world: World) -> None:
        forward, state = loop.m.detector.forward, loop.state

        def bounded(images: torch.Tensor):
            if world.rank == self.rank and state.batches_seen(len(SIZES)) >= self.step and len(images) > 1:
                raise torch.OutOfMemoryError("not enough memory")
            return forward(images)

        loop.m.detector.forward = bounded


@pytest.mark.parametrize("rank", [0, 1])
def test_when_memory_runs_out_in_one_rank_all_take_the_same_steps_in_parts(rank):
    found = ranks(2, partial(trained, double=False, epochs=2, arm=SmallMemory(rank, 6)))
    assert [one.code for one in found] == [0, 0], found
    assert [one.answer["parts"] for one in found] == [2, 2]
    assert len({one.answer["digest"] for one in found}) == 1
