# SPDX-License-Identifier: Apache-2.0
"""One place that images of a split come from: where, in which format, and what its classes mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from boxwright.data.labels.class_names import ClassEdits

if TYPE_CHECKING:
    from pathlib import Path

Format = Literal["yolo", "coco", "voc"]
FORMATS: tuple[Format, ...] = ("yolo", "coco", "voc")


class LabelRule(NamedTuple):
    """From an image to its label file: the last `before` of its path becomes `after`.

    Both empty: it lies beside the image.
    """

    before: str = "/images/"
    after: str = "/labels/"

    def label_of(self, image: str) -> str:
        """The label file of an image."""
        head, found, tail = image.rpartition(self.before) if self.before else ("", "", "")
        moved = f"{head}{self.after}{tail}" if found else image
        return f"{moved.rpartition('.')[0]}.txt"


USUAL_RULE = LabelRule()
XML_FOLDERS = (("/JPEGImages/", "/Annotations/"), ("/images/", "/annotations/"), ("/images/", "/Annotations/"))


@dataclass(frozen=True)
class Source:
    """`place` is a folder of images, a list file or a COCO JSON; `root` is where relative names of a list begin.

    `names` are the native classes: what numbers mean in label files; empty where annotations spell names. `images` is
    where the file names of a COCO JSON begin. `weight` is the share of samples that come from here, in relation to the
    other sources.
    """

    format: Format
    place: Path
    root: Path
    names: tuple[str, ...] = ()
    edits: tuple[ClassEdits, ...] = ()
    images: Path | None = None
    rule: LabelRule = USUAL_RULE
    weight: float | None = None
    title: str = ""
    more: tuple[Path, ...] = ()  # further folders and lists that are read as one with `place`

    def label_of(self, image: str) -> str:
        """The file that holds the annotations of an image."""
        if self.format == "coco":
            return str(self.place)
        return self.rule.label_of(image) if self.format == "yolo" else xml_of(image)

    @property
    def called(self) -> str:
        """How messages call it."""
        return self.title or str(self.place)


def xml_of(image: str) -> str:
    """The XML file of an image: in the folder of annotations where there is one, else beside it."""
    stem = image.rpartition(".")[0]
    for before, after in XML_FOLDERS:
        head, found, tail = stem.rpartition(before)
        if found and os.path.isdir(f"{head}{after}"):  # noqa: PTH112 -- a path object for each of a million files is felt
            return f"{head}{after}{tail}.xml"
    return f"{stem}.xml"
