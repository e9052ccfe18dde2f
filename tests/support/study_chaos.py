# SPDX-License-Identifier: Apache-2.0
"""A study by many processes of which one after the other is killed or frozen, for real."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from boxwright.search.heartbeat import Heartbeat
from boxwright.search.ledger import Ledger, Over, Wait
from boxwright.search.plan_file import begin_study
from boxwright.search.store import FolderStore
from boxwright.system.owner import Owner
from tests.support.study import HASH, NextNumber, is_as_made, plan_of, result_of

if TYPE_CHECKING:
    from pathlib import Path

    from boxwright.search.study import StudyPlan

STOPPED = 3  # exit code of a worker who found the study stopped
BEST = "best.json"


@dataclass
class Chaos:
    """So many trials by so many processes, with troubles spread over all of them. `work_s`: what a training takes.

    There are never more processes than `workers`, frozen ones among them.
    """

    folder: Path
    trials: int
    workers: int
    kills: int = 0
    freezes: int = 0
    lease_s: float = 1.5
    work_s: float = 0.01
    limit_s: float = 300.0
    seed: int = 0
    told: Counter[str] = field(default_factory=Counter)  # what happened, in words
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.study, self.notes = self.folder / "study", self.folder / "notes"
        self.notes.mkdir(parents=True)
        self.living: set[int] = set()
        self.frozen: dict[int, float] = {}  # those of them that stand still -> until when

    def run(self) -> list[str]:
        """To the end of the study; everything that is wrong with it, in words."""
        began = time.monotonic()
        plan = begin_study(FolderStore(self.study), plan_of(self.trials))
        wrong: list[str] = []
        try:
            while len(self.living) < self.workers:
                self._start(plan)
            while self.living:
                self._wake()
                self._bury(plan)
                self._trouble(plan)
                if time.monotonic() - began > self.limit_s:
                    wrong.append(f"not at its end after {self.limit_s} s")
                    break
                time.sleep(self.draw.uniform(0.001, 0.02))
        finally:
            for child in self.living:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        self.seconds = time.monotonic() - began
        return wrong + self._verdict(plan)

    # -- processes

    def _start(self, plan: StudyPlan) -> None:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = self._work(plan)
            except BaseException:  # noqa: BLE001 -- a child has to end here
                traceback.print_exc()
            finally:
                os._exit(code)
        self.living.add(child)
        self.told["workers"] += 1

    def _work(self, plan: StudyPlan) -> int:
        owner = Owner.myself()
        if os.getpid() % 2:  # every other one seems to be on another machine: the others see its signs of life alone
            owner = replace(owner, boot="another machine")
        ledger = Ledger(FolderStore(self.study), plan, owner=owner, lease_s=self.lease_s, beat_s=self.lease_s / 5)
        note = os.open(self.notes / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        method, draw = NextNumber(plan), random.Random(os.getpid())
        while not isinstance(found := ledger.take(method), Over):
            if isinstance(found, Wait):
                time.sleep(found.seconds / 2)
                continue
            with Heartbeat(ledger, found, lambda: str(time.monotonic_ns())):
                time.sleep(draw.uniform(0.5, 1.5) * self.work_s)
            result = result_of(found)
            if ledger.finish(result, HASH):
                os.write(note, f"{found.name} {result.fitness!r}\n".encode())  # it was told that its result counts
            ledger.publish(BEST, lambda: self._best(ledger))
        return STOPPED if found.is_stopped else 0

    @staticmethod
    def _best(ledger: Ledger) -> bytes:
        best = ledger.best()
        return b"" if best is None else f"{best.job.name} {best.fitness!r}".encode()

    def _bury(self, plan: StudyPlan) -> None:
        for child in self.living - set(self.frozen):
            pid, status = os.waitpid(child, os.WNOHANG)
            if not pid:
                continue
            self.living.remove(child)
            code = os.waitstatus_to_exitcode(status)
            if code == STOPPED:
                self.told["stops"] += 1
                Ledger(FolderStore(self.study), plan).lift()
                self._start(plan)
            elif code:
                raise AssertionError(f"a worker ended with {code}")

    def _trouble(self, plan: StudyPlan) -> None:
        left = self.kills + self.freezes - self.told["kills"] - self.told["freezes"]
        if not left or not self.living:
            return
        done = len(FolderStore(self.study).names("results/"))
        if self.told["kills"] + self.told["freezes"] >= (self.kills + self.freezes) * (done + 1) / (0.95 * self.trials):
            return
        moving = sorted(self.living - set(self.frozen))
        if not moving:
            return
        freezes, child = self.freezes - self.told["freezes"], self.draw.choice(moving)
        if self.draw.randrange(left) < freezes:
            if 4 * len(self.frozen) < self.workers:
                os.kill(child, signal.SIGSTOP)
                self.frozen[child] = time.monotonic() + self.draw.uniform(0.5, 2.5) * self.lease_s
                self.told["freezes"] += 1
                return
            if freezes == left:
                return
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)  # gone before another one comes
        self.living.remove(child)
        self.told["kills"] += 1
        self._start(plan)

    def _wake(self) -> None:
        for child, until in list(self.frozen.items()):
            if until < time.monotonic():
                os.kill(child, signal.SIGCONT)
                del self.frozen[child]

    # -- what is left

    def _verdict(self, plan: StudyPlan) -> list[str]:
        ledger = Ledger(FolderStore(self.study), plan)
        ledger.look()
        done, wrong = ledger.results(), []
        notes = [line.split() for path in self.notes.iterdir() for line in path.read_text().splitlines()]
        told = Counter(name for name, _ in notes)
        lost = [name for name, fitness in notes if name not in done or done[name].fitness != float(fitness)]
        doubled = [name for name, count in told.items() if count > 1]
        other = [name for name, one in done.items() if not is_as_made(one, done)]
        missing = set(range(self.trials)) ^ {one.job.trial for one in done.values()}
        best = max((one for one in done.values() if not one.is_failed), key=lambda one: (one.fitness, -one.job.trial))
        self.told.update(
            results=len(done),
            acknowledged=len(notes),
            claims=len(FolderStore(self.study).names("claims/")),
            given_up=sum(one.is_failed for one in done.values()),
            lost=len(lost),
            doubled=len(doubled),
            damaged=len(ledger.damaged()),
            other_values=len(other),
        )
        wrong += [f"{what}: {found}" for what, found in (("lost", lost), ("doubled", doubled)) if found]
        wrong += [f"not the trial that its file says: {other}"] if other else []
        wrong += [f"missing or too many: {sorted(missing)}"] if missing or len(done) != self.trials else []
        wrong += [f"damaged: {ledger.damaged()}"] if ledger.damaged() else []
        if ledger.best() != best or FolderStore(self.study).read(BEST) != self._best(ledger):
            wrong.append("the best is not the highest")
        return wrong
