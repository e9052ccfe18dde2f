# SPDX-License-Identifier: Apache-2.0
"""One sample drawn in one pass.

Tiles on a canvas through a map, blended, recoloured, flipped, straight into its channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boxwright.native.binary import require

if TYPE_CHECKING:
    from collections.abc import Sequence

# The layouts of render.cpp.
_TILE = np.dtype(
    [
        ("pixels", "u8"),
        ("stride", "i8"),
        ("height", "i4"),
        ("width", "i4"),
        ("x", "i4"),
        ("y", "i4"),
        *((side, "i4") for side in ("x1", "y1", "x2", "y2")),
    ]
)
_SCENE = np.dtype([("tiles", "u8"), ("num_tiles", "i8"), ("inverse", "f8", (9,))])
_LOOK = np.dtype(
    [("share", "f4"), ("gains", "f4", (3,)), ("up_down", "i4"), ("left_right", "i4"), ("border", "i4"), ("plain", "i4")]
)


@dataclass(frozen=True)
class Painting:
    """One scene.

    Tiles as (pixels (H, W, 3) uint8 BGR, first pixel x, y, window x1, y1, x2, y2), and the map from output to canvas
    (3, 3).
    """

    tiles: Sequence[tuple[np.ndarray, tuple[int, int], tuple[int, int, int, int]]]
    inverse: np.ndarray


@dataclass(frozen=True)
class Look:
    """What happens to the picture as a whole.

    `border` shows where no tile is; `share` is that of the first of two scenes.

    `plain` uses portable instructions only, which say the same.
    """

    border: int
    share: float = 1.0
    gains_hsv: tuple[float, float, float] = (1.0, 1.0, 1.0)
    flip_up_down: bool = False
    flip_left_right: bool = False
    plain: bool = False


def draw(paintings: Sequence[Painting], look: Look, out: np.ndarray) -> None:
    """Draw into `out` (3, H, W) uint8 RGB."""
    library = require()
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    tables = [_table(painting) for painting in paintings]
    scenes = np.array(
        [
            (table.ctypes.data, len(table), painting.inverse.reshape(9))
            for (table, _), painting in zip(tables, paintings, strict=True)
        ],
        _SCENE,
    )
    words = np.array(
        (look.share, look.gains_hsv, look.flip_up_down, look.flip_left_right, look.border, look.plain), _LOOK
    )
    library.boxwright_render(
        scenes.ctypes.data, len(scenes), words.ctypes.data, out.shape[1], out.shape[2], out.ctypes.data
    )


def _table(painting: Painting) -> tuple[np.ndarray, list[np.ndarray]]:
    """The tiles as the library wants them, and the pixels they point to, which have to live as long."""
    sources = [np.ascontiguousarray(pixels) for pixels, _, _ in painting.tiles]
    rows = [
        (source.ctypes.data, source.strides[0], *source.shape[:2], *offset, *window)
        for source, (_, offset, window) in zip(sources, painting.tiles, strict=True)
    ]
    return np.array(rows, _TILE), sources
