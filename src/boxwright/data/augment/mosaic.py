# SPDX-License-Identifier: Apache-2.0
"""Mosaic: four images that meet at a random centre of a canvas twice as large as the output.

Only where they lie is decided here; render.py draws them, and transformed_labels.py places their boxes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.plan import Scene, Tile
from boxwright.data.augment.random_affine import drawn_warp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

MOSAIC_TILES = 4


@dataclass(frozen=True)
class Mosaic:
    """Draws mosaics of one split.

    `image_size` is the side of the output, `grid` the coarsest stride of the network. `loaded_hw` gives the size of an
    image when loaded, `paste` what copy-paste copies.
    """

    settings: AugmentSettings
    image_size: int
    grid: int
    loaded_hw: Callable[[int], tuple[int, int]]
    paste: Callable[[Sequence[Tile], tuple[int, int], np.random.Generator], tuple[tuple[int, int], ...]] | None = None

    def scene(
        self,
        image: int,
        draw: np.random.Generator,
        replaced: Mapping[int, int],
        partners: Callable[[np.random.Generator, int], np.ndarray],
    ) -> Scene:
        """This image and three partners around a centre that keeps a border away from the edges of the canvas.

        Images that `replaced` names give way after everything is drawn.
        """
        size = self.image_size
        border = self._border(draw)
        centre_x, centre_y = (int(v) for v in draw.uniform(border, 2 * size - border, 2))
        images = draw.permutation([image, *partners(draw, MOSAIC_TILES - 1).tolist()])
        chosen = [replaced.get(number, number) for number in images.tolist()]
        tiles = [self._tile(number, corner, (centre_x, centre_y)) for corner, number in enumerate(chosen)]
        warp, canvas = drawn_warp(draw, self.settings), (2 * size, 2 * size)
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
