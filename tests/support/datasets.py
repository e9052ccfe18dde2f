# SPDX-License-Identifier: Apache-2.0
"""Small data sets, drawn when a test needs them: grey pictures with coloured rectangles, three classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = ((220, 40, 40), (40, 60, 220), (40, 200, 60))
NAMES = ("red", "blue", "green")
SIZES_WH = ((96, 64), (64, 96), (80, 80), (120, 72))


def picture(number: int, size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its rows class, cx, cy, w, h. Every fifth one is empty."""
    draw = np.random.default_rng([7, number])
    width, height = size_wh
    image = np.full((height, width, 3), 120, np.uint8) + draw.integers(-12, 12, (height, width, 1)).astype(
        np.int8
    ).astype(np.uint8)
    rows = []
    for _ in range(0 if number % 5 == 4 else int(draw.integers(1, 4))):
        number_of_class = int(draw.integers(3))
        w, h = draw.uniform(0.2, 0.45, 2)
        cx, cy = draw.uniform(w / 2, 1 - w / 2), draw.uniform(h / 2, 1 - h / 2)
        x1, y1, x2, y2 = (
            round((cx - w / 2) * width),
            round((cy - h / 2) * height),
            round((cx + w / 2) * width),
            round((cy + h / 2) * height),
        )
        image[y1:y2, x1:x2] = COLOURS[number_of_class]
        rows.append(
            [number_of_class, (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
        )
    return image, np.array(rows).reshape(-1, 5)


def write(folder: Path, *, train: int = 12, val: int = 6, polygons: bool = False) -> Path:
    """A YOLO data set; returns its YAML."""
    for split, count in (("train", train), ("val", val)):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for i in range(count):
            number = i + (1000 if split == "val" else 0)
            image, rows = picture(number, SIZES_WH[i % len(SIZES_WH)])
            Image.fromarray(image).save(folder / "images" / split / f"{i:03}.png")
            text = "".join(line_of(row, polygon=polygons) for row in rows)
            (folder / "labels" / split / f"{i:03}.txt").write_text(text)
    yaml = folder / "data.yaml"
    yaml.write_text("path: .\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n")
    return yaml


def line_of(row: np.ndarray, *, polygon: bool) -> str:
    number, cx, cy, w, h = row
    if polygon:
        corners = [cx - w / 2, cy - h / 2, cx + w / 2, cy - h / 2, cx + w / 2, cy + h / 2, cx - w / 2, cy + h / 2]
        return f"{int(number)} " + " ".join(f"{c:.6f}" for c in corners) + "\n"
    return f"{int(number)} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n"


TINY_MODEL = """nc: 80
depth_multiple: 1.0
width_multiple: 1.0
anchors:
  - [10, 13, 16, 30, 33, 23]
  - [30, 61, 62, 45, 59, 119]
backbone:
  - [-1, 1, Conv, [8, 6, 2, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, C3, [16]]
  - [-1, 1, Conv, [24, 3, 2]]
  - [-1, 1, C3, [24]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, SPPF, [32, 5]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 1, C3, [24, False]]
  - [[9, 6], 1, Detect, [nc, anchors]]
"""


def write_model(folder: Path) -> Path:
    """A network of two levels that trains in milliseconds."""
    path = folder / "tiny.yaml"
    path.write_text(TINY_MODEL)
    return path
