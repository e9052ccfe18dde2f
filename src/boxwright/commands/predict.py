# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict`: detections on images, drawn and written."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boxwright.config.load import Resolved
from boxwright.config.schema.val import PredictSettings
from boxwright.data.pixels.channels import RGB, Kind, for_eyes
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.errors import SettingError
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.features import RowMaps, watched
from boxwright.infer.predictor import Predictor
from boxwright.infer.sources import Shot, image_paths, shots
from boxwright.model.detector import Detector
from boxwright.report.feature_sheet import feature_sheet
from boxwright.runs.inputs.open_weights import (
    fitting_size,
    fixed_size_of,
    grid_of,
    kind_of,
    named_weights,
    open_together,
)
from boxwright.structures.answer import Answer
from boxwright.structures.detections import Detections
from boxwright.system.device import choose_device, prepare_process, synchronize
from boxwright.system.files import VideoFile, fitting, make_folder, write_image, write_json, write_text
from boxwright.system.precision import Precision, half_of
from boxwright.system.run_folder import next_folder
from boxwright.track.sinks.console import Progress

DEFAULT_SIZE = 640
MAX_BATCH_BYTES = 1 << 28  # of pictures that are held at a time: large ones go through alone


@dataclass
class _Progress:
    """What has been predicted so far."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    stems: dict[str, int] = field(default_factory=dict)  # of files written so far
    films: dict[str, VideoFile] = field(default_factory=dict)  # by source; one is open at a time

    def film(self, folder: Path, shot: Shot) -> VideoFile:
        """The film that a frame belongs into."""
        if shot.path not in self.films:
            self.close()
            self.films[shot.path] = VideoFile(
                folder / f"{Path(shot.path).stem}_{len(self.films) + 1}.mp4", shot.frames_per_second
            )
        return self.films[shot.path]

    def free(self, stem: str) -> str:
        """The stem that the files of a picture bear.

        Its own, and numbered where another has it, so that no file takes another's place.
        """
        found = stem
        while found in self.stems:
            self.stems[stem] += 1
            found = f"{stem}_{self.stems[stem]}"
        self.stems[found] = 1
        return found

    def leave_out(self, path: str, reason: str, remedy: str = "") -> None:
        """Name what cannot be read, and go on."""
        self.left_out.append({"path": path, "reason": reason})
        self.notes.append(f"{path}: {reason}; left out{f'. {remedy}' if remedy else ''}")

    def close(self) -> None:
        """Finish what is open."""
        for film in self.films.values():
            film.close()


def run(resolved: Resolved[PredictSettings]) -> Answer:
    """Predict on every image of the sources; those that cannot be read are named and the others go on."""
    settings = resolved.settings
    if settings.save_conf and not settings.save_txt:
        raise SettingError("--save-conf", "confidences go into label files, and none are written", "Add --save-txt")
    predictor, notes = predictor_of(
        named_weights(settings),
        settings.device,
        settings.imgsz,
        threads=settings.threads,
        augment=settings.augment,
        half=settings.half,
    )
    paths, wrong = image_paths(settings.source, sys.stdin, predictor.kind)
    rules = _rules(settings, predictor.names)
    folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
    writes = not settings.nosave or settings.save_txt or settings.save_json or settings.save_crop or settings.visualize
    progress = _Progress(notes=[*notes, *_about_pictures(predictor.kind, settings)])
    for error in wrong:
        progress.leave_out(error.where.removeprefix("--source "), error.what)
    shown = Progress(f"predicting on {len(paths)} sources")
    batch: dict[Shot, np.ndarray] = {}
    for shot, pixels in shots(paths, settings.vid_stride, predictor.kind):
        if isinstance(pixels, BrokenImageError):
            progress.leave_out(shot.path, str(pixels), pixels.remedy)
            continue
        batch[shot] = pixels
        if len(batch) == settings.batch or sum(one.nbytes for one in batch.values()) > MAX_BATCH_BYTES:
            _predict(batch, predictor, rules, settings, folder, progress)
            batch = {}
            shown(paths.index(shot.path) + 1, len(paths))
    _predict(batch, predictor, rules, settings, folder, progress)
    progress.close()
    if not progress.records:
        raise SettingError(
            "--source",
            f"none of the {len(paths)} images could be read ({progress.notes[-1]})",
            "Give images that can be opened",
        )
    if settings.save_json:
        make_folder(folder)
        write_json(folder / "predictions.json", progress.records)
    missing = f", {len(progress.left_out)} left out" if progress.left_out else ""
    summary = f"{len(progress.records)} images, {progress.seconds * 1e3 / len(progress.records):.1f} ms each{missing}"
    lines = [*progress.lines, summary, *([f"results in {folder}"] if writes else [])]
    document = {"images": progress.records, "left_out": progress.left_out, "folder": str(folder) if writes else None}
    return Answer(lines, document, tuple(progress.notes))


def predictor_of(
    weights: tuple[str, ...],
    device: str,
    imgsz: int | None,
    *,
    threads: int = 0,
    augment: bool = False,
    half: bool = False,
) -> tuple[Predictor, tuple[str, ...]]:
    """A predictor from a checkpoint or run folder, or from several that predict together, and notes."""
    if not weights:
        raise SettingError("--weights", "no checkpoint was given", "Give a checkpoint or a run folder")
    opened, detectors, notes = open_together(weights)
    where = choose_device(device)
    prepare_process(where, threads)
    grid = grid_of(detectors[0])
    fixed = fixed_size_of(detectors, imgsz, augment=augment)
    size, note = (
        (fixed, "") if fixed else fitting_size(imgsz or opened[0].checkpoint.evaluation.imgsz or DEFAULT_SIZE, grid)
    )
    precision, plain = half_of(where) if half else ("fp32", "")
    network = Ensemble(detectors, where, augment=augment)
    kind = kind_of(opened, detectors[0])
    predictor = Predictor(
        network, opened[0].names, where, size, grid, Precision(precision, where), square=fixed is not None, kind=kind
    )
    return predictor, tuple(n for n in (*notes, note, plain) if n)


def _about_pictures(kind: Kind, settings: PredictSettings) -> list[str]:
    """What of unusual images eyes get to see."""
    if kind.usual or (settings.nosave and not settings.save_crop):
        return []
    shown = "the first three as red, green and blue" if kind.channels >= RGB else "the first in grey"
    return [f"images have {kind.channels} channels of {kind.depth}; pictures show {shown}, in 8 bits"]


def _with_rows(predictor: Predictor) -> Detector:
    """The first network, whose rows can be looked at. Raises SettingError for an exported one."""
    first = predictor.network.members[0]
    if not isinstance(first, Detector):
        raise SettingError(
            "--visualize", f"{first.path} is an exported network, and its rows cannot be seen", "Give the checkpoint"
        )
    return first


def _rules(settings: PredictSettings, names: tuple[str, ...]) -> NmsRules:
    classes: list[int] = []
    for word in settings.classes:
        if (isinstance(word, str) and word not in names) or (isinstance(word, int) and not 0 <= word < len(names)):
            raise SettingError("--classes", f"there is no class '{word}'", f"Classes: {', '.join(names)}")
        classes.append(names.index(word) if isinstance(word, str) else word)
    return NmsRules(
        settings.conf_thres,
        settings.iou_thres,
        settings.max_det,
        classes=tuple(classes) or None,
        agnostic=settings.agnostic_nms,
    )


def _predict(
    images: dict[Shot, np.ndarray],
    predictor: Predictor,
    rules: NmsRules,
    settings: PredictSettings,
    folder: Path,
    progress: _Progress,
) -> None:
    if not images:
        return
    begin = time.perf_counter()
    features: dict[int, RowMaps] = {}
    with contextlib.ExitStack() as watching:
        if settings.visualize:
            features = watching.enter_context(watched(_with_rows(predictor)))
        found = predictor(list(images.values()), rules, [shot.path for shot in images])
    synchronize(predictor.device)
    seconds = time.perf_counter() - begin
    progress.seconds += seconds
    for place, (shot, one) in enumerate(zip(images, found, strict=True)):
        counts = ", ".join(f"{count} {name}" for name, count in one.counts().items()) or "nothing found"
        progress.lines.append(
            f"{shot.title}: {one.size_hw[1]}x{one.size_hw[0]} {counts}, {seconds * 1e3 / len(found):.1f} ms"
        )
        frame = {} if shot.frame is None else {"frame": shot.frame}
        progress.records.append({"path": shot.path, **frame, "size_wh": one.size_hw[::-1], "detections": one.records()})
        name = _write(
            shot, one, images[shot] if predictor.kind.usual else for_eyes(images[shot]), settings, folder, progress
        )
        _write_features(features, place, folder / "features" / name)


def _write(
    shot: Shot, one: Detections, image_rgb: np.ndarray, settings: PredictSettings, folder: Path, progress: _Progress
) -> str:
    """The results of one picture; returns the name they bear."""
    if not settings.nosave or settings.save_txt:
        make_folder(
            folder / "labels" if settings.save_txt else folder
        )  # at the first picture: what cannot be read leaves no folder
    source = Path(shot.name)
    stem = progress.free(fitting(source.stem))
    name = f"{stem}{source.suffix}"
    if settings.save_crop:
        _write_crops(one, image_rgb, folder / "crops", stem)
    if not settings.nosave:
        captions = [_caption(settings, record) for record in one.records()]
        colours = [colour(int(number)) for number in one.classes]
        drawn = draw_boxes(image_rgb, one.boxes_xyxy_px, captions, colours, settings.line_thickness)
        if shot.frame is None:
            write_image(
                folder / name if source.suffix.lower() in {".jpg", ".jpeg", ".png"} else folder / f"{name}.png", drawn
            )
        else:
            progress.film(folder, shot).add(drawn)
    if settings.save_txt:
        boxes = xyxy_px_to_cxcywh_norm(one.boxes_xyxy_px, one.size_hw)
        rows = [
            f"{int(c)} " + " ".join(f"{v:.6f}" for v in box) + (f" {s:.6f}" if settings.save_conf else "")
            for c, box, s in zip(one.classes, boxes, one.scores, strict=True)
        ]
        write_text(folder / "labels" / f"{stem}.txt", "".join(f"{row}\n" for row in rows))
    return stem


def _write_features(rows: dict[int, RowMaps], place: int, folder: Path) -> None:
    """What each row of the network said of one picture of a batch."""
    for row in rows.values():
        make_folder(folder)
        maps = row.maps[place].numpy()
        title = (
            f"row {row.number}, {row.block}: {len(maps)} of {row.of} maps, {maps.shape[2]} x {maps.shape[1]}, "
            "each "
            "from its least to its greatest value"
        )
        write_image(folder / f"row_{row.number:02}_{row.block}.png", feature_sheet(maps, title))


@functools.lru_cache(maxsize=8)
def crop_folders(names: tuple[str, ...]) -> tuple[str, ...]:
    """A folder for each class, one of its own.

    Its name in letters that lead nowhere else, numbered where it would be another's.
    """
    found: dict[str, str] = {}
    for name in names:
        stem = free = (
            fitting("".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name).strip()) or "_"
        )
        number = 1
        while free.lower() in found:
            number += 1
            free = f"{stem}_{number}"
        found[free.lower()] = free
    return tuple(found.values())


def _write_crops(one: Detections, image_rgb: np.ndarray, folder: Path, stem: str) -> None:
    """What each box holds, in a folder per class."""
    height, width = image_rgb.shape[:2]
    for number, record in enumerate(one.records()):
        x1, y1, x2, y2 = (round(value) for value in record["box_xyxy_px"])
        held = image_rgb[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
        if held.size:
            home = folder / crop_folders(one.names)[record["class"]]
            make_folder(home)
            write_image(home / f"{stem}_{number}.jpg", np.ascontiguousarray(held))


def _caption(settings: PredictSettings, record: dict[str, Any]) -> str:
    if settings.hide_labels:
        return ""
    return str(record["name"]) if settings.hide_conf else f"{record['name']} {record['score']:.2f}"
