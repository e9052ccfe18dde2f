# SPDX-License-Identifier: Apache-2.0
"""The first validation images with truth and predictions, as an event for trackers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px
from boxwright.infer.evaluator import Seen
from boxwright.metrics.confusion import MIN_CONFIDENCE
from boxwright.system.files import make_folder, write_image
from boxwright.system.run_folder import RunFolder
from boxwright.track.events import BoxesShown, ShownBox, ShownImage

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_IMAGES = 16
MOST_BOXES = 100  # predictions of an image, the surest first


@dataclass
class ShownBoxes:
    """Collects them while an epoch is validated, every `interval` epochs and after the last one.

    The images do not change: each is written into the run folder once.
    """

    folder: RunFolder
    names: tuple[str, ...]
    interval: int
    epochs: int
    _images: list[ShownImage] = field(default_factory=list)
    _written: set[str] = field(default_factory=set)

    def due(self, epoch: int | None) -> bool:
        """Whether they are shown after this epoch."""
        return epoch is not None and (epoch % self.interval == 0 or epoch == self.epochs - 1)

    def begin(self) -> None:
        """A validation begins."""
        self._images = []

    def take(self, seen: Seen) -> None:
        """A batch as the network answered it. Raises WriteError."""
        left = MOST_IMAGES - len(self._images)
        if left <= 0:
            return
        images, targets = seen.batch.part(0, left).visible(), seen.batch.targets.numpy()
        for place, (pixels, rows) in enumerate(zip(images, seen.rows, strict=False)):
            image = np.ascontiguousarray(pixels.transpose(1, 2, 0))
            mine = targets[targets[:, 0] == place]
            size_hw = image.shape[0], image.shape[1]
            corners = cxcywh_norm_to_xyxy_px(mine[:, 2:6].astype(np.float64), size_hw)
            sure = rows[rows[:, 4] >= MIN_CONFIDENCE]
            sure = sure[np.argsort(-sure[:, 4], kind="stable")][:MOST_BOXES]
            self._images.append(
                ShownImage(
                    self._stored(image, len(self._images)),
                    size_hw,
                    tuple(self._boxes(corners, mine[:, 1])),
                    tuple(self._boxes(sure[:, :4], sure[:, 5], sure[:, 4])),
                )
            )

    def event(self, epoch: int) -> BoxesShown:
        """What was collected."""
        return BoxesShown(epoch, self.names, tuple(self._images))

    def _stored(self, image: np.ndarray, number: int) -> str:
        """Where the picture of an image lies, in the folder of the run."""
        place = self.folder.shown_image(number)
        name = place.relative_to(self.folder.path).as_posix()
        if name not in self._written:
            make_folder(place.parent)
            write_image(place, image)
            self._written.add(name)
        return name

    def _boxes(self, corners: np.ndarray, classes: np.ndarray, scores: np.ndarray | None = None) -> Iterable[ShownBox]:
        certain = [None] * len(corners) if scores is None else [round(float(score), 4) for score in scores]
        for (x1, y1, x2, y2), number, score in zip(corners.round(1).tolist(), classes.tolist(), certain, strict=True):
            yield ShownBox((x1, y1, x2, y2), self.names[int(number)], int(number), score)
