# SPDX-License-Identifier: Apache-2.0
"""Settings of the loss."""

from __future__ import annotations

from typing import Literal

from boxwright.config.setting import Slice, Spelling, hyperparameter, recipe_field, setting


class LossSettings(Slice):
    """Gains and choices of the loss, before they are scaled to classes, levels and image size."""

    box: float = hyperparameter(0.05, "Gain of the box loss.", ge=0, le=1000)
    cls: float = hyperparameter(0.5, "Gain of the class loss, for 80 classes.", ge=0, le=1000)
    cls_pw: float = hyperparameter(1.0, "Weight of positives in the class loss.", gt=0, le=1000)
    obj: float = hyperparameter(1.0, "Gain of the objectness loss, for 640 pixels.", ge=0, le=1000)
    obj_pw: float = hyperparameter(1.0, "Weight of positives in the objectness loss.", gt=0, le=1000)
    iou_t: float = hyperparameter(0.2, "Kept for old files; no trainer of this family uses it.", ge=0, le=1)
    anchor_t: float = hyperparameter(4.0, "A box and an anchor fit while no side differs by this factor.", gt=1, le=100)
    fl_gamma: float = hyperparameter(0.0, "Focusing of the focal loss; 0 = plain cross-entropy.", ge=0, le=10)
    class_weights: tuple[str, ...] = hyperparameter(
        (),
        "Factor on the class loss of the objects of a class, and on nothing else: one number per class, or NAME:FACTOR "
        "of some of them.",
    )
    label_smoothing: float = setting(0.0, "Smoothing of class targets.", Spelling(original=True), ge=0, lt=1)
    box_loss: Literal["ciou", "giou"] = recipe_field("ciou", "IoU that the box loss maximises.")
    gr: float = recipe_field(1.0, "Share of the IoU in the objectness target; the rest is 1.", ge=0, le=1)
    obj_gain_by_size: bool = recipe_field(default=True, help_text="Scale the objectness gain by (imgsz / 640) squared.")
    obj_gain_four_levels: float = recipe_field(1.0, "Factor on the objectness gain of networks with four levels.", gt=0)
    balance_other_levels: tuple[float, ...] = recipe_field(
        (4.0, 1.0, 0.25, 0.06, 0.02),
        "Weight of objectness per level when there are not three (then 4, 1, 0.4).",
        min_length=1,
    )
    autobalance: bool = recipe_field(default=False, help_text="Let the level weights follow the losses.")
    sort_obj_iou: bool = recipe_field(
        default=False, help_text="Where several targets share a cell, let the best IoU count instead of the last."
    )
