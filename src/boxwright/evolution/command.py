# SPDX-License-Identifier: Apache-2.0
"""A study from a command to its answer: begun or joined, worked on by one process or several, told as it goes."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.config.assemble import resolve_verb
from boxwright.config.flags import read
from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import EvolveVerbSettings, SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS, BoxwrightError
from boxwright.evolution.files import Files
from boxwright.evolution.look import looked_at, repeated
from boxwright.evolution.methods import method_of
from boxwright.evolution.opening import length, opened
from boxwright.evolution.overview import Overview
from boxwright.evolution.place import StudyFolder, Where, where_asked
from boxwright.evolution.progress import line_of
from boxwright.evolution.study_plan import plan_of_study
from boxwright.evolution.trial import PLACE_KEYS, Trainer
from boxwright.evolution.worker import Worker
from boxwright.search.job import Method, Result
from boxwright.search.ledger import Ledger, Over
from boxwright.structures.answer import Answer
from boxwright.system.device import device_words, devices_named, usable_cores
from boxwright.system.distributed.ray_tasks import answers_of_tasks
from boxwright.system.worker_processes import attended

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 1.0  # between looks at what other processes have done
NO_PROCESS_HERE = -1  # the command that started a worker runs on another machine


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
        return Files(self.folder, self.ledger, draws=not self.asked.worker_of, beside=self.where.root)

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
        is_over = self._method.is_over(self.ledger.results())
        overview = Overview(self.folder, self.ledger, over.reason, is_over=is_over)
        self.files.write(overview, whole=not self.asked.worker_of)
        lines = [] if self.asked.worker_of else [*overview.lines(), "", self.files.closing(overview)]
        code = EXIT_FINDINGS if over.is_stopped else EXIT_DONE
        return Answer(lines, overview.document(), exit_code=code)

    def _worked(self) -> Over:
        count = self.asked.workers_evolve
        if self.settings.engine == "ray":
            on_cpu = self.settings.device.strip().lower() == "cpu"
            words = self._words("cpu" if on_cpu else "", self.settings.threads or 1, NO_PROCESS_HERE)
            work = functools.partial(_worked_elsewhere, str(Path.cwd()), words[1:])
            told = answers_of_tasks(work, count, self.look, LOOK_S, on_cpu=on_cpu)
            return Over(wrong, is_stopped=True) if (wrong := next(filter(None, told), "")) else self._over()
        if count == 1:
            return self._worker().work()
        code = attended(self._commands(count), self, LOOK_S)
        if code:
            return Over(f"a worker ended with exit code {code}", is_stopped=True)
        return self._over()

    def _over(self) -> Over:
        """How the study stands now that all workers of this command have ended."""
        self.ledger.look()
        stop, done = self.ledger.stopped(), self.ledger.results()
        if stop is not None:
            return Over(stop.reason, is_stopped=True)
        if self._method.is_over(done):
            return Over(f"the study is done: {len(done):,} results")
        return Over("the workers of this command have ended, and others go on")

    @functools.cached_property
    def _method(self) -> Method:
        return method_of(self.ledger.plan)

    def _worker(self) -> Worker:
        place = {key: getattr(self.settings, key) for key in PLACE_KEYS}
        trainer = Trainer(self.ledger.plan, self.folder.states, place | {"engine": "torch", "quiet": True})
        return Worker(self.ledger, self._method, trainer, self._tell_result, self._publish, self.asked.worker_of)

    def _publish(self) -> None:
        """Write what is made of the results that are known."""
        self.files.write(Overview(self.folder, self.ledger), whole=False)

    def _commands(self, count: int) -> list[list[str]]:
        """The command of each worker, with a device and its share of the cores."""
        named = devices_named(self.settings.device)
        words = device_words(self.settings.device, named) if named > 1 else [self.settings.device]
        threads = self.settings.threads or max(usable_cores() // count, 1)
        return [self._words(words[number % len(words)], threads, os.getpid()) for number in range(count)]

    def _words(self, device: str, threads: int, parent: int) -> list[str]:
        kept = {key: getattr(self.settings, key) for key in PLACE_KEYS if key not in {"engine", "workers_ray", "quiet"}}
        own = {**kept, "device": device, "threads": threads}
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
            self._publish()
        return bool(fresh)

    def _tell_result(self, result: Result) -> None:
        self.told.add(result.job.name)
        if not self.asked.worker_of and not self.settings.quiet:
            self.tell(line_of(result, self.ledger, self.asked.workers_evolve))


def evolve(resolved: Resolved[TrainSettings], asked: SearchSettings, tell: Callable[[str], None]) -> Answer:
    """Work on a study, or look at it, as the settings say."""
    where = where_asked(resolved, asked)
    if asked.repeat:
        return repeated(where, resolved, asked, tell)
    if asked.status or asked.watch:
        return looked_at(where, asked, tell)
    if resolved.settings.dry_run:
        made = plan_of_study(resolved, asked)
        return Answer([*made.lines, length(made.plan)], made.plan.model_dump(mode="json"), tuple(made.notes))
    place, ledger = opened(where, resolved, asked, tell)
    return Study(where, place, ledger, resolved, asked, tell).work()


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
