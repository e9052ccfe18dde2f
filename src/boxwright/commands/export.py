# SPDX-License-Identifier: Apache-2.0
"""`boxwright export`: a network for other programs.

Every file is run beside the network before it is announced; one that drifts is removed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from boxwright.commands.export_check import batches, compared, pictures
from boxwright.config.load import Resolved
from boxwright.config.schema.export import ExportSettings
from boxwright.errors import SettingError
from boxwright.export import onnx_graph
from boxwright.export.comparison import Comparison
from boxwright.export.deployed import Deployed
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.model.detector import Detector
from boxwright.runs.inputs.open_weights import best_of, fitting_size, grid_of, network_of_weights, open_weights
from boxwright.runs.inputs.weight_files import OpenWeights, metadata_of
from boxwright.runs.weights.convert import DriftError, class_names, write_yolov5
from boxwright.structures.answer import Answer, table
from boxwright.structures.passport import KEY, GraphSuppression, Passport
from boxwright.system import onnx_file, openvino_file, torchscript_file
from boxwright.system.device import prepare_process
from boxwright.system.files import make_folder, remove, write_bytes
from boxwright.system.onnx_file import require_packages
from boxwright.system.openvino_file import openvino_bytes
from boxwright.system.safetensors_file import SUFFIX as SAFETENSORS
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.torchscript_file import torchscript_bytes
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_SIZE = 640
CPU = torch.device("cpu")
NEEDS = {"onnx": onnx_graph.PACKAGES, "openvino": (*onnx_graph.PACKAGES, *openvino_file.PACKAGES)}
GRAPHS_WITH_SUPPRESSION = frozenset({"onnx", "openvino"})


@dataclass(frozen=True)
class Source:
    """What is exported."""

    weights: OpenWeights
    detector: Detector
    passport: Passport

    @property
    def deployed(self) -> Deployed:
        """As a graph sees it."""
        return Deployed(self.detector, half=self.passport.half)


def run(resolved: Resolved[ExportSettings]) -> Answer:
    """Write, read back, run and compare."""
    settings = resolved.settings
    _require_possible(settings)
    name = settings.weights or settings.run
    if not name or (settings.weights and settings.run):
        raise SettingError("--weights", "give one checkpoint", "Give a checkpoint or run folder")
    weights = open_weights(best_of(name))
    detector = network_of_weights(weights)
    size, note = fitting_size(settings.imgsz or weights.checkpoint.evaluation.imgsz or DEFAULT_SIZE, grid_of(detector))
    source = Source(weights, detector, _passport(settings, weights, detector, size))
    folder = Path(settings.out) if settings.out else weights.path.parent
    targets: dict[str, Path] = {
        word: _target(folder, weights.path, word, exist_ok=settings.exist_ok) for word in dict.fromkeys(settings.format)
    }
    prepare_process(CPU, settings.threads)
    images, origin = pictures(settings.data or weights.checkpoint.evaluation.data or "", asked=bool(settings.data))
    pixels = batches(images, source.passport)
    make_folder(folder)
    reference = Ensemble([detector], CPU)
    rules = NmsRules(
        settings.conf_thres,
        settings.iou_thres,
        settings.max_det,
        agnostic=settings.agnostic_nms,
        max_candidates=settings.candidates,
    )
    results: dict[str, Comparison] = {}
    for word, path in targets.items():
        results[word] = _written(
            word,
            path,
            source,
            functools.partial(compared, path, reference, source.passport, pixels=pixels, rules=rules),
        )
    return _answer(targets, results, origin, tuple(n for n in (weights.note, note) if n))


def _require_possible(settings: ExportSettings) -> None:
    """Everything that can be refused before work. Raises SettingError."""
    if "coreml" in settings.format:
        what = (
            "only macOS runs CoreML files; here none could be compared with the network, and nothing is "
            "written "
            "unchecked"
        )
        raise SettingError(
            "--format coreml", what, "Export onnx or torchscript, and convert that on a Mac with coremltools"
        )
    for word in settings.format:
        require_packages(f"--format {word}", *NEEDS.get(word, ()))
    if settings.nms and (others := [word for word in settings.format if word not in GRAPHS_WITH_SUPPRESSION]):
        raise SettingError(
            "--nms",
            f"{others[0]} files carry no suppression",
            f"Use it with --format {' or '.join(sorted(GRAPHS_WITH_SUPPRESSION))}",
        )
    if settings.dynamic and settings.batch != 1:
        raise SettingError("--batch", "with --dynamic any number of images goes in", "Leave one of the two out")


def _passport(settings: ExportSettings, weights: OpenWeights, detector: Detector, size: int) -> Passport:
    inside = (
        GraphSuppression(
            settings.conf_thres, settings.iou_thres, settings.max_det, settings.candidates, settings.agnostic_nms
        )
        if settings.nms
        else None
    )
    anchors_px = detector.head.anchors * torch.tensor(detector.strides).view(-1, 1, 1)
    return Passport(
        names=class_names(weights, detector),
        strides=detector.strides,
        anchors_px=tuple(tuple((w, h) for w, h in level) for level in anchors_px.tolist()),
        input_channels=detector.in_channels,
        image_size=size,
        batch=settings.batch,
        dynamic=settings.dynamic,
        half=settings.half,
        suppression=inside,
        licence=settings.licence,
        network=weights.checkpoint.network.name,
        program=f"boxwright {__version__}",
        evaluation=replace(
            weights.checkpoint.evaluation, data=None
        ).given(),  # a path of this machine is nobody's business
    )


# -- formats


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
    example = torch.zeros(passport.batch, passport.input_channels, passport.image_size, passport.image_size)
    write_bytes(path, torchscript_bytes(source.deployed, example, passport.words()))


def _write_onnx(path: Path, source: Source) -> None:
    write_bytes(path, onnx_graph.onnx_bytes(source.deployed, source.passport))


def _write_openvino(path: Path, source: Source) -> None:
    graph, numbers = openvino_bytes(
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
ENDINGS = {
    "safetensors": SAFETENSORS,
    "yolov5": ".yolov5.pt",
    "torchscript": torchscript_file.SUFFIX,
    "onnx": onnx_file.SUFFIX,
    "openvino": openvino_file.SUFFIX,
}


def _files(word: str, path: Path) -> tuple[Path, ...]:
    return (path, path.with_suffix(openvino_file.NUMBERS)) if word == "openvino" else (path,)


def _target(folder: Path, weights: Path, word: str, *, exist_ok: bool) -> Path:
    path = folder / f"{weights.stem}{ENDINGS[word]}"
    for file in _files(word, path):
        if file.exists() and (not exist_ok or file.resolve() == weights.resolve()):
            raise SettingError(
                "--out",
                f"{file} exists",
                "Choose another --out" if exist_ok else "Choose another --out, or add --exist-ok",
            )
    return path


def _written(word: str, path: Path, source: Source, compare: Callable[[], Comparison]) -> Comparison:
    """Write one file and compare it. Whatever goes wrong, no unchecked file stays. Raises DriftError."""
    try:
        WRITERS[word](path, source)
        found = compare()
        _require_equal(word, path, found)
    except BaseException:
        for file in _files(word, path):
            remove(file)
        raise
    return found


def _require_equal(word: str, path: Path, found: Comparison) -> None:
    if found.fault:
        raise DriftError(
            f"{path}: as {word} it says something else than the network ({found.fault}, {found.images} images); it was "
            "removed"
        )


def _answer(targets: dict[str, Path], results: dict[str, Comparison], origin: str, notes: tuple[str, ...]) -> Answer:
    rows, files = [], []
    for word, found in results.items():
        size = sum(file.stat().st_size for file in _files(word, targets[word]))
        raw = "-" if found.distance is None else f"{found.distance:.2g}"
        rows.append((targets[word], f"{size / 1e6:.1f} MB", raw, found.detections))
        files.append(
            {
                "format": word,
                "file": str(targets[word]),
                "bytes": size,
                "difference": found.distance,
                "detections": found.detections,
                "images": found.images,
            }
        )
        if not found.detections:
            notes = (
                *notes,
                (
                    f"{targets[word]}: the network detects nothing on the {origin} at this confidence, so no detection "
                    "was "
                    "compared"
                ),
            )
    lines = table(rows, ("file", "size", "largest difference", "equal detections"))
    return Answer(
        [*lines, f"compared with the network on {origin}: equal"], {"files": files, "compared_on": origin}, notes
    )
