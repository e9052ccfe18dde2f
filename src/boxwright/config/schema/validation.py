# SPDX-License-Identifier: Apache-2.0
"""Settings of validation inside training and at the end of a run."""

from __future__ import annotations

from typing import Literal

from boxwright.config.setting import Slice, Spelling, recipe_field, setting


class EndOfRunSettings(Slice):
    """How a run validates while it trains, and what it does when it ends."""

    best_by: str = setting(
        "fitness",
        "What best.pt is chosen by: a logged number, or a sum such as 0.5*metrics/recall+0.5*coco/AP.",
        Spelling(metavar="METRIC"),
    )
    keep_best: tuple[str, ...] = setting(
        (), "Also keep the best by each of these, as best_NAME.pt.", Spelling(many=True, metavar="METRIC")
    )
    val_pad: float = recipe_field(0.5, "Strides of padding around rectangular validation batches.", ge=0, le=4)
    val_batch_factor: int = recipe_field(2, "Validation batch in units of the training batch per process.", ge=1, le=8)
    val_iou: float = recipe_field(0.6, "IoU threshold of NMS for validation in training.", gt=0, lt=1)
    final_val: Literal["best", "coco-last-and-best", "none"] = recipe_field(
        "best", "What is validated once more at the end."
    )
    final_iou: float = recipe_field(0.60, "IoU threshold of NMS for the final validation.", gt=0, lt=1)
    final_iou_coco: float = recipe_field(0.65, "The same for COCO.", gt=0, lt=1)
    coco_rule: Literal["val-entry", "80-classes", "data-path"] = recipe_field(
        "val-entry", "How COCO is recognised, for the end of a run only."
    )
    final_per_class: Literal["always", "under-50"] = recipe_field("always", "Per-class table in the final validation.")
    strip: Literal["both", "best"] = recipe_field("best", "Which files shed their training state when the run ends.")
    rename_with_name: bool = recipe_field(
        default=False, help_text="Add _NAME to result and weights files at the end, as in 2020."
    )
