# SPDX-License-Identifier: Apache-2.0
"""What an exported network says about itself: enough to use it without the program that made it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from boxwright.errors import WeightsError

KEY = "boxwright"  # under which the whole of it stands in the metadata of a file
VERSION = 1
MOST_PIXELS, MOST_IMAGES = 8192, 4096  # what may be exported
LONGEST = 1 << 20  # characters; ten thousand class names are a fifth of it


@dataclass(frozen=True)
class GraphSuppression:
    """Suppression inside the graph: its thresholds, the best scored candidates that enter it, the rows that come out."""

    conf_thres: float
    iou_thres: float
    max_det: int
    candidates: int
    agnostic: bool = False


@dataclass(frozen=True)
class Passport:
    """Classes, strides, anchors in pixels by level, and what may go in: `batch` images of `image_size`, or any number and size when `dynamic`."""

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

    def words(self) -> dict[str, str]:
        """All of it under our key, and the most wanted parts by themselves for other programs."""
        parts = {"names": json.dumps(list(self.names)), "stride": str(max(self.strides)), "imgsz": str(self.image_size), "license": self.licence}
        return {KEY: json.dumps({"version": VERSION, **asdict(self)}), **parts}


def read_passport(text: str | None, where: str) -> Passport:
    """The passport of a file of ours. Raises WeightsError for files of others and damaged ones."""
    if text is None:
        raise WeightsError(where, "was not exported by this program: it does not say its classes and strides", "Export it with `boxwright export`")
    try:
        stored = json.loads(text[:LONGEST])  # a longer one is cut, and so makes no sense
        version = stored.pop("version")
        if version == VERSION:
            return _checked(stored)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WeightsError(where, "says what it is in words that make no sense", "Export it anew") from None
    raise WeightsError(where, f"was exported in format version {version}, this program reads {VERSION}", "Use a newer program")


def _checked(stored: dict[str, Any]) -> Passport:
    """Every part in its type. Raises ValueError and its like."""
    found = Passport(
        names=tuple(_of(str, name) for name in stored.pop("names")),
        strides=tuple(_count(stride) for stride in stored.pop("strides")),
        anchors_px=tuple(tuple((float(w), float(h)) for w, h in level) for level in stored.pop("anchors_px")),
        input_channels=_count(stored.pop("input_channels")),
        image_size=_count(stored.pop("image_size")),
        batch=_count(stored.pop("batch")),
        dynamic=_of(bool, stored.pop("dynamic")),
        half=_of(bool, stored.pop("half")),
        suppression=None if (inside := stored.pop("suppression")) is None else GraphSuppression(**inside),
        evaluation=_of(dict, stored.pop("evaluation")),
        **{key: _of(str, value) for key, value in stored.items()},
    )
    if not found.names or not found.strides or found.image_size > MOST_PIXELS or found.batch > MOST_IMAGES:
        raise ValueError("no classes or strides, or too much at once")
    return found


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _count(value: Any) -> int:
    if _of(int, value) < 1:
        raise ValueError(f"{value} is no count")
    return int(value)
