# SPDX-License-Identifier: Apache-2.0
"""The textbook mosaic: four images on a grey canvas of twice the size, one warp of the canvas, colour, flip."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch


def resized(image: np.ndarray, size: int) -> np.ndarray:
    h, w = image.shape[:2]
    gain = size / max(h, w)
    return (
        image
        if gain == 1
        else cv2.resize(
            image, (min(math.ceil(w * gain), size), min(math.ceil(h * gain), size)), interpolation=cv2.INTER_LINEAR
        )
    )


def canvas_of(
    images: list[np.ndarray], labels: list[np.ndarray], centre: tuple[int, int], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Four images up left, up right, down left, down right of the centre.

    And their labels in canvas pixels, clipped.
    """
    canvas = np.full((2 * size, 2 * size, 3), 114, np.uint8)
    rows = []
    xc, yc = centre
    for corner, (image, label) in enumerate(zip(images, labels, strict=True)):
        h, w = image.shape[:2]
        x, y = (xc - w, xc)[corner % 2], (yc - h, yc)[corner // 2]
        x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, 2 * size), min(y + h, 2 * size)
        canvas[y1:y2, x1:x2] = image[y1 - y : y2 - y, x1 - x : x2 - x]
        for number, cx, cy, bw, bh in label:
            corners = (cx - bw / 2) * w + x, (cy - bh / 2) * h + y, (cx + bw / 2) * w + x, (cy + bh / 2) * h + y
            rows.append([number, *(min(max(c, 0), 2 * size) for c in corners)])
    return canvas, np.array(rows, np.float64).reshape(-1, 5)


def matrix_of(canvas: int, size: int, perspective, angle: float, scale: float, shear, middle) -> np.ndarray:
    """Centre, perspective, rotation and scale, shear, translation, written out."""
    c = np.array([[1, 0, -canvas / 2], [0, 1, -canvas / 2], [0, 0, 1]], float)
    p = np.array([[1, 0, 0], [0, 1, 0], [perspective[0], perspective[1], 1]], float)
    r = np.eye(3)
    r[:2] = cv2.getRotationMatrix2D((0, 0), angle, scale)
    s = np.array([[1, math.tan(math.radians(shear[0])), 0], [math.tan(math.radians(shear[1])), 1, 0], [0, 0, 1]], float)
    t = np.array([[1, 0, middle[0] * size], [0, 1, middle[1] * size], [0, 0, 1]], float)
    return t @ s @ r @ p @ c


def warped(
    canvas: np.ndarray, rows: np.ndarray, matrix: np.ndarray, size: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels (class, x1, y1, x2, y2 in output pixels) after the map.

    Boxes that are no longer worth it are gone.
    """
    if (matrix[2, :2] != 0).any():
        image = cv2.warpPerspective(canvas, matrix, (size, size), borderValue=(114, 114, 114))
    else:
        image = cv2.warpAffine(canvas, matrix[:2], (size, size), borderValue=(114, 114, 114))
    kept = []
    for number, x1, y1, x2, y2 in rows:
        points = np.array([[x1, y1, 1], [x2, y2, 1], [x1, y2, 1], [x2, y1, 1]]) @ matrix.T
        points = points[:, :2] / points[:, 2:]
        a, b = points.min(0).clip(0, size), points.max(0).clip(0, size)
        w, h = b - a
        w0, h0 = (x2 - x1) * scale, (y2 - y1) * scale
        if w > 2 and h > 2 and max(w / (h + 1e-16), h / (w + 1e-16)) < 100 and w * h / (w0 * h0 + 1e-16) > 0.1:
            kept.append([number, *a, *b])
    return image, np.array(kept, np.float64).reshape(-1, 5)


def coloured(image: np.ndarray, gains: np.ndarray) -> np.ndarray:
    hue, sat, val = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    x = np.arange(0, 256, dtype=np.float64)
    tables = (
        (x * gains[0] % 180).astype(np.uint8),
        (x * gains[1]).clip(0, 255).astype(np.uint8),
        (x * gains[2]).clip(0, 255).astype(np.uint8),
    )
    return cv2.cvtColor(
        cv2.merge([cv2.LUT(plane, table) for plane, table in zip((hue, sat, val), tables, strict=True)]),
        cv2.COLOR_HSV2BGR,
    )


class MosaicDataset(torch.utils.data.Dataset):
    """Images in memory or from files, one mosaic per item: what a DataLoader with worker processes is given."""

    def __init__(self, images: list, labels: list[np.ndarray], size: int) -> None:
        self.images, self.labels, self.size = images, labels, size

    def __len__(self) -> int:
        return len(self.images)

    def load(self, i: int) -> np.ndarray:
        image = self.images[i]
        return resized(image if isinstance(image, np.ndarray) else cv2.imread(image), self.size)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        draw = np.random.default_rng([i, int(torch.initial_seed()) % 2**31])
        size = self.size
        numbers = draw.permutation([i, *draw.integers(len(self), size=3)])
        centre = tuple(int(v) for v in draw.uniform(size / 2, 3 * size / 2, 2))
        canvas, rows = canvas_of(
            [self.load(int(n)) for n in numbers], [self.labels[int(n)] for n in numbers], centre, size
        )
        scale = draw.uniform(0.5, 1.5)
        matrix = matrix_of(2 * size, size, (0, 0), 0.0, scale, (0, 0), draw.uniform(0.4, 0.6, 2))
        image, rows = warped(canvas, rows, matrix, size, scale)
        image = coloured(image, 1 + draw.uniform(-1, 1, 3) * (0.015, 0.7, 0.4))
        boxes = (
            np.stack(
                (
                    (rows[:, 1] + rows[:, 3]) / 2,
                    (rows[:, 2] + rows[:, 4]) / 2,
                    rows[:, 3] - rows[:, 1],
                    rows[:, 4] - rows[:, 2],
                ),
                1,
            )
            / size
        )
        if draw.random() < 0.5:
            image = np.fliplr(image)
            boxes[:, 0] = 1 - boxes[:, 0]
        targets = torch.zeros(len(rows), 6)
        targets[:, 1], targets[:, 2:] = torch.from_numpy(rows[:, 0]), torch.from_numpy(boxes)
        return torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))), targets

    @staticmethod
    def collate(items: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
        for place, (_, targets) in enumerate(items):
            targets[:, 0] = place
        return torch.stack([image for image, _ in items]), torch.cat([targets for _, targets in items])
