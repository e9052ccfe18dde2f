# SPDX-License-Identifier: Apache-2.0
"""What a loss is made of, worked out once for a run: gains for this many classes, levels and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from boxwright.config.schema.loss import LossSettings

BALANCE_THREE_LEVELS = (4.0, 1.0, 0.4)
REFERENCE_CLASSES = 80  # gains of this family are stated for COCO at 640 pixels with three levels
REFERENCE_LEVELS = 3
REFERENCE_SIZE = 640


@dataclass(frozen=True)
class LossRules:
    """Final gains and choices. `balance` weighs objectness per level, finest first."""

    box: float = 0.05
    obj: float = 1.0
    cls: float = 0.5
    obj_pos_weight: float = 1.0
    cls_pos_weight: float = 1.0
    focal_gamma: float = 0.0
    anchor_t: float = 4.0
    label_smoothing: float = 0.0
    box_loss: Literal["ciou", "giou"] = "ciou"
    overlap_share: float = 1.0  # how much of the objectness target is the overlap; the rest is 1
    best_overlap_wins: bool = False
    balance: tuple[float, ...] = BALANCE_THREE_LEVELS
    autobalance: bool = False


def rules_for(settings: LossSettings, *, num_classes: int, num_levels: int, image_size: int) -> LossRules:
    """The rules of a run: the settings' gains, scaled as the recipe says."""
    by_levels = REFERENCE_LEVELS / num_levels
    by_size = (image_size / REFERENCE_SIZE) ** 2 if settings.obj_gain_by_size else 1.0
    four_levels = 4
    extra = settings.obj_gain_four_levels if num_levels == four_levels else 1.0
    return LossRules(
        box=settings.box * by_levels,
        obj=settings.obj * by_levels * by_size * extra,
        cls=settings.cls * num_classes / REFERENCE_CLASSES * by_levels,
        obj_pos_weight=settings.obj_pw,
        cls_pos_weight=settings.cls_pw,
        focal_gamma=settings.fl_gamma,
        anchor_t=settings.anchor_t,
        label_smoothing=settings.label_smoothing,
        box_loss=settings.box_loss,
        overlap_share=settings.gr,
        best_overlap_wins=settings.sort_obj_iou,
        balance=balance_for(num_levels, settings.balance_other_levels),
        autobalance=settings.autobalance,
    )


def balance_for(num_levels: int, other_levels: tuple[float, ...]) -> tuple[float, ...]:
    """Weights of the levels: the three-level set, or the head of the longer one; beyond it the last weight goes on."""
    listed = BALANCE_THREE_LEVELS if num_levels == REFERENCE_LEVELS else other_levels
    return tuple(listed[min(level, len(listed) - 1)] for level in range(num_levels))
