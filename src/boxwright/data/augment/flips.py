# SPDX-License-Identifier: Apache-2.0
"""Flips up-down and left-right, of pixels and of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.plan import Plan

if TYPE_CHECKING:
    import numpy as np


def drawn(draw: np.random.Generator, settings: AugmentSettings) -> tuple[bool, bool]:
    """Whether to flip up-down, and whether left-right."""
    up_down, left_right = draw.random(2) < (settings.flipud, settings.fliplr)
    return bool(up_down), bool(left_right)


def flipped_pixels(image: np.ndarray, plan: Plan) -> np.ndarray:
    """The picture as the plan flips it, without a copy. (H, W, C)"""
    image = image[::-1] if plan.flip_up_down else image
    return image[:, ::-1] if plan.flip_left_right else image


def flip_boxes(boxes: np.ndarray, plan: Plan) -> None:
    """Flip boxes in place as the plan flips their picture. Centre and size, normalised. (N, 4)"""
    if plan.flip_up_down:
        boxes[:, 1] = 1 - boxes[:, 1]
    if plan.flip_left_right:
        boxes[:, 0] = 1 - boxes[:, 0]
