# SPDX-License-Identifier: Apache-2.0
"""What an exported network says about itself: enough to use it without the program that made it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from boxwright.errors import WeightsError
from boxwright.structures.checkpoint_schema import Names, Stride, Text, sound_evaluation

KEY = "boxwright"  # under which the whole of it stands in the metadata of a file
VERSION = 1
MOST_PIXELS, MOST_IMAGES = 8192, 4096  # what may be exported
MOST_CHANNELS, MOST_ROWS = 1024, 1 << 24
Side = Annotated[float, Field(gt=0, le=1 << 20)]  # of an anchor, in pixels
Pixels = Annotated[int, Field(ge=1, le=MOST_PIXELS)]
LONGEST = 1 << 20  # characters; ten thousand class names are a fifth of it


@dataclass(frozen=True)
class GraphSuppression:
    """Suppression inside the graph.

    Its thresholds, the best scored candidates that enter it, the rows that come out.
    """

    conf_thres: float
    iou_thres: float
    max_det: int
    candidates: int
    agnostic: bool = False


@dataclass(frozen=True)
class Passport:
    """Classes, strides, anchors in pixels by level, and what may go in.

    `batch` images of `image_size`, or any number and size when `dynamic`. `image_hw`: where they are no squares.
    """

    names: tuple[str, ...]
    strides: tuple[int, ...]
    anchors_px: tuple[tuple[tuple[float, float], ...], ...]
    input_channels: int
    image_size: int
    batch: int
    dynamic: bool = False
    half: bool = False
    suppression: GraphSuppression | None = None
    licence: str = ""
    network: str = ""
    program: str = ""
    evaluation: dict[str, Any] = field(default_factory=dict)
    image_hw: tuple[int, int] | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the images that it was made for."""
        return self.image_hw or (self.image_size, self.image_size)

    def words(self) -> dict[str, str]:
        """All of it under our key, and the most wanted parts by themselves for other programs."""
        parts = {
            "names": json.dumps(list(self.names)),
            "stride": str(max(self.strides)),
            "imgsz": str(self.image_size) if self.image_hw is None else json.dumps(list(self.image_hw)),
            "license": self.licence,
        }
        own = {key: value for key, value in asdict(self).items() if key != "image_hw" or value is not None}
        return {KEY: json.dumps({"version": VERSION, **own}), **parts}  # as before where images are squares


def read_passport(text: str | None, where: str) -> Passport:
    """The passport of a file of ours. Raises WeightsError for files of others and damaged ones."""
    if text is None:
        raise WeightsError(
            where,
            "was not exported by this program: it does not say its classes and strides",
            "Export it with `boxwright export`",
        )
    try:
        version = json.loads(text[:LONGEST])["version"]  # a longer one is cut, and so makes no sense
        if version == VERSION:
            return _checked(text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WeightsError(where, "says what it is in words that make no sense", "Export it anew") from None
    raise WeightsError(
        where, f"was exported in format version {version}, this program reads {VERSION}", "Use a newer program"
    )


class _Suppression(BaseModel):
    """Bounds of what a graph may leave out."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    conf_thres: float = Field(ge=0, le=1)
    iou_thres: float = Field(ge=0, le=1)
    max_det: int = Field(ge=1, le=MOST_ROWS)
    candidates: int = Field(ge=1, le=MOST_ROWS)
    agnostic: bool = False


class _Words(BaseModel):
    """Every part of a passport in its type and bounds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    names: Names
    strides: list[Stride] = Field(min_length=1, max_length=100)
    anchors_px: list[list[tuple[Side, Side]]]
    input_channels: int = Field(ge=1, le=MOST_CHANNELS)
    image_size: Pixels
    batch: int = Field(ge=1, le=MOST_IMAGES)
    dynamic: bool
    half: bool
    suppression: _Suppression | None
    licence: Text = ""
    network: Text = ""
    program: Text = ""
    evaluation: dict[str, Any]
    image_hw: tuple[Pixels, Pixels] | None = None


def _checked(text: str) -> Passport:
    """Every part in its type. Raises ValueError and its like."""
    stored = json.loads(text)
    stored.pop("version")
    found = _Words.model_validate_json(json.dumps(stored))
    if len(found.anchors_px) != len(found.strides):
        raise ValueError("anchors of other levels than there are")
    if found.image_hw is not None and max(found.image_hw) != found.image_size:
        raise ValueError("images of another size than there are")
    inside = found.suppression
    return Passport(
        names=tuple(found.names),
        strides=tuple(found.strides),
        anchors_px=tuple(tuple((float(w), float(h)) for w, h in level) for level in found.anchors_px),
        suppression=None if inside is None else GraphSuppression(**inside.model_dump()),
        evaluation=sound_evaluation(found.evaluation),
        **found.model_dump(
            include={
                "input_channels",
                "image_size",
                "image_hw",
                "batch",
                "dynamic",
                "half",
                "licence",
                "network",
                "program",
            }
        ),
    )
