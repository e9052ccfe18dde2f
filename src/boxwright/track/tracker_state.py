# SPDX-License-Identifier: Apache-2.0
"""How far a tracker is with a run: a small file beside the run, and what of the event log it has not got yet."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from boxwright.paths import read_regular
from boxwright.system.files import make_folder, write_text
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import (
    BoxesShown,
    CheckpointSaved,
    EpochEnded,
    Event,
    LabelsCounted,
    Pictured,
    RunEnded,
    RunStarted,
    SystemMeasured,
    Validated,
)
from boxwright.track.followed_log import FollowedLog

if TYPE_CHECKING:
    from pathlib import Path

SENT = (
    *(RunStarted, LabelsCounted, EpochEnded, SystemMeasured, Validated, Pictured, BoxesShown),
    *(CheckpointSaved, RunEnded),
)
MAX_BYTES = 16 << 20  # of the file
STATE = "state.json"
LOG = "library.log"


@dataclass
class TrackerState:
    """`sent` whole lines of the event log are through.

    `sending`: the one that was on its way when this was written, -1 for none; `tries` counts how often it was.
    `key` is a name that the run was given at the service before it was made there, `id` the service's own.
    `steps`: by kind of event, the last epoch that is through. `refused`: lines that the service does not take.
    `closed`: how the run ended there, '' while it goes on.
    """

    key: str = field(default_factory=lambda: secrets.token_hex(16))
    id: str = ""
    place: str = ""
    sent: int = -1  # nothing yet, and where to begin is not known
    sending: int = -1
    tries: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    closed: str = ""

    def save(self, folder: Path) -> None:
        """Write it. Raises WriteError."""
        make_folder(folder)
        write_text(folder / STATE, json.dumps(asdict(self), indent=1) + "\n", durable=False)

    def ids(self) -> dict[str, Any]:
        """What finds the run again at the service."""
        return {"key": self.key, "id": self.id, "place": self.place}


def read_state(folder: Path) -> TrackerState | None:
    """What stands in the folder of a tracker; None for nothing, and for what makes no sense."""
    try:
        found: TrackerState = TypeAdapter(TrackerState).validate_json(read_regular(folder / STATE, MAX_BYTES))
    except (OSError, ValidationError):
        return None
    return found


def is_sent(event: Event | None) -> bool:
    """Whether services get to know of an event."""
    return isinstance(event, SENT) and (
        not isinstance(event, CheckpointSaved) or event.kind.startswith("epoch")
    )  # the others are sent when they are final


def events_behind(folder: RunFolder, name: str) -> int:
    """How many events of a run a tracker has not got."""
    state = read_state(folder.tracker(name)) or TrackerState(sent=0)
    entries = FollowedLog(folder / RunFile.EVENTS).after(max(state.sent, 0))
    return sum(is_sent(entry.event) for entry in entries) + len(state.refused)
