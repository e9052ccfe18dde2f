# SPDX-License-Identifier: Apache-2.0
"""A few pictures through the network at once: predicted, noted, written."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.data.pixels.channels import for_eyes
from boxwright.errors import SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.features import RowMaps, watched
from boxwright.infer.predictor import Predictor
from boxwright.infer.sources import Frame
from boxwright.model.detector import Detector
from boxwright.runs.prediction.predicted import Predicted, line_of
from boxwright.runs.prediction.prediction_writer import PredictionWriter
from boxwright.system.device import synchronize

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


@dataclass(frozen=True)
class Prediction:
    """What pictures go through, and where what is found goes. `tell` hears of each picture of a stream."""

    predictor: Predictor
    rules: NmsRules
    writer: PredictionWriter
    found: Predicted
    tell: Callable[[str], None]

    def __call__(self, images: dict[Frame, np.ndarray]) -> None:
        """One batch. (H, W, C) each"""
        if not images:
            return
        predictor, writer = self.predictor, self.writer
        begin = time.perf_counter()
        features: dict[int, RowMaps] = {}
        with contextlib.ExitStack() as watching:
            if writer.settings.visualize:
                features = watching.enter_context(watched(_with_rows(predictor)))
            answers = predictor(list(images.values()), self.rules, [frame.path for frame in images])
        synchronize(predictor.device)
        seconds = time.perf_counter() - begin
        self.found.seconds += seconds
        for place, (frame, one) in enumerate(zip(images, answers, strict=True)):
            record = self.found.take(frame, one, seconds / len(answers))
            pixels = images[frame] if predictor.kind.usual else for_eyes(images[frame])
            writer.write_features(features, place, writer.write(frame, one, pixels))
            if frame.is_live:
                writer.write_live(record)
                self.tell(line_of(frame, one, seconds / len(answers)))


def _with_rows(predictor: Predictor) -> Detector:
    """The first network, whose rows can be looked at. Raises SettingError for an exported one."""
    first = predictor.network.members[0]
    if not isinstance(first, Detector):
        raise SettingError(
            "--visualize", f"{first.path} is an exported network, and its rows cannot be seen", "Give the checkpoint"
        )
    return first
