# SPDX-License-Identifier: Apache-2.0
"""The random map of a sample: rotation, zoom, shear, shift and perspective, drawn from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.schema.augment import AugmentSettings
from boxwright.geometry.affine import Warp

if TYPE_CHECKING:
    import numpy as np


def drawn_warp(draw: np.random.Generator, settings: AugmentSettings) -> Warp:
    """One map; `geometry.affine` makes its matrix and carries boxes and outlines through it."""
    s = settings
    perspective = draw.uniform(-s.perspective, s.perspective, 2)
    angle = draw.uniform(-s.degrees, s.degrees)
    scale = draw.uniform(1 - s.scale, 1 + s.scale)
    shear = draw.uniform(-s.shear, s.shear, 2)
    middle = draw.uniform(0.5 - s.translate, 0.5 + s.translate, 2)
    return Warp(_pair(perspective), float(angle), float(scale), _pair(shear), _pair(middle))


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
