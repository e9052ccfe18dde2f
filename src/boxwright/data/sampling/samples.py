# SPDX-License-Identifier: Apache-2.0
"""Samples: (epoch, position) -> pixels and what is known about them.

A pure function of the address, whoever asks, in whatever order.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.data.augment.painter import Painter
from boxwright.data.augment.partner_pool import Pool
from boxwright.data.augment.plan import Plan
from boxwright.data.augment.planner import NOTHING_REPLACED, Planner
from boxwright.data.augment.transformed_labels import truth_of
from boxwright.data.index.index import Index
from boxwright.data.pixels.image_files import BrokenImageError, resized
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import DataError
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px, xyxy_px_to_cxcywh_norm
from boxwright.geometry.letterbox import GREY, Letterbox, fit
from boxwright.keyed import Purpose, generator
from boxwright.structures.truth import NO_REGIONS, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SUBSTITUTES = (
    20  # tried for one image, and images replaced in one sample: more than this means that the data set has gone away
)


class Address(NamedTuple):
    """Where a sample stands.

    The epoch, its place in the order of the epoch, the image drawn for it, and the size of its batch.
    """

    epoch: int
    position: int
    image: int
    output_hw: tuple[int, int]


class TrainingSamples:
    """Augmented samples. A file that broke since the scan is replaced by another image, chosen by key, and named once.

    Every sample finds its own broken images anew: what it shows depends on its address and on the files, not on samples
    drawn before.
    """

    def __init__(
        self,
        planner: Planner,
        index: Index,
        store: ImageStore,
        *,
        seed: int,
        closed_from: int | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.planner, self.index, self.store, self.seed = planner, index, store, seed
        self.closed_from = closed_from  # the epoch from which on there is no mosaic
        self.broken: dict[int, str] = {}  # by image, why it cannot be read; known ones are not read again
        self.replaced: dict[int, int] = {}  # what stands in for which; it only spares the search
        self.paint = Painter(index, store.kind)
        self.pool: Pool | None = None  # where the partners in a mosaic come from, if not from all images
        self.plug: Callable[[np.ndarray, np.random.Generator], None] | None = (
            None  # changes the finished picture, by key
        )
        self._report = report or (lambda _: None)
        self._lock = threading.Lock()

    def plan(self, address: Address, replaced: Mapping[int, int] = NOTHING_REPLACED) -> Plan:
        """What will be done to this sample, with others in place of images that cannot be read."""
        draw = generator(self.seed, Purpose.SAMPLE, address.epoch, address.position)
        closed = self.closed_from is not None and address.epoch >= self.closed_from
        partners = None if self.pool is None else partial(self.pool.partners, address.epoch, address.position)
        return self.planner.plan(
            address.image, draw, address.output_hw, mosaic_closed=closed, replaced=replaced, partners=partners
        )

    def __call__(self, address: Address, out: np.ndarray) -> Truth:
        """Draw a sample into `out` (3, H, W) uint8 RGB; returns what is known about it."""
        given: dict[int, int] = {}
        for _ in range(MAX_SUBSTITUTES):
            plan = self.plan(address, given)
            try:
                self.paint(plan, self._load, out)
            except _BrokenTileError as broken:
                stood_in = [number for number, other in given.items() if other == broken.image]
                given |= {number: self._substitute(number) for number in stood_in or [broken.image]}
            else:
                if self.plug is not None:
                    self.plug(out, generator(self.seed, Purpose.SAMPLE, address.epoch, address.position, 1))
                return truth_of(plan, self.index)
        raise self._gone(address.image)

    def _load(self, image: int) -> np.ndarray:
        if image in self.broken:
            raise _BrokenTileError(image)
        try:
            return self.store(image)
        except BrokenImageError as error:
            self._name(image, str(error))
            raise _BrokenTileError(image) from None

    def _name(self, image: int, reason: str) -> None:
        with self._lock:
            if image not in self.broken:
                self.broken[image] = reason
                self._report(
                    f"{self.index.paths[image]}: can no longer be read ({reason}); another image takes its place"
                )

    def _substitute(self, image: int) -> int:
        """The first image of a keyed row that can be read.

        Which one it is does not depend on what was replaced before.
        """
        known = self.replaced.get(image)
        if known is not None and known not in self.broken:
            return known
        row = generator(self.seed, Purpose.SUBSTITUTE, image).integers(len(self.index), size=MAX_SUBSTITUTES).tolist()
        for number in row:
            if number != image and self._is_readable(number):
                self.replaced[image] = number
                return int(number)
        raise self._gone(image)

    def _gone(self, image: int) -> DataError:
        return DataError(
            self.index.paths[image],
            f"can no longer be read, nor can {MAX_SUBSTITUTES} others",
            "Check that the data set is still there",
        )

    def _is_readable(self, image: int) -> bool:
        try:
            self._load(image)
        except _BrokenTileError:
            return False
        return True


class _BrokenTileError(Exception):
    """Which image of a plan could not be loaded."""

    def __init__(self, image: int) -> None:
        super().__init__(image)
        self.image = image


class PlainSamples:
    """Letterboxed images as they are, for validation: nothing is drawn, nothing enlarged beyond the loaded size."""

    def __init__(self, index: Index, store: ImageStore, report: Callable[[str], None] | None = None) -> None:
        self.index, self.store = index, store
        self.broken: dict[int, str] = {}
        self._report = report or (lambda _: None)

    def box(self, image: int, canvas_hw: tuple[int, int]) -> Letterbox:
        """How the image lies on its canvas, in terms of its loaded size."""
        return fit(self.store.size_hw(image), canvas_hw, enlarge=False)

    def to_source(self, image: int, canvas_hw: tuple[int, int]) -> Letterbox:
        """The same in terms of the file's own size: what brings detections back to native pixels."""
        width, height = self.index.sizes_wh[image].tolist()
        box, loaded = self.box(image, canvas_hw), self.store.size_hw(image)
        gain = box.gain_xy[0] * loaded[1] / width, box.gain_xy[1] * loaded[0] / height
        return Letterbox((height, width), canvas_hw, box.resized_hw, gain, box.pad_xy)

    def regions(self, image: int) -> np.ndarray:
        """Where nothing is right or wrong, in native pixels. (k, 5) class, xyxy"""
        ignored = self.index.ignored_in(image).astype(np.float64)
        width, height = self.index.sizes_wh[image].tolist()
        return np.concatenate((ignored[:, :1], cxcywh_norm_to_xyxy_px(ignored[:, 1:], (height, width))), axis=1)

    def __call__(self, address: Address, out: np.ndarray) -> Truth:
        """Draw an image into `out` (3, H, W) uint8 RGB; returns what is known about it, normalised to the canvas."""
        box = self.box(address.image, address.output_hw)
        kind = self.store.kind
        out[:] = GREY * kind.full_scale // 255
        try:
            pixels = self.store(address.image)
        except BrokenImageError as error:
            self._name(address.image, str(error))
        else:
            top, left = box.top_left
            height, width = box.resized_hw
            placed = resized(pixels, box.resized_hw, smooth=True).reshape(height, width, -1)
            out[:, top : top + height, left : left + width] = (placed[..., ::-1] if kind.usual else placed).transpose(
                2, 0, 1
            )
        return self._truth(address.image, box)

    def _truth(self, image: int, box: Letterbox) -> Truth:
        objects = self.index.objects(image)
        labels = np.concatenate(
            (self.index.classes[objects, None], _on_canvas(self.index.boxes[objects], box)), axis=1
        ).astype(np.float32)
        ignored = self.index.ignored_in(image)
        return Truth(labels, _on_canvas(ignored[:, 1:], box).astype(np.float32) if len(ignored) else NO_REGIONS)

    def _name(self, image: int, reason: str) -> None:
        if image not in self.broken:
            self.broken[image] = reason
            self._report(f"{self.index.paths[image]}: can no longer be read ({reason}); it counts as an empty picture")


def _on_canvas(boxes: np.ndarray, box: Letterbox) -> np.ndarray:
    """Boxes normalised to the image -> to the canvas it lies on. (N, 4) -> (N, 4) float64"""
    height, width = box.source_hw
    size = height * box.gain_xy[1], width * box.gain_xy[0]
    return xyxy_px_to_cxcywh_norm(cxcywh_norm_to_xyxy_px(boxes.astype(np.float64), size, box.pad_xy), box.canvas_hw)
