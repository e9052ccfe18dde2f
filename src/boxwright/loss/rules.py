# SPDX-License-Identifier: Apache-2.0
"""What a loss is made of, worked out once for a run: gains for this many classes, levels and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from boxwright.config.schema.loss import LossSettings
from boxwright.errors import SettingError, nearest

BALANCE_THREE_LEVELS = (4.0, 1.0, 0.4)
REFERENCE_CLASSES = 80  # gains of this family are stated for COCO at 640 pixels with three levels
REFERENCE_LEVELS = 3
REFERENCE_SIZE = 640
MAX_FACTOR = 1000  # as for the gains
MAX_NAMED = 8  # classes that a message names


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
    class_weights: tuple[float, ...] = ()  # factor on the class loss of the objects of each class; () = 1 for all


def rules_for(
    settings: LossSettings, *, num_classes: int, num_levels: int, image_size: int, class_weights: tuple[float, ...] = ()
) -> LossRules:
    """The rules of a run: the settings' gains, scaled as the recipe says.

    `class_weights` are those of `class_weights_of`.
    """
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
        class_weights=class_weights,
    )


def class_weights_of(words: tuple[str, ...], names: tuple[str, ...], place: str = "class_weights") -> tuple[float, ...]:
    """One factor per class from numbers or from NAME:FACTOR words; () when there are no words.

    Raises SettingError with this place.
    """
    words = tuple(word for word in words if word.strip())
    if not words:
        return ()
    if len(names) == 1:
        raise SettingError(place, "with one class there is no class loss to weigh", "Leave class_weights out")
    named = {key: value for key, colon, value in (word.rpartition(":") for word in words) if colon}
    if not named:
        if len(words) != len(names):
            what = (
                f"there are {len(words)} class weights and {len(names)} "
                "classes "
                f"({', '.join(names[:MAX_NAMED])}{' ...' if len(names) > MAX_NAMED else ''})"
            )
            raise SettingError(place, what, "Give one number per class, or NAME:FACTOR for some of them")
        return tuple(_factor(word, place) for word in words)
    if len(named) != len(words):
        raise SettingError(
            place,
            "some class weights have a name of their own and some have none, or a name stands twice",
            "Name all of them, each once",
        )
    for name in named:
        if name not in names:
            near = nearest(name, names)
            raise SettingError(
                place,
                f"there is no class '{name}'",
                f"Did you mean '{near}'?" if near else "`boxwright data check` lists the classes",
            )
    return tuple(_factor(named[name], place) if name in named else 1.0 for name in names)


def _factor(word: str, place: str) -> float:
    try:
        factor = float(word)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= MAX_FACTOR:
        raise SettingError(
            place,
            f"the class weight {word.strip()!r} is no number from 0 to {MAX_FACTOR}",
            "Give a number; 1 leaves a class as it is",
        )
    return factor


def balance_for(num_levels: int, other_levels: tuple[float, ...]) -> tuple[float, ...]:
    """Weights of the levels: the three-level set, or the head of the longer one; beyond it the last weight goes on."""
    listed = BALANCE_THREE_LEVELS if num_levels == REFERENCE_LEVELS else other_levels
    return tuple(listed[min(level, len(listed) - 1)] for level in range(num_levels))
