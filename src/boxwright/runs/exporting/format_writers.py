# SPDX-License-Identifier: Apache-2.0
"""One writer for each format in which a network leaves this program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.export_formats import onnx_graph
from boxwright.export_formats.deployed import Deployed
from boxwright.model.detector import Detector
from boxwright.runs.inputs.weight_files import OpenWeights, metadata_of
from boxwright.runs.weights.convert import write_yolov5
from boxwright.structures.passport import KEY, Passport
from boxwright.system import onnx_file, openvino_file, torchscript_file
from boxwright.system.files import write_bytes
from boxwright.system.safetensors_file import SUFFIX as SAFETENSORS
from boxwright.system.safetensors_file import write_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDINGS = {
    "safetensors": SAFETENSORS,
    "yolov5": ".yolov5.pt",
    "torchscript": torchscript_file.SUFFIX,
    "onnx": onnx_file.SUFFIX,
    "openvino": openvino_file.SUFFIX,
}
PACKAGES = {"onnx": onnx_graph.PACKAGES, "openvino": (*onnx_graph.PACKAGES, *openvino_file.PACKAGES)}
GRAPHS_WITH_SUPPRESSION = frozenset({"onnx", "openvino"})


@dataclass(frozen=True)
class Source:
    """What is exported."""

    weights: OpenWeights
    detector: Detector
    passport: Passport
    opset: int = onnx_graph.USUAL_OPSET

    @property
    def deployed(self) -> Deployed:
        """As a graph sees it."""
        return Deployed(self.detector, half=self.passport.half)


def files_of(word: str, path: Path) -> tuple[Path, ...]:
    """The files that a format consists of."""
    return (path, path.with_suffix(openvino_file.NUMBERS)) if word == "openvino" else (path,)


def _write_safetensors(path: Path, source: Source) -> None:
    state = source.weights.checkpoint.used
    if source.passport.half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    words = metadata_of(source.weights.checkpoint)
    write_safetensors(path, state, words | ({"license": source.passport.licence} if source.passport.licence else {}))


def _write_yolov5(path: Path, source: Source) -> None:
    write_yolov5(path, source.weights, half=source.passport.half)


def _write_torchscript(path: Path, source: Source) -> None:
    passport = source.passport
    example = torch.zeros(passport.batch, passport.input_channels, *passport.size_hw)
    write_bytes(path, torchscript_file.torchscript_bytes(source.deployed, example, passport.words()))


def _write_onnx(path: Path, source: Source) -> None:
    write_bytes(path, onnx_graph.onnx_bytes(source.deployed, source.passport, source.opset))


def _write_openvino(path: Path, source: Source) -> None:
    graph, numbers = openvino_file.openvino_bytes(
        onnx_graph.onnx_bytes(source.deployed, source.passport), source.passport.words()[KEY]
    )
    write_bytes(path.with_suffix(openvino_file.NUMBERS), numbers)
    write_bytes(path, graph)


WRITERS: dict[str, Callable[[Path, Source], None]] = {
    "safetensors": _write_safetensors,
    "yolov5": _write_yolov5,
    "torchscript": _write_torchscript,
    "onnx": _write_onnx,
    "openvino": _write_openvino,
}
