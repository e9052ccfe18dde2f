# SPDX-License-Identifier: Apache-2.0
"""What a detector says about one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, best first. M detections.

    `boxes_xyxy_px` (M, 4) float32 in pixels of the upright image of `size_hw`; `scores` (M,) float32; `classes` (M,)
    int64.
    """

    boxes_xyxy_px: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    size_hw: tuple[int, int]
    path: str = ""

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy_px)
        assert self.boxes_xyxy_px.shape == (count, 4)
        assert self.scores.shape == self.classes.shape == (count,)
        assert not count or 0 <= self.classes.min() <= self.classes.max() < len(self.names)

    @classmethod
    def from_rows(
        cls, rows: np.ndarray, names: tuple[str, ...], size_hw: tuple[int, int], path: str = ""
    ) -> Detections:
        """From rows x1, y1, x2, y2, score, class. (M, 6)"""
        return cls(
            rows[:, :4].astype(np.float32),
            rows[:, 4].astype(np.float32),
            rows[:, 5].astype(np.int64),
            names,
            size_hw,
            path,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records())

    def __getitem__(self, chosen: np.ndarray | slice | list[int]) -> Detections:
        return replace(
            self, boxes_xyxy_px=self.boxes_xyxy_px[chosen], scores=self.scores[chosen], classes=self.classes[chosen]
        )

    def filter(
        self, *, min_score: float = 0.0, classes: Iterable[int | str] | None = None, min_side_px: float = 0.0
    ) -> Detections:
        """Those that score enough, are of these classes (numbers or names) and are large enough."""
        wanted = self.scores >= min_score
        if classes is not None:
            wanted &= np.isin(self.classes, [self.names.index(c) if isinstance(c, str) else c for c in classes])
        sides = self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2]
        return self[wanted & (sides.min(axis=1, initial=np.inf) >= min_side_px)]

    def numpy(self) -> np.ndarray:
        """Rows x1, y1, x2, y2, score, class. (M, 6) float32"""
        return np.concatenate(
            (self.boxes_xyxy_px, self.scores[:, None], self.classes[:, None].astype(np.float32)), axis=1
        )

    def records(self) -> list[dict[str, Any]]:
        """One dictionary per detection, of plain values."""
        rows = zip(self.boxes_xyxy_px.tolist(), self.scores.tolist(), self.classes.tolist(), strict=True)
        return [
            {"box_xyxy_px": box, "score": score, "class": number, "name": self.names[number]}
            for box, score, number in rows
        ]

    def counts(self) -> dict[str, int]:
        """How many of each class, by name, in the order of the classes."""
        numbers, counts = np.unique(self.classes, return_counts=True)
        return {self.names[number]: int(count) for number, count in zip(numbers, counts, strict=True)}
