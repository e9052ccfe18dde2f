# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: its number, and the name of every file in it. Nobody else knows these names.

The number is chosen and the folder made at the last moment, so that a refused run leaves nothing behind.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError
from boxwright.paths import open_regular
from boxwright.system.files import make_folder, previous_of, remove, rename, write_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_RECORD_BYTES = 1 << 20  # of done.json


class RunFile(StrEnum):
    """Every file and folder of a run that has one fixed name, relative to the folder of the run."""

    SETTINGS = "config.yaml"
    OPTIONS = "opt.yaml"
    HYPERPARAMETERS = "hyp.yaml"
    DATA = "data.json"
    CLAIM = "claim.json"
    STARTS = "starts.json"
    DONE = "done.json"
    EVENTS = "events.jsonl"
    ALL_EVENTS = "events.ndjson"  # where that is asked for
    LOG = "run.log"
    RESULTS = "results.csv"
    RESULTS_OF_2020 = "results.txt"
    CLASSES = "classes.jsonl"
    LAST = "weights/last.pt"
    BEST = "weights/best.pt"
    EARLIER_WEIGHTS = "weights_earlier"  # of a run whose folder another one was trained in
    RESULTS_PICTURE = "results.png"
    LABELS_PICTURE = "labels.jpg"
    CORRELOGRAM = "labels_correlogram.jpg"
    CONFUSION = "confusion_matrix.png"
    PR_CURVE = "PR_curve.png"
    FIRST_BATCH = "train_batch0.jpg"
    REPORT = "report.html"
    REPORT_CONTENT = "report.json"
    ERRORS = "errors.jsonl"
    SUSPECTS = "suspects.jsonl"
    LISTS = "lists"
    DEMO_SHEET = "predictions_beside_truth.jpg"
    BUCKET = "bucket.json"  # where it is mirrored to


RECORDS = (RunFile.SETTINGS, RunFile.OPTIONS, RunFile.HYPERPARAMETERS, RunFile.DATA)
# They grow by epochs.
LOGS = (
    RunFile.EVENTS,
    RunFile.ALL_EVENTS,
    RunFile.LOG,
    RunFile.RESULTS,
    RunFile.RESULTS_OF_2020,
    RunFile.CLASSES,
)
OF_REPORT = (RunFile.REPORT, RunFile.REPORT_CONTENT, RunFile.ERRORS, RunFile.SUSPECTS)
_SUFFIXED = (RunFile.RESULTS_OF_2020, RunFile.LAST, RunFile.BEST)  # the name of a run is put behind these
_RECORD: dict[str, tuple[type, ...]] = {
    "reason": (str,),
    "epochs": (int,),
    "hours": (int, float),
    "best_epoch": (int,),
    "best_fitness": (int, float),
    "results": (dict,),
}


