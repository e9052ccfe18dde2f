# SPDX-License-Identifier: Apache-2.0
"""What will happen to one training sample, decided before a pixel is touched.

A scene is a canvas with one or four tiles on it, seen through an affine or perspective map. A plan is one scene, or two
to be blended, then colour gains and flips. Everything is a function of (seed, epoch, position) and of image sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from boxwright.config.schema.augment import AugmentSettings
from boxwright.geometry.affine import Warp
from boxwright.geometry.letterbox import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    Partners = Callable[[np.random.Generator, int], np.ndarray]  # a draw, how many -> image numbers

NO_GAINS = (1.0, 1.0, 1.0)
MOSAIC_TILES = 4
NOTHING_REPLACED: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True)
class Tile:
    """One image on a canvas.

    `loaded_hw` is its size when loaded; it is scaled by `gain_xy`, moved to `offset_xy`, and seen in `window`.

    Boxes may have an offset of their own (`box_offset_xy`): a letterbox places them at exact halves, pixels at whole
    numbers.
    """

    image: int
    loaded_hw: tuple[int, int]
    gain_xy: tuple[float, float]
    offset_xy: tuple[float, float]
    box_offset_xy: tuple[float, float]
    window_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """Tiles on a canvas of `canvas_hw`, seen through `warp` on an output of `output_hw`."""

    tiles: tuple[Tile, ...]
    canvas_hw: tuple[int, int]
    output_hw: tuple[int, int]
    warp: Warp
    pastes: tuple[tuple[int, int], ...] = ()  # tile and object of what is copied to the other side


@dataclass(frozen=True)
class Plan:
    """One sample. `share` is how much of the first scene the blend keeps."""

    scenes: tuple[Scene, ...]
    share: float = 1.0
    gains_hsv: tuple[float, float, float] = NO_GAINS
    flip_up_down: bool = False
    flip_left_right: bool = False


@dataclass(frozen=True)
class Planner:
    """Makes plans for one split.

    `sizes_wh` (N, 2) of its images, `image_size` the side of the output, `grid` the coarsest stride of the network.
    """

    settings: AugmentSettings
    sizes_wh: np.ndarray
    image_size: int
    mosaic_allowed: bool = True
    paste: Callable[[Sequence[Tile], tuple[int, int], np.random.Generator], tuple[tuple[int, int], ...]] | None = None
    grid: int = 32  # that of nearly all networks of this family

    def plan(
        self,
        image: int,
        draw: np.random.Generator,
        output_hw: tuple[int, int],
        *,
        mosaic_closed: bool = False,
        replaced: Mapping[int, int] = NOTHING_REPLACED,
        partners: Partners | None = None,
    ) -> Plan:
        """The plan of the sample that starts from this image.

        Images that `replaced` names give way after everything is drawn.

        `partners` draws the other images of a mosaic; without it all images are equally likely.
        """
        s = self.settings
        if s.aug == "none":
            return Plan((self._letterboxed(replaced.get(image, image), output_hw, Warp()),))
        if self.mosaic_allowed and not mosaic_closed and draw.random() < s.mosaic:
            scenes, share = self._mosaics(image, draw, replaced, partners or self._any)
        else:
            scenes, share = (self._letterboxed(replaced.get(image, image), output_hw, self._warp(draw)),), 1.0
        gains = 1 + draw.uniform(-1, 1, 3) * (s.hsv_h, s.hsv_s, s.hsv_v)
        up_down, left_right = draw.random(2) < (s.flipud, s.fliplr)
        return Plan(scenes, share, (float(gains[0]), float(gains[1]), float(gains[2])), bool(up_down), bool(left_right))

    def _any(self, draw: np.random.Generator, count: int) -> np.ndarray:
        return draw.integers(len(self.sizes_wh), size=count)

    def _mosaics(
        self, image: int, draw: np.random.Generator, replaced: Mapping[int, int], partners: Partners
    ) -> tuple[tuple[Scene, ...], float]:
        """One mosaic, or two to be blended."""
        first = self._mosaic(image, draw, replaced, partners)
        if draw.random() >= self.settings.mixup:
            return (first,), 1.0
        second = self._mosaic(int(partners(draw, 1)[0]), draw, replaced, partners)
        return (first, second), float(draw.beta(self.settings.mixup_beta, self.settings.mixup_beta))

    def _mosaic(self, image: int, draw: np.random.Generator, replaced: Mapping[int, int], partners: Partners) -> Scene:
        """Four images that meet at a random centre of a canvas twice as large as the output, at least a border away.

        From its edges.
        """
        size = self.image_size
        border = self._border(draw)
        centre_x, centre_y = (int(v) for v in draw.uniform(border, 2 * size - border, 2))
        images = draw.permutation([image, *partners(draw, MOSAIC_TILES - 1).tolist()])
        chosen = [replaced.get(number, number) for number in images.tolist()]
        tiles = [self._tile(number, corner, (centre_x, centre_y)) for corner, number in enumerate(chosen)]
        warp, canvas = self._warp(draw), (2 * size, 2 * size)
        pastes = () if self.paste is None else self.paste(tiles, canvas, draw)
        return Scene(tuple(tiles), canvas, (size, size), warp, pastes)

    def _border(self, draw: np.random.Generator) -> float:
        """How far the centre of a mosaic keeps from the edges of its canvas."""
        if not self.settings.mosaic_border_random:
            return self.image_size / 2
        first, last = math.ceil(self.image_size / 4 / self.grid), 3 * self.image_size // (4 * self.grid)
        return float(self.grid * draw.integers(first, max(first, last) + 1))

    def _tile(self, image: int, corner: int, centre_xy: tuple[int, int]) -> Tile:
        """A tile whose inner corner lies at the centre: 0 up left, 1 up right, 2 down left, 3 down right."""
        height, width = self.loaded_hw(image)
        right, down = corner % 2 == 1, corner >= 2  # noqa: PLR2004 -- the lower two
        x = centre_xy[0] if right else centre_xy[0] - width
        y = centre_xy[1] if down else centre_xy[1] - height
        canvas = 2 * self.image_size
        window = max(x, 0), max(y, 0), min(x + width, canvas), min(y + height, canvas)
        return Tile(image, (height, width), (1.0, 1.0), (x, y), (x, y), window)

    def _letterboxed(self, image: int, target_hw: tuple[int, int], warp: Warp) -> Scene:
        """One image in the middle of a canvas of the size of the output."""
        loaded = self.loaded_hw(image)
        box = fit(loaded, target_hw)
        top, left = box.top_left
        gain = box.resized_hw[1] / loaded[1], box.resized_hw[0] / loaded[0]
        window = left, top, left + box.resized_hw[1], top + box.resized_hw[0]
        return Scene((Tile(image, loaded, gain, (left, top), box.pad_xy, window),), target_hw, target_hw, warp)

    def loaded_hw(self, image: int) -> tuple[int, int]:
        """The size of an image when loaded for training: its long side is the image size."""
        width, height = self.sizes_wh[image].tolist()
        return loaded_size((height, width), self.image_size)

    def _warp(self, draw: np.random.Generator) -> Warp:
        s = self.settings
        perspective = draw.uniform(-s.perspective, s.perspective, 2)
        angle = draw.uniform(-s.degrees, s.degrees)
        scale = draw.uniform(1 - s.scale, 1 + s.scale)
        shear = draw.uniform(-s.shear, s.shear, 2)
        middle = draw.uniform(0.5 - s.translate, 0.5 + s.translate, 2)
        return Warp(_pair(perspective), float(angle), float(scale), _pair(shear), _pair(middle))


def _pair(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def loaded_size(source_hw: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Height and width with this long side, the other rounded up."""
    gain = long_side / max(source_hw)
    return tuple(min(max(math.ceil(side * gain - 1e-9), 1), long_side) for side in source_hw)  # type: ignore[return-value]  # two sides
