# SPDX-License-Identifier: Apache-2.0
"""A study from a command to its answer: begun or joined, worked on by one process or several, told as it goes."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.config.assemble import resolve_verb
from boxwright.config.flags import read
from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import EvolveVerbSettings, SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS, BoxwrightError
from boxwright.evolution.files import Files
from boxwright.evolution.look import looked_at, repeated
from boxwright.evolution.methods import budget_of, method_of
from boxwright.evolution.overview import Overview, whole_trials
from boxwright.evolution.place import StudyFolder, Where, begun, is_study, ledger_in, study_folder, where_asked
from boxwright.evolution.study_plan import plan_of_study
from boxwright.evolution.trial import PLACE_KEYS, Trainer
from boxwright.evolution.worker import Worker
from boxwright.search.job import Job, Result, Stage
from boxwright.search.ledger import Ledger, Over
from boxwright.search.old_records import read_old
from boxwright.search.ranking import is_old
from boxwright.search.study import StudyPlan
from boxwright.structures.answer import Answer, counted
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore
from boxwright.system.device import device_words, devices_named, usable_cores
from boxwright.system.distributed.ray_tasks import answers_of_tasks
from boxwright.system.files import make_folder, write_bytes
from boxwright.system.worker_processes import attended
from boxwright.track.sinks.epoch_row import clock

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 1.0  # between looks at what other processes have done
NO_PROCESS_HERE = -1  # the command that started a worker runs on another machine
MOST_SHOWN = 100_000  # trials; a study that its budget ends has no number of them
ONE_MORE = 1  # trials of `--evolve 1`, which adds one to whatever is there


@dataclass
class Study:
    """A study as one command works on it. `tell` prints a line."""

    where: Where
    folder: StudyFolder
    ledger: Ledger
    resolved: Resolved[TrainSettings]
    asked: SearchSettings
    tell: Callable[[str], None]
    told: set[str] = field(default_factory=set)  # results that were printed

    @property
    def settings(self) -> TrainSettings:
        """Those of the command: of them, where and how fast to train counts."""
        return self.resolved.settings

    @functools.cached_property
    def files(self) -> Files:
        """What is written from the ledger."""
        return Files(self.folder, self.ledger, draws=not self.asked.worker_of, beside=self.beside)

    @functools.cached_property
    def beside(self) -> BucketStore | None:
        """Where the table lies in a bucket, as it always did: at its root."""
        bucket = self.settings.bucket
        return BucketStore(read_address(bucket, "--bucket")) if bucket and self.where.address else None

    # -- work

    def work(self) -> Answer:
        """Until nothing is left to do; what came of it. KeyboardInterrupt says how to go on."""
        self._lift()
        self.told |= set(self.ledger.results())
        try:
            over = self._worked()
        except KeyboardInterrupt as stop:
            stop.add_note(f"the study goes on with the same command, or with: boxwright evolve {self.where}")
            raise
        self.ledger.look()
        self.files.write(whole=not self.asked.worker_of, reason=over.reason)
        overview = Overview(self.folder, self.ledger, over.reason)
        lines = [] if self.asked.worker_of else [*overview.lines(), "", self.files.closing()]
        code = EXIT_FINDINGS if over.is_stopped else EXIT_DONE
        return Answer(lines, overview.document(), exit_code=code)

    def _worked(self) -> Over:
        count = self.asked.workers_evolve
        if self.settings.engine == "ray":
            on_cpu = self.settings.device.strip().lower() == "cpu"
            words = self._words("cpu" if on_cpu else "", self.settings.threads or 1, NO_PROCESS_HERE)
            work = functools.partial(_worked_elsewhere, str(Path.cwd()), words[1:])
            told = answers_of_tasks(work, count, self.look, LOOK_S, on_cpu=on_cpu)
            self.ledger.look()
            return Over(wrong, is_stopped=True) if (wrong := next(filter(None, told), "")) else self._over()
        if count == 1:
            return self._worker().work()
        code = attended(self._commands(count), self, LOOK_S)
        if code:
            self.ledger.look()
            return Over(f"a worker ended with exit code {code}", is_stopped=True)
        return self._over()

    def _over(self) -> Over:
        """What the ledger says now that all workers have ended."""
        found = self.ledger.take(self._method)
        if isinstance(found, Over):
            return found
        if isinstance(found, Job):
            self.ledger.release(found)
        return Over("workers of this command have ended, and others go on")

    @functools.cached_property
    def _method(self) -> Any:
        return method_of(self.ledger.plan)

    def _worker(self) -> Worker:
        place = {key: getattr(self.settings, key) for key in PLACE_KEYS}
        trainer = Trainer(self.ledger.plan, self.folder.states, place | {"engine": "torch", "quiet": True})
        publish = functools.partial(self.files.write, whole=False)
        return Worker(self.ledger, self._method, trainer, self._tell_result, publish, self.asked.worker_of)

    def _commands(self, count: int) -> list[list[str]]:
        """The command of each worker, with a device and its share of the cores."""
        named = devices_named(self.settings.device)
        words = device_words(self.settings.device, named) if named > 1 else [self.settings.device]
        threads = self.settings.threads or max(usable_cores() // count, 1)
        return [self._words(words[number % len(words)], threads, os.getpid()) for number in range(count)]

    def _words(self, device: str, threads: int, parent: int) -> list[str]:
        kept = {key: getattr(self.settings, key) for key in PLACE_KEYS if key not in {"engine", "workers_ray", "quiet"}}
        own = {**kept, "device": device, "threads": threads, "trials": self.ledger.plan.trials}
        given = {key: value for key, value in own.items() if value is not False and value != ""}
        words = [f"{key}={value}" for key, value in given.items()]
        place = str(self.where.address or self.folder.path.resolve())
        return ["evolve", place, *words, f"project={self.folder.path.parent.resolve()}", f"worker_of={parent}"]

    def _lift(self) -> None:
        """Whoever starts a stopped study again means it."""
        if self.asked.worker_of:
            return
        stop = self.ledger.lift()
        if stop is not None:
            self.tell(f"the study was stopped, and goes on: {stop.reason}")

    # -- told as it goes

    def begun(self, place: int, process: int) -> None:
        """A worker was started."""
        self.tell(f"worker {place} is process {process}")

    def killed(self, place: int, process: int) -> None:
        """A worker was killed; its trial is begun again."""
        self.tell(f"warning: worker {place}, process {process}, was killed; another one takes its place")

    def look(self) -> bool:
        """Tell of results that are new; whether there were any."""
        self.ledger.look()
        fresh = [result for name, result in self.ledger.results().items() if name not in self.told]
        for result in fresh:
            self._tell_result(result)
        if fresh:
            self.files.write(whole=False)
        return bool(fresh)

    def _tell_result(self, result: Result) -> None:
        self.told.add(result.job.name)
        if not self.asked.worker_of:
            self.tell(self._line(result))

    def _line(self, result: Result) -> str:
        """A result in words: what it came to, what is best, and how long the rest takes."""
        whole = [one for one in whole_trials(self.ledger).values() if not is_old(one)]
        best = self.ledger.best()
        job = result.job
        what = "verdict" if job.stage is Stage.VERDICT else "trial"
        short = f" after {counted(job.epochs, 'epoch')}" if job.epochs < job.horizon else ""
        came_to = f"failed, {result.failure}: {result.reason}" if result.is_failed else f"fitness {result.fitness:.4g}"
        parts = [f"{what} {job.name}{short}: {came_to}", f"{result.seconds:.0f} s"]
        if best is not None:
            parts.append(
                "the best so far" if best.job.name == job.name else f"best {best.fitness:.4g} (trial {best.job.name})"
            )
        planned = self.ledger.plan.trials
        parts.append(f"{len(whole)} of {planned} done" if planned <= MOST_SHOWN else f"{len(whole)} done")
        workers = max(len(self.ledger.running()), self.asked.workers_evolve)
        left = Overview(self.folder, self.ledger).left_s(workers)
        return ", ".join([*parts, *([f"about {clock(left)} left"] if left else [])])


def evolve(resolved: Resolved[TrainSettings], asked: SearchSettings, tell: Callable[[str], None]) -> Answer:
    """Work on a study, or look at it, as the settings say."""
    where = where_asked(resolved, asked)
    if asked.repeat:
        return repeated(where, resolved, asked, tell)
    if asked.status or asked.watch:
        return looked_at(where, asked, tell)
    if resolved.settings.dry_run:
        made = plan_of_study(resolved, asked)
        return Answer([*made.lines, _length(made.plan)], made.plan.model_dump(mode="json"), tuple(made.notes))
    return _opened(where, resolved, asked, tell).work()


def _opened(
    where: Where, resolved: Resolved[TrainSettings], asked: SearchSettings, tell: Callable[[str], None]
) -> Study:
    """The study of a command: with its own plan, or with the one that is in the folder."""
    settings = resolved.settings
    if asked.study or (settings.resume and is_study(where)):
        ledger = ledger_in(where)
    else:
        made = plan_of_study(resolved, asked)
        for line in [*resolved.notes, *made.notes]:
            tell(f"warning: {line}")
        for line in made.lines:
            tell(line)
        ledger = begun(where, made.plan)
    ledger.plan = _of_length(ledger, settings, asked)
    make_folder(where.folder)
    place = study_folder(where.folder, ledger.plan)
    study = Study(where, place, ledger, resolved, asked, tell)
    _take_over_old(place, ledger, study.beside, tell)
    if not asked.worker_of:
        tell(f"study in {where}: {len(ledger.results())} results there, {_length(ledger.plan)}")
    return study


def _of_length(ledger: Ledger, settings: TrainSettings, asked: SearchSettings) -> StudyPlan:
    """The plan with the length that this command asks for: a study may become longer."""
    plan = ledger.plan
    ledger.look()
    begun_trials = len({job.trial for job in ledger.taken().values() if job.stage is Stage.TRIAL and job.trial >= 0})
    per_generation = plan.population.size if plan.method == "population" else 1
    if settings.evolve == ONE_MORE and begun_trials:
        return plan.model_copy(update={"trials": begun_trials + per_generation})
    wanted = asked.trials or (settings.evolve or 0) * per_generation
    return plan.model_copy(update={"trials": wanted}) if wanted else plan


def _length(plan: StudyPlan) -> str:
    budget = budget_of(plan)
    return counted(plan.trials, "trial") if budget is None else f"until {budget.amount:g} {budget.unit} were trained"


def _take_over_old(place: StudyFolder, ledger: Ledger, beside: BucketStore | None, tell: Callable[[str], None]) -> None:
    """Rows of an earlier record in the folder, of whatever program, become results of a study that begins there."""
    if ledger.taken():
        return
    if beside is not None and not place.table.exists() and (content := beside.read(place.table.name)) is not None:
        write_bytes(place.table, content)
    found = read_old(place.table, ledger.plan, whole_trials(ledger))
    for note in found.notes:
        tell(f"warning: {note}")
    for result in found.results:
        ledger.record(result)
    if found.results:
        tell(f"{place.table}: {counted(len(found.results), 'earlier trial')} taken over")
        ledger.look()


def _worked_elsewhere(folder: str, words: list[str]) -> str:
    """In a task on another machine: the worker that these words start, and what was wrong with it, ''."""
    try:
        os.chdir(folder)
        line = read("evolve", EvolveVerbSettings, words, reports=False)
        resolved = resolve_verb(EvolveVerbSettings, line.flags, line.words)
        evolve(resolved, resolved.settings.part(SearchSettings), lambda _line: None)
    except BoxwrightError as error:  # Ray cannot send it
        return str(error)
    return ""
