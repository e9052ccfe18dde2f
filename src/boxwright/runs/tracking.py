# SPDX-License-Identifier: Apache-2.0
"""What a run with trackers has beside its other sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.runs.plan import TrainPlan
from boxwright.system.run_folder import RunFolder
from boxwright.track.bus import Sink
from boxwright.track.events import Ended, Event
from boxwright.track.sinks.followers import Followers
from boxwright.track.sinks.system_figures import SystemFigures
from boxwright.track.trackers import trackers_of

if TYPE_CHECKING:
    from collections.abc import Callable


def tracking(
    plan: TrainPlan, folder: RunFolder, tell: Callable[[Event], None], ended: Callable[[], Ended | None]
) -> list[Sink]:
    """Their processes, and what is measured for them alone. They stand behind the event log, which they follow."""
    names = trackers_of(plan.settings.track, "track")
    if not names:
        return []
    known = {} if plan.resumed is None else plan.resumed.sinks.get(Followers.name)
    followers = Followers(folder, names, tell, known if isinstance(known, dict) else {}, ended=ended)
    return [followers, SystemFigures(tell)]


def box_interval(plan: TrainPlan) -> int:
    """Epochs between validation images with boxes, 0 = never: there is no tracker that would show them."""
    settings = plan.settings
    if not settings.track.strip(" ,"):
        return 0
    return settings.bbox_interval if settings.bbox_interval >= 0 else max(settings.epochs // 10, 1)
