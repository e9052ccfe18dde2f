# SPDX-License-Identifier: Apache-2.0
"""What the machine did in each epoch: cores, memory, memory of the GPU. An event behind the row of the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import psutil

from boxwright.track.bus import Delivery
from boxwright.track.events import EpochEnded, Event, RunStarted, StepLogged, SystemMeasured

if TYPE_CHECKING:
    from collections.abc import Callable


class SystemFigures:
    """Measures once per epoch; a number of the whole machine counts what others do on it, too."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self.tell = tell
        self._device_bytes = 0

    def handle(self, event: Event) -> None:
        """Measure behind the row of an epoch."""
        if isinstance(event, RunStarted):
            psutil.cpu_percent()  # from here on
        elif isinstance(event, StepLogged):
            self._device_bytes = max(self._device_bytes, event.memory)
        elif isinstance(event, EpochEnded):
            used, memory = psutil.cpu_percent(), psutil.virtual_memory().percent
            size = psutil.Process().memory_info().rss
            self.tell(SystemMeasured(event.epoch, used, memory, size, self._device_bytes))
            self._device_bytes = 0

    def close(self) -> None:
        """Nothing is open."""
