# SPDX-License-Identifier: Apache-2.0
"""Every event of a run as a line of JSON, for programs that follow it: `--ndjson-file`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, ClassVar

from boxwright.system.files import append_line
from boxwright.track.bus import Delivery
from boxwright.track.events import Event

if TYPE_CHECKING:
    from pathlib import Path


class EventStream:
    """Appends events to a file as they come, each step and each written file among them.

    The event log beside it keeps what a run can be rebuilt from; this leaves nothing out.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path) -> None:
        self.path = path

    def handle(self, event: Event) -> None:
        """Add one line. Raises WriteError."""
        append_line(self.path, json.dumps({"time": round(time.time(), 3), **event.record()}, default=str))

    def close(self) -> None:
        """Every line is written already."""
