# SPDX-License-Identifier: Apache-2.0
"""The drawn sample set: any picture of it by address, without drawing another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.data.drawn.camera import photograph
from boxwright.data.drawn.catalogue import SHAPES
from boxwright.data.drawn.scene import draw_scene
from boxwright.keyed import Purpose, generator

if TYPE_CHECKING:
    import numpy as np

NAMES: tuple[str, ...] = tuple(shape.name for shape in SHAPES)
SPLITS = {"train": 480, "val": 96}  # pictures; the place is the split's number in the address
SIZE = 320  # pixels
JPEG_QUALITIES = (75, 96)  # from, and below


@dataclass(frozen=True)
class DrawnImage:
    """A picture (size, size, 3) uint8 RGB; class, cx, cy, w, h of its N objects as shares of the side (N, 5) float64.

    How well to compress it.
    """

    image_rgb: np.ndarray
    rows: np.ndarray
    jpeg_quality: int


def draw(seed: int, split: str, index: int, size: int = SIZE) -> DrawnImage:
    """The picture at this place of the set; `split` is a key of SPLITS. A box holds exactly what is seen of its object.

    Objects scale with `size`, grain and blur do not; another size is another picture. Raises ValueError for an unknown
    split.
    """
    rng = generator(seed, Purpose.DRAWING, list(SPLITS).index(split), index)
    stage = draw_scene(rng, size)
    image_rgb = photograph(rng, stage.picture, stage.light)
    return DrawnImage(image_rgb, stage.rows(), int(rng.integers(*JPEG_QUALITIES)))
