# SPDX-License-Identifier: Apache-2.0
"""One trial: a training without folder, pictures or checkpoints, validated at its end, and what it came to.

Where trials are halved, a training ends early on the schedule of the whole one, and its state is kept to go on from.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from boxwright.config.load import Resolved
from boxwright.config.origin import Origin, Source
from boxwright.config.schema.train import TrainSettings
from boxwright.engine.checkpoint import write_checkpoint
from boxwright.engine.finite import NotFiniteError
from boxwright.errors import DataError, ModelError, SettingError, UserError, WeightsError
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.session import session
from boxwright.search.evolve_table import RESULTS
from boxwright.search.job import Job, Result
from boxwright.search.study import StudyPlan
from boxwright.system.device import is_out_of_memory, release_memory
from boxwright.system.files import make_folder, remove
from boxwright.track.bus import Delivery
from boxwright.track.events import EpochEnded, EpochTrained, Event, RunStarted, StepLogged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OF_THE_STUDY = Source(Origin.FILE, "plan of the study")
LONGEST_REASON = 300  # characters
SUFFIX = ".pt"  # of a state
# Where and how fast a trial trains; all else is the same everywhere.
PLACE_KEYS = ("device", "threads", "workers", "cache", "kernels", "quiet", "console", "engine", "workers_ray")
# What a trial has none of, whatever was asked for.
NOTHING_KEPT = {
    "evolve": None,
    "evolve_population": "",
    "resume_evolve": "",
    "resume": False,
    "nosave": True,
    "noplots": True,
    "keep_best": (),
    "save_period": -1,
    "time": 0.0,
    "processes": 0,
    "result_file": "",
    "bucket": "",
    "track": "",
    "ndjson_console": False,
    "ndjson_file": False,
    "allow_download": False,  # the study has fetched it
    "final_val": "none",
}
# A fault of a set of hyperparameters, or of the data; anything else is one of the machine, and ends the worker.
_KINDS: dict[type[BaseException], str] = {
    NotFiniteError: "not finite",
    DataError: "data",
    WeightsError: "weights",
    ModelError: "network",
    SettingError: "settings",
}


def settings_of(plan: StudyPlan, job: Job, place: Mapping[str, Any]) -> TrainSettings:
    """What a job is trained with. `place` are settings of this worker: device, threads, loader threads.

    Raises SettingError for values that no training can have.
    """
    whole = {**plan.settings, **NOTHING_KEPT, **job.values, "epochs": job.horizon, "seed": job.seed}
    is_halved = plan.method == "search"
    judged = {"noval": not is_halved, "patience": 0 if is_halved else whole.get("patience", 0)}
    return checked({**whole, **judged, **place}, f"trial {job.name}")


def checked(values: Mapping[str, Any], where: str) -> TrainSettings:
    """Settings as a file of a study has them. Raises SettingError for what is none."""
    try:
        return TrainSettings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        remedy = "Go on with the version that wrote it, or begin a new study"
        raise SettingError(where, f"{key}: {first['msg'].lower()}", remedy) from None


def hash_of(settings: Mapping[str, Any]) -> str:
    """Of everything that a number depends on: two trainings with the same hash come to the same."""
    counted = {key: value for key, value in settings.items() if key not in PLACE_KEYS}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()


def expected_hash(plan: StudyPlan, job: Job) -> str:
    """The hash of the settings that a job asks for; '' of values that no training can have."""
    try:
        return hash_of(settings_of(plan, job, {}).model_dump(mode="json"))
    except SettingError:
        return ""


class _Listener:
    """Hears what a training really trains with, how far it is, and how fit it was at the end of its last epoch."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.fitness: float | None = None
        self.mark = "opening data"

    def handle(self, event: Event) -> None:
        """Note it."""
        if isinstance(event, RunStarted):
            self.settings = event.settings
        if isinstance(event, StepLogged):
            self.mark = f"epoch {event.epoch + 1} of {event.epochs}, batch {event.batch + 1} of {event.batches}"
        if isinstance(event, EpochTrained):
            self.mark = f"validating epoch {event.epoch + 1}"
        if isinstance(event, EpochEnded):
            self.fitness = event.fitness

    def close(self) -> None:
        """Nothing is open."""


