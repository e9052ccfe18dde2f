# SPDX-License-Identifier: Apache-2.0
"""What to do next, said from the numbers of a run. Each piece of advice names the number it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.metrics.gains import BOTH
from boxwright.metrics.mistakes import BACKGROUND, BADLY_PLACED, DUPLICATE, MISSED, WRONG_CLASS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 5
WORTH = 0.01  # of mAP50 that a repair has to bring before it is spoken of
FEW_LABELS, FEW_IMAGES = 50, 100
SMALL_GAP = 0.15  # of AP between small and large objects
LATE, EARLY = 0.9, 0.5  # share of the epochs after which the best one lies
LEARNT = 0.02  # of mAP50-95: below it a network knows next to nothing, and its mistakes say nothing
# by which the last fifth of the epochs has to raise fitness for the training to be unfinished, whatever else is wrong
RISE = 1.05

REMEDIES = {
    MISSED: "Objects that nothing was found on. Label more examples of the classes with low recall, train longer, or "
    "raise --imgsz if they are small.",
    BADLY_PLACED: "Found, but the box is off. Look whether labels are drawn tightly and alike; a larger network or "
    "--imgsz sharpens boxes.",
    WRONG_CLASS: "Right place, wrong name. Look at the pairs that are taken for each other: more examples of both, or "
    "one class for both.",
    BOTH: "Neither name nor box fits. More examples of these classes, and a longer training.",
    DUPLICATE: "Several boxes on one object. A lower --iou-thres when predicting removes them.",
    BACKGROUND: "Boxes where nothing is labelled. Check below whether labels are missing; else add images without "
    "objects that show what is taken for one.",
}


class Advice(NamedTuple):
    """A headline with its reason, and what to do."""

    title: str
    text: str


@dataclass(frozen=True)
class Facts:
    """What advice is drawn from."""

    gains: Mapping[str, float]
    confused: Sequence[tuple[str, str, int]]  # said, true, how often; most often first
    coco: Mapping[str, float]
    labels_by_class: Mapping[str, int]  # in training
    num_images: int  # of the validation
    suspects: int
    fitness: Sequence[float]  # by epoch
    interval: tuple[float, float]  # of mAP50-95


def advice(facts: Facts) -> list[Advice]:
    """The most useful first."""
    found: list[Advice] = []
    if facts.suspects:
        text = (
            "They stand first in the gallery. A wrong label teaches wrongly and counts a right answer as a "
            "mistake: "
            "correct these before anything else."
        )
        found.append(Advice(f"Look at {facts.suspects} labels that may be wrong", text))
    if facts.interval[1] < LEARNT:
        return [*_ignorance(), *found, *_data(facts)][:MOST]
    found += _repairs(facts)
    course = _course(facts.fitness)
    found = [*course, *found] if _unfinished(facts.fitness) else [*found, *course]
    found += _data(facts)
    return found[:MOST]


def _repairs(facts: Facts) -> list[Advice]:
    """The two kinds of mistakes that cost most."""
    worth = sorted(((gain, kind) for kind, gain in facts.gains.items() if gain >= WORTH), reverse=True)[:2]
    found: list[Advice] = []
    for gain, kind in worth:
        text = REMEDIES[kind]
        if kind == WRONG_CLASS and facts.confused:
            said, true, count = facts.confused[0]
            text += f" Most often, {count} times, '{true}' is called '{said}'."
        found.append(
            Advice(
                f"Most to win: {kind} (+{gain:.2f} mAP50)" if not found else f"Then: {kind} (+{gain:.2f} mAP50)", text
            )
        )
    return found


def _ignorance() -> list[Advice]:
    text = (
        "mAP50-95 is next to 0, so its mistakes say little yet. Give more --epochs, or start from trained weights with "
        "--weights. "
        "If many epochs brought no more, look at the labels: `boxwright data check`, `boxwright data preview`."
    )
    return [Advice("It has hardly learnt anything yet", text)]


def _course(fitness: Sequence[float]) -> list[Advice]:
    known = np.array(fitness, np.float64)
    epochs = len(known)
    if len(known) < 5 or not np.isfinite(known).any():  # noqa: PLR2004 -- a course needs a few points
        return []
    best = int(np.nanargmax(known))
    place = best / (epochs - 1)
    if place >= LATE:
        return [
            Advice(
                "Train longer",
                f"The best epoch is {best} of {epochs}: it was still getting better when it ended. Give more --epochs.",
            )
        ]
    if place <= EARLY:
        text = (
            f"The best epoch is {best} of {epochs}: later ones learned the training images by heart. More images "
            "or "
            "stronger augmentation help."
        )
        return [Advice("It stopped getting better half-way", text)]
    return []


def _unfinished(fitness: Sequence[float]) -> bool:
    """Whether it still rose steeply when it ended: mistakes of such a network say little yet."""
    known = np.array(fitness, np.float64)
    known = known[np.isfinite(known)]
    return len(known) >= 5 and known.max() >= RISE * known[: -(len(known) // 5)].max()  # noqa: PLR2004 -- a course needs a few points


def _data(facts: Facts) -> list[Advice]:
    found: list[Advice] = []
    small, large = facts.coco.get("AP_small", -1.0), facts.coco.get("AP_large", -1.0)
    if min(small, large) >= 0 and large - small > SMALL_GAP:
        text = (
            f"AP is {small:.2f} for small ones and {large:.2f} for large ones. A larger --imgsz shows them in "
            "more "
            "pixels."
        )
        found.append(Advice("Small objects lag behind", text))
    few = [
        f"{name} ({count})"
        for name, count in sorted(facts.labels_by_class.items(), key=lambda pair: pair[1])
        if count < FEW_LABELS
    ]
    if few:
        found.append(
            Advice(
                "Few examples to learn from",
                f"Fewer than {FEW_LABELS} objects in training: {', '.join(few[:6])}. Some hundred each make a "
                "difference.",
            )
        )
    low, high = (f"{bound:.2f}" for bound in facts.interval)
    if facts.num_images < FEW_IMAGES and low != high:
        text = (
            f"With {facts.num_images} images mAP50-95 could as well be anything from {low} to {high}. "
            "Smaller "
            "differences between runs say nothing."
        )
        found.append(Advice("The validation set is small", text))
    return found
