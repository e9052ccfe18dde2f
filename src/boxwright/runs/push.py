# SPDX-License-Identifier: Apache-2.0
"""A run sent to trackers from its event log: a finished one, one that had none, or what a service did not take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from boxwright.errors import EXIT_DONE, EXIT_TRY_AGAIN, SettingError
from boxwright.system.claim import ClaimedError, claimed
from boxwright.system.files import make_folder
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.attendant import Bounds
from boxwright.track.follower import AGAIN, FINISHED
from boxwright.track.sinks.followers import PROGRAM, attendant_of
from boxwright.track.tracker_state import events_behind, read_state
from boxwright.track.trackers import trackers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOUNDS = Bounds(failing=30.0, working=None, meanwhile="it is tried again")


class Pushed(NamedTuple):
    """What came of it at one tracker: events that arrived now, events that did not, where the run is."""

    name: str
    arrived: int
    left: int
    place: str
    closed: bool

    @property
    def line(self) -> str:
        """In words."""
        if self.left or not self.closed:
            return f"{self.name}: {self.arrived} events arrived, {self.left} did not"
        return f"{self.name}: {self.arrived} events arrived, everything is there: {self.place}"


def push(run: str, names: str, tell: Callable[[str], None], program: str = PROGRAM) -> tuple[list[Pushed], int]:
    """Send a run; what came of it, and the exit code. Raises SettingError, WriteError."""
    folder = RunFolder(Path(run))
    if not (folder / RunFile.EVENTS).is_file():
        raise SettingError(str(folder / RunFile.EVENTS), "there is no such file", "Give a run folder")
    wanted = trackers_of(names, "--to")
    if not wanted:
        raise SettingError("--to", "names no tracker", "Give one, or several separated by commas")
    found = [_pushed(folder, name, tell, program) for name in _free(folder, wanted)]
    return found, EXIT_DONE if all(one.closed and not one.left for one in found) else EXIT_TRY_AGAIN


def _free(folder: RunFolder, names: Sequence[str]) -> Sequence[str]:
    """The same names. Raises SettingError where a training sends its run there itself."""
    for name in names:
        make_folder(folder.tracker(name))
        try:
            with claimed(folder.tracker(name)):
                pass
        except ClaimedError as error:
            what = f"this run is being sent to {name} already ({error.what})"
            raise SettingError(str(folder), what, "Wait until that one has ended") from None
    return names


def _pushed(folder: RunFolder, name: str, tell: Callable[[str], None], program: str) -> Pushed:
    before, state = events_behind(folder, name), read_state(folder.tracker(name))
    if state is not None and state.closed and not before:
        return Pushed(name, 0, 0, state.place, closed=True)
    attendant = attendant_of(folder, name, lambda text, _warns: tell(text), program, (AGAIN,), BOUNDS)
    attendant.begin()
    attendant.finish(FINISHED)
    attendant.close()
    left, state = events_behind(folder, name), read_state(folder.tracker(name))
    place = "" if state is None else state.place
    return Pushed(name, max(before - left, 0), left, place, closed=attendant.through)
