# SPDX-License-Identifier: Apache-2.0
"""What to do next, said from the numbers of a run. Each piece of advice names the number it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.metrics.gains import BOTH
from boxwright.metrics.mistakes import BACKGROUND, BADLY_PLACED, DUPLICATE, MISSED, WRONG_CLASS
from boxwright.structures.answer import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 5
WORTH = 0.01  # of mAP50 that a repair has to bring before it is spoken of
FEW_LABELS, FEW_IMAGES = 50, 100
NAMED = 6
SMALL_GAP = 0.15  # of AP between small and large objects
LATE, EARLY = 0.9, 0.5  # share of the epochs after which the best one lies
LEARNT = 0.02  # of mAP50-95: below it a network knows next to nothing, and its mistakes say nothing
RISING, STEEP = 0.01, 0.05  # by which fitness has to rise in the last epochs to rise at all, or to be far from done
FALLEN = 0.95  # of the best fitness, which later epochs have to lie below to be worse
EVERYTHING = 1.0  # more than any repair can bring: of a training far from done, mistakes say little yet
SLIGHT = 0.005  # worth of what nobody can count

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


class _Weighed(NamedTuple):
    """Advice, and what following it may bring: about as much mAP50, as far as that can be told."""

    worth: float
    advice: Advice


@dataclass(frozen=True)
class Facts:
    """What advice is drawn from."""

    gains: Mapping[str, float]
    confused: Sequence[tuple[str, str, int]]  # said, true, how often; most often first
    coco: Mapping[str, float]
    labels_by_class: Mapping[str, int]  # in training
    num_images: int  # of the validation
    num_labels: int  # of the validation
    suspects: Sequence[float]  # how sure each finding is, 0..1
    fitness: Sequence[float]  # by epoch
    interval: tuple[float, float]  # of mAP50-95


def advice(facts: Facts) -> list[Advice]:
    """The most useful first."""
    course = _course(facts.fitness)
    if facts.interval[1] < LEARNT:
        return [_ignorance(), *(one.advice for one in _data(facts) + _suspects(facts))][:MOST]
    found = [*_repairs(facts), *_suspects(facts), *course, *_data(facts)]
    return [one.advice for one in sorted(found, key=lambda one: -one.worth)][:MOST]


def _suspects(facts: Facts) -> list[_Weighed]:
    """Worth the share of the labels that is likely to be wrong."""
    if not facts.suspects:
        return []
    count, likely = len(facts.suspects), sum(facts.suspects)
    text = (
        "They stand first in the gallery, the surest before the others. A wrong label teaches wrongly and counts a "
        "right answer as a mistake."
    )
    return [
        _Weighed(
            likely / max(facts.num_labels, 1), Advice(f"Look at {counted(count, 'label')} that may be wrong", text)
        )
    ]


def _repairs(facts: Facts) -> list[_Weighed]:
    """The two kinds of mistakes that cost most."""
    worth = sorted(((gain, kind) for kind, gain in facts.gains.items() if gain >= WORTH), reverse=True)[:2]
    found: list[_Weighed] = []
    for gain, kind in worth:
        text = REMEDIES[kind]
        if kind == WRONG_CLASS and facts.confused:
            said, true, count = facts.confused[0]
            text += f" Most often, {counted(count, 'time')}, '{true}' is called '{said}'."
        lead = "Then" if found else "Most to win"
        found.append(_Weighed(gain, Advice(f"{lead}: {kind} (+{gain:.2f} mAP50)", text)))
    return found


def _ignorance() -> Advice:
    text = (
        "mAP50-95 is next to 0, so its mistakes say little yet. Give more --epochs, or start from trained weights with "
        "--weights. "
        "If many epochs brought no more, look at the labels: `boxwright data check`, `boxwright data preview`."
    )
    return Advice("It has hardly learnt anything yet", text)


def _course(fitness: Sequence[float]) -> list[_Weighed]:
    """What the course of the training says, epochs counted from 1."""
    known = np.array(fitness, np.float64)
    epochs, there = len(known), np.flatnonzero(np.isfinite(known))
    if len(there) < 5:  # noqa: PLR2004 -- a course needs a few points
        return []
    values = known[there]
    place = int(np.argmax(values))
    best, highest = int(there[place]) + 1, float(values[place])
    rise = _rise(values)
    if place >= LATE * (len(values) - 1) and rise >= RISING:
        text = (
            f"The best epoch is {best} of {epochs}: it was still getting better when it ended, by {rise:.0%} over the "
            "last epochs. Give more --epochs."
        )
        steep = EVERYTHING if rise >= STEEP else highest * rise
        return [_Weighed(steep, Advice("Train longer", text))]
    last = float(np.median(values[-_tail(len(values)) :]))
    if place <= EARLY * (len(values) - 1) and last <= FALLEN * highest:
        text = (
            f"The best epoch is {best} of {epochs}, and later ones were worse, as if they learned the training images "
            "by heart. More images or stronger augmentation help."
        )
        return [_Weighed(highest - last, Advice("It stopped getting better half-way", text))]
    return []


def _tail(count: int) -> int:
    """How many values are the last part of a course: a quarter, and at least three."""
    return max(count // 4, 3)


def _rise(values: np.ndarray) -> float:
    """By how much the straight line through the last part of a course rises, as a share of its end. 0 where it falls.

    One lucky epoch is no rise, nor is one that only makes up for a bad one.
    """
    tail = values[-_tail(len(values)) :]
    before = values[: -len(tail)]
    slope, level = np.polyfit(np.arange(len(tail)), tail, 1)
    start, end = float(level), float(level + slope * (len(tail) - 1))
    start = max(start, float(before.max(initial=0.0)))
    return max(end - start, 0.0) / end if end > 0 else 0.0


def _data(facts: Facts) -> list[_Weighed]:
    found: list[_Weighed] = []
    small, large = facts.coco.get("AP_small", -1.0), facts.coco.get("AP_large", -1.0)
    if min(small, large) >= 0 and large - small > SMALL_GAP:
        text = (
            f"AP is {small:.2f} for small ones and {large:.2f} for large ones. A larger --imgsz shows them in "
            "more "
            "pixels."
        )
        found.append(_Weighed((large - small) * WORTH, Advice("Small objects lag behind", text)))
    counts = sorted(facts.labels_by_class.items(), key=lambda pair: pair[1])
    few = [f"{name} ({count})" for name, count in counts if 0 < count < FEW_LABELS]
    none = sum(count == 0 for _, count in counts)
    if few or none:
        more = f" and {counted(len(few) - NAMED, 'more class', 'more classes')}" if len(few) > NAMED else ""
        named = f"Fewer than {FEW_LABELS} objects in training: {', '.join(few[:NAMED])}{more}. " if few else ""
        empty = f"None at all for {counted(none, 'class', 'classes')}. " if none else ""
        text = f"{named}{empty}Some hundred each make a difference."
        found.append(_Weighed(SLIGHT, Advice("Few examples to learn from", text)))
    low, high = (f"{bound:.2f}" for bound in facts.interval)
    if facts.num_images < FEW_IMAGES and low != high:
        text = (
            f"With {facts.num_images} images mAP50-95 could as well be anything from {low} to {high}. "
            "Smaller "
            "differences between runs say nothing."
        )
        found.append(_Weighed(SLIGHT, Advice("The validation set is small", text)))
    return found
