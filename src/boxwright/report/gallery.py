# SPDX-License-Identifier: Apache-2.0
"""Pictures for a report.

Close-ups of what went wrong and whole images, small enough that a page of thousands of images stays light.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from boxwright.data.pixels.channels import USUAL, Kind, read_visible
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.legend import captions_hide
from boxwright.drawing.palette import COLOURS
from boxwright.drawing.sheet import fitted
from boxwright.metrics.coco import AREAS
from boxwright.metrics.mistakes import KINDS, MISSED, RIGHT, Outcome
from boxwright.report.canvas import caption_of

if TYPE_CHECKING:
    from collections.abc import Sequence

TRUTH, SAID = COLOURS[0], COLOURS[1]  # blue for labels, vermilion for predictions: apart for every eye
PER_KIND, RIGHT_ONES, WORST = 60, 12, 12
CLOSE_UP_PX, WHOLE_PX = 208, 440
AROUND = 0.7  # of the box's longer side that is shown around it
MIN_VIEW_PX = 48
QUALITY = 72
BUDGET_BYTES = 4 * 2**20  # of pictures in a page, before they are written as text


@dataclass
class _Budget:
    """Bytes that pictures may still take."""

    left: int

    def picture(self, pixels_rgb: np.ndarray) -> str:
        """A picture as text that a page can hold, or '' when the budget is spent."""
        buffer = io.BytesIO()
        Image.fromarray(pixels_rgb).save(buffer, "JPEG", quality=QUALITY, optimize=True)
        content = buffer.getvalue()
        if len(content) > self.left:
            return ""
        self.left -= len(content)
        return "data:image/jpeg;base64," + base64.b64encode(content).decode()


@dataclass
class Gallery:
    """Close-ups as records with their pictures, and the images with most mistakes."""

    items: list[dict[str, Any]] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)


def gallery(
    listed: Sequence[Outcome],
    paths: Sequence[str],
    names: tuple[str, ...],
    doubts: dict[Outcome, str],
    kind: Kind = USUAL,
) -> Gallery:
    """Pictures of the most telling outcomes.

    `paths` by place; `doubts` says of some of them what may be wrong with the label.
    """
    chosen = chosen_ones(listed, doubts)
    worst = worst_images(listed)
    made, budget = Gallery(), _Budget(BUDGET_BYTES)
    for place in worst:  # first, so that no picture of them is too much for the page
        try:
            pixels = read_visible(paths[place], kind)
        except BrokenImageError:
            continue  # it was left out of the validation as well, and named there
        here = [one for one in listed if one.image == place]
        wrong, picture = sum(one.kind != RIGHT for one in here), budget.picture(whole(pixels, here, names))
        if picture:
            made.worst.append({"path": paths[place], "wrong": wrong, "right": len(here) - wrong, "picture": picture})
    by_image: dict[int, list[Outcome]] = {}
    for one in chosen:
        by_image.setdefault(one.image, []).append(one)
    items: dict[Outcome, dict[str, Any]] = {}
    for place, mine in by_image.items():
        try:
            pixels = read_visible(paths[place], kind)
        except BrokenImageError:
            continue
        for one in mine:
            if picture := budget.picture(close_up(pixels, one)):
                items[one] = item(one, paths[place], names, doubts.get(one, "")) | {"picture": picture}
    made.items = [items[one] for one in chosen if one in items]
    return made


def chosen_ones(listed: Sequence[Outcome], doubts: dict[Outcome, str]) -> list[Outcome]:
    """Of each kind the most telling: confident mistakes, objects that were missed altogether. Suspects first."""
    found = list(doubts)[:PER_KIND]
    for kind in (*KINDS[1:], RIGHT):
        mine = [one for one in listed if one.kind == kind]
        mine.sort(key=lambda one: one.almost or 0.0 if one.kind == MISSED else -(one.confidence or 0.0))
        found += mine[: RIGHT_ONES if kind == RIGHT else PER_KIND]
    return list(dict.fromkeys(found))


def worst_images(listed: Sequence[Outcome]) -> list[int]:
    """Places of the images with most mistakes."""
    wrong: dict[int, int] = {}
    for one in listed:
        if one.kind != RIGHT:
            wrong[one.image] = wrong.get(one.image, 0) + 1
    return sorted(wrong, key=lambda place: (-wrong[place], place))[:WORST]


def item(one: Outcome, path: str, names: tuple[str, ...], doubt: str) -> dict[str, Any]:
    """One outcome as a page shows it."""
    box = one.label_box if one.true is not None and one.label_box else one.box
    assert box is not None
    area = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    size = next(name for name, (low, high) in AREAS.items() if name != "all" and low <= area <= high)
    return {
        "kind": one.kind,
        "path": path,
        "said": None if one.said is None else names[one.said],
        "true": None if one.true is None else names[one.true],
        "confidence": None if one.confidence is None else round(one.confidence, 3),
        "iou": round(one.iou, 3),
        "almost": None if one.almost is None else round(one.almost, 3),
        "size": size,
        "doubt": doubt,
    }


def close_up(pixels_rgb: np.ndarray, one: Outcome) -> np.ndarray:
    """What is around an outcome, with its boxes: the label dashed in blue, the prediction in vermilion."""
    boxes = [
        (box, ink, style)
        for box, ink, style in ((one.label_box, TRUTH, "dashed"), (one.box, SAID, "solid"))
        if box is not None
    ]
    corners = np.array([box for box, _, _ in boxes], np.float64)
    x1, y1, x2, y2 = _view(corners, pixels_rgb.shape[:2])
    cut = pixels_rgb[y1:y2, x1:x2]
    shown = fitted(cut, CLOSE_UP_PX)
    gain = np.array([shown.shape[1] / cut.shape[1], shown.shape[0] / cut.shape[0]] * 2)
    placed = (corners - [x1, y1, x1, y1]) * gain
    inks, styles = [ink for _, ink, _ in boxes], [style for _, _, style in boxes]
    return draw_boxes(shown, placed, [""] * len(boxes), inks, 2, style=styles)  # type: ignore[arg-type]  # two words


def _view(corners: np.ndarray, size_hw: tuple[int, ...]) -> tuple[int, int, int, int]:
    """A square around all boxes with something of what surrounds them, inside the image."""
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    side = max(float((high - low).max()) * (1 + 2 * AROUND), MIN_VIEW_PX)
    centre = (low + high) / 2
    height, width = size_hw
    x1, y1 = (
        int(np.clip(c - side / 2, 0, max(limit - side, 0))) for c, limit in zip(centre, (width, height), strict=True)
    )
    return x1, y1, int(min(x1 + max(side, 1), width)), int(min(y1 + max(side, 1), height))


def whole(pixels_rgb: np.ndarray, here: Sequence[Outcome], names: tuple[str, ...]) -> np.ndarray:
    """A whole image with everything that went wrong in it."""
    shown = fitted(pixels_rgb, WHOLE_PX)
    gain = np.array([shown.shape[1] / pixels_rgb.shape[1], shown.shape[0] / pixels_rgb.shape[0]] * 2)
    wrong = [one for one in here if one.kind != RIGHT]
    boxes = np.array([one.box if one.box is not None else one.label_box for one in wrong], np.float64).reshape(-1, 4)
    captions = [
        caption_of(names, number) for one in wrong if (number := one.true if one.said is None else one.said) is not None
    ]
    if captions_hide(shown, boxes * gain, captions):
        captions = [""] * len(wrong)  # dashes and colours say enough
    inks = [TRUTH if one.kind == MISSED else SAID for one in wrong]
    return draw_boxes(
        shown, boxes * gain, captions, inks, style=["dashed" if one.kind == MISSED else "solid" for one in wrong]
    )
