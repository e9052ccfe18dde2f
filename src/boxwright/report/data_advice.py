# SPDX-License-Identifier: Apache-2.0
"""What stands out in a data set, in words: what it does to a training, and what to do about it.

Split facts are those of report.json.
"""

from __future__ import annotations

from typing import Any

from boxwright.structures.answer import counted

FEW_OBJECTS = 50  # of a class in train: less is rarely learned from scratch
FEW_IMAGES = 50  # in val: under this, chance moves the numbers by several points
TINY_SHARE = 0.05
BACKGROUND_SHARE = 0.3
ANCHOR_RECALL = 0.98  # as in autoanchor
SHIFT, COUNTED = 2.0, 20  # how much larger a class's share may be in one split, and how many objects it takes to say so
NAMED = 6


def advice(document: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, what to do about it), what matters most first."""
    splits = {split: facts for split, facts in document["splits"].items() if facts["images"]}
    train, val = splits.get("train"), splits.get("val")
    found = _leakage(document)
    if train:
        found += _missing(train, val, document["names"])
        found += _unlabelled(train)
    if val:
        found += _unmeasured(train, val, document["names"])
    if train and val:
        found += _shifted(train, val, document["names"])
    if train:
        found += _tiny(train, document["image_size"]) + _anchors(document["anchors"])
    return found + _alike(document)


def _leakage(document: dict[str, Any]) -> list[tuple[str, str]]:
    count = sum(pair["exact"] for pair in document["leakage"])
    what = f"{counted(count, 'pair')} of pictures lie{'s' if count == 1 else ''} in two splits"
    return (
        [(what, "What was trained on is measured again: numbers come out too good. Keep each picture in one split.")]
        if count
        else []
    )


def _alike(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Frames of one scene on both sides."""
    count = sum(not pair["exact"] for pair in document["leakage"])
    what = f"{counted(count, 'pair')} of pictures in two splits look{'s' if count == 1 else ''} alike"
    remedy = (
        "Frames of one scene on both sides make the numbers better than they will be on other scenes. Where that is "
        "so, divide by scene."
    )
    return [(what, remedy)] if count else []


def _missing(train: dict[str, Any], val: dict[str, Any] | None, names: list[str]) -> list[tuple[str, str]]:
    """Classes with nothing or little to learn from."""
    counts = train["classes"]
    none = [number for number, count in enumerate(counts) if not count]
    asked = [number for number in none if val and val["classes"][number]]
    few = [number for number, count in enumerate(counts) if 0 < count < FEW_OBJECTS]
    found = []
    if asked:
        found.append(
            (
                f"no object to learn from, but some in val: {_named(asked, names)}",
                "Every one of them will be missed. Label some, or drop the class.",
            )
        )
    if idle := [number for number in none if number not in asked]:
        found.append(
            (
                f"no object of {_named(idle, names)}",
                "The class costs a little and gives nothing. Drop it from `names`, unless it is to come.",
            )
        )
    if few:
        words = f"fewer than {FEW_OBJECTS} objects in train: {_named(few, names)}"
        found.append((words, "Expect little of them. Label more, merge classes, or begin from trained weights."))
    return found


def _unlabelled(train: dict[str, Any]) -> list[tuple[str, str]]:
    bare = len(train["backgrounds_by_kind"]["no file"])
    if bare <= BACKGROUND_SHARE * train["images"]:
        return []
    words = f"{bare} of {train['images']} training images have no label file"
    return [
        (
            words,
            (
                "They train as pictures without objects. If they were only not labelled yet, leave them out until they "
                "are."
            ),
        )
    ]


def _unmeasured(train: dict[str, Any] | None, val: dict[str, Any], names: list[str]) -> list[tuple[str, str]]:
    found = []
    absent = [number for number, count in enumerate(val["classes"]) if not count and train and train["classes"][number]]
    if absent:
        found.append(
            (
                f"no object in val: {_named(absent, names)}",
                "Nothing measures them. `boxwright data split` spreads classes evenly.",
            )
        )
    if val["images"] < FEW_IMAGES:
        found.append(
            (
                f"val has {counted(val['images'], 'image')}",
                "Chance moves the numbers by several points. Read them with --ci, or measure on more.",
            )
        )
    return found


def _shifted(train: dict[str, Any], val: dict[str, Any], names: list[str]) -> list[tuple[str, str]]:
    """Classes whose share differs much between the splits."""
    moved = []
    for number, (here, there) in enumerate(zip(train["classes"], val["classes"], strict=True)):
        shares = here / max(train["objects"], 1), there / max(val["objects"], 1)
        if min(here, there) >= COUNTED and max(shares) > SHIFT * min(shares):
            moved.append(number)
    words = f"another share of objects in val than in train: {_named(moved, names)}"
    return (
        [(words, "The splits may come from different places. `boxwright data split` divides evenly.")] if moved else []
    )


def _tiny(train: dict[str, Any], image_size: int) -> list[tuple[str, str]]:
    if train["tiny_count"] <= TINY_SHARE * max(train["objects"], 1):
        return []
    words = f"{train['tiny_count']} of {train['objects']} training boxes have a side under 8 px at {image_size}"
    return [(words, "That is less than one cell of the finest level. Train with a larger --imgsz, or on crops.")]


def _anchors(anchors: dict[str, Any]) -> list[tuple[str, str]]:
    if not anchors["per_box"] or anchors["recall"] >= ANCHOR_RECALL:
        return []
    return [
        (
            f"{1 - anchors['recall']:.1%} of training boxes fit no anchor",
            "A training finds better anchors by itself, unless --noautoanchor is given.",
        )
    ]


def _named(numbers: list[int], names: list[str]) -> str:
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(names[number] for number in numbers[:NAMED]) + more
