# SPDX-License-Identifier: Apache-2.0
"""What a training came to, for programs and, in a notebook, for people."""

from __future__ import annotations

import base64
import html
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.errors import EXIT_DONE
from boxwright.paths import read_regular
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = ("folder", "best", "last")
MAX_PICTURE_BYTES = 8 << 20  # of the curves that are shown inline


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training came to.

    `results` are the last validation's, by key; `fitness` that of the weights that count, None before any validation.
    """

    results: dict[str, float | None]
    fitness: float | None
    epochs_done: int
    ended: Ended
    reason: str  # of the end, in words
    exit_code: int = EXIT_DONE  # of the command
    is_told: bool = False  # whether a process that was started for it has printed it


@dataclass(frozen=True, kw_only=True)
class TrainResult(Trained):
    """The same for a run that has a folder: where it lies, its best weights and its last state."""

    folder: Path
    best: Path
    last: Path

    def document(self) -> dict[str, Any]:
        """As another process gets it."""
        places = {key: str(getattr(self, key)) for key in PLACES}
        return {**asdict(self), **places, "ended": self.ended.name}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> TrainResult:
        """The same in a process that was told. That one has nothing to print."""
        places = {key: Path(document[key]) for key in PLACES}
        return cls(**{**document, **places, "ended": Ended[document["ended"]], "is_told": True})

    def _repr_html_(self) -> str:
        """A table of the numbers, the places and the curves, as notebooks show it."""
        numbers = [(key, f"{value:.4g}") for key, value in self.results.items() if value is not None]
        fitness = [] if self.fitness is None else [("fitness", f"{self.fitness:.4g}")]
        places = [
            (name, str(path)) for name, path in (("folder", self.folder), ("best", self.best), ("last", self.last))
        ]
        rows = [("ended", f"{self.reason}, {self.epochs_done} epochs"), *fitness, *numbers, *places]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<table>{cells}</table>{self._curves()}"

    def _curves(self) -> str:
        """The curves of the run as a picture within the page; nothing where none were drawn."""
        try:
            content = read_regular(RunFolder(self.folder) / RunFile.RESULTS_PICTURE, MAX_PICTURE_BYTES)
        except OSError:
            return ""
        return f'<img alt="curves of the run" src="data:image/png;base64,{base64.b64encode(content).decode("ascii")}">'
