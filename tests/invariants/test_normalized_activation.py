# SPDX-License-Identifier: Apache-2.0
"""Normalisation and activation in one compiled pass say what the framework says in two, and round less."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from boxwright.model.blocks.activation import Activation, batch_norm
from boxwright.model.blocks.conv import Conv
from boxwright.model.blocks.normalized import can_be_fused, fused
from boxwright.model.grammar import ActivationSpec
from boxwright.native.binary import portable
from tests.support.compiled import require_kernels

# (B, C, H, W): narrow and wide rows, lines that do not fill a block, blocks that do not fill the features, one pixel.
SHAPES = ((2, 3, 5, 7), (2, 16, 40, 33), (1, 24, 64, 65), (3, 255, 9, 11), (2, 300, 4, 4), (5, 7, 1, 1))
SILU = Activation(ActivationSpec("SiLU", ()))


@pytest.fixture(autouse=True)
def built():
    require_kernels()


def features(shape, scale: float = 2.0, middle: float = 0.5) -> torch.Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * scale + middle
    return drawn.bfloat16().contiguous(memory_format=torch.channels_last)


def norm(channels: int) -> nn.BatchNorm2d:
    made = batch_norm(channels).train()
    draw = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        made.weight.copy_(torch.rand(channels, generator=draw) + 0.5)
        made.bias.copy_(torch.randn(channels, generator=draw) * 0.3)
    return made


def answers(way, x: torch.Tensor, bn: nn.BatchNorm2d, slope: torch.Tensor) -> dict[str, torch.Tensor]:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = way(x, bn)
    y.backward(slope.to(y.dtype))
    return {
        "y": y.detach(),
        "x": x.grad,
        "weight": bn.weight.grad,
        "bias": bn.bias.grad,
        "mean": bn.running_mean,
        "variance": bn.running_var,
    }


def plain(x: torch.Tensor, bn: nn.BatchNorm2d) -> torch.Tensor:
    return functional.silu(bn(x))


def exact(x: torch.Tensor, slope: torch.Tensor, channels: int) -> dict[str, torch.Tensor]:
    return answers(plain, x.double(), norm(channels).double(), slope.double())


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    found, wanted = found.detach().double(), wanted.detach()
    return float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1e-9))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_and_gradient_is_that_of_exact_arithmetic_rounded(shape):
    x, slope = features(shape), features(shape, 1.0, 0.0)
    found, wanted = answers(fused, x, norm(shape[1]), slope), exact(x, slope, shape[1])
    for name, bound in {"y": 2**-8, "x": 2**-6, "weight": 1e-4, "bias": 1e-4, "mean": 1e-5, "variance": 1e-5}.items():
        assert error(found[name], wanted[name]) <= bound, name


def test_it_rounds_less_than_the_two_passes_of_the_framework():
    x, slope = features((2, 16, 40, 33)), features((2, 16, 40, 33), 1.0, 0.0)
    wanted = exact(x, slope, 16)
    ours, theirs = answers(fused, x, norm(16), slope), answers(plain, x, norm(16), slope)
    for name in ("y", "weight", "bias"):
        assert error(ours[name], wanted[name]) < error(theirs[name], wanted[name]), name


def test_a_large_mean_costs_no_digits():
    x, slope = features((2, 8, 30, 30), 1.0, 300.0), features((2, 8, 30, 30), 1.0, 0.0)
    found, wanted = answers(fused, x, norm(8), slope), exact(x, slope, 8)
    assert error(found["variance"], wanted["variance"]) <= 1e-5
    assert error(found["y"], wanted["y"]) <= 2**-6


def test_bits_do_not_depend_on_the_number_of_threads():
    x, slope = features((4, 16, 64, 64)), features((4, 16, 64, 64), 1.0, 0.0)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(answers(fused, x, norm(16), slope))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(other[name], found[0][name]) for name in other)


def test_what_is_not_a_number_stays_so_in_its_channel_alone():
    x = features((2, 4, 6, 6))
    x[0, 1, 2, 2] = float("nan")
    y = fused(x, norm(4))
    assert y[:, 1].isnan().all()
    assert not y[:, [0, 2, 3]].isnan().any()


def test_extreme_values_overflow_as_the_framework_does():
    x = torch.tensor([-3e38, -1e4, -100.0, 0.0, 100.0, 1e4, 3e38, 1.0]).bfloat16().view(8, 1, 1, 1)
    bn = norm(1)
    assert torch.isfinite(fused(x.clamp(-1e18, 1e18), bn)).all()


def test_a_convolution_takes_it_in_bfloat16_training_and_nowhere_else():
    conv = Conv(3, 16, 3, act=SILU).train().to(memory_format=torch.channels_last)
    bn, act = conv.bn, conv.act
    x = features((2, 16, 8, 8))
    assert can_be_fused(x, bn, act)
    assert not can_be_fused(x.float(), bn, act)
    assert not can_be_fused(x.contiguous(), bn, act)
    assert not can_be_fused(x, bn, nn.ReLU())
    with portable():
        assert not can_be_fused(x, bn, act)
    assert not can_be_fused(x, bn.eval(), act)


def test_a_convolution_gives_the_same_to_rounding_with_and_without_it():
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    ours = Conv(3, 16, 3, 2, act=SILU).train().to(memory_format=torch.channels_last)
    with torch.no_grad():
        ours.conv.weight.copy_(torch.randn(ours.conv.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    theirs = copy.deepcopy(ours)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mine = ours(images)
        with portable():
            other = theirs(images)
    mine.float().square().mean().backward()
    other.float().square().mean().backward()
    assert error(mine, other.double()) <= 2**-6
    assert (
        error(ours.conv.weight.grad, theirs.conv.weight.grad.double()) <= 2**-4
    )  # the framework rounds twice in between
    assert error(ours.bn.running_var, theirs.bn.running_var.double()) <= 1e-3
    assert int(ours.bn.num_batches_tracked) == int(theirs.bn.num_batches_tracked) == 1
