# SPDX-License-Identifier: Apache-2.0
"""What became of every object and every detection: errors.jsonl, suspects.jsonl, and lists of images to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from boxwright.data.index.index import Index
from boxwright.data.splits.listing import listable
from boxwright.errors import printable
from boxwright.metrics.flat import Flat
from boxwright.metrics.mistakes import (
    BACKGROUND,
    BADLY_PLACED,
    DUPLICATE,
    MISSED,
    RIGHT,
    WRONG_CLASS,
    Outcome,
    suspects,
)
from boxwright.system.files import make_folder, write_text
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from pathlib import Path

LISTS = {
    WRONG_CLASS: "wrong_class",
    BADLY_PLACED: "badly_placed",
    DUPLICATE: "duplicate",
    BACKGROUND: "background",
    MISSED: "missed",
}


def write_mistakes(folder: Path, listed: list[Outcome], index: Index, flat: Flat, names: tuple[str, ...]) -> None:
    """errors.jsonl with everything that is there or was said, suspects.jsonl.

    And a list of images for each kind of mistake.
    """
    paths = [index.paths[number] for number in flat.images]
    write_text(folder / RunFile.ERRORS, "".join(f"{json.dumps(record(one, paths, names))}\n" for one in listed))
    doubts = suspects(listed)
    write_text(
        folder / RunFile.SUSPECTS,
        "".join(
            f"{json.dumps({'suspect': what, 'certainty': round(certainty, 3), **record(one, paths, names)})}\n"
            for one, what, certainty in doubts
        ),
    )
    groups = {LISTS[kind]: {one.image for one in listed if one.kind == kind} for kind in LISTS} | {
        "suspects": {one.image for one, _, _ in doubts}
    }
    make_folder(folder / RunFile.LISTS)
    for name, images in groups.items():
        write_text(
            folder / RunFile.LISTS / f"{name}.txt",
            "".join(
                f"{paths[image] if listable(paths[image]) else printable(paths[image])}\n" for image in sorted(images)
            ),
        )


def record(one: Outcome, paths: list[str], names: tuple[str, ...]) -> dict[str, Any]:
    """One outcome as plain values."""
    return {
        "kind": one.kind,
        "path": paths[one.image],
        "predicted": None if one.said is None else names[one.said],
        "true": None if one.true is None else names[one.true],
        "confidence": None if one.confidence is None else round(one.confidence, 4),
        "iou": round(one.iou, 4),
        "box_xyxy_px": one.box,
        "label_xyxy_px": one.label_box,
        "found_below_at": None if one.almost is None else round(one.almost, 4),
    }


def kind_counts(listed: list[Outcome]) -> dict[str, int]:
    """How many there are of each kind, right ones first."""
    return {kind: sum(one.kind == kind for one in listed) for kind in (RIGHT, *LISTS)}
