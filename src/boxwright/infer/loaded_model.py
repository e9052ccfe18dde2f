# SPDX-License-Identifier: Apache-2.0
"""A trained network as something to call on images."""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from boxwright.data.pixels.channels import of_picture
from boxwright.errors import DataError, SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.given_images import GivenImage, path_of, pixels_of, place, require_images
from boxwright.infer.predictor import Predictor
from boxwright.infer.results import ImageDetections
from boxwright.infer.sources import stream_words
from boxwright.infer.streams import StreamRules, Streams
from boxwright.system.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

One = TypeVar("One", bound=GivenImage)


@dataclass(frozen=True, repr=False)
class Model:
    """A trained network, ready to be called; `boxwright.load` makes one.

    Call it with a path, an RGB array (H, W, 3), a tensor (3, H, W), a PIL image, or a list of these. Numbers are uint8,
    or fractions from 0 to 1; PIL images are turned upright, as files are. A network for other pictures is given all of
    its channels, of 8 or 16 bits or as fractions.
    """

    predictor: Predictor
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Class names."""
        return self.predictor.names

    @property
    def image_size(self) -> int:
        """The size in pixels that images are brought to."""
        return self.predictor.image_size

    def __repr__(self) -> str:
        return f"Model({len(self.names)} classes, {self.image_size} pixels, on {self.predictor.device})"

    @overload
    def __call__(
        self, images: GivenImage, *, min_score: float = ..., max_iou: float = ..., max_det: int = ..., batch: int = ...
    ) -> ImageDetections: ...
    @overload
    def __call__(
        self,
        images: list[One] | tuple[One, ...],
        *,
        min_score: float = ...,
        max_iou: float = ...,
        max_det: int = ...,
        batch: int = ...,
    ) -> list[ImageDetections]: ...
    def __call__(
        self,
        images: GivenImage | Sequence[GivenImage],
        *,
        min_score: float = 0.25,
        max_iou: float = 0.45,
        max_det: int = 1000,
        batch: int = 1,
    ) -> ImageDetections | list[ImageDetections]:
        """Detections of one image, or a list of them for a list of images.

        A list gives for each image what it gives alone. `batch`: so many images, where they have one shape on the
        network's canvas, go through it together, which is faster on a GPU; the last digits may then differ there.
        Raises DataError for what is no image.
        """
        rules = _rules(min_score, max_iou, max_det, batch)
        given, many = require_images(images)
        found: list[ImageDetections] = []
        for start in range(0, len(given), int(batch)):
            part = given[start : start + int(batch)]
            places = [place(number, many=many) for number in range(start, start + len(part))]
            found += self._found(part, places, rules)
        return found if many else found[0]

    def stream(
        self,
        *sources: str | int,
        min_score: float = 0.25,
        max_iou: float = 0.45,
        max_det: int = 1000,
        every_frame: bool = False,
        vid_stride: int = 1,
        reconnect: int = 3,
    ) -> Iterator[ImageDetections]:
        """Detections of each picture of streams, as they come: a camera (0), an address (rtsp://...), or "screen".

        Example::

            for found in model.stream("rtsp://camera/1", min_score=0.4):
                print(found.path, found.frame, found.counts())

        The newest picture of each is taken, or every one with `every_frame`; `vid_stride`: every so-manyth. A stream
        that breaks off is opened again `reconnect` times, which is said on stderr. Each result holds its picture. Ends
        when all have ended, or when it is left. Raises DataError where a stream gave no picture.
        """
        rules = _rules(min_score, max_iou, max_det, 1)
        words = stream_words(tuple(str(source) for source in sources))
        if len(words) < len(sources) or not words:
            raise SettingError("argument sources", "names no stream", 'Give 0, "rtsp://...", "http://..." or "screen"')
        how = StreamRules(every_frame, _whole("vid_stride", vid_stride, 1), _whole("reconnect", reconnect, 0))
        return self._watched(words, how, rules)

    def _watched(self, words: Sequence[str], how: StreamRules, rules: NmsRules) -> Iterator[ImageDetections]:
        kind = self.predictor.kind
        with Streams(words, how, functools.partial(say, out=sys.stderr)) as streams:
            for pictures in streams:
                pixels = [of_picture(image, kind) for _, image in pictures]
                answers = self.predictor(pixels, rules, [frame.path for frame, _ in pictures])
                for one, (frame, _), image in zip(answers, pictures, pixels, strict=True):
                    yield ImageDetections.of(one, image, kind, frame.number)
        for path, why in streams.failed.items():
            raise DataError(path, why, "Give a stream that can be opened")

    def _found(self, images: Sequence[GivenImage], places: Sequence[str], rules: NmsRules) -> list[ImageDetections]:
        kind = self.predictor.kind
        pixels = [pixels_of(image, kind, where) for image, where in zip(images, places, strict=True)]
        paths = [path_of(image) for image in images]
        return [
            ImageDetections.of(one, None if path else image, kind)
            for one, path, image in zip(self.predictor(pixels, rules, paths), paths, pixels, strict=True)
        ]


def _rules(min_score: float, max_iou: float, max_det: int, batch: int) -> NmsRules:
    """Thresholds that can be meant. Raises SettingError."""
    for name, value, fits, wanted in (
        ("min_score", min_score, _is_number(min_score) and 0 <= min_score < 1, "a number from 0 to below 1"),
        ("max_iou", max_iou, _is_number(max_iou) and 0 < max_iou < 1, "a number above 0 and below 1"),
        ("max_det", max_det, _is_number(max_det) and max_det >= 1 and max_det == int(max_det), "a whole number from 1"),
        ("batch", batch, _is_number(batch) and batch >= 1 and batch == int(batch), "a whole number from 1"),
    ):
        if not fits:
            raise SettingError(f"argument {name}", f"is {value!r}", f"Give {wanted}")
    return NmsRules(float(min_score), float(max_iou), int(max_det))


def _whole(name: str, value: int, least: int) -> int:
    """A whole number. Raises SettingError."""
    if not _is_number(value) or value != int(value) or value < least:
        raise SettingError(f"argument {name}", f"is {value!r}", f"Give a whole number from {least}")
    return int(value)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
