# SPDX-License-Identifier: Apache-2.0
"""The one light of a picture: it shades the objects, throws their shadows and fades over the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.data.drawn.curves import TURN

if TYPE_CHECKING:
    import numpy as np

HEIGHT = 1.1  # over the ground, for a distance of 1: a little steeper than half way up


@dataclass(frozen=True)
class Light:
    """A unit vector towards the light: x to the right, y downward, z out of the picture."""

    x: float
    y: float
    z: float

    @classmethod
    def from_angle(cls, angle: float) -> Light:
        """The light that comes from this side of the picture. Radians."""
        norm = math.hypot(1.0, HEIGHT)
        return cls(math.cos(angle) / norm, math.sin(angle) / norm, HEIGHT / norm)

    @classmethod
    def from_anywhere(cls, rng: np.random.Generator) -> Light:
        """A light from any side."""
        return cls.from_angle(rng.uniform(0, TURN))
