# SPDX-License-Identifier: Apache-2.0
"""A tracker's service that writes down what it gets, and fails as files beside it say; in other processes as well.

`dead`: it takes no call. `hangs`: a call of this name does not return. `refuses`: a call of this name fails.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from boxwright.track.sinks.service import Opened, TrackedRun


class Recording:
    """Its database is one file of lines [call, ...]."""

    def __init__(self, place: Path, *, asks: bool = True, anew: bool = False) -> None:
        self.place, self.asks, self.anew = place, asks, anew
        self.place.mkdir(parents=True, exist_ok=True)

    @property
    def calls(self) -> list[list[Any]]:
        path = self.place / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def steps(self) -> list[int]:
        """The epochs whose numbers arrived, in order."""
        return [call[2] for call in self.calls if call[0] == "numbers" and "train/box_loss" in call[1]]

    def _call(self, name: str, *values: Any) -> None:
        said = {what: (self.place / what).read_text().split() for what in ("hangs", "refuses") if self.has(what)}
        if self.has("dead"):
            raise ConnectionError("nobody answers\nat this address")
        if name in said.get("hangs", ()):
            threading.Event().wait()
        if name in said.get("refuses", ()):
            raise ValueError(f"no {name} here")
        with (self.place / "calls.jsonl").open("a") as file:
            file.write(json.dumps([name, *values]) + "\n")

    def has(self, name: str) -> bool:
        return (self.place / name).exists()

    def open(self, run: TrackedRun) -> Opened:
        self._call("open", run.key, run.id)
        last = max(self.steps(), default=-1) if self.asks else None
        return Opened(run.id or f"id-{run.key}", f"recorded in {self.place}", last, self.anew)

    def config(self, values):
        self._call("config", len(values))

    def numbers(self, values, step, time_s):
        self._call("numbers", values, step, time_s)

    def table(self, name, columns, rows, step):
        self._call("table", name, list(columns), rows, step)

    def picture(self, path, name, step):
        assert path.is_file()
        self._call("picture", name, step)

    def boxes(self, folder, images, names, step):
        assert folder.is_dir()
        self._call("boxes", [image.path for image in images], list(names), step)

    def file(self, path, name, kind, aliases):
        self._call("file", name, kind, list(aliases), path.stat().st_size)

    def close(self, end):
        self._call("close", end)
        return [f"look into {self.place}"]


def program(place: Path) -> str:
    """What a process runs that sends a run there; see `track/sinks/followers.py`."""
    root = str(Path(__file__).parents[2])
    return (
        f"sys.path.append({root!r}); from pathlib import Path; from boxwright.track.follower import main; "
        f"from tests.support.recording_service import Recording; "
        f"make = lambda: Recording(Path({str(place)!r})); main(dict.fromkeys(('mlflow', 'wandb'), make))"
    )
