# SPDX-License-Identifier: Apache-2.0
"""Decides what happens to a training sample, before a pixel is touched.

In this order: mosaic (mosaic.py) with copy-paste (copy_paste.py) and mixup (mixup.py), or one letterboxed image; the
map (random_affine.py); colour (hsv.py); flips (flips.py). All of it is a function of (seed, epoch, position) and of
image sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment import flips, hsv, mixup
from boxwright.data.augment.mosaic import Mosaic
from boxwright.data.augment.plan import Plan, Scene, Tile
from boxwright.data.augment.random_affine import drawn_warp
from boxwright.geometry.affine import Warp
from boxwright.geometry.letterbox import fit, loaded_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    Partners = Callable[[np.random.Generator, int], np.ndarray]  # a draw, how many -> image numbers

NOTHING_REPLACED: Mapping[int, int] = MappingProxyType({})


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
        settings = self.settings
        if settings.aug == "none":
            return Plan((self._letterboxed(replaced.get(image, image), output_hw, Warp()),))
        if self.mosaic_allowed and not mosaic_closed and draw.random() < settings.mosaic:
            scenes, share = self._mosaics(image, draw, replaced, partners or self._any)
        else:
            warp = drawn_warp(draw, settings)
            scenes, share = (self._letterboxed(replaced.get(image, image), output_hw, warp),), 1.0
        gains = hsv.drawn_gains(draw, settings)
        up_down, left_right = flips.drawn(draw, settings)
        return Plan(scenes, share, gains, up_down, left_right)

    def _any(self, draw: np.random.Generator, count: int) -> np.ndarray:
        return draw.integers(len(self.sizes_wh), size=count)

    def _mosaics(
        self, image: int, draw: np.random.Generator, replaced: Mapping[int, int], partners: Partners
    ) -> tuple[tuple[Scene, ...], float]:
        """One mosaic, or two to be blended."""
        mosaic = Mosaic(self.settings, self.image_size, self.grid, self.loaded_hw, self.paste)
        first = mosaic.scene(image, draw, replaced, partners)
        if draw.random() >= self.settings.mixup:
            return (first,), 1.0
        second = mosaic.scene(int(partners(draw, 1)[0]), draw, replaced, partners)
        return (first, second), mixup.drawn_share(draw, self.settings)

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
