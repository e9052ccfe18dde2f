# SPDX-License-Identifier: Apache-2.0
"""Parameter groups and the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from boxwright.config.schema.optimizer import GroupName, OptimizerSettings
from boxwright.engine.schedule import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

_NORMS = (
    nn.modules.batchnorm._BatchNorm,  # noqa: SLF001 -- the class that all of them share
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.modules.instancenorm._InstanceNorm,  # noqa: SLF001 -- as above
)


class Groups(NamedTuple):
    """Names of the parameters of each group."""

    bias: tuple[str, ...]
    weight: tuple[str, ...]
    norm: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.weight)} weights with decay, {len(self.norm)} without, {len(self.bias)} biases"


def parameter_groups(network: nn.Module, rule: str) -> Groups:
    """Deal the trainable parameters to biases, decaying weights and the rest, by the rule of a recipe."""
    dealt: dict[GroupName, list[str]] = {"bias": [], "weight": [], "norm": []}
    for module_name, module in network.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                full = f"{module_name}.{name}" if module_name else name
                dealt[_group(full, name, module, rule)].append(full)
    return Groups(tuple(dealt["bias"]), tuple(dealt["weight"]), tuple(dealt["norm"]))


def _group(full: str, name: str, module: nn.Module, rule: str) -> GroupName:
    """What is neither a weight nor a bias decays from 2022 on, and not before."""
    if rule == "by-name":
        return "bias" if ".bias" in full else "weight" if ".weight" in full and ".bn" not in full else "norm"
    if name == "bias":
        return "bias"
    if rule == "not-batchnorm":
        return "weight" if name == "weight" and not isinstance(module, nn.BatchNorm2d) else "norm"
    return "norm" if name == "weight" and isinstance(module, _NORMS) else "weight"


def make_optimizer(
    network: nn.Module, settings: OptimizerSettings, groups: Groups, *, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimizer with its groups in the recipe's order; rates are set at every batch by the schedule."""
    named = dict(network.named_parameters())
    members: dict[GroupName, tuple[str, ...]] = {"bias": groups.bias, "weight": groups.weight, "norm": groups.norm}
    listed = [
        {
            "params": [named[name] for name in members[group]],
            "weight_decay": weight_decay if group == "weight" else 0.0,
            "group": group,
        }
        for group in settings.group_order
    ]
    match settings.optimizer:
        case "SGD":
            return _with_momentum(
                torch.optim.SGD(listed, lr=0.0, momentum=momentum, nesterov=momentum > 0, fused=True), momentum
            )
        case "Adam":
            return torch.optim.Adam(listed, lr=0.0, betas=(momentum, 0.999), fused=True)
        case "AdamW":
            return torch.optim.AdamW(listed, lr=0.0, betas=(momentum, 0.999), fused=True)
        case "RMSProp":
            return torch.optim.RMSprop(listed, lr=0.0, momentum=momentum)


def _with_momentum(optimizer: torch.optim.SGD, momentum: float) -> torch.optim.SGD:
    """Momentum that starts as zeros, which is the same first step.

    Made by a fused first step that is skipped, it would hold whatever lay in memory.
    """
    for group in optimizer.param_groups if momentum > 0 else ():
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def apply_moment(optimizer: torch.optim.Optimizer, moment: Moment) -> None:
    """Set rates and (where there is one) momentum for the next step."""
    for group in optimizer.param_groups:
        group["lr"] = moment.lr_bias if group["group"] == "bias" else moment.lr_other
        if "momentum" in group:
            group["momentum"] = moment.momentum


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """The rate of every group, in their order."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def named_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, object]]:
    """The optimizer's memory by parameter name: tensors and numbers only."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: dict(memory) for parameter, memory in optimizer.state.items() if id(parameter) in names
    }


@torch.no_grad()
def restore_state(network: nn.Module, optimizer: torch.optim.Optimizer, stored: dict[str, dict[str, object]]) -> None:
    """Put an optimizer's memory back, by parameter name."""
    for name, parameter in _known(network, stored):
        optimizer.state[parameter] = {
            key: value.detach().clone().to(parameter.device) if isinstance(value, torch.Tensor) else value
            for key, value in stored[name].items()
        }


def _known(network: nn.Module, stored: dict[str, dict[str, object]]) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in network.named_parameters() if name in stored)
