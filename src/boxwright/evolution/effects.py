# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters that act on nothing under the other settings and on this data: searching them would be noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.conflicts import CHANGING
from boxwright.config.schema.train import TrainSettings
from boxwright.runs.inputs.open_data import OpenData

if TYPE_CHECKING:
    from collections.abc import Collection

Why = tuple[str, str]  # and a way out
ON_MOSAICS = ("mixup", "copy_paste")
OF_COLOUR = ("hsv_h", "hsv_s", "hsv_v")
OF_CLASSES = ("cls", "cls_pw")


def without_effect(settings: TrainSettings, data: OpenData, searched: Collection[str]) -> dict[str, Why]:
    """Each key that acts on nothing, why, and a way out. `searched` are keys that would move."""
    found: dict[str, Why] = {"iou_t": ("no trainer of this family reads it", "")}
    if settings.rect:
        found |= dict.fromkeys(("mosaic", *ON_MOSAICS), ("rectangular batches hold single images", "Leave --rect out."))
    elif settings.mosaic == 0 and "mosaic" not in searched:
        found |= dict.fromkeys(ON_MOSAICS, ("it works on mosaics, and mosaic is 0", "Set mosaic above 0."))
    found |= _of_data(data)
    if settings.aug == "none":
        found |= dict.fromkeys(CHANGING, ("--aug none leaves every image as it is", "Leave --aug out."))
    return found


def _of_data(data: OpenData) -> dict[str, Why]:
    kind, found = data.dataset.kind, dict[str, Why]()
    if not data.splits["train"].has_polygons:
        found["copy_paste"] = ("no label of the training split is an outline, and only outlines can be pasted", "")
    if not kind.usual:
        why = f"images have {kind.channels} channels of {kind.depth}, and hue is for colour pictures of 8 bits"
        found |= dict.fromkeys(OF_COLOUR, (why, ""))
    if data.num_classes == 1:
        found |= dict.fromkeys(OF_CLASSES, ("there is one class, and nothing to tell apart", ""))
    return found
