# SPDX-License-Identifier: Apache-2.0
"""What was predicted: of images a record each, of streams how many pictures there were and what was in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boxwright.data.pixels.channels import Kind
from boxwright.infer.sources import Frame
from boxwright.structures.detections import Detections

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class StreamCount:
    """How many pictures of a stream were looked at, and how many detections of each class they gave."""

    pictures: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Predicted:
    """What was predicted. `folder` is None where nothing was to be written; `seconds` are of the network alone."""

    folder: Path | None
    kind: Kind
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)  # of images and frames of videos
    detections: list[Detections] = field(default_factory=list)  # one for each record
    streams: dict[str, StreamCount] = field(default_factory=dict)  # by how they may be shown
    seconds: float = 0.0

    @property
    def pictures(self) -> int:
        """How many pictures were looked at."""
        return len(self.records) + sum(one.pictures for one in self.streams.values())

    def leave_out(self, path: str, reason: str, remedy: str = "") -> None:
        """Name what cannot be read, and go on."""
        self.left_out.append({"path": path, "reason": reason})
        self.notes.append(f"{path}: {reason}; left out{f'. {remedy}' if remedy else ''}")

    def take(self, frame: Frame, found: Detections, seconds: float) -> dict[str, Any]:
        """The detections of one picture, which took so long; their record, which is not kept of streams."""
        number = {} if frame.number is None else {"frame": frame.number}
        record = {"path": frame.path, **number, "size_wh": found.size_hw[::-1], "detections": found.records()}
        if frame.is_live:
            stream = self.streams.setdefault(frame.path, StreamCount())
            stream.pictures += 1
            for name, count in found.counts().items():
                stream.counts[name] = stream.counts.get(name, 0) + count
        else:
            self.lines.append(line_of(frame, found, seconds))
            self.detections.append(found)
            self.records.append(record)
        return record


def line_of(frame: Frame, found: Detections, seconds: float) -> str:
    """One picture and what is in it, for people."""
    counts = ", ".join(f"{count} {name}" for name, count in found.counts().items()) or "nothing found"
    height, width = found.size_hw
    return f"{frame.title}: {width}x{height} {counts}, {seconds * 1e3:.1f} ms"
