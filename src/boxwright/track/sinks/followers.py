# SPDX-License-Identifier: Apache-2.0
"""The trackers of a run: a process each, which follows the event log. Nothing of a service is in this process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from boxwright.system.child_process import Child, python_of_ours
from boxwright.system.files import WriteError, make_folder
from boxwright.system.run_folder import RunFolder
from boxwright.track.attendant import Attendant, Bounds
from boxwright.track.bus import Delivery
from boxwright.track.events import Ended, Event, RunEnded, RunStarted, Told, Warned
from boxwright.track.tracker_state import LOG, TrackerState, events_behind, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROGRAM = "from boxwright.track.follower import main; main()"


class Followers:
    """Starts them when the log has its first line, and waits for them at the end, for all of them at one time.

    `known` are the ids of runs at services that a checkpoint had, for a folder that lost them. `ended` says how a run
    ended that has told no end itself.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE
    name = "trackers"

    def __init__(
        self,
        folder: RunFolder,
        names: Sequence[str],
        tell: Callable[[Event], None],
        known: Mapping[str, Any] | None = None,
        program: str = PROGRAM,
        bounds: Bounds | None = None,
        ended: Callable[[], Ended | None] = lambda: Ended.FAILED,
    ) -> None:
        self.folder, self.names, self.tell, self.ended = folder, tuple(names), tell, ended
        self.known, self.program, self.bounds = dict(known or {}), program, bounds
        self.attendants: list[Attendant] = []

    def handle(self, event: Event) -> None:
        """Start them, or let them finish."""
        if isinstance(event, RunStarted) and not self.attendants:
            for name in self.names:
                try:
                    self._take_up(name)
                except WriteError as error:  # its process tries again
                    self.tell(Warned(f"{error} The run goes on"))
            self.attendants = [
                attendant_of(self.folder, name, self._say, self.program, bounds=self.bounds) for name in self.names
            ]
            for one in self.attendants:
                one.begin()
        elif isinstance(event, RunEnded):
            for one in self.attendants:
                one.finish("stopped" if event.ended is Ended.STOPPED else "finished")

    def _take_up(self, name: str) -> None:
        """A folder for it and the key of its run there, which every checkpoint has from the first one on."""
        own, known = self.folder.tracker(name), self.known.get(name)
        make_folder(own)
        if read_state(own) is None:
            stored = known if isinstance(known, dict) else {}
            found = {key: stored[key] for key in ("key", "id", "place") if isinstance(stored.get(key), str)}
            TrackerState(**found).save(own)

    def state(self) -> dict[str, Any]:
        """The runs at the services, so that the checkpoint finds them again."""
        states = {name: read_state(self.folder.tracker(name)) for name in self.names}
        return {name: state.ids() for name, state in states.items() if state is not None}

    def close(self) -> None:
        """Wait for them, for a bounded time."""
        end = "failed" if self.ended() is Ended.FAILED else "stopped"
        for one in self.attendants:
            one.finish(end)
        for one in self.attendants:
            one.close()

    def _say(self, text: str, warns: bool) -> None:
        self.tell(Warned(text) if warns else Told(text))


def attendant_of(
    folder: RunFolder,
    name: str,
    say: Callable[[str, bool], None],
    program: str = PROGRAM,
    words: Sequence[str] = (),
    bounds: Bounds | None = None,
) -> Attendant:
    """What keeps the process of a tracker going."""
    log = folder.tracker(name) / LOG
    start = partial(Child, python_of_ours(program, (str(folder), name, *words)), log)
    return Attendant(
        name, start, say, partial(events_behind, folder, name), f"boxwright track push {folder} --to {name}", bounds
    )
