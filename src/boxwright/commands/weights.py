# SPDX-License-Identifier: Apache-2.0
"""`boxwright weights inspect` and `diff`: what weights files hold, told without running anything of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boxwright.config.load import Resolved
from boxwright.config.schema.weights import DiffSettings, InspectSettings
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS, WeightsError
from boxwright.model.legacy.checkpoint import LegacyCheckpoint
from boxwright.runs.inputs.open_data import OpenWeights, open_weights, spec_of_weights
from boxwright.runs.inputs.weight_files import kind_of, resumable
from boxwright.structures.answer import Answer, table

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_SHOWN = 10
MOST_ANCHORS = 10_000  # numbers
NETWORKS = ("model", "ema")


def inspect(resolved: Resolved[InspectSettings]) -> Answer:
    """What a file holds; or that it is refused, and why."""
    settings = resolved.settings
    try:
        weights = open_weights(settings.file)
    except WeightsError as error:
        if not Path(settings.file).is_file():
            raise
        return Answer(
            [str(error)], {"file": settings.file, "safe": False, "refused": error.what}, exit_code=EXIT_FINDINGS
        )
    document = described(weights)
    lines = [f"{key:<12} {value}" for key, value in _lines(document)]
    if settings.tensors:
        rows = [(name, "x".join(map(str, shape)) or "-", dtype) for name, shape, dtype in document["tensors"]]
        lines += ["", *table(rows, ("tensor", "shape", "type"))]
    return Answer(lines, document, tuple(n for n in (weights.note,) if n))


def described(weights: OpenWeights) -> dict[str, Any]:
    """Everything that can be told about an open file."""
    document = weights.document
    stored = _stored_networks(document)
    used = stored.get("ema") or stored["model"]
    found: dict[str, Any] = {
        "file": str(weights.path),
        "safe": True,
        "refused": "",
        "kind": kind_of(weights.path),
        "trainer": _trainer(document),
        "epoch": document.get("epoch"),
        "date": document.get("date") or None,
        "network": document.get("network_name"),
        "classes": list(document["names"]),
        "strides": document.get("strides"),
        "anchors_px": _anchors_px(used, document.get("strides")),
        "networks": {name: _network(state) for name, state in stored.items()},
        "resumable": resumable(document),
        "tensors": [
            (name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in used.items()
        ],
    }
    if isinstance(legacy := document.get("legacy"), LegacyCheckpoint):
        found |= {
            "container": legacy.container,
            "best_fitness": legacy.best_fitness,
            "updates": legacy.updates,
            "mentions": list(legacy.mentioned),
        }
    if isinstance(document.get("network"), str):
        found["input_channels"] = spec_of_weights(weights).in_channels
    return found


def _stored_networks(document: Mapping[str, Any]) -> dict[str, dict[str, torch.Tensor]]:
    """The networks as they lie in the file, in their own precision."""
    legacy = document.get("legacy")
    if isinstance(legacy, LegacyCheckpoint):
        return {
            name: network.state
            for name, network in (("model", legacy.model), ("ema", legacy.ema))
            if network is not None
        }
    return {name: document[name] for name in NETWORKS if document.get(name)}


def _trainer(document: Mapping[str, Any]) -> str:
    legacy = document.get("legacy")
    if isinstance(legacy, LegacyCheckpoint):
        made = legacy.network.classes.get("")
        return f"the original program, or one of its kind ({made})" if made else "not said: a table of tensors"
    return str(document.get("program") or "not said")


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


def bytes_of(tensor: torch.Tensor) -> bytes:
    """A tensor's numbers, bit for bit."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return flat.numpy().tobytes()


def _anchors_px(state: Mapping[str, torch.Tensor], strides: list[int] | None) -> list[Any] | None:
    stored = next((tensor for name, tensor in state.items() if name.endswith(".anchors") and tensor.dim() == 3), None)  # noqa: PLR2004 -- level, anchor, side
    if stored is None or not strides or len(stored) != len(strides) or not 0 < stored.numel() <= MOST_ANCHORS:
        return None
    pixels: list[Any] = (stored.float() * torch.tensor(strides, dtype=torch.float32).view(-1, 1, 1)).tolist()
    return pixels


def _lines(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
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


def diff(resolved: Resolved[DiffSettings]) -> Answer:
    """What differs between two files: tensors by name, and what they say about themselves.

    Exit code 3 when anything does.
    """
    one, other = (open_weights(name) for name in resolved.settings.files)
    mine, theirs = (weights.document.get("ema") or weights.document["model"] for weights in (one, other))
    shared = [name for name in mine if name in theirs]
    reshaped = [name for name in shared if mine[name].shape != theirs[name].shape]
    distances = {name: _distance(mine[name], theirs[name]) for name in shared if name not in set(reshaped)}
    changed = {
        name: distance for name, distance in sorted(distances.items(), key=lambda item: -item[1]) if distance > 0
    }
    said = [key for key in ("names", "strides", "network") if one.document.get(key) != other.document.get(key)]
    document: dict[str, Any] = {
        "equal": len(distances) - len(changed),
        "changed": changed,
        "other_shape": reshaped,
        "only_in_first": [name for name in mine if name not in theirs],
        "only_in_second": [name for name in theirs if name not in mine],
        "other_description": said,
    }
    same = not any(value for key, value in document.items() if key != "equal")
    lines = [f"{document['equal']} tensors are equal" + (": the files hold the same network" if same else "")]
    for key, words in (
        ("other_shape", "of another shape"),
        ("only_in_first", "only in the first"),
        ("only_in_second", "only in the second"),
    ):
        lines += _listing(document[key], words)
    lines += _listing([f"{name} (by up to {distance:.3g})" for name, distance in changed.items()], "changed")
    lines += _listing(said, "said differently")
    return Answer(lines, document, exit_code=EXIT_DONE if same else EXIT_FINDINGS)


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
