# SPDX-License-Identifier: Apache-2.0
"""Every image of the sources through the network, in batches; what cannot be read is named, and the others go on."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boxwright.config.schema.val import PredictSettings
from boxwright.data.pixels.channels import RGB, Kind, for_eyes
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.errors import SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.features import RowMaps, watched
from boxwright.infer.predictor import Predictor
from boxwright.infer.sources import Frame, frames_of, image_paths
from boxwright.model.detector import Detector
from boxwright.runs.inputs.open_weights import named_weights
from boxwright.runs.prediction.open_predictor import predictor_of
from boxwright.runs.prediction.prediction_writer import PredictionWriter
from boxwright.structures.detections import Detections
from boxwright.system.device import synchronize
from boxwright.system.run_folder import next_folder
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    import numpy as np

MAX_BATCH_BYTES = 1 << 28  # of pictures that are held at a time: large ones go through alone


@dataclass
class Predicted:
    """What was predicted. `folder` is None where nothing was to be written; `seconds` are of the network alone."""

    folder: Path | None
    kind: Kind
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)  # one for each record
    seconds: float = 0.0

    def leave_out(self, path: str, reason: str, remedy: str = "") -> None:
        """Name what cannot be read, and go on."""
        self.left_out.append({"path": path, "reason": reason})
        self.notes.append(f"{path}: {reason}; left out{f'. {remedy}' if remedy else ''}")

    def take(self, frame: Frame, found: Detections, seconds: float) -> None:
        """The detections of one picture, which took so long."""
        counts = ", ".join(f"{count} {name}" for name, count in found.counts().items()) or "nothing found"
        height, width = found.size_hw
        self.lines.append(f"{frame.title}: {width}x{height} {counts}, {seconds * 1e3:.1f} ms")
        number = {} if frame.number is None else {"frame": frame.number}
        self.detections.append(found)
        self.records.append(
            {"path": frame.path, **number, "size_wh": found.size_hw[::-1], "detections": found.records()}
        )


def predict(settings: PredictSettings, stdin: TextIO) -> Predicted:
    """Predict on every image of the sources; a source `-` reads their names from `stdin`.

    Raises SettingError when none could be read.
    """
    if settings.save_conf and not settings.save_txt:
        raise SettingError("--save-conf", "confidences go into label files, and none are written", "Add --save-txt")
    predictor, notes = predictor_of(
        named_weights(settings),
        settings.device,
        settings.imgsz,
        batch=settings.batch,
        threads=settings.threads,
        augment=settings.augment,
        half=settings.half,
    )
    paths, wrong = image_paths(settings.source, stdin, predictor.kind)
    rules = _rules(settings, predictor.names)
    folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
    writer = PredictionWriter(folder, settings)
    about = [*notes, *_about_pictures(predictor.kind, settings)]
    found = Predicted(folder if writer.is_asked else None, predictor.kind, notes=about)
    for error in wrong:
        found.leave_out(error.where.removeprefix("--source "), error.what)
    progress = Progress(f"predicting on {len(paths)} sources")
    batch: dict[Frame, np.ndarray] = {}
    at_once = 1 if settings.visualize else settings.batch  # rows are looked at in one pass of the network
    for frame, pixels in frames_of(paths, settings.vid_stride, predictor.kind):
        if isinstance(pixels, BrokenImageError):
            found.leave_out(frame.path, str(pixels), pixels.remedy)
            continue
        batch[frame] = pixels
        del pixels  # else it would stay until the next one, which may be as large, is decoded
        if len(batch) == at_once or sum(one.nbytes for one in batch.values()) > MAX_BATCH_BYTES:
            _predict(batch, predictor, rules, writer, found)
            batch = {}
            progress(paths.index(frame.path) + 1, len(paths))
    _predict(batch, predictor, rules, writer, found)
    writer.close()
    if not found.records:
        raise SettingError(
            "--source",
            f"none of the {len(paths)} images could be read ({found.notes[-1]})",
            "Give images that can be opened",
        )
    writer.write_records(found.records)
    return found


def _predict(
    images: dict[Frame, np.ndarray], predictor: Predictor, rules: NmsRules, writer: PredictionWriter, found: Predicted
) -> None:
    """One batch: predict, note, write."""
    if not images:
        return
    begin = time.perf_counter()
    features: dict[int, RowMaps] = {}
    with contextlib.ExitStack() as watching:
        if writer.settings.visualize:
            features = watching.enter_context(watched(_with_rows(predictor)))
        answers = predictor(list(images.values()), rules, [frame.path for frame in images])
    synchronize(predictor.device)
    seconds = time.perf_counter() - begin
    found.seconds += seconds
    for place, (frame, one) in enumerate(zip(images, answers, strict=True)):
        found.take(frame, one, seconds / len(answers))
        pixels = images[frame] if predictor.kind.usual else for_eyes(images[frame])
        writer.write_features(features, place, writer.write(frame, one, pixels))


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
