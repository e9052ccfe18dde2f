# SPDX-License-Identifier: Apache-2.0
"""`boxwright weights convert`, `strip` and `average`.

New weights files, read back and compared before they are announced.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boxwright.commands.weights import bytes_of
from boxwright.config.load import Resolved
from boxwright.config.schema.weights import AverageSettings, ConvertSettings, OutputSettings, StripSettings
from boxwright.engine.checkpoint import STRIPPED_EPOCH
from boxwright.errors import SettingError, WeightsError
from boxwright.runs.exporting.format_writers import DriftError, State, state_of, write_yolov5
from boxwright.runs.inputs.open_data import OpenWeights, open_weights
from boxwright.runs.inputs.weight_files import DESCRIPTION, metadata_of
from boxwright.structures.answer import Answer
from boxwright.structures.checkpoint import KIND
from boxwright.system.files import remove
from boxwright.system.safetensors_file import SUFFIX, write_safetensors
from boxwright.system.tensors import write_tensors
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping


def convert(resolved: Resolved[ConvertSettings]) -> Answer:
    """Write a network in another format."""
    settings = resolved.settings
    weights = open_weights(settings.file)
    endings = {"boxwright": ".boxwright.pt", "safetensors": SUFFIX, "yolov5": ".yolov5.pt"}
    out = _target(settings, weights.path, endings[settings.to])
    state = state_of(weights)
    if settings.half:
        if settings.to == "boxwright":
            raise SettingError(
                "--half", "files of this program are in full precision", "Leave --half out, or choose another format"
            )
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    match settings.to:
        case "boxwright":
            write_tensors(out, lean_document(weights))
        case "safetensors":
            write_safetensors(out, state, metadata_of(weights.document))
        case "yolov5":
            write_yolov5(out, weights, half=settings.half)
    return _announced(weights, out, state, f"as {settings.to}")


def strip(resolved: Resolved[StripSettings]) -> Answer:
    """For use, not for going on: the average as the model, no optimizer, epoch -1."""
    weights = open_weights(resolved.settings.file)
    out = _target(resolved.settings, weights.path, ".stripped.pt")
    write_tensors(out, lean_document(weights))
    return _announced(weights, out, state_of(weights), "stripped")


def average(resolved: Resolved[AverageSettings]) -> Answer:
    """The mean of several sets of weights of one network."""
    opened = [open_weights(name) for name in resolved.settings.files]
    first = opened[0]
    states = [state_of(weights) for weights in opened]
    for weights, state in zip(opened[1:], states[1:], strict=True):
        _require_alike(first, states[0], weights, state)
    mean = {name: _mean([state[name] for state in states]) for name in states[0]}
    out = _target(resolved.settings, first.path, ".average.pt")
    document = lean_document(first) | {"model": mean}
    write_tensors(out, document)
    return _announced(OpenWeights(first.path, document), out, mean, f"the average of {len(opened)} files")


def lean_document(weights: OpenWeights) -> dict[str, Any]:
    """A stripped checkpoint of this program.

    Raises WeightsError for a file that does not say which network it holds.
    """
    if not isinstance(weights.document.get("network"), str):
        raise WeightsError(
            str(weights.path),
            "holds tensors, but does not say of which network",
            "Convert it to safetensors, or train from it with --cfg",
        )
    described = {key: weights.document[key] for key in DESCRIPTION if key in weights.document}
    return {
        "kind": KIND,
        **described,
        "program": f"boxwright {__version__}",
        "date": weights.document.get("date"),
        "epoch": STRIPPED_EPOCH,
        "model": state_of(weights),
    }


def _target(settings: OutputSettings, source: Path, ending: str) -> Path:
    out = Path(settings.out) if settings.out else source.with_name(f"{source.stem}{ending}")
    if out.is_dir():
        raise SettingError("--out", f"{out} is a folder", "Give the name of a file")
    if out.exists() and (not settings.exist_ok or out.resolve() == source.resolve()):
        raise SettingError(
            "--out",
            f"{out} exists",
            "Choose another --out" if out.resolve() == source.resolve() else "Choose another --out, or add --exist-ok",
        )
    return out


def _announced(weights: OpenWeights, out: Path, state: Mapping[str, torch.Tensor], how: str) -> Answer:
    """Read the new file and compare every bit before saying that it is done."""
    found = state_of(open_weights(str(out)))
    missing = [name for name in state if name not in found or not _same_values(state[name], found[name])]
    if missing or len(found) != len(state):
        remove(out)
        raise DriftError(f"{out}: reads back differently ({', '.join(missing[:3]) or 'more tensors'}); it was removed")
    size = out.stat().st_size
    text = f"{out}: {how}, {len(state)} tensors, {size / 1e6:.1f} MB; read back, equal to the last bit"
    return Answer(
        [text],
        {"file": str(out), "from": str(weights.path), "tensors": len(state), "bytes": size},
        tuple(n for n in (weights.note,) if n),
    )


def _same_values(written: torch.Tensor, found: torch.Tensor) -> bool:
    """Whether a tensor came back; half precision is read as full, without loss."""
    return bytes_of(written.float() if written.is_floating_point() else written) == bytes_of(found)


def _require_alike(first: OpenWeights, state: State, other: OpenWeights, theirs: State) -> None:
    unlike = [
        name
        for name in {*state, *theirs}
        if name not in state or name not in theirs or state[name].shape != theirs[name].shape
    ]
    if unlike:
        raise WeightsError(
            str(other.path),
            f"holds another network than {first.path} ({len(unlike)} tensors differ)",
            "Average weights of one network",
        )
    if first.names != other.names:
        raise WeightsError(
            str(other.path), f"names other classes than {first.path}", "Average weights of one network and data set"
        )


def _mean(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The mean in double precision; whole numbers are those of the first."""
    if not tensors[0].is_floating_point():
        return tensors[0]
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).float()
