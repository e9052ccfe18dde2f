# SPDX-License-Identifier: Apache-2.0
"""Files of a validation: counts and shares, pictures, label files, COCO results, what went wrong."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.data.index.index import Index
from boxwright.data.splits.listing import listable
from boxwright.errors import printable
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.infer.evaluator import Evaluation
from boxwright.metrics.confusion import shares
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
from boxwright.report import confusion_figure, curves_figure
from boxwright.runs.evaluation.coco_ids import CocoIds
from boxwright.system.files import fitting, make_folder, write_image, write_text
from boxwright.system.run_folder import RunFile, RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterable

MATRICES = {"": None, "_columns": 0, "_rows": 1}  # counts, shares of each true class, shares of each predicted class
CURVES = {
    "PR": curves_figure.pr_curve,
    "F1": curves_figure.f1_curve,
    "P": curves_figure.p_curve,
    "R": curves_figure.r_curve,
}
LISTS = {
    WRONG_CLASS: "wrong_class",
    BADLY_PLACED: "badly_placed",
    DUPLICATE: "duplicate",
    BACKGROUND: "background",
    MISSED: "missed",
}


def write_matrices(folder: Path, matrix: np.ndarray, names: tuple[str, ...]) -> None:
    """confusion_matrix.csv with counts, and the shares of its columns and rows beside it."""
    for suffix, axis in MATRICES.items():
        values = matrix if axis is None else shares(matrix, axis)
        write_text(folder / f"confusion_matrix{suffix}.csv", as_csv(values, names))


def as_csv(values: np.ndarray, names: tuple[str, ...]) -> str:
    """A row per predicted class, a column per true one; empty where there is nothing to have a share of."""
    heads = [text_cell(name) for name in (*names, "background")]
    rows = [["predicted \\ true", *heads]]
    rows += [
        [head, *("" if np.isnan(value) else repr(value) for value in row)]
        for head, row in zip(heads, values.tolist(), strict=True)
    ]
    return "".join(f"{','.join(row)}\n" for row in rows)


def text_cell(text: str) -> str:
    """Somebody's text as one cell of a table.

    Spreadsheets run what begins with = + - @ in any width; what begins with no letter or digit gets a mark.
    """
    shown = printable(text)
    first = unicodedata.normalize("NFKC", shown.strip())[:1]
    guarded = shown if not first or first.isalnum() or first in "_(" else f"'{shown}"
    plain = all(
        letter.isalnum() or letter in " _-.()'" for letter in guarded
    )  # what else there is may end a cell somewhere
    return guarded if plain else '"' + guarded.replace('"', '""') + '"'


def write_pictures(folder: Path, found: Evaluation, names: tuple[str, ...]) -> None:
    """The four curves, and the confusion as counts and as shares."""
    for name, figure in CURVES.items():
        write_image(RunFolder(folder).curve(name), figure(found.metrics.curves, names))
    matrix = found.metrics.confusion
    write_image(folder / RunFile.CONFUSION, confusion_figure.confusion_figure(matrix, names))
    write_image(folder / "confusion_matrix_rows.png", confusion_figure.confusion_figure(matrix, names, "row"))
    write_image(folder / "confusion_matrix_counts.png", confusion_figure.confusion_figure(matrix, names, None))


def write_labels(folder: Path, flat: Flat, index: Index, *, confidences: bool) -> None:
    """One label file per image: class, box, and the confidence where it is asked for."""
    make_folder(folder)
    names = label_names([index.paths[number] for number in flat.images])
    for place, (number, name) in enumerate(zip(flat.images, names, strict=True)):
        rows = flat.image(place).detections
        width, height = index.sizes_wh[number].tolist()
        boxes = xyxy_px_to_cxcywh_norm(rows[:, :4], (height, width))
        lines = [
            f"{int(row[5])} " + " ".join(f"{value:.6f}" for value in box) + (f" {row[4]:.6f}" if confidences else "")
            for row, box in zip(rows, boxes, strict=True)
        ]
        write_text(folder / f"{name}.txt", "".join(f"{line}\n" for line in lines), durable=False)


def label_names(paths: Iterable[str]) -> list[str]:
    """A name for each image's file: its own, and numbered where two images in different folders share one."""
    seen: dict[str, int] = {}
    found: dict[str, None] = {}
    for path in paths:
        stem = free = fitting(Path(path).stem)
        while free in found:
            seen[stem] = seen.get(stem, 1) + 1
            free = f"{stem}_{seen[stem]}"
        found[free] = None
    return list(found)


def coco_results(flat: Flat, index: Index, ids: CocoIds) -> list[dict[str, Any]]:
    """Detections as COCO results. Numbers are written in full, so that another evaluator sees what ours saw."""
    rows = flat.detections.astype(np.float64)
    images = [ids.image(index.paths[number], int(number)) for number in flat.images]
    sides = rows[:, 2:4] - rows[:, :2]
    return [
        {
            "image_id": images[image],
            "category_id": ids.category(int(row[5])),
            "bbox": [*row[:2].tolist(), *side.tolist()],
            "score": float(row[4]),
        }
        for image, row, side in zip(flat.detection_images.tolist(), rows, sides, strict=True)
    ]


def write_mistakes(folder: Path, listed: list[Outcome], index: Index, flat: Flat, names: tuple[str, ...]) -> None:
    """errors.jsonl with everything that is there or was said, suspects.jsonl.

    And a list of images for each kind of mistake.
    """
    paths = [index.paths[number] for number in flat.images]
    write_text(folder / RunFile.ERRORS, "".join(f"{json.dumps(record(one, paths, names))}\n" for one in listed))
    doubts = suspects(listed)
    write_text(
        folder / RunFile.SUSPECTS,
        "".join(f"{json.dumps({'suspect': what, **record(one, paths, names)})}\n" for one, what in doubts),
    )
    groups = {LISTS[kind]: {one.image for one in listed if one.kind == kind} for kind in LISTS} | {
        "suspects": {one.image for one, _ in doubts}
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
