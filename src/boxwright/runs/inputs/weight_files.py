# SPDX-License-Identifier: Apache-2.0
"""Weights files of every kind as one kind of document: the one that this program writes itself."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from boxwright.engine.checkpoint import read_checkpoint
from boxwright.errors import WeightsError
from boxwright.model.legacy.checkpoint import LegacyCheckpoint, read_legacy
from boxwright.model.legacy.modules import LegacyNetwork
from boxwright.structures.checkpoint import StoredDescription, first_fault, sound_evaluation
from boxwright.system.safetensors_file import is_safetensors, read_safetensors
from boxwright.system.tensors import DamagedFileError, is_ours, newest_whole, previous_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

OURS, SAFETENSORS, LEGACY = "boxwright", "safetensors", "legacy"
METADATA = "boxwright"  # key of our part of a safetensors header
DESCRIPTION = (
    "network",
    "network_name",
    "names",
    "strides",
    "program",
    "evaluation",
)  # of a network, beside its tensors


def kind_of(path: Path) -> str:
    """Which kind of weights file this is, told by its content."""
    if is_ours(path):
        return OURS
    return SAFETENSORS if is_safetensors(path) else LEGACY


def read_weights(path: Path) -> tuple[Path, dict[str, Any], str]:
    """Where the weights were found, their document, and a note about what was passed over. Raises WeightsError."""
    kind = kind_of(path)
    if kind == OURS:
        return _own(path)
    if kind == SAFETENSORS:
        return path, document_of_safetensors(path), ""
    try:
        return path, document_of_legacy(read_legacy(path), path), ""
    except WeightsError:
        if previous_of(path).exists():  # it may be one of ours that lost its header
            return _own(path)
        raise


def _own(path: Path) -> tuple[Path, dict[str, Any], str]:
    document, used, note = newest_whole(path, read_checkpoint)
    return used, document, note


def document_of_legacy(checkpoint: LegacyCheckpoint, path: Path) -> dict[str, Any]:
    """A legacy checkpoint as a document, in full precision. `legacy` holds what only a resumed run needs."""
    if checkpoint.rest.get("kind") == "checkpoint" and "network" in checkpoint.rest:
        raise DamagedFileError(
            str(path), "is damaged: it is a checkpoint of this program without its header", "Give another file"
        )
    used = checkpoint.network
    document = {
        "kind": LEGACY,
        "program": "legacy",
        "date": checkpoint.date,
        "epoch": checkpoint.epoch,
        "model": full_precision((checkpoint.model or used).state),
        "ema": full_precision(checkpoint.ema.state) if checkpoint.ema else None,
        "evaluation": _evaluation(checkpoint.options),
        "settings": checkpoint.options,
        "names": list(used.names),
        "legacy": checkpoint,
    }
    if used.yaml is not None:
        document["network"] = as_yaml(used.yaml, path)
        document["network_name"] = PurePosixPath(used.yaml_file).stem or path.stem
        document["strides"] = [int(stride) for stride in used.strides]
        document["names"] = _names(used)
    return document


def as_yaml(values: Mapping[str, Any], path: Path) -> str:
    """Plain values from a legacy file as YAML text. Raises WeightsError for what is none."""
    try:
        return yaml.safe_dump(dict(values), sort_keys=False, default_flow_style=None)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise WeightsError(
            str(path),
            "describes its network or its run with something else than plain values",
            "Give an unchanged checkpoint",
        ) from None


def _names(network: LegacyNetwork) -> list[str]:
    """Class names; numbers where the file has none."""
    count = (network.yaml or {}).get("nc")
    if isinstance(count, int) and 0 < count != len(network.names) and count <= 100_000:  # noqa: PLR2004 -- no network has more
        return [f"class{number}" for number in range(count)]
    return list(network.names)


def _evaluation(options: Mapping[str, Any]) -> dict[str, Any]:
    """How the run validated, as far as its options say."""
    found: dict[str, Any] = {}
    size = options.get("imgsz", options.get("img_size"))
    size = size[-1] if isinstance(size, list) and size else size
    if type(size) is int and 32 <= size <= 8192:  # noqa: PLR2004 -- the bounds of the setting
        found["imgsz"] = size
    if isinstance(data := options.get("data"), str) and _is_file(data):
        found["data"] = data
    if options.get("single_cls") is True:
        found["single_cls"] = True
    return found


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def resumable(document: Mapping[str, Any]) -> bool:
    """Whether a training can go on from it."""
    legacy = document.get("legacy")
    if isinstance(legacy, LegacyCheckpoint):
        return legacy.optimizer is not None and legacy.epoch >= 0 and legacy.network.yaml is not None
    return document.get("state") is not None


def full_precision(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating tensors as float32, the others as they are."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def document_of_safetensors(path: Path) -> dict[str, Any]:
    """A safetensors file as a document; without our header it is a table of tensors alone."""
    state, metadata = read_safetensors(path)
    document: dict[str, Any] = {
        "kind": SAFETENSORS,
        "epoch": -1,
        "model": full_precision(state),
        "names": [],
        "evaluation": {},
    }
    own = metadata.get(METADATA)
    return document if own is None else {**document, **_own_metadata(own, path)}


def _own_metadata(text: str, path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(text)
        if isinstance(stored, dict) and not isinstance(stored.get("strides"), list):
            stored = {**stored, "strides": None}
        described = StoredDescription.model_validate(stored)
    except ValidationError as error:
        raise WeightsError(str(path), f"has a damaged header: {first_fault(error)}", "Give another file") from None
    except (ValueError, RecursionError):
        raise WeightsError(str(path), "has a damaged header", "Give another file") from None
    return {**described.model_dump(exclude_unset=True), "evaluation": _sound(described.evaluation)}


def _sound(how: Mapping[str, Any]) -> dict[str, Any]:
    """What a header says about validation, as far as it makes sense."""
    usable = {key: value for key, value in sound_evaluation(how).items() if key not in {"data", "imgsz", "single_cls"}}
    return usable | _evaluation(how)


def metadata_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What our safetensors files say about themselves."""
    kept = {key: document[key] for key in DESCRIPTION if key in document}
    return {"format": "pt", METADATA: json.dumps(kept)}
