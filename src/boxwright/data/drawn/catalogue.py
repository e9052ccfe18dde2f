# SPDX-License-Identifier: Apache-2.0
"""The eight classes: how each is drawn, how round it is, how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.data.drawn.pen import Pen
from boxwright.data.drawn.shapes_grown import draw_fish, draw_leaf, draw_mushroom, draw_starfish
from boxwright.data.drawn.shapes_made import draw_ball, draw_crate, draw_donut, draw_gear

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


@dataclass(frozen=True)
class Shape:
    """One class of objects. `relief` is how strongly it bulges: 0 a sheet of paper, 2 a ball."""

    name: str
    draw: Callable[[Pen, np.random.Generator], None]
    relief: float
    upright_share: float = 0.0  # of the objects stand upright or nearly so; the others lie anyhow


# The place is the class number: part of every run's numbers, append only.
SHAPES = (
    Shape("ball", draw_ball, relief=2.2),
    Shape("crate", draw_crate, relief=0.35),
    Shape("starfish", draw_starfish, relief=1.3),
    Shape("leaf", draw_leaf, relief=0.5),
    Shape("donut", draw_donut, relief=1.8),
    Shape("gear", draw_gear, relief=0.45),
    Shape("fish", draw_fish, relief=0.9),
    Shape("mushroom", draw_mushroom, relief=0.9, upright_share=0.6),
)
