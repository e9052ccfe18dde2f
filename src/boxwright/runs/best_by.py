# SPDX-License-Identifier: Apache-2.0
"""`--best-by`: a logged number or a weighted sum of them, read before anything is made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.engine.checkpoint import write_checkpoint
from boxwright.engine.state import TrainState
from boxwright.errors import SettingError, nearest
from boxwright.metrics.coco import NAMES
from boxwright.metrics.scores import BestBy
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.system.tensors import is_whole
from boxwright.track.events import LOSS_NAMES
from boxwright.track.sinks.event_log import read_log

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "fitness", "metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"
KNOWN = *OWN, *(f"coco/{name}" for name in NAMES), *(f"val/{name}" for name in LOSS_NAMES)
_TERM = re.compile(r"\s*([+-]?)\s*(?:([0-9.]+)\s*\*)?\s*([A-Za-z][\w/.:]*)\s*")


def best_by(text: str) -> BestBy:
    """What a run is judged by. A loss, of which less is better, takes a minus. Raises SettingError."""
    place = 0
    found: list[tuple[str, float]] = []
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None or (found and not term[1]):
            raise SettingError(
                "--best-by",
                f"'{text[place:]}' is no part of a sum",
                "Write one name, or numbers times names with + or - between them",
            )
        place = term.end()
        if term[3] not in KNOWN:
            near = nearest(term[3], KNOWN)
            raise SettingError(
                "--best-by",
                f"there is no number '{term[3]}'",
                f"Did you mean '{near}'?" if near else f"There is: {', '.join(KNOWN)}",
            )
        found.append((term[3], _weight(term[2]) * (-1 if term[1] == "-" else 1)))
    if not found:
        raise SettingError("--best-by", "nothing is named", f"There is: {', '.join(KNOWN)}")
    return BestBy(tuple(found))


def _weight(text: str | None) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        raise SettingError("--best-by", f"'{text}' is no number", "Write numbers such as 0.5") from None


def kind_of(name: str) -> str:
    """The kind of the checkpoint that is the best by a number of this name."""
    return f"best_{name}"


@dataclass
class KeptBests:
    """`--keep-best`: checkpoints beside best.pt, each the best by a number of its own.

    `values` are the highest so far.
    """

    judges: dict[str, BestBy]
    values: dict[str, float]

    @classmethod
    def of(cls, texts: tuple[str, ...], values: dict[str, float], folder: RunFolder | None) -> KeptBests:
        """What is asked for, and how far a run that goes on had come, as far as its files are in this folder.

        Raises SettingError.
        """
        there = {} if folder is None else {n: v for n, v in values.items() if is_whole(folder.checkpoint(kind_of(n)))}
        return cls({re.sub(r"[^\w.]+", "-", text).strip("-"): best_by(text) for text in texts}, there)

    def improved(self, numbers: Mapping[str, float | None]) -> list[str]:
        """Names of the files whose number has risen; remembers it."""
        found = {name: judge(numbers) for name, judge in self.judges.items()} if numbers else {}
        risen = [name for name, value in found.items() if value > self.values.get(name, float("-inf"))]
        self.values |= {name: found[name] for name in risen}
        return risen


def settle_best(folder: RunFolder, state: TrainState, stored: Checkpoint) -> str:
    """A best counts when it is on the disk: what to say where best.pt is not, or not whole.

    It is made anew where `stored` is of its epoch.

    Otherwise its weights are lost, and the best from here on counts. Raises WriteError.
    """
    path, log = folder.best, read_log(folder / RunFile.EVENTS)
    if state.best_epoch < 0 or is_whole(path) or all(row.epoch != state.best_epoch for row in log.epochs):
        return ""  # the last of them: a best that a run began with, of another one
    what = f"{path} of epoch {state.best_epoch + 1} is {'damaged' if path.exists() else 'gone'}"
    if state.batch == 0 and state.best_epoch == state.epoch - 1:
        write_checkpoint(path, stored)
        folder.wrote(path)
        return f"{what}; it was made anew from the checkpoint of the same epoch"
    state.best_fitness, state.best_epoch = -1.0, -1
    return f"{what}, and its weights with it; the best from here on counts"
