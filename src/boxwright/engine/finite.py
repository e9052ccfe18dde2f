# SPDX-License-Identifier: Apache-2.0
"""The guard over what is not finite.

Such a step leaves no trace, in the weights, the batch statistics or the average.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from boxwright.errors import EXIT_TRY_AGAIN, BoxwrightError
from boxwright.system.device import is_cpu

if TYPE_CHECKING:
    from torch import nn

CALIBRATION_STEPS = 100  # in which a gradient scaler looks for its scale and skips steps that mean nothing


class NotFiniteError(BoxwrightError):
    """Loss or gradients stayed non-finite."""

    exit_code = EXIT_TRY_AGAIN


class FiniteGuard:
    """Counts optimizer steps that were not finite and takes back what they spoiled.

    A non-finite forward pass also spoils the running statistics of batch normalisation, and through them the average.
    Both are kept as they were at the last good reading. The counts stay on the device until `settle` reads them.
    """

    def __init__(self, network: nn.Module, average: nn.Module, *, in_a_row: int = 0, total: int = 0) -> None:
        device = next(network.parameters()).device
        self.in_a_row = torch.tensor(in_a_row, dtype=torch.int64, device=device)
        self.total = torch.tensor(total, dtype=torch.int64, device=device)
        self._watched = [tensor for tensor in network.buffers() if tensor.is_floating_point()]
        self._statistics = len(self._watched)  # of the network itself, in front
        if not is_cpu(device):  # there the average moves before anybody knows; on a CPU it waits for the verdict
            self._watched += [tensor for tensor in average.state_dict().values() if tensor.is_floating_point()]
        self._kept = [tensor.detach().clone() for tensor in self._watched]
        self._settled_total = total

    def note(self, finite: torch.Tensor, *, counts: bool = True) -> None:
        """Take note of one optimizer step. One that does not count is still taken back."""
        self.in_a_row = torch.where(finite, 0, self.in_a_row + int(counts))
        self.total += (~finite).long()

    @torch.no_grad()
    def settle(self) -> int:
        """Read the counts: after good steps keep the statistics, after bad ones put them back. Bad steps in a row."""
        total = int(self.total)
        if total == self._settled_total:
            torch._foreach_copy_(self._kept, self._watched)
        else:
            for tensor, kept in zip(self._watched, self._kept, strict=True):
                if is_cpu(tensor.device) or not bool(torch.isfinite(tensor).all()):
                    tensor.copy_(kept)
        self._settled_total = total
        return int(self.in_a_row)

    @torch.no_grad()
    def put_back(self) -> None:
        """The statistics of the last good reading, for forward passes that are going to be repeated."""
        torch._foreach_copy_(self._watched[: self._statistics], self._kept[: self._statistics])

    def forgive(self) -> None:
        """Begin to count anew: the last good state was put back."""
        self.in_a_row.zero_()
        torch._foreach_copy_(self._kept, self._watched)
