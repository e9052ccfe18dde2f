# SPDX-License-Identifier: Apache-2.0
"""Warnings of a process that has no run folder, with its rank before them (`--log-ranks`)."""

from __future__ import annotations

import sys
from typing import ClassVar

from boxwright.system.terminal import say
from boxwright.track.bus import Delivery
from boxwright.track.events import Event, Warned


class RankWarnings:
    """Prints them at once."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def handle(self, event: Event) -> None:
        """Print a warning."""
        if isinstance(event, Warned):
            say(f"[rank {self.rank}] {event.text}", sys.stderr)

    def close(self) -> None:
        """Nothing is open."""
