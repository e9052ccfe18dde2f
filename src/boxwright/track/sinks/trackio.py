# SPDX-License-Identifier: Apache-2.0
"""Trackio: a database of this machine at TRACKIO_DIR or its usual place, or the server that the environment names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.system.tracker_environment import named, tell_library
from boxwright.track.events import ShownImage
from boxwright.track.sinks.service import Opened, TrackedRun, plain
from boxwright.track.sinks.shown_images import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROBE = "train/box_loss"  # every epoch has it
KEY_LETTERS = 8  # of the key, which make the name of a run the only one of its kind


class Trackio:
    """A run of a project. A thread of the library writes what is logged; the end looks whether it is there."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin or go on, by the name."""
        tell_library({"HF_HUB_DISABLE_TELEMETRY": "1"})
        import trackio  # noqa: PLC0415 -- an extra that takes seconds

        self.trackio, self.tracked, self.last, self.settings = trackio, run, -1, dict[str, Any]()
        self.name, self.project = f"{run.name}-{run.key[:KEY_LETTERS]}", named("TRACKIO_PROJECT") or run.project
        self.remote = bool(named("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"))
        self.run = trackio.init(
            project=self.project,
            name=self.name,
            config=plain(run.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        place = f"run {self.name}; `trackio show --project {self.project}` shows it"
        if self.remote:
            return Opened(self.name, place)
        return Opened(self.name, f"{place}, from {trackio.TRACKIO_DIR}", self._last_step())

    def _last_step(self) -> int:
        rows = self.trackio.SQLiteStorage.get_metric_values(self.project, self.name, PROBE)
        return max((int(row["step"]) for row in rows), default=-1)

    def config(self, values: dict[str, Any]) -> None:
        """It went with the opening; a new value of a run that goes on is kept beside it."""
        known = plain(self.tracked.settings)
        changed = {f"changed.{key}": value for key, value in plain(values).items() if known.get(key, value) != value}
        self.run.config.update(changed)

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:  # noqa: ARG002 -- it has its own clock
        """Numbers of an epoch."""
        self.run.log(dict(values), step=step)
        self.last = max(self.last, step if PROBE in values else -1)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table of the service's own."""
        table = self.trackio.Table(columns=list(columns), data=[list(row) for row in rows])
        self.run.log({f"tables/{name}": table}, step=step)

    def picture(self, path: Path, name: str, step: int) -> None:
        """A picture."""
        self.run.log({f"pictures/{name}": self.trackio.Image(str(path), caption=name)}, step=step)

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:  # noqa: ARG002
        """The service has no boxes: pictures with them drawn."""
        shown = {
            f"boxes/{number:02}": self.trackio.Image(drawn(folder, image), caption=image.path)
            for number, image in enumerate(images)
        }
        self.run.log(shown, step=step)

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """A version of an artifact: one for the weights of a run, one for each record."""
        stem = "model" if kind == "model" else name
        found = self.trackio.Artifact(f"{self.name}-{stem}".replace("/", "-"), type=kind)
        found.add_file(str(path), name=name)
        self.run.log_artifact(found, aliases=[one.replace(" ", "-") for one in aliases if one != "latest"])

    def close(self, end: str) -> list[str]:
        """Wait until it is written. Raises OSError when it is not."""
        self.run.log({"end": end}, step=max(self.last, 0))
        self.run.finish()
        if not self.remote and self._last_step() < self.last:
            raise OSError(f"epochs up to {self._last_step() + 1} of {self.last + 1} are in the database")
        return []
