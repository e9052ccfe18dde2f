# SPDX-License-Identifier: Apache-2.0
"""Every image of the sources through the network, in batches; what cannot be read is named, and the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.schema.val import PredictSettings
from boxwright.data.pixels.channels import RGB, Kind
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.errors import SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.sources import Frame, frames_of, image_paths, stream_words
from boxwright.runs.inputs.class_match import matching_of
from boxwright.runs.inputs.open_weights import named_weights
from boxwright.runs.prediction.named_by_data import named_by_data
from boxwright.runs.prediction.one_batch import Prediction
from boxwright.runs.prediction.open_predictor import predictor_of
from boxwright.runs.prediction.predicted import Predicted
from boxwright.runs.prediction.prediction_writer import PredictionWriter
from boxwright.runs.prediction.watch import watch
from boxwright.system.run_folder import next_folder
from boxwright.system.terminal import say
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    import numpy as np

MAX_BATCH_BYTES = 1 << 28  # of pictures that are held at a time: large ones go through alone


def predict(settings: PredictSettings, stdin: TextIO, tell: Callable[[str], None] = say) -> Predicted:
    """Predict on every image of the sources; a source `-` reads their names from `stdin`.

    Streams follow the files; `tell` hears of each of their pictures at once. Raises SettingError when none could be
    read.
    """
    _require_acting(settings)
    streams = stream_words(settings.source)
    predictor, notes = predictor_of(
        named_weights(settings),
        settings.device,
        max(settings.imgsz, default=None),
        batch=settings.batch,
        threads=settings.threads,
        augment=settings.augment,
        half=settings.half,
        size_hw=None if len(settings.imgsz) <= 1 else (settings.imgsz[0], settings.imgsz[-1]),
        matching=matching_of(settings),
    )
    predictor, more = named_by_data(predictor, settings.data)
    paths, wrong = image_paths(settings.source, stdin, predictor.kind, beside_streams=bool(streams))
    rules = _rules(settings, predictor.names)
    folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
    writer = PredictionWriter(folder, settings)
    about = [*notes, *more, *_about_pictures(predictor.kind, settings)]
    found = Predicted(folder if writer.is_asked else None, predictor.kind, notes=about)
    for error in wrong:
        found.leave_out(error.where.removeprefix("--source "), error.what)
    prediction = Prediction(predictor, rules, writer, found, tell)
    try:
        _predict_files(paths, prediction)
        if streams:
            watch(streams, prediction)
    finally:
        writer.close()
    if not found.pictures:
        what = "images" if paths else "streams"
        count = len(paths) + len(streams)
        why = found.notes[-1] if found.left_out else "nothing is named"
        raise SettingError(
            "--source", f"none of the {count} {what} could be read ({why})", f"Give {what} that can be opened"
        )
    found.notes += writer.notes
    if found.records or not found.streams:
        writer.write_records(found.records)
    return found


def _require_acting(settings: PredictSettings) -> None:
    """Refuse what would be without effect. Raises SettingError."""
    for flag, given, what in (
        ("--save-conf", settings.save_conf, "confidences go into label files"),
        ("--save-format", settings.save_format, "it says what stands in label files"),
    ):
        if given and not settings.save_txt:
            raise SettingError(flag, f"{what}, and none are written", "Add --save-txt")


def _predict_files(paths: list[str], prediction: Prediction) -> None:
    """Images and videos, in batches."""
    writer, found = prediction.writer, prediction.found
    settings = writer.settings
    progress = Progress(f"predicting on {len(paths)} sources")
    batch: dict[Frame, np.ndarray] = {}
    at_once = 1 if settings.visualize else settings.batch  # rows are looked at in one pass of the network
    for frame, pixels in frames_of(paths, settings.vid_stride, prediction.predictor.kind):
        if not writer.is_wanted:
            found.notes.append("the window was closed; the pictures after that were left out")
            break
        if isinstance(pixels, BrokenImageError):
            found.leave_out(frame.path, str(pixels), pixels.remedy)
            continue
        batch[frame] = pixels
        del pixels  # else it would stay until the next one, which may be as large, is decoded
        if len(batch) == at_once or sum(one.nbytes for one in batch.values()) > MAX_BATCH_BYTES:
            prediction(batch)
            batch = {}
            progress(paths.index(frame.path) + 1, len(paths))
    prediction(batch)


def _about_pictures(kind: Kind, settings: PredictSettings) -> list[str]:
    """What of unusual images eyes get to see."""
    if kind.usual or (settings.nosave and not settings.save_crop):
        return []
    shown = "the first three as red, green and blue" if kind.channels >= RGB else "the first in grey"
    return [f"images have {kind.channels} channels of {kind.depth}; pictures show {shown}, in 8 bits"]


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
