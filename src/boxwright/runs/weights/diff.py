# SPDX-License-Identifier: Apache-2.0
"""What differs between two weights files: tensors bit by bit, and what the files say about themselves."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boxwright.runs.inputs.weight_files import OpenWeights

MOST_SHOWN = 10  # names in a line


@dataclass(frozen=True)
class Difference:
    """Names of tensors by how they differ; `changed` with the largest distance, the largest first."""

    equal: int
    changed: dict[str, float]
    other_shape: list[str]
    only_in_first: list[str]
    only_in_second: list[str]
    other_description: list[str]

    @property
    def is_none(self) -> bool:
        """Whether the files hold the same network."""
        return not any(
            (self.changed, self.other_shape, self.only_in_first, self.only_in_second, self.other_description)
        )

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.equal} tensors are equal" + (": the files hold the same network" if self.is_none else "")]
        lines += _listing(self.other_shape, "of another shape")
        lines += _listing(self.only_in_first, "only in the first")
        lines += _listing(self.only_in_second, "only in the second")
        lines += _listing([f"{name} (by up to {distance:.3g})" for name, distance in self.changed.items()], "changed")
        return lines + _listing(self.other_description, "said differently")


def difference(one: OpenWeights, other: OpenWeights) -> Difference:
    """Compare the tensors that are used, and names, strides and network."""
    mine, theirs = one.checkpoint.used, other.checkpoint.used
    shared = [name for name in mine if name in theirs]
    reshaped = [name for name in shared if mine[name].shape != theirs[name].shape]
    distances = {name: _distance(mine[name], theirs[name]) for name in shared if name not in set(reshaped)}
    changed = {
        name: distance for name, distance in sorted(distances.items(), key=lambda item: -item[1]) if distance > 0
    }
    first, second = one.checkpoint.network, other.checkpoint.network
    said = {
        "names": first.names != second.names,
        "strides": first.strides != second.strides,
        "network": first.text != second.text,
    }
    return Difference(
        len(distances) - len(changed),
        changed,
        reshaped,
        [name for name in mine if name not in theirs],
        [name for name in theirs if name not in mine],
        [key for key, differs in said.items() if differs],
    )


def bytes_of(tensor: torch.Tensor) -> bytes:
    """A tensor's numbers, bit for bit."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return flat.numpy().tobytes()


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference; infinite where one is no number and the other is."""
    if not one.numel() or bytes_of(one) == bytes_of(other):
        return 0.0
    gaps = (one.double() - other.double()).abs()
    gaps = torch.where(one.double().isnan() & other.double().isnan(), 0.0, gaps)
    return float(torch.nan_to_num(gaps, nan=float("inf")).max())


def _listing(names: list[str], words: str) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return [f"{len(names)} {words}: {', '.join(names[:MOST_SHOWN])}{more}"]
