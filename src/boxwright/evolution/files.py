# SPDX-License-Identifier: Apache-2.0
"""What is written from the ledger of a study: the files of its year, its picture and its page. Made anew each time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from boxwright.evolution.overview import Overview, whole_trials
from boxwright.evolution.place import StudyFolder
from boxwright.report.evolve_figure import evolve_figure
from boxwright.report.study_page import study_page
from boxwright.search.finalists import finalists
from boxwright.search.job import Result, Stage
from boxwright.search.ledger import Ledger
from boxwright.search.records import closing_line, course_of, write_records
from boxwright.search.verdict import verdict_of
from boxwright.system.files import write_image, write_text

DRAWN_EVERY_S = 60.0  # while a study goes on


@dataclass
class Files:
    """Writes them. `draws`: picture and page too, which take seconds, so that one of several workers does it."""

    folder: StudyFolder
    ledger: Ledger
    draws: bool = True
    drawn_at: float = float("-inf")

    def write(self, *, whole: bool, reason: str = "") -> None:
        """The tables, and the picture and the page where it is time for them, or when `whole`. Raises WriteError."""
        plan, done = self.ledger.plan, whole_trials(self.ledger)
        winner, said = self._judged()
        write_records(self.folder.path, plan, done, self.folder.form, winner, said)
        if self.draws and (whole or time.monotonic() - self.drawn_at > DRAWN_EVERY_S):
            self._draw(reason)
            self.drawn_at = time.monotonic()

    def _judged(self) -> tuple[Result | None, str]:
        """Who won the verdict, and what it said; nothing before it is whole."""
        plan, done = self.ledger.plan, self.ledger.results()
        if not any(one.job.stage is Stage.VERDICT for one in done.values()):
            return None, ""
        verdict = verdict_of(plan, done)
        if verdict.missing:
            return None, ""
        return finalists(plan, done).get(verdict.winner.trial) if verdict.winner else None, " ".join(verdict.answer())

    def _draw(self, reason: str) -> None:
        plan = self.ledger.plan
        write_text(self.folder.page, study_page(Overview(self.folder, self.ledger, reason).document()), durable=False)
        course = course_of(plan, whole_trials(self.ledger))
        if course.fitness and plan.facts.get("pictures"):
            write_image(self.folder.picture, evolve_figure(course.values, course.fitness, course.best))

    def closing(self) -> str:
        """What came of it, and the command that trains with the best set."""
        return closing_line(self.folder.path, self.ledger.plan, whole_trials(self.ledger), self.folder.form)
