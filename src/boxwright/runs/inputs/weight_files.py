# SPDX-License-Identifier: Apache-2.0
"""Weights files of every kind as one value: a checkpoint that knows where it comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from boxwright.engine.checkpoint import read_checkpoint
from boxwright.errors import WeightsError
from boxwright.model.legacy.checkpoint import LegacyCheckpoint, read_legacy
from boxwright.model.legacy.modules import LegacyNetwork
from boxwright.structures.checkpoint import Checkpoint, EvaluationRecord, NetworkRecord, Origin, PlanRecord
from boxwright.structures.checkpoint_keys import description_of, is_document, with_description
from boxwright.structures.checkpoint_schema import first_fault
from boxwright.system.files import previous_of
from boxwright.system.safetensors_file import is_safetensors, read_safetensors
from boxwright.system.tensors import DamagedFileError, is_ours, newest_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

METADATA = "boxwright"  # key of our part of a safetensors header
LARGEST_SIZE = 8192  # pixels; the bound of the setting


@dataclass(frozen=True)
class OpenWeights:
    """A weights file that was read: where it lies, and a note when an older generation had to serve.

    `legacy` is what a file of the original program holds beside the checkpoint.
    """

    path: Path
    checkpoint: Checkpoint
    note: str = ""
    legacy: LegacyCheckpoint | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Class names stored with the network."""
        return self.checkpoint.network.names

    @property
    def is_legacy(self) -> bool:
        """Whether the original program wrote it."""
        return self.checkpoint.is_legacy

    @property
    def resumable(self) -> bool:
        """Whether a training can go on from it."""
        if self.legacy is None:
            return self.checkpoint.position is not None
        return self.legacy.optimizer is not None and self.legacy.epoch >= 0 and self.checkpoint.network.text is not None


def read_weights(path: Path) -> OpenWeights:
    """A weights file of any kind, told by its content. Raises WeightsError."""
    try:
        return _told_by_content(path)
    except OSError as error:  # a disk that fails, or what only looks like a file
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None


def _told_by_content(path: Path) -> OpenWeights:
    if is_ours(path):
        return _own(path)
    if is_safetensors(path):
        return OpenWeights(path, checkpoint_of_safetensors(path))
    try:
        legacy = read_legacy(path)
        return OpenWeights(path, checkpoint_of_legacy(legacy, path), legacy=legacy)
    except WeightsError:
        if previous_of(path).exists():  # it may be one of ours that lost its header
            return _own(path)
        raise


def _own(path: Path) -> OpenWeights:
    checkpoint, used, note = newest_whole(path, read_checkpoint)
    return OpenWeights(used, checkpoint, note)


def checkpoint_of_legacy(legacy: LegacyCheckpoint, path: Path) -> Checkpoint:
    """A file of the original program as a checkpoint, in full precision. Raises WeightsError."""
    if is_document(legacy.rest):
        raise DamagedFileError(
            str(path), "is damaged: it is a checkpoint of this program without its header", "Give another file"
        )
    used = legacy.network
    network = NetworkRecord(names=tuple(used.names))
    if used.yaml is not None:
        network = NetworkRecord(
            as_yaml(used.yaml, path),
            PurePosixPath(used.yaml_file).stem or path.stem,
            tuple(_names(used)),
            tuple(int(stride) for stride in used.strides),
        )
    return Checkpoint(
        origin=Origin.LEGACY,
        program=Origin.LEGACY.value,
        date=legacy.date,
        epoch=legacy.epoch,
        model=full_precision((legacy.model or used).state),
        ema=full_precision(legacy.ema.state) if legacy.ema else None,
        network=network,
        evaluation=_evaluation(legacy.options),
        plan=PlanRecord(legacy.options),
    )


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


def _evaluation(options: Mapping[str, Any]) -> EvaluationRecord:
    """How the run validated, as far as its options say."""
    size = options.get("imgsz", options.get("img_size"))
    size = size[-1] if isinstance(size, list) and size else size
    data = options.get("data")
    return _believable(
        EvaluationRecord(
            data=data if isinstance(data, str) else None,
            imgsz=size if type(size) is int else None,
            single_cls=options.get("single_cls") is True,
        )
    )


def _believable(how: EvaluationRecord) -> EvaluationRecord:
    """What a stranger's file says about validation, as far as it can be used here."""
    size = how.imgsz or 0
    return replace(
        how,
        data=how.data if how.data is not None and _is_file(how.data) else None,
        imgsz=how.imgsz if 32 <= size <= LARGEST_SIZE else None,  # noqa: PLR2004 -- the bounds of the setting
        single_cls=how.single_cls or None,
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def full_precision(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating tensors as float32, the others as they are."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def checkpoint_of_safetensors(path: Path) -> Checkpoint:
    """A safetensors file as a checkpoint; without our header it is a table of tensors alone. Raises WeightsError."""
    state, metadata = read_safetensors(path)
    tensors = Checkpoint(origin=Origin.TENSORS, model=full_precision(state))
    own = metadata.get(METADATA)
    if own is None:
        return tensors
    try:
        described = with_description(tensors, json.loads(own))
    except ValidationError as error:
        raise WeightsError(str(path), f"has a damaged header: {first_fault(error)}", "Give another file") from None
    except (ValueError, RecursionError):
        raise WeightsError(str(path), "has a damaged header", "Give another file") from None
    return replace(described, evaluation=_believable(described.evaluation))


def metadata_of(checkpoint: Checkpoint) -> dict[str, str]:
    """What our safetensors files say about themselves."""
    return {"format": "pt", METADATA: json.dumps(description_of(checkpoint))}
