# SPDX-License-Identifier: Apache-2.0
"""The first of several processes works alone at many places: the others wait for it, however long it takes."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import pytest

from boxwright.engine.saving import Saving
from boxwright.runs import build, session, several_processes, training
from boxwright.runs.finish import Ending
from boxwright.runs.pictures import RunPictures
from boxwright.system.distributed import process_group
from boxwright.track.bus import Bus
from boxwright.track.events import EpochEnded, EpochStarted, Event, StepLogged
from tests.support.ranks import commands
from tests.support.runs import Ground

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback
PATIENCE_S = 1.5
LONGER_S = 2.0  # than anybody may be silent, and than an exchange may take
PLACES = {
    "the run of an earlier attempt": (several_processes, "_folder_of"),
    "reading labels": (training, "plan_of"),
    "opening files and trackers": (session, "sinks_of"),
    "filling caches": (session, "training_data"),
    "AutoAnchor": (build, "_fit_anchors"),
    "pictures of labels": (RunPictures, "labels"),
    "the first records": (session, "note_start"),
    "a picture of a batch": (RunPictures, "train_batch"),
    "saving": (Saving, "__call__"),
    "the last pictures and the page": (Ending, "finish"),
    "closing files and trackers": (Bus, "close"),
}
EVENTS = (EpochStarted, StepLogged, EpochEnded)


def busy(places: list[str], events: tuple[type[Event], ...], log: Path) -> None:
    """From now on this process takes long at each of these places, and to tell each of these events, once."""

    def slowly(name: str, work):
        @functools.wraps(work)
        def slow(*values, **named):
            if name not in log.read_text().splitlines():
                with log.open("a") as file:
                    file.write(f"{name}\n")
                threading.Event().wait(LONGER_S)
            return work(*values, **named)

        return slow

    log.touch()
    for name in places:
        owner, function = PLACES[name]
        setattr(owner, function, slowly(name, getattr(owner, function)))
    hand_over = Bus._hand_over
    Bus._hand_over = lambda bus, event: (
        slowly(type(event).__name__, hand_over) if isinstance(event, events) else hand_over
    )(bus, event)


@pytest.mark.parametrize(
    ("places", "events"),
    [(list(PLACES)[:6], ()), (list(PLACES)[6:], ()), ([], EVENTS)],
    ids=["before the run", "in the run and at its end", "telling"],
)
def test_the_first_process_may_take_longer_than_patience_wherever_it_works_alone(tmp_path, places, events):
    ground, log = Ground.laid(tmp_path / "ground"), tmp_path / "log"

    def arm(rank: int) -> None:
        process_group.HARD_FACTOR, process_group.START_S = 1, 0  # an exchange may take as long as anybody may be silent
        if rank == 0:
            busy(places, events, log)

    more = () if places else ("--noplots",)
    words = ground.words(tmp_path / "runs", "--amp", "off", "--rank-timeout", str(PATIENCE_S), *more, epochs=1)
    found = commands(2, words, arm)
    assert [one.code for one in found] == [0, 0], found
    assert sorted(log.read_text().splitlines()) == sorted([*places, *(event.__name__ for event in events)])
