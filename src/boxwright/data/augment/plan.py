# SPDX-License-Identifier: Apache-2.0
"""What will happen to one training sample, as values: a plan of scenes, a scene of tiles.

A scene is a canvas with one or four tiles on it, seen through an affine or perspective map. A plan is one scene, or two
to be blended, then colour gains and flips.
"""

from __future__ import annotations

from dataclasses import dataclass

from boxwright.geometry.affine import Warp

NO_GAINS = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Tile:
    """One image on a canvas.

    `loaded_hw` is its size when loaded; it is scaled by `gain_xy`, shifted to `offset_xy`, and seen in `window_xyxy`.

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
