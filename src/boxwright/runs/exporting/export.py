# SPDX-License-Identifier: Apache-2.0
"""A network in the formats of other programs.

Every file is run beside the network before it is announced; one that drifts is removed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from boxwright.config.schema.export import ExportSettings
from boxwright.errors import SettingError
from boxwright.export_formats import onnx_graph
from boxwright.export_formats.comparison import Comparison
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.model.detector import Detector
from boxwright.runs.exporting.exported_check import batches, compared, pictures
from boxwright.runs.exporting.format_writers import (
    ENDINGS,
    GRAPHS_WITH_SUPPRESSION,
    PACKAGES,
    WRITERS,
    Source,
    files_of,
)
from boxwright.runs.inputs.open_weights import (
    best_of,
    network_of_weights,
    open_weights,
    sizes_of_use,
)
from boxwright.runs.inputs.run_place import place_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.weights.convert import DriftError, class_names
from boxwright.structures.passport import GraphSuppression, Passport
from boxwright.system.device import configured_process
from boxwright.system.files import make_folder, remove
from boxwright.system.onnx_file import require_packages
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_SIZE = 640
CPU = torch.device("cpu")


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written, read back and found equal. `size` in bytes, of all that belongs to it."""

    format: str
    path: Path
    size: int
    compared: Comparison


@dataclass(frozen=True)
class Exports:
    """The files of one export, what they were compared on, and notes."""

    files: tuple[ExportedFile, ...]
    compared_on: str
    notes: tuple[str, ...]


def export(settings: ExportSettings) -> Exports:
    """Write, read back, run and compare.

    Raises SettingError before anything is written, and DriftError for a file that says something else.
    """
    with configured_process(CPU, settings.threads):
        return _exported(settings)


def _exported(settings: ExportSettings) -> Exports:
    _require_possible(settings)
    name = settings.weights or settings.run
    if not name or (settings.weights and settings.run):
        raise SettingError("--weights", "give one checkpoint", "Give a checkpoint or run folder")
    weights = open_weights(best_of(name))
    detector = network_of_weights(weights)
    how = weights.checkpoint.evaluation
    size_hw, size_notes = sizes_of_use(how, detector, settings.imgsz, DEFAULT_SIZE)
    source = Source(
        weights, detector, _passport(settings, weights, detector, size_hw), settings.opset or onnx_graph.USUAL_OPSET
    )
    folder = Path(settings.out) if settings.out else weights.path.parent
    targets = {
        word: _target(folder, weights.path, word, exist_ok=settings.exist_ok) for word in dict.fromkeys(settings.format)
    }
    images, origin = pictures(settings.data or place_of_run(weights).again(how.data or ""), asked=bool(settings.data))
    pixels = batches(images, source.passport)
    make_folder(folder)
    check = functools.partial(
        compared, reference=Ensemble([detector], CPU), passport=source.passport, pixels=pixels, rules=_rules(settings)
    )
    files = tuple(_written(word, path, source, check) for word, path in targets.items())
    return Exports(files, origin, tuple(n for n in (weights.note, *size_notes) if n))


def _require_possible(settings: ExportSettings) -> None:
    """Everything that can be refused before work. Raises SettingError."""
    if "coreml" in settings.format:
        what = (
            "only macOS runs CoreML files; here none could be compared with the network, and nothing is "
            "written unchecked"
        )
        raise SettingError(
            "--format coreml", what, "Export onnx or torchscript, and convert that on a Mac with coremltools"
        )
    for word in settings.format:
        require_packages(f"--format {word}", *PACKAGES.get(word, ()))
    if settings.nms and (others := [word for word in settings.format if word not in GRAPHS_WITH_SUPPRESSION]):
        raise SettingError(
            "--nms",
            f"{others[0]} files carry no suppression",
            f"Use it with --format {' or '.join(sorted(GRAPHS_WITH_SUPPRESSION))}",
        )
    if settings.opset is not None and "onnx" not in settings.format:
        raise SettingError("--opset", "it is for onnx files, and none is written", "Add --format onnx, or leave it out")
    if settings.dynamic and settings.batch != 1:
        raise SettingError("--batch", "with --dynamic any number of images goes in", "Leave one of the two out")


def _rules(settings: ExportSettings) -> NmsRules:
    return NmsRules(
        settings.conf_thres,
        settings.iou_thres,
        settings.max_det,
        agnostic=settings.agnostic_nms,
        max_candidates=settings.candidates,
    )


def _passport(settings: ExportSettings, weights: OpenWeights, detector: Detector, size_hw: tuple[int, int]) -> Passport:
    inside = GraphSuppression(
        settings.conf_thres, settings.iou_thres, settings.max_det, settings.candidates, settings.agnostic_nms
    )
    anchors_px = detector.head.anchors * torch.tensor(detector.strides).view(-1, 1, 1)
    return Passport(
        names=class_names(weights, detector),
        strides=detector.strides,
        anchors_px=tuple(tuple((w, h) for w, h in level) for level in anchors_px.tolist()),
        input_channels=detector.in_channels,
        image_size=max(size_hw),
        image_hw=None if size_hw[0] == size_hw[1] else size_hw,
        batch=settings.batch,
        dynamic=settings.dynamic,
        half=settings.half,
        suppression=inside if settings.nms else None,
        licence=settings.licence,
        network=weights.checkpoint.network.name,
        program=f"boxwright {__version__}",
        evaluation=replace(
            weights.checkpoint.evaluation, data=None
        ).given(),  # a path of this machine is nobody's business
    )


def _target(folder: Path, weights: Path, word: str, *, exist_ok: bool) -> Path:
    path = folder / f"{weights.stem}{ENDINGS[word]}"
    for file in files_of(word, path):
        if file.exists() and (not exist_ok or file.resolve() == weights.resolve()):
            raise SettingError(
                "--out",
                f"{file} exists",
                "Choose another --out" if exist_ok else "Choose another --out, or add --exist-ok",
            )
    return path


def _written(word: str, path: Path, source: Source, compare: Callable[[Path], Comparison]) -> ExportedFile:
    """Write one file and compare it. Whatever goes wrong, no unchecked file stays. Raises DriftError."""
    try:
        WRITERS[word](path, source)
        found = compare(path)
        _require_equal(word, path, found)
    except BaseException:
        for file in files_of(word, path):
            remove(file)
        raise
    return ExportedFile(word, path, sum(file.stat().st_size for file in files_of(word, path)), found)


def _require_equal(word: str, path: Path, found: Comparison) -> None:
    if found.fault:
        raise DriftError(
            f"{path}: as {word} it says something else than the network ({found.fault}, {found.images} images); it was "
            "removed"
        )
