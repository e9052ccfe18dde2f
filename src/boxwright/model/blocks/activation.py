# SPDX-License-Identifier: Apache-2.0
"""Activations. Each model has its own; nothing is set for the next model by building this one."""

from __future__ import annotations

import torch
from torch import nn

from boxwright.model.grammar import ActivationSpec


class FReLU(nn.Module):
    """max(x, condition of x around it): Ma, Zhang, Sun, 'Funnel Activation for Visual Recognition', 2020."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn = batch_norm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x, self.bn(self.conv(x)))


class AconC(nn.Module):
    """(p1 - p2) x sigmoid(beta (p1 - p2) x) + p2 x with learnt p1, p2, beta: Ma and others, 'Activate or Not', 2020."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p1 = nn.Parameter(torch.empty(1, channels, 1, 1))
        self.p2 = nn.Parameter(torch.empty(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.empty(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tilted = (self.p1 - self.p2) * x
        return tilted * torch.sigmoid(self.beta * tilted) + self.p2 * x


class MetaAconC(nn.Module):
    """AconC whose beta comes from the image through two 1x1 convolutions."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        middle = max(reduction, channels // reduction)
        self.p1 = nn.Parameter(torch.empty(1, channels, 1, 1))
        self.p2 = nn.Parameter(torch.empty(1, channels, 1, 1))
        self.fc1 = nn.Conv2d(channels, middle, 1)
        self.fc2 = nn.Conv2d(middle, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beta = torch.sigmoid(self.fc2(self.fc1(x.mean((2, 3), keepdim=True))))
        tilted = (self.p1 - self.p2) * x
        return tilted * torch.sigmoid(beta * tilted) + self.p2 * x


BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.03


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """The batch normalisation of this family."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


_PLAIN: dict[str, type[nn.Module]] = {
    "SiLU": nn.SiLU,
    "Hardswish": nn.Hardswish,
    "Mish": nn.Mish,
    "LeakyReLU": nn.LeakyReLU,
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "Identity": nn.Identity,
}
_LEARNT: dict[str, type[nn.Module]] = {"FReLU": FReLU, "AconC": AconC, "MetaAconC": MetaAconC}


class Activation:
    """The activation of one model: one shared module where nothing is learnt, a new one per use where something is."""

    def __init__(self, spec: ActivationSpec) -> None:
        self.spec = spec
        self._shared = _PLAIN[spec.name](*spec.numbers) if spec.name in _PLAIN else None

    def __call__(self, channels: int) -> nn.Module:
        """The module to put after a layer of this many channels."""
        return _LEARNT[self.spec.name](channels) if self._shared is None else self._shared

    def chosen(self, choice: ActivationSpec | bool | None) -> Activation:
        """What a row's own `act` word makes of it: True keeps, False or None switches off, a name replaces."""
        if choice is True:
            return self
        return Activation(choice) if choice else NO_ACTIVATION


class _NoActivation(Activation):
    def __init__(self) -> None:
        """Identity, a new one per use, as in the files of the field."""

    def __call__(self, channels: int) -> nn.Module:
        del channels
        return nn.Identity()


NO_ACTIVATION = _NoActivation()
