# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from boxwright.engine.optimizer import parameter_groups
from tests.support.networks import network


class Fused(nn.Module):
    """A layer with a parameter that is neither a weight nor a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.LayerNorm(4)
        self.w = nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    ("rule", "weight", "norm"),
    [
        ("by-name", {"0.conv.weight", "0.norm.weight"}, {"0.w", "0.bn.weight"}),
        ("not-batchnorm", {"0.conv.weight", "0.norm.weight"}, {"0.w", "0.bn.weight"}),
        ("not-norm", {"0.conv.weight", "0.w"}, {"0.bn.weight", "0.norm.weight"}),
    ],
)
def test_parameters_that_are_neither_weight_nor_bias_are_in_the_group_of_their_year(rule, weight, norm):
    groups = parameter_groups(nn.Sequential(Fused()), rule)
    assert set(groups.weight) == weight
    assert set(groups.norm) == norm
    assert set(groups.bias) == {"0.conv.bias", "0.bn.bias", "0.norm.bias"}


@pytest.mark.parametrize("rule", ["by-name", "not-batchnorm", "not-norm"])
def test_every_parameter_is_in_one_group(rule):
    net = network("yolov5-bifpn", num_classes=2)
    dealt = [name for group in parameter_groups(net, rule) for name in group]
    assert sorted(dealt) == sorted(name for name, _ in net.named_parameters())
