# SPDX-License-Identifier: Apache-2.0
"""New weights files: another format, stripped, or the mean of several. Each is read back before it is announced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from boxwright.engine.checkpoint import write_checkpoint
from boxwright.errors import BoxwrightError, SettingError, WeightsError
from boxwright.model.detector import Detector
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.runs.inputs.weight_files import OpenWeights, metadata_of
from boxwright.runs.weights.diff import bytes_of
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.files import remove, write_bytes
from boxwright.system.safetensors_file import SUFFIX, write_safetensors
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

State = dict[str, torch.Tensor]
ENDINGS = {"boxwright": ".boxwright.pt", "safetensors": SUFFIX, "yolov5": ".yolov5.pt"}


class DriftError(BoxwrightError):
    """A file that reads back as something else than was written."""


@dataclass(frozen=True)
class Target:
    """Where a new file goes: the name that was asked for, or one beside the file that it is made of."""

    out: str
    exist_ok: bool

    def beside(self, source: Path, ending: str) -> Path:
        """The path. Raises SettingError for one that is taken."""
        out = Path(self.out) if self.out else source.with_name(f"{source.stem}{ending}")
        if out.is_dir():
            raise SettingError("--out", f"{out} is a folder", "Give the name of a file")
        is_source = out.resolve() == source.resolve()
        if out.exists() and (not self.exist_ok or is_source):
            remedy = "Choose another --out" if is_source else "Choose another --out, or add --exist-ok"
            raise SettingError("--out", f"{out} exists", remedy)
        return out


@dataclass(frozen=True)
class Written:
    """A new file that reads back as what was written: how many tensors, and their bytes on the disk."""

    file: Path
    source: OpenWeights
    tensors: int
    size: int
    how: str

    def line(self) -> str:
        """For people."""
        return (
            f"{self.file}: {self.how}, {self.tensors} tensors, {self.size / 1e6:.1f} MB; read back, equal to the last "
            "bit"
        )


def converted(weights: OpenWeights, to: str, target: Target, *, half: bool) -> Written:
    """Write a network in another format: boxwright, safetensors or yolov5."""
    out = target.beside(weights.path, ENDINGS[to])
    state = weights.checkpoint.used
    if half:
        if to == "boxwright":
            raise SettingError(
                "--half", "files of this program are in full precision", "Leave --half out, or choose another format"
            )
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    match to:
        case "boxwright":
            write_checkpoint(out, lean(weights))
        case "safetensors":
            write_safetensors(out, state, metadata_of(weights.checkpoint))
        case "yolov5":
            write_yolov5(out, weights, half=half)
    return _read_back(weights, out, state, f"as {to}")


def stripped(weights: OpenWeights, target: Target) -> Written:
    """Write the average as the model, without optimizer, with epoch -1: for use, not for going on."""
    out = target.beside(weights.path, ".stripped.pt")
    write_checkpoint(out, lean(weights))
    return _read_back(weights, out, weights.checkpoint.used, "stripped")


def averaged(opened: Sequence[OpenWeights], target: Target) -> Written:
    """Write the mean of several sets of weights of one network."""
    first = opened[0]
    states = [weights.checkpoint.used for weights in opened]
    for weights, state in zip(opened[1:], states[1:], strict=True):
        _require_alike(first, states[0], weights, state)
    mean = {name: _mean([state[name] for state in states]) for name in states[0]}
    out = target.beside(first.path, ".average.pt")
    write_checkpoint(out, replace(lean(first), model=mean))
    return _read_back(first, out, mean, f"the average of {len(opened)} files")


def lean(weights: OpenWeights) -> Checkpoint:
    """A checkpoint of this program for use: the network and what it says about itself, and nothing of its run.

    Raises WeightsError for a file that does not say which network it holds.
    """
    held = weights.checkpoint
    if held.network.text is None:
        raise WeightsError(
            str(weights.path),
            "holds tensors, but does not say of which network",
            "Convert it to safetensors, or train from it with --cfg",
        )
    return Checkpoint(
        model=held.used,
        network=held.network,
        evaluation=held.evaluation,
        program=f"boxwright {__version__}",
        date=held.date,
    )


def write_yolov5(out: Path, weights: OpenWeights, *, half: bool = False) -> None:
    """Write a file that the original program opens. Raises ModelError for networks it does not have."""
    detector = network_of_weights(weights)
    detector.spec = replace(detector.spec, name=weights.checkpoint.network.name or out.name.split(".")[0])
    how = weights.checkpoint.evaluation  # the options that `val` and `predict` take up, here and there
    options = {"imgsz": how.imgsz, "data": how.data, "single_cls": how.single_cls}
    entries = {"opt": {key: value for key, value in options.items() if value is not None}}
    content = LegacyContent(detector, class_names(weights, detector), entries=entries)
    write_bytes(out, legacy_bytes(content, root=out.stem, half=half))


def class_names(weights: OpenWeights, detector: Detector) -> tuple[str, ...]:
    """The class names of a file, or numbered ones."""
    return weights.names or tuple(f"class{number}" for number in range(detector.head.num_classes))


def _read_back(weights: OpenWeights, out: Path, state: Mapping[str, torch.Tensor], how: str) -> Written:
    """Read the new file and compare every bit before saying that it is done. Raises DriftError."""
    found = open_weights(str(out)).checkpoint.used
    missing = [name for name in state if name not in found or not _same_values(state[name], found[name])]
    if missing or len(found) != len(state):
        remove(out)
        raise DriftError(f"{out}: reads back differently ({', '.join(missing[:3]) or 'more tensors'}); it was removed")
    return Written(out, weights, len(state), out.stat().st_size, how)


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
