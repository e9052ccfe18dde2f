# SPDX-License-Identifier: Apache-2.0
"""What a weights file holds, as a record for programs and as lines for people."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from boxwright.runs.inputs.open_weights import spec_of_weights
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.weights.diff import MOST_SHOWN, bytes_of
from boxwright.structures.answer import table

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ANCHORS = 10_000  # numbers


def described(weights: OpenWeights) -> dict[str, Any]:
    """Everything that can be told about an open file."""
    checkpoint, networks = weights.checkpoint, _stored_networks(weights)
    used, network = list(networks.values())[-1], checkpoint.network  # the average comes last
    found: dict[str, Any] = {
        "file": str(weights.path),
        "safe": True,
        "refused": "",
        "kind": checkpoint.origin.value,
        "trainer": _trainer(weights),
        "epoch": checkpoint.epoch,
        "date": checkpoint.date or None,
        "network": network.name or None,
        "classes": list(network.names),
        "strides": None if network.strides is None else list(network.strides),
        "anchors_px": _anchors_px(used, network.strides),
        "networks": {name: _network(state) for name, state in networks.items()},
        "resumable": weights.resumable,
        "tensors": [
            (name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in used.items()
        ],
    }
    if (legacy := weights.legacy) is not None:
        found |= {
            "container": legacy.container,
            "best_fitness": legacy.best_fitness,
            "updates": legacy.updates,
            "mentions": list(legacy.mentioned),
        }
    if network.text is not None:
        found["input_channels"] = spec_of_weights(weights).in_channels
    return found


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


def _network(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    kinds = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in state.values())
    return {
        "tensors": len(state),
        "numbers": sum(tensor.numel() for tensor in state.values()),
        "types": dict(kinds),
        "sha256": digest(state),
    }


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


def lines_of(found: Mapping[str, Any], *, tensors: bool) -> list[str]:
    """What was described, for people; with every tensor where asked."""
    lines = [f"{key:<12} {value}" for key, value in _rows(found)]
    if not tensors:
        return lines
    rows = [(name, "x".join(map(str, shape)) or "-", dtype) for name, shape, dtype in found["tensors"]]
    return [*lines, "", *table(rows, ("tensor", "shape", "type"))]


def _rows(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    networks = [
        f"{name}: {one['tensors']} tensors, {one['numbers']:,} numbers, "
        f"{', '.join(f'{n} {kind}' for kind, n in one['types'].items())}"
        for name, one in found["networks"].items()
    ]
    lines = [
        ("file", found["file"]),
        ("kind", f"{found['kind']}, read as data: nothing in it was run"),
        ("trainer", found["trainer"]),
        ("epoch", "-1 (stripped: for use, not for going on)" if found["epoch"] == -1 else found["epoch"]),
        ("network", found["network"] or "not said"),
        (
            "classes",
            (
                f"{len(found['classes'])}: "
                f"{', '.join(found['classes'][:MOST_SHOWN])}{' ...' if len(found['classes']) > MOST_SHOWN else ''}"
            ),
        ),
        ("strides", found["strides"] or "not said"),
        *(("holds", line) for line in networks),
        ("resume", "possible" if found["resumable"] else "not possible: there is no optimizer in it"),
    ]
    return [*lines, ("date", found["date"])] if found["date"] else lines
