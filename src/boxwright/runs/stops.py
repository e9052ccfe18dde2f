# SPDX-License-Identifier: Apache-2.0
"""Why a run may have to stop before its end: a signal, its time budget, an observer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from boxwright.system.signals import StopRequest
from boxwright.track.sinks.callbacks import Observers

SECONDS_PER_HOUR = 3600


@dataclass
class Stops:
    """Asked after every step; `reason` is '' while there is none.

    `hours` counts this start of the run, 0 = no limit.
    """

    signal: StopRequest
    observers: Observers
    hours: float
    began: float = field(default_factory=time.monotonic)

    def reason(self) -> str:
        """The first reason to stop."""
        if self.signal.number:
            return self.signal.reason
        return self._out_of_time() or self.observers.stop_requested()

    @property
    def resumable(self) -> bool:
        """Whether what stopped the run means to go on another time."""
        return bool(self.signal.number or self._out_of_time())

    def _out_of_time(self) -> str:
        used = time.monotonic() - self.began >= self.hours * SECONDS_PER_HOUR
        return f"the time budget of {self.hours:g} hours is used up" if self.hours > 0 and used else ""
