# SPDX-License-Identifier: Apache-2.0
"""What a format says about one image, and the collector that turns boxes in pixels into it. K regions, N objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.data.labels.fault_policy import CLIP_MARGIN
from boxwright.data.labels.findings import Action, Finding, Found
from boxwright.data.labels.label_file import EMPTY_POLYGON, NO_LABELS, ROUNDING, Labels
from boxwright.geometry.boxes import xyxy_to_cxcywh

if TYPE_CHECKING:
    from collections.abc import Callable

NO_REGIONS = np.zeros((0, 5), np.float32)


class Annotated(NamedTuple):
    """Objects, and regions to be ignored as rows class, cx, cy, w, h normalised. (K, 5) float32"""

    labels: Labels
    ignored: np.ndarray = NO_REGIONS
    missing: bool = False  # there is no label file


NOTHING = Annotated(NO_LABELS)


class Listed(NamedTuple):
    """A source as its listing gives it.

    Image files, what was found while listing, how annotations of an image are read.

    `names` are the native classes that the numbers of `read` stand for. `watched` are files beside images and label
    files that matter.
    """

    files: list[str]
    findings: list[Finding]
    names: tuple[str, ...]
    read: Callable[[str, tuple[int, int]], Annotated]
    watched: tuple[str, ...] = ()


class Collector:
    """Takes the boxes of one image in shares of its size; drops, clips and names what is wrong with them."""

    def __init__(self, file: str, clip_margin: float) -> None:
        self.file, self.clip_margin = file, clip_margin
        self.findings = Found()
        self.objects: list[tuple[int, np.ndarray, np.ndarray]] = []
        self.regions: list[np.ndarray] = []
        self.areas: list[float] = []
        self.seen: set[bytes] = set()

    def found(self, line: int | None, rule: str, text: str, fix: str, *, action: Action = "box dropped") -> None:
        """Note a fault."""
        self.findings.note(Finding(self.file, line, rule, "warning", text, action, fix))

    def add(
        self,
        line: int | None,
        number: int,
        corners: np.ndarray,
        *,
        outline: np.ndarray | None = None,
        ignored: bool = False,
        area_px: float = np.nan,
    ) -> None:
        """One object, or a region to ignore, with its corners normalised, and its area where one is stated.

        (4,), outline (P, 2)
        """
        checked = self._checked(line, corners)
        if checked is None:
            return
        box = xyxy_to_cxcywh(checked).astype(np.float32)
        if ignored:
            self.regions.append(np.concatenate(([number], box)).astype(np.float32))
            return
        key = (
            number.to_bytes(4, "little", signed=True) + box.tobytes() + (b"" if outline is None else outline.tobytes())
        )
        if key in self.seen:
            self.found(line, "duplicate", "the object repeats an earlier one", "Remove the repeated object")
            return
        self.seen.add(key)
        self.objects.append((number, box, EMPTY_POLYGON if outline is None else outline.clip(0, 1).astype(np.float32)))
        self.areas.append(area_px)

    def _checked(self, line: int | None, corners: np.ndarray) -> np.ndarray | None:
        if not np.isfinite(corners).all():
            self.found(
                line, "not-finite", "the box holds NaN or infinity", "Remove the box or write its coordinates again"
            )
            return None
        width, height = corners[2:] - corners[:2]
        if width <= 0 or height <= 0:
            self.found(line, "no-area", "the box has no width or no height", "Remove the box or draw it again")
            return None
        out = max(-corners.min(), corners.max() - 1, 0.0)
        if out <= ROUNDING:
            return corners.clip(0, 1)
        rule = "slightly-outside" if out <= CLIP_MARGIN else "outside"
        clipped = corners.clip(0, 1)
        if out > self.clip_margin or (clipped[2:] <= clipped[:2]).any():
            self.found(
                line, rule, f"the box reaches {out:.1%} of the side out of the image", "Draw the box inside the image"
            )
            return None
        self.found(
            line,
            rule,
            f"the box reaches {out:.2%} of the side out of the image",
            "Clip the box to the image",
            action="box clipped",
        )
        return clipped

    def done(self) -> Annotated:
        """Everything that was taken."""
        classes = np.array([number for number, _, _ in self.objects], np.int32)
        boxes = np.array([box for _, box, _ in self.objects], np.float32).reshape(-1, 4)
        areas = np.array(self.areas, np.float32)
        outlines = tuple(outline for _, _, outline in self.objects)
        labels = Labels(classes, boxes, outlines, self.findings.listed(), areas if np.isfinite(areas).any() else None)
        return Annotated(labels, np.array(self.regions, np.float32).reshape(-1, 5))
