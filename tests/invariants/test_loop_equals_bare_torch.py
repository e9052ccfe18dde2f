# SPDX-License-Identifier: Apache-2.0
"""The trainer against a loop of plain torch: the same network, loss and batches give the same weights."""

from __future__ import annotations

import pytest
import torch

from boxwright.engine.loop import Outcome
from boxwright.model.detector import build
from boxwright.track.events import Ended
from tests.oracles import bare_loop
from tests.support.networks import tiny_spec
from tests.support.training import (
    BATCHES_PER_EPOCH,
    CLIP_NORM,
    WEIGHT_DECAY,
    Watch,
    batches,
    loss_of,
    machines,
    same_bits,
    schedule,
    trainer,
)

RATE = {"SGD": 0.02, "Adam": 0.002, "AdamW": 0.002, "RMSProp": 0.0002}


def ours(kind: str, **plan: object):
    """The trainer, finished, and the numbers of the batches after which its optimizer stepped."""
    made = machines(schedule(lr0=RATE[kind], **plan), optimizer=kind)
    steps: list[int] = []
    worker = trainer(made, Watch())
    made.optimizer.register_step_post_hook(lambda *_: steps.append(worker.state.batches_seen(BATCHES_PER_EPOCH)))
    assert worker.fit() == Outcome(Ended.DONE, "done")
    return made, steps


def bare(kind: str, *, clip_norm: float = CLIP_NORM, weight_decay: float = WEIGHT_DECAY, **plan: object):
    kernel = {} if kind == "RMSProp" else {"fused": plan.pop("fused", True)}
    network = build(tiny_spec(), seed=0).to(memory_format=torch.channels_last)
    settings = schedule(lr0=RATE[kind], **plan).settings
    average, steps = bare_loop.train(
        network,
        loss_of(network),
        batches,
        BATCHES_PER_EPOCH,
        settings,
        kind=kind,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        **kernel,
    )
    return network.state_dict(), average.network.state_dict(), average.updates, steps


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of any tensor, as a share of its largest number."""
    assert one.keys() == other.keys()
    return max(
        float((one[key].double() - other[key].double()).abs().max() / other[key].double().abs().max().clamp(min=1e-3))
        for key in one
    )


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSProp"])
def test_with_the_same_kernels_the_weights_are_equal_to_the_bit_and_the_average_to_rounding(kind):
    made, steps = ours(kind)
    weights, average, updates, expected_steps = bare(kind)
    assert steps == expected_steps
    equal = same_bits(made.detector.state_dict(), weights)
    assert equal
    assert made.average.updates == updates == len(steps)
    apart = furthest(made.average.network.state_dict(), average)
    assert apart < 1e-6


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_against_plain_kernels_the_weights_agree_to_rounding(kind):
    made, _ = ours(kind, epochs=1)
    weights, average, _, _ = bare(kind, epochs=1, fused=False)
    apart = furthest(made.detector.state_dict(), weights), furthest(made.average.network.state_dict(), average)
    assert max(apart) < 2e-5


def test_accumulation_grows_from_1_to_4_batches_and_a_rest_at_the_end_of_an_epoch_is_dropped():
    _, steps = ours("SGD")
    assert steps == [0, 1, 3, 6, 10, 14]
    _, plain = ours("SGD", nominal_batch=2)
    assert plain == list(range(15))


@pytest.mark.parametrize(
    "change",
    [
        {"clip_norm": 5.0},
        {"weight_decay": 0.001},
        {"lrf": 0.02},
        {"momentum": 0.9},
        {"warmup_bias_lr": 0.09},
        {"warmup_momentum": 0.7},
        {"nominal_batch": 6},
    ],
)
def test_the_comparison_sees_every_setting(change):
    made, _ = ours("SGD")
    weights, *_ = bare("SGD", **change)
    equal = same_bits(made.detector.state_dict(), weights)
    assert not equal
