# SPDX-License-Identifier: Apache-2.0
"""What a weights file holds, as a record for programs and as lines for people."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from boxwright.runs.inputs.open_weights import spec_of_weights
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.weights.diff import MOST_SHOWN, bytes_of
from boxwright.structures.answer import table
from boxwright.structures.checkpoint import STRIPPED_EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ANCHORS = 10_000  # numbers


@dataclass(frozen=True)
class Contents:
    """What can be told about an open file. `anchors_px` (levels, anchors, 2); `tensors` name, shape and type."""

    file: str
    kind: str
    trainer: str
    epoch: int
    date: str | None
    network: str | None
    classes: list[str]
    strides: list[int] | None
    anchors_px: list[Any] | None
    networks: dict[str, Table]
    resumable: bool
    tensors: list[tuple[str, list[int], str]]
    more: dict[str, Any]  # what only files of some kinds say

    def record(self) -> dict[str, Any]:
        """For programs."""
        told = asdict(self)
        more = told.pop("more")
        return {"file": told.pop("file"), "safe": True, "refused": "", **told, **more}

    def lines(self, *, tensors: bool) -> list[str]:
        """For people; with every tensor where asked."""
        lines = [f"{key:<12} {value}" for key, value in _rows(self)]
        if not tensors:
            return lines
        rows = [(name, "x".join(map(str, shape)) or "-", dtype) for name, shape, dtype in self.tensors]
        return [*lines, "", *table(rows, ("tensor", "shape", "type"))]


@dataclass(frozen=True)
class Table:
    """One network of a file: its tensors counted, by type, and the digest of all of them."""

    tensors: int
    numbers: int
    types: dict[str, int]
    sha256: str


def contents_of(weights: OpenWeights) -> Contents:
    """Everything that can be told about an open file."""
    checkpoint, networks = weights.checkpoint, _stored_networks(weights)
    used, network = list(networks.values())[-1], checkpoint.network  # the average comes last
    more: dict[str, Any] = {}
    if (legacy := weights.legacy) is not None:
        more = {
            "container": legacy.container,
            "best_fitness": legacy.best_fitness,
            "updates": legacy.updates,
            "mentions": list(legacy.mentioned),
        }
    if network.text is not None:
        more["input_channels"] = spec_of_weights(weights).in_channels
    return Contents(
        file=str(weights.path),
        kind=checkpoint.origin.value,
        trainer=_trainer(weights),
        epoch=checkpoint.epoch,
        date=checkpoint.date or None,
        network=network.name or None,
        classes=list(network.names),
        strides=None if network.strides is None else list(network.strides),
        anchors_px=_anchors_px(used, network.strides),
        networks={name: _table(state) for name, state in networks.items()},
        resumable=weights.resumable,
        tensors=[(name, list(tensor.shape), _type_of(tensor)) for name, tensor in used.items()],
        more=more,
    )


def _stored_networks(weights: OpenWeights) -> dict[str, dict[str, torch.Tensor]]:
    """The networks as they lie in the file, in their own precision; the average behind the network."""
    if (legacy := weights.legacy) is not None:
        stored = {"model": legacy.model, "ema": legacy.ema}
        return {name: network.state for name, network in stored.items() if network is not None}
    checkpoint = weights.checkpoint
    return {"model": checkpoint.model} | ({"ema": checkpoint.ema} if checkpoint.ema else {})


def _trainer(weights: OpenWeights) -> str:
    if (legacy := weights.legacy) is not None:
        made = legacy.network.classes.get("")
        return f"the original program, or one of its kind ({made})" if made else "not said: a table of tensors"
    return weights.checkpoint.program or "not said"


def _table(state: Mapping[str, torch.Tensor]) -> Table:
    kinds = Counter(_type_of(tensor) for tensor in state.values())
    return Table(len(state), sum(tensor.numel() for tensor in state.values()), dict(kinds), digest(state))


def _type_of(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over the sorted names, each followed by its tensor's bytes."""
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode("utf-8", "surrogatepass"))
        total.update(bytes_of(state[name]))
    return total.hexdigest()


def _anchors_px(state: Mapping[str, torch.Tensor], strides: tuple[int, ...] | None) -> list[Any] | None:
    stored = next((tensor for name, tensor in state.items() if name.endswith(".anchors") and tensor.dim() == 3), None)  # noqa: PLR2004 -- level, anchor, side
    if stored is None or not strides or len(stored) != len(strides) or not 0 < stored.numel() <= MOST_ANCHORS:
        return None
    pixels: list[Any] = (stored.float() * torch.tensor(strides, dtype=torch.float32).view(-1, 1, 1)).tolist()
    return pixels


def _rows(found: Contents) -> list[tuple[str, Any]]:
    networks = [
        f"{name}: {one.tensors} tensors, {one.numbers:,} numbers, "
        f"{', '.join(f'{n} {kind}' for kind, n in one.types.items())}"
        for name, one in found.networks.items()
    ]
    more = " ..." if len(found.classes) > MOST_SHOWN else ""
    rows = [
        ("file", found.file),
        ("kind", f"{found.kind}, read as data: nothing in it was run"),
        ("trainer", found.trainer),
        ("epoch", f"{STRIPPED_EPOCH} (stripped: for use, not for going on)")
        if found.epoch == STRIPPED_EPOCH
        else ("epoch", found.epoch),
        ("network", found.network or "not said"),
        ("classes", f"{len(found.classes)}: {', '.join(found.classes[:MOST_SHOWN])}{more}"),
        ("strides", found.strides or "not said"),
        *(("holds", line) for line in networks),
        ("resume", "possible" if found.resumable else "not possible: there is no optimizer in it"),
    ]
    return [*rows, ("date", found.date)] if found.date else rows
