# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict`: detections on images, drawn and written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boxwright.commands.opening import fitting_size, fixed_size_of, grid_of, open_together
from boxwright.config.load import Resolved
from boxwright.config.schema.val import PredictSettings
from boxwright.data.images import BrokenImageError, read_rgb
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.errors import SettingError, printable
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.predictor import Predictor
from boxwright.infer.sources import image_paths
from boxwright.structures.answer import Answer
from boxwright.structures.detections import Detections
from boxwright.system.device import choose_device, prepare_process
from boxwright.system.files import make_folder, write_image, write_json, write_text
from boxwright.system.run_folder import next_folder

if TYPE_CHECKING:
    import numpy as np

DEFAULT_SIZE = 640


@dataclass
class _Progress:
    """What has been predicted so far."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def run(resolved: Resolved[PredictSettings]) -> Answer:
    """Predict on every image of the sources; those that cannot be read are named and the others go on."""
    settings = resolved.settings
    if settings.save_conf and not settings.save_txt:
        raise SettingError("--save-conf", "confidences go into label files, and none are written", "Add --save-txt")
    predictor, notes = predictor_of(settings.weights, settings.device, settings.imgsz, threads=settings.threads, augment=settings.augment)
    paths = image_paths(settings.source)
    rules = _rules(settings, predictor.names)
    folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
    writes = not settings.nosave or settings.save_txt or settings.save_json
    progress = _Progress(notes=list(notes))
    for first in range(0, len(paths), settings.batch):
        _predict(paths[first : first + settings.batch], predictor, rules, settings, folder, progress)
    if not progress.records:
        raise SettingError("--source", f"none of the {len(paths)} images could be read ({progress.notes[-1]})", "Give images that can be opened")
    if settings.save_json:
        make_folder(folder)
        write_json(folder / "predictions.json", progress.records)
    summary = f"{len(progress.records)} images, {progress.seconds * 1e3 / len(progress.records):.1f} ms each"
    lines = [*progress.lines, summary, *([f"results in {folder}"] if writes else [])]
    return Answer("\n".join(lines), {"images": progress.records, "folder": str(folder) if writes else None}, tuple(progress.notes))


def predictor_of(weights: tuple[str, ...], device: str, imgsz: int | None, *, threads: int = 0, augment: bool = False) -> tuple[Predictor, tuple[str, ...]]:
    """A predictor from a checkpoint or run folder, or from several that predict together, and notes."""
    if not weights:
        raise SettingError("--weights", "no checkpoint was given", "Give a checkpoint or a run folder")
    opened, detectors, notes = open_together(weights)
    where = choose_device(device)
    prepare_process(where, threads)
    grid = grid_of(detectors[0])
    fixed = fixed_size_of(detectors, imgsz, augment=augment)
    size, note = (fixed, "") if fixed else fitting_size(imgsz or opened[0].document.get("evaluation", {}).get("imgsz", DEFAULT_SIZE), grid)
    return Predictor(Ensemble(detectors, where, augment=augment), opened[0].names, where, size, grid, square=fixed is not None), tuple(
        n for n in (*notes, note) if n
    )


def _rules(settings: PredictSettings, names: tuple[str, ...]) -> NmsRules:
    classes: list[int] = []
    for word in settings.classes:
        if (isinstance(word, str) and word not in names) or (isinstance(word, int) and not 0 <= word < len(names)):
            raise SettingError("--classes", f"there is no class '{word}'", f"Classes: {', '.join(names)}")
        classes.append(names.index(word) if isinstance(word, str) else word)
    return NmsRules(settings.conf_thres, settings.iou_thres, settings.max_det, classes=tuple(classes) or None, agnostic=settings.agnostic_nms)


def _predict(paths: list[str], predictor: Predictor, rules: NmsRules, settings: PredictSettings, folder: Path, progress: _Progress) -> None:
    images: dict[str, np.ndarray] = {}
    for path in paths:
        try:
            images[path] = read_rgb(path)
        except BrokenImageError as error:
            progress.notes.append(f"{path}: {error}; left out")
    begin = time.perf_counter()
    found = predictor(list(images.values()), rules, list(images))
    if predictor.device.type == "cuda":
        torch.cuda.synchronize(predictor.device)
    seconds = time.perf_counter() - begin
    progress.seconds += seconds
    for path, one in zip(images, found, strict=True):
        counts = ", ".join(f"{count} {name}" for name, count in one.counts().items()) or "nothing found"
        progress.lines.append(printable(f"{path}: {one.size_hw[1]}x{one.size_hw[0]} {counts}, {seconds * 1e3 / len(found):.1f} ms"))
        progress.records.append({"path": path, "size_wh": one.size_hw[::-1], "detections": one.records()})
        _write(one, images[path], settings, folder, len(progress.records))


def _write(one: Detections, image_rgb: np.ndarray, settings: PredictSettings, folder: Path, number: int) -> None:
    if not settings.nosave or settings.save_txt:
        make_folder(folder / "labels" if settings.save_txt else folder)  # at the first picture: what cannot be read leaves no folder
    source = Path(one.path)
    name = source.name if not (folder / source.name).exists() else f"{source.stem}_{number}{source.suffix}"
    if not settings.nosave:
        captions = [_caption(settings, record) for record in one.records()]
        colours = [colour(int(number)) for number in one.classes]
        target = folder / name if source.suffix.lower() in {".jpg", ".jpeg", ".png"} else folder / f"{name}.png"
        write_image(target, draw_boxes(image_rgb, one.boxes_xyxy_px, captions, colours, settings.line_thickness))
    if settings.save_txt:
        boxes = xyxy_px_to_cxcywh_norm(one.boxes_xyxy_px, one.size_hw)
        rows = [
            f"{int(c)} " + " ".join(f"{v:.6f}" for v in box) + (f" {s:.6f}" if settings.save_conf else "")
            for c, box, s in zip(one.classes, boxes, one.scores, strict=True)
        ]
        write_text(folder / "labels" / f"{Path(name).stem}.txt", "".join(f"{row}\n" for row in rows))


def _caption(settings: PredictSettings, record: dict[str, Any]) -> str:
    if settings.hide_labels:
        return ""
    return str(record["name"]) if settings.hide_conf else f"{record['name']} {record['score']:.2f}"
