# SPDX-License-Identifier: Apache-2.0
"""Tells the process that mirrors a run to a bucket that there is something new. It waits for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from boxwright.track.bus import Delivery
from boxwright.track.events import CheckpointSaved, Event, FileWritten, RunEnded

if TYPE_CHECKING:
    from collections.abc import Callable


class BucketNews:
    """`changed` is called for every file of the run that was written."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def handle(self, event: Event) -> None:
        """Pass on that a file is there."""
        if isinstance(event, FileWritten | CheckpointSaved | RunEnded):
            self.changed()

    def close(self) -> None:
        """Nothing is open."""