def _nobody(_path: Path, _kind: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. `announce` hears of each that was written, with a word for what it is."""

    path: Path
    announce: Callable[[Path, str], None] = _nobody

    def __truediv__(self, name: RunFile) -> Path:
        """Where a file of this name lies, or would lie."""
        return self.path / name

    def __str__(self) -> str:
        return str(self.path)

    def wrote(self, *files: RunFile | Path) -> None:
        """Announce files that are whole now. Those that were not made are passed over."""
        for file in files:
            place = self / file if isinstance(file, RunFile) else file
            if place.is_file():
                self.announce(place, _kind_of(place))

    # -- weights

    @property
    def weights(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "weights"

    def checkpoint(self, kind: str) -> Path:
        """The checkpoint of a kind: last, best, epochN, best_NAME."""
        return self.weights / f"{kind}.pt"

    @property
    def last(self) -> Path:
        """The newest state of a run that is not done."""
        return self / RunFile.LAST

    @property
    def best(self) -> Path:
        """The best weights of a run that is not done."""
        return self / RunFile.BEST

    def stored(self, kind: str) -> Path:
        """Where last or best lie: the trainers of 2020 put the name of a run that is done behind both."""
        return self.weights / f"{kind}{self.suffix}.pt"

    @property
    def suffix(self) -> str:
        """What is put behind names of files in this folder; mostly nothing."""
        before = previous_of(self.last).stem
        found = [path.stem for path in sorted(self.weights.glob("last*.pt")) if path.stem != before]
        return "" if not found or self.last.exists() else found[0].removeprefix("last")

    def backup_of_weights(self, epoch: int) -> Path:
        """Where the weights are copied to before a run goes on behind an epoch."""
        return self.path / f"weights_backup_epoch{epoch}"

    def set_weights_aside(self) -> Path | None:
        """Where the weights of an earlier run in this folder are from now on, if there were any.

        A new one must not be taken for it. Raises WriteError.
        """
        earlier = self / RunFile.EARLIER_WEIGHTS
        if not any(self.weights.glob("*.pt")):
            return None
        remove(earlier)
        rename(self.weights, earlier)
        make_folder(self.weights)
        return earlier

    # -- names of 2020

    def put_behind(self, suffix: str) -> None:
        """Put the name of the run behind the names of its files. Raises WriteError."""
        for place in (self / name for name in _SUFFIXED):
            if suffix and place.exists():
                rename(place, named(place, suffix))

    def take_off(self) -> None:
        """Give the files of a run that goes on their plain names again. Raises WriteError."""
        suffix = self.suffix
        for place in (self / name for name in _SUFFIXED):
            if suffix and named(place, suffix).exists():
                rename(named(place, suffix), place)

    # -- what is made of a run

    def predictions(self, kind: str) -> Path:
        """What weights of a kind found at the end of a run, as COCO results."""
        return self.path / f"{kind}_predictions.json"

    def curve(self, kind: str) -> Path:
        """One of the four curves: PR, P, R, F1."""
        return self.path / f"{kind}_curve.png"

    def train_batch(self, number: int) -> Path:
        """One of the first batches, drawn."""
        return self.path / f"train_batch{number}.jpg"

    def val_batch(self, number: int, what: str) -> Path:
        """A validation batch with its `labels` or its predictions (`pred`)."""
        return self.path / f"val_batch{number}_{what}.jpg"

    def not_finite_batch(self, number: int) -> Path:
        """A batch that was not finite, without the ending of its files."""
        return self.path / f"not_finite_batch{number}"

    def tensorboard(self) -> list[Path]:
        """The event files of TensorBoard."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    def done(self) -> dict[str, Any] | None:
        """The record that the run came to its end; None while it did not. Whatever else bears that name is none."""
        try:
            with open_regular(self / RunFile.DONE) as file:
                found = json.loads(file.read(MAX_RECORD_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        sound = isinstance(found, dict) and all(type(found.get(key)) in kinds for key, kinds in _RECORD.items())
        return found if sound else None


def newest_runs(project: str) -> list[RunFolder]:
    """The runs of a project that several processes began together, newest first."""
    places = sorted(Path(project).glob(f"*/{RunFile.STARTS}"), key=lambda place: place.stat().st_mtime, reverse=True)
    return [RunFolder(place.parent) for place in places]


def named(place: Path, suffix: str) -> Path:
    """A place with the name of the run behind its stem."""
    return place.with_name(f"{place.stem}{suffix}{place.suffix}")


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint belongs to."""
    return checkpoint.parent.parent


def _kind_of(place: Path) -> str:
    """What a file of a run is, in one word."""
    if place.suffix == ".pt":
        return "weights"
    if place.suffix in {".png", ".jpg"}:
        return "picture"
    if place.name in {*RECORDS, RunFile.DONE}:
        return "record"
    if place.name in OF_REPORT:
        return "report"
    return "predictions" if place.stem.endswith("_predictions") else "log"


# -- which folder


def next_folder(project: str, name: str, *, exist_ok: bool, numbering: str) -> Path:
    """The folder a run would get: exp, exp2, exp3, ... or, as in 2020, exp0, exp1, ... with the name behind it."""
    base = Path(project)
    if numbering == "exp0-exp1":
        suffix = f"_{name}" if name else ""
        taken = (
            [int(n) for path in base.glob("exp*") if (n := path.name.removeprefix("exp").split("_")[0]).isdecimal()]
            if _is_folder(base)
            else []
        )
        return base / f"exp{max(taken, default=-1) + 1}{suffix}"
    plain = base / (name or "exp")
    if exist_ok or not _is_taken(plain):
        return plain
    number = 2
    while _is_taken(candidate := plain.with_name(f"{plain.name}{number}")):
        number += 1
    return candidate


def _is_taken(folder: Path) -> bool:
    """Whether something is there.

    A place that may not even be looked at is not taken: making it will say why it cannot be had.
    """
    return os.path.lexists(folder)


def _is_folder(path: Path) -> bool:
    """As Path.is_dir, without an exception for places that may not be looked at or cannot exist."""
    return os.path.isdir(path)  # noqa: PTH112 -- as above


def make_run_folder(folder: Path, *, exist_ok: bool) -> None:
    """Make it with its weights folder. Raises for a place that cannot be written, or one that somebody else took."""
    taken = _is_taken(folder)
    if taken and not folder.is_dir():
        raise SettingError(str(folder), "is a file, and a run needs a folder", "Choose another --project or --name")
    if _is_taken(folder.parent) and not _is_folder(folder.parent):
        raise write_error(folder, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    try:
        if not exist_ok:
            make_folder(folder.parent)
            folder.mkdir()  # of two who try at once, one succeeds
    except FileExistsError:
        raise SettingError(str(folder), "was taken by another run in the meantime", "Start again") from None
    except OSError as error:
        raise write_error(folder, error) from None
    make_folder(RunFolder(folder).weights)


def newest_checkpoint(*projects: str) -> Path | None:
    """The newest state of the run that was written to last, below folders of runs."""
    runs = {run for project in projects for run in _runs(project)}
    found = [path for path in (checkpoint_of(place, "last") for place in sorted(runs)) if _written_at(path)]
    return max(found, key=_written_at, default=None)


def _runs(project: str) -> set[Path]:
    """Folders below another one that hold weights."""
    paths: Iterator[Path] = Path(project).rglob("last*.pt") if _is_folder(Path(project)) else iter(())
    return {run_of(path) for path in paths if path.parent == RunFolder(run_of(path)).weights}


def _written_at(path: Path) -> int:
    """When a state was written, or the one before it where that is all there is; 0 for none."""
    there = [place.stat().st_mtime_ns for place in (path, previous_of(path)) if place.is_file()]
    return there[0] if there else 0


def checkpoint_of(folder: Path, kind: str) -> Path:
    """Where a run keeps its newest state (`last`) or its best weights (`best`), done or not."""
    return RunFolder(folder).stored(kind)