class _EndsAt:
    """Asks for a stop behind so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.stop_requested = ""

    def on_fit_epoch_end(self, _values: object, epoch: int, _best: float, _fitness: float | None) -> None:
        """An epoch is through, validated."""
        if epoch + 1 >= self.epochs:
            self.stop_requested = f"{self.epochs} epochs of this trial are trained"


@dataclass
class Trainer:
    """Trains the jobs of a study. `states` is where those of halved trials lie; `place` are settings of this worker."""

    plan: StudyPlan
    states: Path
    place: Mapping[str, Any]
    heard: _Listener = field(default_factory=_Listener)

    def mark(self) -> str:
        """How far the training is."""
        return self.heard.mark

    def train(self, job: Job, *, keeps_state: bool = True) -> Result:
        """What a job comes to. A failure of its own making is a result too; one of the machine is raised.

        `keeps_state`: of one that ends early, to be gone on with.
        """
        began = time.monotonic()
        self.heard = heard = _Listener()
        try:
            results = self._trained(job, heard, keeps_state=keeps_state)
        except tuple(_KINDS) as error:
            kind = next(word for cause, word in _KINDS.items() if isinstance(error, cause))
            return self._failed(job, kind, str(error), began, heard)
        except UserError:
            raise  # a device that is not there, a place that cannot be written
        except Exception as error:
            if not is_out_of_memory(error) and not isinstance(error, MemoryError):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            return self._failed(job, "out of memory", reason, began, heard)
        if heard.fitness is None or not math.isfinite(heard.fitness):
            return self._failed(job, "not finite", f"its fitness is {heard.fitness}", began, heard)
        seconds, numbers = time.monotonic() - began, {key: results.get(key) for key in RESULTS}
        return Result(job, heard.fitness, numbers, plan_hash=hash_of(heard.settings), seconds=seconds)

    def _failed(self, job: Job, kind: str, reason: str, began: float, heard: _Listener) -> Result:
        seconds = time.monotonic() - began
        told = reason[:LONGEST_REASON]
        said = hash_of(heard.settings) if heard.settings else expected_hash(self.plan, job)  # it was never begun
        return Result(job, 0.0, failure=kind, reason=told, plan_hash=said, seconds=seconds)

    def _trained(self, job: Job, heard: _Listener, *, keeps_state: bool) -> dict[str, float | None]:
        settings = settings_of(self.plan, job, self.place)
        resolved = Resolved(settings, dict.fromkeys(type(settings).model_fields, OF_THE_STUDY))
        plan = self._plan(resolved, job)
        ends_early = job.epochs < job.horizon
        observers, keeps = [_EndsAt(job.epochs)] if ends_early else [], ends_early and keeps_state
        with session(plan, sinks=[heard], observers=observers, keeps_state=keeps) as run:
            came_to = run.train()
            if run.state is not None:
                make_folder(self.states)
                write_checkpoint(self._state_of(job.name), run.state)
        if job.goes_on_from:
            remove(self._state_of(job.goes_on_from))
        release_memory(plan.device)
        return came_to.results

    def _plan(self, resolved: Resolved[TrainSettings], job: Job) -> TrainPlan:
        """The plan of a training, from where the job goes on; from its beginning where that state is gone."""
        place = self._state_of(job.goes_on_from)
        if not job.goes_on_from or not place.is_file():
            return plan_of(resolved, None)
        try:
            found: OpenWeights = open_weights(str(place))
        except WeightsError:
            remove(place)  # damaged; the same bits come of training it again
            return plan_of(resolved, None)
        return replace(plan_of(resolved, found), replanned=False)

    def _state_of(self, name: str) -> Path:
        """Where a job's state is kept."""
        return (self.states / name).with_suffix(SUFFIX)
