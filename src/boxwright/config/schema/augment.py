# SPDX-License-Identifier: Apache-2.0
"""Settings of augmentation."""

from __future__ import annotations

from typing import Literal

from boxwright.config.setting import Slice, Spelling, hyperparameter, recipe_field, setting


class AugmentSettings(Slice):
    """What may happen to an image on its way into a batch."""

    hsv_h: float = hyperparameter(0.015, "Random hue, as a share.", ge=0, le=1)
    hsv_s: float = hyperparameter(0.7, "Random saturation, as a share.", ge=0, le=1)
    hsv_v: float = hyperparameter(0.4, "Random brightness, as a share.", ge=0, le=1)
    degrees: float = hyperparameter(0.0, "Random rotation in degrees, both ways.", ge=0, le=180)
    translate: float = hyperparameter(0.1, "Random shift, as a share of the image.", ge=0, le=1)
    scale: float = hyperparameter(0.5, "Random zoom: 1 +- this.", ge=0, lt=1)
    shear: float = hyperparameter(0.0, "Random shear in degrees, both ways.", ge=0, lt=90)
    perspective: float = hyperparameter(0.0, "Random perspective.", ge=0, le=0.01)
    flipud: float = hyperparameter(0.0, "Probability of a flip up-down.", ge=0, le=1)
    fliplr: float = hyperparameter(0.5, "Probability of a flip left-right.", ge=0, le=1)
    mosaic: float = hyperparameter(1.0, "Probability of a mosaic: four images joined into one.", ge=0, le=1)
    mixup: float = hyperparameter(0.0, "Probability of mixup: two mosaics blended.", ge=0, le=1)
    copy_paste: float = hyperparameter(
        0.0, "Copy-paste: share of objects to mirror and paste (needs polygons).", ge=0, le=1
    )
    mixup_beta: float = recipe_field(32.0, "Both parameters of the Beta law that mixup blends by.", gt=0)
    mosaic_border_random: bool = recipe_field(
        default=False,
        help_text="Draw for each mosaic how far its centre keeps from the edges of the canvas: a quarter to three "
        "quarters of the image, in steps of the grid.",
    )
    aug: Literal["full", "none"] = setting(
        "full", "none: every training image is its letterboxed source, nothing else.", Spelling()
    )
    close_mosaic: int = setting(0, "Epochs at the end without mosaic and mixup.", Spelling(metavar="N"), ge=0)
    albumentations: bool = setting(
        default=False,
        help_text="Add the weak colour set of the albumentations package (an extra).",
        spelling=Spelling(),
    )
