# SPDX-License-Identifier: Apache-2.0
"""What a tracker's service has to offer. One file beside this for each; only there is its library known.

All of it is called in a process of its own (track/follower.py), which may hang or end at any call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from boxwright.track.events import ShownImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class TrackedRun:
    """A run as a service is told of it.

    `folder` is the run's, `own` the tracker's in it. `key` names the run before the service has given it an `id`.
    """

    folder: Path
    own: Path
    name: str
    project: str
    key: str
    id: str = ""
    entity: str = ""
    aliases: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


class Opened(NamedTuple):
    """A run that is open at a service. `place` is where people find it: an address, or a folder.

    `last_step`: the last epoch that the service has, -1 for none, None where it cannot be asked.
    `anew`: it is a new file, which gets everything from the beginning on.
    """

    id: str
    place: str
    last_step: int | None = None
    anew: bool = False


class Service(Protocol):
    """A service with one run open. Everything may raise whatever its library raises."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin the run there, or go on with it."""
        ...

    def config(self, values: dict[str, Any]) -> None:
        """Settings, by name. What is there already and differs is kept, and the new value noted beside it."""
        ...

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:
        """Numbers of an epoch, by name. `time_s` since 1970."""
        ...

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table of an epoch."""
        ...

    def picture(self, path: Path, name: str, step: int) -> None:
        """A picture of the run folder."""
        ...

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:
        """Validation images of the run folder with truth and predictions."""
        ...

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """A file as a version of the artifact `name`. `kind`: model or record."""
        ...

    def close(self, end: str) -> list[str]:
        """End the run: 'finished', 'stopped' or 'failed'. What the user can do with what is left here, in lines."""
        ...


def plain(values: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """Settings as every service takes them: lists and nothing become text."""
    return {
        key: value if isinstance(value, str | int | float | bool) else "" if value is None else str(value)
        for key, value in values.items()
    }


def labelled(image: ShownImage) -> dict[str, list[dict[str, Any]]]:
    """Boxes of an image by what they are, as plain values: xyxy in pixels, name, number, score."""
    found = {"ground_truth": image.truth, "predictions": image.predictions}
    return {
        what: [{"xyxy_px": box.xyxy_px, "name": box.name, "number": box.number, "score": box.score} for box in boxes]
        for what, boxes in found.items()
    }
